//! What travels with a request from the gate to the store.

use super::User;
use std::cell::RefCell;

/// The facts of one request that every stage may need.
#[derive(Debug, Default)]
pub struct Context {
    /// Who asks, after impersonation.
    pub user: User,
    /// The `User-Agent` header; "" if none.
    pub user_agent: String,
    /// Texts for `Warning` headers, in order, without duplicates.
    warnings: RefCell<Vec<String>>,
}

impl Context {
    /// A context for `user`.
    pub fn new(user: User, user_agent: String) -> Self {
        Self { user, user_agent, warnings: RefCell::default() }
    }

    /// Adds a warning unless the same text is there.
    pub fn warn(&self, text: impl Into<String>) {
        let text = text.into();
        let mut warnings = self.warnings.borrow_mut();
        if !text.is_empty() && !warnings.contains(&text) {
            warnings.push(text);
        }
    }

    /// Takes the warnings for the answer.
    pub fn take_warnings(&self) -> Vec<String> {
        self.warnings.take()
    }
}
