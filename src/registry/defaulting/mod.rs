//! Defaults, kind by kind, that depend on other fields (constants are data: `catalog::defaults`)
//! as `SetDefaults_*` upstream. Every function is idempotent: what is set stays.

pub mod cluster;
pub mod core;
pub mod image;
pub mod pod_spec;
pub mod volume;
pub mod workload;

use crate::object::Map;
use crate::object::Value;
use crate::object::quantity::Quantity;

/// Setting members of a map that are not set.
pub(crate) trait Fill<'a> {
    /// Sets a string that is missing or "".
    fn fill_text(&mut self, name: &'static str, text: &'static str);
    /// Sets an integer that is missing (a Go pointer).
    fn fill_int(&mut self, name: &'static str, number: i64);
    /// Sets an integer that is missing or 0.
    fn fill_nonzero(&mut self, name: &'static str, number: i64);
    /// Sets a boolean that is missing (a Go pointer).
    fn fill_flag(&mut self, name: &'static str, flag: bool);
    /// Sets a member that is missing or null.
    fn fill(&mut self, name: &'static str, make: impl FnOnce() -> Value<'a>);
    /// True if the member is missing, null or "".
    fn lacks(&self, name: &str) -> bool;
    /// The map under `name`.
    fn map_mut(&mut self, name: &str) -> Option<&mut Map<'a>>;
    /// The maps in the list under `name`.
    fn maps_mut<'m>(&'m mut self, name: &str) -> impl Iterator<Item = &'m mut Map<'a>>
    where
        'a: 'm;
}

impl<'a> Fill<'a> for Map<'a> {
    fn fill_text(&mut self, name: &'static str, text: &'static str) {
        if self.lacks(name) {
            self.insert(name, Value::Str(text));
        }
    }

    fn fill_int(&mut self, name: &'static str, number: i64) {
        self.fill(name, || Value::Int(number));
    }

    fn fill_nonzero(&mut self, name: &'static str, number: i64) {
        if self.get(name).is_none_or(Value::is_empty) {
            self.insert(name, Value::Int(number));
        }
    }

    fn fill_flag(&mut self, name: &'static str, flag: bool) {
        self.fill(name, || Value::Bool(flag));
    }

    fn fill(&mut self, name: &'static str, make: impl FnOnce() -> Value<'a>) {
        if self.get(name).is_none_or(Value::is_null) {
            self.insert(name, make());
        }
    }

    fn lacks(&self, name: &str) -> bool {
        self.get(name).is_none_or(|value| value.is_null() || value.as_str() == Some(""))
    }

    fn map_mut(&mut self, name: &str) -> Option<&mut Self> {
        self.get_mut(name).and_then(Value::as_map_mut)
    }

    fn maps_mut<'m>(&'m mut self, name: &str) -> impl Iterator<Item = &'m mut Self>
    where
        'a: 'm,
    {
        let list = self.get_mut(name).and_then(Value::as_list_mut);
        list.into_iter().flat_map(|list| list.iter_mut()).filter_map(Value::as_map_mut)
    }
}

/// `SetDefaults_ResourceList`: rounds quantities up to thousandths. `list` is the map under `name`.
pub(crate) fn round_resources(owner: &mut Map<'_>, name: &str) {
    let Some(list) = owner.map_mut(name) else { return };
    let arena = list.arena();
    for (_, value) in list.iter_mut() {
        let Some(text) = value.as_str() else { continue };
        // Only these can be finer than a thousandth; the rest needs no parsing.
        if !text.contains('.') && !text.ends_with(['u', 'n']) && !text.contains("e-") {
            continue;
        }
        if let Ok(quantity) = Quantity::parse(text) {
            let rounded = quantity.round_up_milli();
            if rounded != quantity {
                *value = Value::str_in(&rounded.to_string(), arena);
            }
        }
    }
}
