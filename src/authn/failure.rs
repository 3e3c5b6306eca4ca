//! Why credentials do not hold. The client is told 401 and nothing else; TokenReview tells those
//! who may ask.

use std::fmt;

/// What authenticators said, in their order (`utilerrors.Aggregate`).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Failure {
    errors: Vec<String>,
}

impl Failure {
    /// One error.
    pub fn one(text: impl Into<String>) -> Self {
        Self { errors: vec![text.into()] }
    }

    /// Nobody has said anything.
    pub const fn is_empty(&self) -> bool {
        self.errors.is_empty()
    }

    /// Adds what another said, without what was said before.
    pub fn add(&mut self, other: Self) {
        for error in other.errors {
            if !self.errors.contains(&error) {
                self.errors.push(error);
            }
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.errors.as_slice() {
            [one] => f.write_str(one),
            several => write!(f, "[{}]", several.join(", ")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Failure;

    #[test]
    fn the_same_error_is_told_once() {
        let mut failure = Failure::one("a");
        failure.add(Failure::one("a"));
        assert_eq!(failure.to_string(), "a");
        failure.add(Failure::one("b"));
        assert_eq!(failure.to_string(), "[a, b]");
    }
}
