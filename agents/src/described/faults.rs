//! All that is wrong with the files of a folder.

use std::fmt;
use std::path::PathBuf;

/// One fault: where, and what was seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileFault {
    /// The file, or the folder.
    pub file: PathBuf,
    /// The line, from 1; none if it is not about the text.
    pub line: Option<usize>,
    /// The key, as a path such as `runs.command.timeout`; empty if it is not about one.
    pub key: String,
    /// What is wrong, in lower case and without a full stop.
    pub message: String,
}

impl fmt::Display for FileFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file.display())?;
        self.line.iter().try_for_each(|line| write!(f, ":{line}"))?;
        match self.key.as_str() {
            "" => write!(f, ": {}", self.message),
            key => write!(f, ": {key}: {}", self.message),
        }
    }
}

/// Every fault of every file, by file and line; never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Faults(pub Vec<FileFault>);

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0[..] {
            [one] => write!(f, "{one}"),
            all => {
                write!(f, "the described agents have {} faults", all.len())?;
                all.iter().try_for_each(|fault| write!(f, "\n{fault}"))
            }
        }
    }
}

impl std::error::Error for Faults {}
