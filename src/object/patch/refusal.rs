//! Why an operation of a JSON patch does not apply, in the words of evanphx/json-patch v4. Clients
//! see them only of patches that webhooks send; of their own they are told no reason.

/// What an operation found at the parent of its path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Found {
    /// A list of so many items.
    List(usize),
    /// A map.
    Map,
    /// Nothing that has members.
    Nothing,
}

/// The end of a path of an operation, and what was found there.
#[derive(Debug, Clone, Copy)]
pub(super) struct Spot<'p> {
    pub(super) path: &'p str,
    /// Its last part, decoded.
    pub(super) key: &'p str,
    pub(super) found: Found,
}

/// `add`, also of a copy or move behind its head.
pub(super) fn add(at: Spot<'_>) -> String {
    let path = at.path;
    match at.found {
        Found::Nothing => {
            format!("add operation does not apply: doc is missing path: \"{path}\": missing value")
        }
        _ => format!("error in add for path: '{path}': {}", place_for(at)),
    }
}

pub(super) fn remove(at: Spot<'_>) -> String {
    let path = at.path;
    match at.found {
        Found::Nothing => {
            format!(
                "remove operation does not apply: doc is missing path: \"{path}\": missing value"
            )
        }
        _ => format!("error in remove for path: '{path}': {}", taken_from(at)),
    }
}

pub(super) fn replace(at: Spot<'_>) -> String {
    let what = if at.found == Found::Nothing { "path" } else { "key" };
    let path = at.path;
    format!("replace operation does not apply: doc is missing {what}: {path}: missing value")
}

pub(super) fn test(at: Spot<'_>) -> String {
    let path = at.path;
    match at.found {
        Found::Nothing => format!(
            "test operation for path does not apply: doc is missing path: {path}: missing value"
        ),
        Found::List(_) if index_of(at).is_err() => {
            format!("error in test for path: '{path}': {}", taken_from(at))
        }
        _ => format!("testing path {path} failed: test failed"),
    }
}

/// The source of a copy or move.
pub(super) fn source(verb: &str, at: Spot<'_>) -> String {
    match at.found {
        Found::Nothing => format!(
            "{verb} operation does not apply: doc is missing from path: {}: missing value",
            at.path
        ),
        _ if verb == "copy" => format!("error in copy for from: '{}': {}", at.path, taken_from(at)),
        _ => format!("error in move for path: '{}': {}", at.key, taken_from(at)),
    }
}

/// The destination of a copy or move.
pub(super) fn destination(verb: &str, at: Spot<'_>) -> String {
    match at.found {
        Found::Nothing => format!(
            "{verb} operation does not apply: doc is missing destination path: {}: missing value",
            at.path
        ),
        _ if verb == "copy" => format!("error while adding value during copy: {}", place_for(at)),
        _ => format!("error in move for path: '{}': {}", at.path, place_for(at)),
    }
}

fn index_of(at: Spot<'_>) -> Result<i64, String> {
    let Found::List(length) = at.found else { return Ok(0) };
    let wrong = || format!("strconv.Atoi: parsing {:?}: invalid syntax", at.key);
    let index: i64 = at.key.parse().map_err(|_| wrong())?;
    let length = i64::try_from(length).unwrap_or(i64::MAX);
    if index >= length || index < -length {
        return Err(format!("Unable to access invalid index: {index}: invalid index detected"));
    }
    Ok(index)
}

fn taken_from(at: Spot<'_>) -> String {
    match index_of(at) {
        Err(why) => why,
        Ok(_) => format!("Unable to remove nonexistent key: {}: missing value", at.key),
    }
}

fn place_for(at: Spot<'_>) -> String {
    match at.key.parse::<i64>() {
        Ok(index) => format!("Unable to access invalid index: {index}: invalid index detected"),
        Err(_) => format!(
            "value was not a proper array index: '{}': strconv.Atoi: parsing {:?}: invalid syntax",
            at.key, at.key
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_are_those_of_the_library() {
        let at = |path, key, found| Spot { path, key, found };
        assert_eq!(
            remove(at("/nope", "nope", Found::Map)),
            "error in remove for path: '/nope': Unable to remove nonexistent key: nope: missing \
             value"
        );
        assert_eq!(
            add(at("/a/b", "b", Found::Nothing)),
            "add operation does not apply: doc is missing path: \"/a/b\": missing value"
        );
        assert_eq!(
            add(at("/l/9", "9", Found::List(2))),
            "error in add for path: '/l/9': Unable to access invalid index: 9: invalid index \
             detected"
        );
        assert_eq!(test(at("/a", "a", Found::Map)), "testing path /a failed: test failed");
        assert_eq!(
            replace(at("/l/9", "9", Found::List(2))),
            "replace operation does not apply: doc is missing key: /l/9: missing value"
        );
    }
}
