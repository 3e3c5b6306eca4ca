//! Request headers: Accept, Content-Type, Accept-Encoding, User-Agent.

use kubering::codec::gzip;
use kubering::codec::media;
use kubering::object::managed::manager_or_user_agent;

/// What is negotiated is one of what was offered.
pub(crate) fn run(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let _ = media::body_format(text);
    let _ = media::patch_type(text);
    let _ = gzip::is_accepted(text);
    let _ = media::is_pretty(None, text);
    let _ = media::is_routable(text, &["application/json"]);
    for offered in [media::FORMATS, media::CUSTOM_FORMATS, media::STREAM_FORMATS] {
        if let Some(accepted) = media::negotiate(text, offered, |_, _| true) {
            assert!(offered.contains(&accepted.format));
        }
    }
    assert!(manager_or_user_agent("", text).len() <= text.len());
}
