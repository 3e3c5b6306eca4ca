//! What went wrong with a call, as far as it matters for what is done next.

use crate::store::StoreError;
use std::error::Error;
use tonic::Code;
use tonic::ConnectError;
use tonic::Status;

/// Why a call failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fault {
    /// The revision is compacted.
    Compacted,
    /// The revision is not there yet.
    Future,
    /// The lease of a write is gone; nothing was written.
    LeaseGone,
    /// There was no connection or no leader: nothing was done, and another member may be better.
    NotSent(String),
    /// Refused for good.
    Refused(String),
    /// The call did not end in time; what it did is unknown.
    Timeout,
    /// The value is larger than etcd takes.
    TooLarge,
    /// It broke on the way; what it did is unknown, and another member may be better.
    Unknown(String),
}

impl Fault {
    /// Another member may answer better.
    pub(super) fn is_of_the_member(&self) -> bool {
        matches!(self, Self::NotSent(_) | Self::Unknown(_) | Self::Timeout)
    }

    /// What the rest of the program is told; `compacted` is the oldest revision known.
    pub(super) fn into_error(self, compacted: u64, revision: u64) -> StoreError {
        match self {
            Self::Compacted => StoreError::Compacted(compacted),
            Self::Future => StoreError::Future(revision),
            Self::TooLarge => StoreError::TooLarge,
            Self::Timeout => StoreError::Timeout,
            Self::LeaseGone => StoreError::Remote("etcdserver: requested lease not found".into()),
            Self::NotSent(text) | Self::Refused(text) | Self::Unknown(text) => {
                StoreError::Remote(text)
            }
        }
    }
}

impl From<etcd_client::Error> for Fault {
    fn from(error: etcd_client::Error) -> Self {
        match error {
            etcd_client::Error::GRpcStatus(status) => Self::from(status),
            other => Self::Unknown(other.to_string()),
        }
    }
}

/// Texts are etcd's (`api/v3rpc/rpctypes/error.go`); they are all that tells some errors apart.
impl From<Status> for Fault {
    fn from(status: Status) -> Self {
        let text = status.message();
        match status.code() {
            Code::OutOfRange if text.contains("has been compacted") => Self::Compacted,
            Code::OutOfRange if text.contains("is a future revision") => Self::Future,
            Code::InvalidArgument if text.contains("request is too large") => Self::TooLarge,
            Code::ResourceExhausted if text.contains("larger than max") => Self::TooLarge,
            Code::NotFound if text.contains("requested lease not found") => Self::LeaseGone,
            // Told before anything is done, since every call asks for a leader.
            Code::Unavailable if text == "etcdserver: no leader" => Self::NotSent(text.to_owned()),
            // Turned away at the door.
            Code::ResourceExhausted if text == "etcdserver: too many requests" => {
                Self::NotSent(text.to_owned())
            }
            Code::DeadlineExceeded => Self::Timeout,
            Code::Unavailable | Code::Unknown | Code::Cancelled | Code::Internal => {
                let told = words(&status);
                if never_left(&status) { Self::NotSent(told) } else { Self::Unknown(told) }
            }
            _ => Self::Refused(words(&status)),
        }
    }
}

/// etcd's own words, or as Go's gRPC prints an error of the transport.
fn words(status: &Status) -> String {
    let text = status.message();
    if text.starts_with("etcdserver:") || text.starts_with("auth:") {
        return text.to_owned();
    }
    format!("rpc error: code = {:?} desc = {text}", status.code())
}

/// No connection was made, so nothing was sent.
fn never_left(status: &Status) -> bool {
    let mut source = status.source();
    while let Some(error) = source {
        if error.is::<ConnectError>() {
            return true;
        }
        source = error.source();
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_say_whether_another_try_is_safe() {
        let fault = |code, text: &str| Fault::from(Status::new(code, text));
        let compacted = "etcdserver: mvcc: required revision has been compacted";
        assert_eq!(fault(Code::OutOfRange, compacted), Fault::Compacted);
        let future = "etcdserver: mvcc: required revision is a future revision";
        assert_eq!(fault(Code::OutOfRange, future), Fault::Future);
        assert_eq!(
            fault(Code::InvalidArgument, "etcdserver: request is too large"),
            Fault::TooLarge
        );
        let text = "etcdserver: leader changed";
        assert_eq!(fault(Code::Unavailable, text), Fault::Unknown(text.into()));
        let text = "etcdserver: no leader";
        assert_eq!(fault(Code::Unavailable, text), Fault::NotSent(text.into()));
        assert_eq!(
            fault(Code::Unavailable, "broken pipe"),
            Fault::Unknown("rpc error: code = Unavailable desc = broken pipe".into())
        );
        let text = "etcdserver: permission denied";
        assert_eq!(fault(Code::PermissionDenied, text), Fault::Refused(text.into()));
        assert!(!Fault::Refused(String::new()).is_of_the_member());
    }
}
