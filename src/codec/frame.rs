//! Watch frames: one event each, made once and shared by all watchers of one format.

use super::proto::wire;

/// What happened (`watch.EventType`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EventType {
    /// An object came to be, or came into view.
    Added,
    /// No object changed; the revision is known to be reached.
    Bookmark,
    /// An object is gone, or out of view.
    Deleted,
    /// The watch failed; the object is a Status.
    Error,
    /// An object changed.
    Modified,
}

impl EventType {
    /// The name on the wire.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Added => "ADDED",
            Self::Bookmark => "BOOKMARK",
            Self::Deleted => "DELETED",
            Self::Error => "ERROR",
            Self::Modified => "MODIFIED",
        }
    }
}

/// Appends a JSON frame: `{"type":"ADDED","object":…}` and a line end. `object` appends the object
/// as compact JSON.
///
/// # Errors
/// Those of `object`; then nothing is appended.
pub fn json<E>(
    event: EventType,
    out: &mut Vec<u8>,
    object: impl FnOnce(&mut Vec<u8>) -> Result<(), E>,
) -> Result<(), E> {
    let start = out.len();
    out.extend_from_slice(b"{\"type\":\"");
    out.extend_from_slice(event.name().as_bytes());
    out.extend_from_slice(b"\",\"object\":");
    if let Err(error) = object(out) {
        out.truncate(start);
        return Err(error);
    }
    out.extend_from_slice(b"}\n");
    Ok(())
}

/// Appends a protobuf frame: the length of the message in four bytes, then `metav1.WatchEvent`.
/// `object` appends the object in its envelope.
///
/// # Errors
/// Those of `object`; then nothing is appended.
pub fn protobuf<E>(
    event: EventType,
    out: &mut Vec<u8>,
    object: impl FnOnce(&mut Vec<u8>) -> Result<(), E>,
) -> Result<(), E> {
    let start = out.len();
    out.extend_from_slice(&[0; 4]);
    wire::bytes(1, event.name().as_bytes(), out);
    let mut result = Ok(());
    wire::nested(2, out, |out| wire::nested(1, out, |out| result = object(out)));
    if let Err(error) = result {
        out.truncate(start);
        return Err(error);
    }
    // Objects are far smaller than 4 GiB.
    let len = u32::try_from(out.len() - start - 4).unwrap_or(u32::MAX).to_be_bytes();
    if let Some(slot) = out.get_mut(start..start + 4) {
        slot.copy_from_slice(&len);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{EventType, json, protobuf};

    #[test]
    fn json_frames_are_lines() {
        let mut out = Vec::new();
        json(EventType::Added, &mut out, |out| {
            out.extend_from_slice(b"{}");
            Ok::<_, ()>(())
        })
        .unwrap();
        assert!(json(EventType::Error, &mut out, |_| Err(())).is_err());
        assert_eq!(out, b"{\"type\":\"ADDED\",\"object\":{}}\n");
    }

    #[test]
    fn protobuf_frames_carry_their_length() {
        let mut out = Vec::new();
        protobuf(EventType::Deleted, &mut out, |out| {
            out.extend_from_slice(b"k8s\0");
            Ok::<_, ()>(())
        })
        .unwrap();
        assert_eq!(out, b"\0\0\0\x11\x0a\x07DELETED\x12\x06\x0a\x04k8s\0");
        assert!(protobuf(EventType::Error, &mut out, |_| Err(())).is_err());
        assert_eq!(out.len(), 21);
    }
}
