//! The static token file: lines `token,user,uid,"group1,group2"`
//! (`k8s.io/apiserver/pkg/authentication/token/tokenfile`). Tokens are kept hashed only, so that
//! looking one up takes the same time whatever it shares with a real one.

use super::AUTHENTICATED;
use crate::base::hash::HashMap;
use crate::request::User;
use ring::digest::{SHA256, digest};
use std::rc::Rc;

/// The users by the SHA-256 of their token.
#[derive(Debug, Default)]
pub struct TokenFile {
    users: HashMap<[u8; 32], Rc<User>>,
}

/// Why a token file cannot be used; line numbers start at 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TokenFileError {
    /// Fewer than three columns.
    MissingColumns(usize),
    /// An empty token.
    EmptyToken(usize),
    /// A quote that does not close.
    OpenQuote(usize),
}

impl std::fmt::Display for TokenFileError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::MissingColumns(line) => {
                write!(f, "line {line}: a token file has at least 3 columns: token, user, uid")
            }
            Self::EmptyToken(line) => write!(f, "line {line}: empty token"),
            Self::OpenQuote(line) => write!(f, "line {line}: a quote does not close"),
        }
    }
}

impl TokenFile {
    /// Reads the file's text. A token that stands twice keeps its last user, as upstream.
    ///
    /// # Errors
    /// The first line that cannot be used.
    pub fn parse(text: &str) -> Result<Self, TokenFileError> {
        let mut users = HashMap::default();
        for (at, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
            let at = at + 1;
            let columns = columns(line).ok_or(TokenFileError::OpenQuote(at))?;
            let [token, name, uid, rest @ ..] = columns.as_slice() else {
                return Err(TokenFileError::MissingColumns(at));
            };
            if token.is_empty() {
                return Err(TokenFileError::EmptyToken(at));
            }
            let mut groups: Vec<String> = rest
                .first()
                .filter(|groups| !groups.is_empty())
                .map(|groups| groups.split(',').map(|group| group.trim().to_owned()).collect())
                .unwrap_or_default();
            groups.push(AUTHENTICATED.into());
            let user = User { name: name.clone(), uid: uid.clone(), groups, extra: Vec::new() };
            let hash = digest(&SHA256, token.as_bytes());
            users.insert(hash.as_ref().try_into().unwrap_or_default(), Rc::new(user));
        }
        Ok(Self { users })
    }

    /// The user whose token has this SHA-256.
    pub fn user(&self, hash: &[u8; 32]) -> Option<&Rc<User>> {
        self.users.get(hash)
    }
}

/// The columns of a CSV line; `None` if a quote stays open.
fn columns(line: &str) -> Option<Vec<String>> {
    let mut columns = vec![String::new()];
    let mut quoted = false;
    let mut characters = line.chars().peekable();
    while let Some(character) = characters.next() {
        let column = columns.last_mut()?;
        match character {
            '"' if quoted && characters.peek() == Some(&'"') => {
                characters.next();
                column.push('"');
            }
            '"' => quoted = !quoted,
            ',' if !quoted => columns.push(String::new()),
            ' ' if !quoted && column.is_empty() => {}
            other => column.push(other),
        }
    }
    (!quoted).then_some(columns)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_that_cannot_be_used_are_named() {
        let error = |text| TokenFile::parse(text).unwrap_err();
        assert_eq!(error("a,b,c\n\nx,y"), TokenFileError::MissingColumns(3));
        assert_eq!(error(",b,c"), TokenFileError::EmptyToken(1));
        assert_eq!(error("a,b,c,\"d"), TokenFileError::OpenQuote(1));
    }

    #[test]
    fn quotes_are_read_as_csv() {
        assert_eq!(columns("a, \"b,\"\"c\""), Some(vec!["a".into(), "b,\"c".into()]));
    }
}
