//! Label and field selectors as they stand in URLs.

use kubering::object::selector::FieldSelector;
use kubering::object::selector::LabelSelector;

/// What was parsed prints as something that parses to the same.
pub(crate) fn run(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(selector) = LabelSelector::parse(text) {
        let printed = selector.to_string();
        let again = LabelSelector::parse(&printed).expect("our own selector");
        assert_eq!(again, selector, "{printed:?}");
        let everything = selector.matches(|_| None) && selector.matches(|_| Some("a"));
        assert!(everything || !selector.is_everything());
    }
    if let Ok(selector) = FieldSelector::parse(text) {
        let printed = selector.to_string();
        let again = FieldSelector::parse(&printed).expect("our own selector");
        assert_eq!(again, selector, "{printed:?}");
        let _ = selector.matches(|_| Some("x"));
    }
}
