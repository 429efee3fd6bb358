//! What can be done with files.

use callboard::Error;
use std::fmt;
use std::str::FromStr;

/// One of the things that a [`File`](super::File) does; its text is `read`, `write` or `list`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Gives the content of a file.
    Read,
    /// Writes a file.
    Write,
    /// Tells what is in a folder.
    List,
}

impl Operation {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Read, Self::Write, Self::List];

    /// The operation that the last part of a capability's name stands for: `notes.read` reads.
    ///
    /// # Errors
    ///
    /// If it stands for none.
    pub fn of_capability(capability: &str) -> Result<Self, Error> {
        let last = capability.rsplit('.').next().unwrap_or_default();
        last.parse().map_err(|_| {
            Error::terminal(format!(
                "a capability of files ends with read, write or list, as file.read: {capability:?}"
            ))
        })
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::List => "list",
        })
    }
}

impl FromStr for Operation {
    type Err = Fault;

    fn from_str(text: &str) -> Result<Self, Fault> {
        Self::ALL.into_iter().find(|operation| operation.to_string() == text).ok_or(Fault)
    }
}

/// A text that is none of the operations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an operation is read, write or list")]
pub struct Fault;
