//! Where a value was seen.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

/// Where a value was seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// In a file, on a line.
    File(Arc<Path>, usize),
    /// In a variable of the environment.
    Variable(Arc<str>),
    /// In a flag `key=value`.
    Override(Arc<str>),
    /// In a flag of its own.
    Flag(Arc<str>),
}

/// As a fault begins: `callboard.toml:7`.
impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(file, line) => write!(f, "{}:{line}", file.display()),
            Self::Variable(name) => f.write_str(name),
            Self::Override(key) => write!(f, "the flag {key:?}"),
            Self::Flag(name) => f.write_str(name),
        }
    }
}

impl Origin {
    /// As a list of settings has it.
    pub(super) fn in_list(&self) -> String {
        match self {
            Self::File(..) => format!("file {self}"),
            Self::Variable(name) => format!("environment {name}"),
            Self::Override(key) => format!("flag {key}"),
            Self::Flag(name) => format!("flag {name}"),
        }
    }
}
