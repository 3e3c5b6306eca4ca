//! URLs: a method, a space, a path and its query.

use kubering::request::ListOptions;
use kubering::request::Query;
use kubering::request::RawDeleteOptions;
use kubering::request::RequestInfo;
use kubering::request::WriteOptions;
use kubering::request::WriteVerb;

/// Parts of the path come from the path, and options are read or refused.
pub(crate) fn run(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let (method, target) = text.split_once(' ').unwrap_or(("GET", text));
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let query = Query::new(query);
    if let Ok(info) = RequestInfo::parse(method, path, &query) {
        let parts = [info.group, info.version, info.namespace, info.resource, info.subresource];
        for part in parts.into_iter().chain([info.rest]) {
            assert!(path.contains(part), "{part:?} is not of {path:?}");
        }
        assert!(!info.named || path.contains(&*info.name));
    }
    for watch in [false, true] {
        let _ = ListOptions::parse(query, watch);
    }
    for verb in [WriteVerb::Create, WriteVerb::Update, WriteVerb::Patch, WriteVerb::Apply] {
        let _ = WriteOptions::parse(query, verb);
    }
    let _ = RawDeleteOptions::from_query(query).map(RawDeleteOptions::check);
}
