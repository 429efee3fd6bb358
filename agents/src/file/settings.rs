//! What an operator says about a folder.

use crate::fault::Fault;
use std::path::PathBuf;

/// Below which folder an agent works, and within which limits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileSettings {
    /// The folder, an absolute path; it must exist.
    pub root: PathBuf,
    /// How long a file may be that is read or written, 0 B to 8 MiB; 1 MiB by default. It is held in memory, as base64
    /// once more, and becomes part of a payload.
    pub file_bytes_max: usize,
    /// How many entries a folder may have to be listed, 1 to 100,000; 1,000 by default.
    pub entries_max: usize,
}

const FILE_BYTES_MAX: usize = 8 << 20;
const ENTRIES_MAX: usize = 100_000;

impl FileSettings {
    /// The defaults, for this folder.
    pub fn of(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into(), file_bytes_max: 1 << 20, entries_max: 1_000 }
    }

    pub(super) fn faults(&self) -> Vec<Fault> {
        let mut faults = Vec::new();
        if !self.root.is_absolute() {
            faults.push(Fault::new("root", format!("an absolute path, not {:?}", self.root.display())));
        }
        if self.file_bytes_max > FILE_BYTES_MAX {
            faults.push(Fault::new("file_max", format!("0B to 8MiB, not {} bytes", self.file_bytes_max)));
        }
        if !(1..=ENTRIES_MAX).contains(&self.entries_max) {
            faults.push(Fault::new("entries_max", format!("1 to {ENTRIES_MAX}, not {}", self.entries_max)));
        }
        faults
    }
}
