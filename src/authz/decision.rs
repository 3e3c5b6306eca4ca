//! What an authorizer says.

/// Whether a request may go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It may.
    Allow,
    /// It may not, whatever others say.
    Deny,
    /// Others decide.
    NoOpinion,
}

/// A verdict and what stands behind it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// The verdict.
    pub verdict: Verdict,
    /// Why; "" if nothing is to be said.
    pub reason: String,
    /// What went wrong on the way.
    pub error: Option<String>,
}

impl Decision {
    /// It may.
    pub fn allow(reason: impl Into<String>) -> Self {
        Self { verdict: Verdict::Allow, reason: reason.into(), error: None }
    }

    /// It may not.
    pub fn deny(reason: impl Into<String>) -> Self {
        Self { verdict: Verdict::Deny, reason: reason.into(), error: None }
    }

    /// Others decide.
    pub fn no_opinion(reason: impl Into<String>) -> Self {
        Self { verdict: Verdict::NoOpinion, reason: reason.into(), error: None }
    }
}
