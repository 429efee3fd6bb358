//! Who may ask a node over HTTP: tokens, each with a name and a role. The secrets themselves are not kept.

#[cfg(test)]
mod tests;

use super::row::{Amount, Field, misfit};
use crate::{Error, ErrorKind, Result};
use std::fmt;
use std::sync::Arc;

/// The shortest and the longest secret, in bytes. Sixteen random letters and digits are more than can be tried.
const SECRET_BYTES: std::ops::RangeInclusive<usize> = 16..=512;
/// The longest name, in bytes.
const NAME_BYTES_MAX: usize = 64;
/// What a token looks like.
const FORM: &str = "a token is NAME:ROLE:SECRET";

/// What the holder of a token may do; each may do what those before it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Role {
    /// Look at everything.
    Viewer,
    /// Submit and steer runs, write documents, open and close breakers.
    Operator,
    /// Stop nodes, and erase for good.
    Admin,
}

impl Role {
    /// All of them, the least first.
    pub const ALL: [Self; 3] = [Self::Viewer, Self::Operator, Self::Admin];

    /// The word for it in settings and answers.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Operator => "operator",
            Self::Admin => "admin",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The tokens that a node takes. Of a secret only its hash is kept, so that nothing can show it.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Tokens(Vec<Token>);

#[derive(Clone, PartialEq, Eq)]
struct Token {
    name: Arc<str>,
    role: Role,
    hash: blake3::Hash,
}

impl Tokens {
    /// Adds a token: a name for the log, what its holder may do, and the secret that it shows.
    ///
    /// # Errors
    ///
    /// `Invalid` for a name that is not 1 to 64 of `A-Z a-z 0-9 _ -` or is taken, and for a secret that is not 16 to 512
    /// printable ASCII characters without blanks, or that another token has.
    pub fn add(&mut self, name: &str, role: Role, secret: &str) -> Result<()> {
        let usable = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
        let refused = |reason: String| Err(Error::new(ErrorKind::Invalid, reason));
        if !(1..=NAME_BYTES_MAX).contains(&name.len()) || !name.chars().all(usable) {
            return refused(format!("the name of a token is 1 to {NAME_BYTES_MAX} of A-Z a-z 0-9 _ -"));
        }
        let (bytes, least, most) = (secret.len(), SECRET_BYTES.start(), SECRET_BYTES.end());
        if !SECRET_BYTES.contains(&bytes) || !secret.bytes().all(|byte| byte.is_ascii_graphic()) {
            let wanted = format!("{least} to {most} printable ASCII characters without blanks");
            return refused(format!("the secret of token {name:?} is {wanted}, and {bytes} bytes were seen"));
        }
        let hash = blake3::hash(secret.as_bytes());
        if self.0.iter().any(|token| *token.name == *name) {
            return refused(format!("there are two tokens {name:?}"));
        }
        if let Some(other) = self.0.iter().find(|token| token.hash == hash) {
            return refused(format!("tokens {:?} and {name:?} have one secret", other.name));
        }
        self.0.push(Token { name: name.into(), role, hash });
        Ok(())
    }

    /// Whether there are none: then only the machine itself may ask.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whose secret this is, and what they may do. It takes the same time whatever the secret is: hashes are compared,
    /// each with all of its bytes, and all of them.
    #[cfg(feature = "api")]
    pub(crate) fn holder(&self, secret: &str) -> Option<(Arc<str>, Role)> {
        let hash = blake3::hash(secret.as_bytes());
        let found = self.0.iter().fold(None, |found, token| if token.hash == hash { Some(token) } else { found });
        found.map(|token| (token.name.clone(), token.role))
    }

    /// As settings have them, separated by blanks or commas.
    fn read(text: &str) -> Result<Self, String> {
        let mut tokens = Self::default();
        for word in words(text) {
            let mut parts = word.splitn(3, ':');
            let (Some(name), Some(role), Some(secret)) = (parts.next(), parts.next(), parts.next()) else {
                return Err(format!("{FORM}, not {:?}", masked(word)));
            };
            let Some(role) = Role::ALL.into_iter().find(|known| known.as_str() == role) else {
                let roles = Role::ALL.map(Role::as_str).join(", ");
                return Err(format!("{FORM}, and a role is one of {roles}: {:?}", masked(word)));
            };
            tokens.add(name, role, secret).map_err(|error| error.message().to_owned())?;
        }
        Ok(tokens)
    }
}

/// Without their secrets.
impl fmt::Display for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, Token { name, role, .. }) in self.0.iter().enumerate() {
            let blank = if n == 0 { "" } else { " " };
            write!(f, "{blank}{name}:{role}:***")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tokens({self})")
    }
}

impl Field for Tokens {
    fn amount(&self) -> Amount {
        Amount::Text(self.to_string())
    }

    fn set(&mut self, amount: Amount) -> Result<(), String> {
        let Amount::Text(text) = amount else { return Err(misfit(&amount)) };
        *self = Self::read(&text)?;
        Ok(())
    }
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| c.is_whitespace() || c == ',').filter(|word| !word.is_empty())
}

/// Tokens without their secrets; of what has no proper form nothing is left.
pub(super) fn without_secrets(text: &str) -> String {
    words(text).map(masked).collect::<Vec<_>>().join(" ")
}

fn masked(word: &str) -> String {
    match word.splitn(3, ':').collect::<Vec<_>>()[..] {
        [name, role, _] if Role::ALL.iter().any(|known| known.as_str() == role) => format!("{name}:{role}:***"),
        _ => "***".to_owned(),
    }
}
