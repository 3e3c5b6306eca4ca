//! The descriptions of types and fields: static text that the build script takes from the doc
//! comments of the `k8s-openapi` crate. Nothing is copied at run time: the texts are file-backed
//! pages of the binary.

/// Definition name, its description, and the fields' descriptions by JSON name; sorted.
type TypeDoc = (&'static str, &'static str, &'static [(&'static str, &'static str)]);

include!(concat!(env!("OUT_DIR"), "/docs.rs"));

/// What a type is for; `definition` as `io.k8s.api.core.v1.Pod`. "" if nothing is known.
pub fn of_type(definition: &str) -> &'static str {
    find(definition).map_or("", |(_, text, _)| text)
}

/// What a field is for; `field` is the JSON name. "" if nothing is known.
pub fn of_field(definition: &str, field: &str) -> &'static str {
    let Some((_, _, fields)) = find(definition) else { return "" };
    match fields.binary_search_by(|(name, _)| (*name).cmp(field)) {
        Ok(at) => fields.get(at).map_or("", |(_, text)| text),
        Err(_) => "",
    }
}

fn find(definition: &str) -> Option<&'static TypeDoc> {
    let at = TYPES.binary_search_by(|(name, _, _)| (*name).cmp(definition)).ok()?;
    TYPES.get(at)
}

#[cfg(test)]
mod tests {
    use super::{of_field, of_type};

    #[test]
    fn types_and_fields_have_their_descriptions() {
        assert_eq!(of_type("io.k8s.api.core.v1.PodSpec"), "PodSpec is a description of a pod.");
        assert!(of_field("io.k8s.api.core.v1.PodStatus", "podIP").starts_with("podIP address"));
        assert!(of_field("io.k8s.api.core.v1.Event", "type").starts_with("Type of this event"));
        assert_eq!(of_field("io.k8s.api.core.v1.PodStatus", "nope"), "");
        assert_eq!(of_type("nope"), "");
    }

    #[test]
    fn descriptions_carry_no_rustdoc_escapes() {
        let text = of_field("io.k8s.api.apps.v1.StatefulSetStatus", "currentRevision");
        assert!(text.contains("in the sequence [0,currentReplicas)"), "{text}");
    }
}
