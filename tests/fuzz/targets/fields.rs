//! Texts inside objects: managed fields, quantities, times, durations.

use bumpalo::Bump;
use kubering::base::duration;
use kubering::codec::scalar;
use kubering::object::fieldset::FieldSet;
use kubering::object::quantity::Quantity;

/// What was parsed prints as something that prints the same again.
pub(crate) fn run(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let arena = Bump::new();
    if let Ok(set) = FieldSet::parse(text, &arena) {
        let mut printed = String::new();
        set.push_json(&mut printed);
        let mut again = String::new();
        FieldSet::parse(&printed, &arena).expect("our own field set").push_json(&mut again);
        assert_eq!(again, printed);
    }
    if let Ok(quantity) = Quantity::parse(text) {
        let printed = quantity.text(text).into_owned();
        let again = Quantity::parse(&printed).expect("our own quantity");
        assert_eq!(again.text(&printed), printed);
        let _ = (quantity.value(), quantity.milli_value(), quantity.add(&again));
    }
    if let Ok(nanos) = duration::parse(text) {
        let printed = duration::text(nanos);
        assert_eq!(duration::parse(&printed), Ok(nanos), "{printed}");
    }
    for layout in [scalar::time::Layout::Seconds, scalar::time::Layout::Micro] {
        if let Ok(instant) = scalar::time::parse(text, layout) {
            let mut printed = Vec::new();
            scalar::time::write(instant, layout, &mut printed);
            let printed = String::from_utf8(printed).expect("ASCII");
            let again = scalar::time::parse(&printed, layout).expect("our own time");
            let mut twice = Vec::new();
            scalar::time::write(again, layout, &mut twice);
            assert_eq!(String::from_utf8(twice).expect("ASCII"), printed);
        }
    }
}
