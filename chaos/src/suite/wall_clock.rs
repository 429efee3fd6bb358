//! The wall clock of a node, which can be set while the node runs.
//!
//! libfaketime stands between the node and the system, and reads from a file how wrong the clock is. All other clocks are right,
//! so that nothing takes longer; and what the ledger is written by is asked of the kernel itself (`rustix`), which nothing
//! stands before.

use super::Error;
use std::path::{Path, PathBuf};

/// Where Debian has it, below a folder for each kind of machine.
const LIBRARIES: &str = "/usr/lib";
/// The one for programs with threads.
const LIBRARY: &str = "faketime/libfaketimeMT.so.1";

/// Where Linux has what processes share.
const SHARED: &str = "/dev/shm";

/// The wall clock of a node.
pub(super) struct WallClock {
    /// Says how far ahead it is.
    file: PathBuf,
    library: PathBuf,
}

impl WallClock {
    /// One that is right, and set by this file.
    pub(super) fn of(file: &Path) -> Result<Self, Error> {
        let machines = std::fs::read_dir(LIBRARIES).map_err(Error::unreadable(LIBRARIES))?;
        let mut libraries = machines.flatten().map(|machine| machine.path().join(LIBRARY));
        let library = libraries.find(|library| library.exists()).ok_or(Error::NoClock)?;
        let clock = Self { file: file.to_owned(), library };
        clock.set(0)?;
        Ok(clock)
    }

    /// Sets it so far ahead, or behind. Nodes see it within a second.
    pub(super) fn set(&self, ahead_ms: i64) -> Result<(), Error> {
        // A node that reads half a number ends: there is always a whole file of this name.
        let part = self.file.with_extension("part");
        std::fs::write(&part, format!("{:+}\n", ahead_ms / 1_000)).map_err(Error::file(&part))?;
        std::fs::rename(&part, &self.file).map_err(Error::file(&self.file))
    }

    /// Removes what libfaketime has made for processes that a node might start, and would leave when the node is killed.
    pub(super) fn tidy(process: u32) {
        for name in [format!("faketime_shm_{process}"), format!("sem.faketime_sem_{process}")] {
            // It is there if the process has come so far.
            let _gone = std::fs::remove_file(Path::new(SHARED).join(name));
        }
    }

    /// What a node is to have in its environment.
    pub(super) fn variables(&self) -> impl Iterator<Item = (String, String)> + use<> {
        let variables = [
            ("LD_PRELOAD", self.library.display().to_string()),
            ("FAKETIME_TIMESTAMP_FILE", self.file.display().to_string()),
            ("FAKETIME_CACHE_DURATION", "1".to_owned()),
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1".to_owned()),
            // Files have the times that they have.
            ("NO_FAKE_STAT", "1".to_owned()),
        ];
        variables.into_iter().map(|(name, value)| (name.to_owned(), value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    /// What time it is, in seconds, for whoever has these in its environment.
    fn time(variables: impl Iterator<Item = (String, String)>) -> i64 {
        let output = Command::new("date").arg("+%s").envs(variables).output().unwrap();
        String::from_utf8(output.stdout).unwrap().trim().parse().unwrap()
    }

    #[test]
    fn a_process_tells_the_time_that_is_set_for_it() {
        let folder = tempfile::tempdir().unwrap();
        let clock = WallClock::of(&folder.path().join("clock")).unwrap();
        for ahead in [0, 600, -600] {
            clock.set(ahead * 1_000).unwrap();
            let (before, told) = (time(std::iter::empty()), time(clock.variables()));
            let after = time(std::iter::empty());
            assert!((before + ahead..=after + ahead).contains(&told), "{before}, {told}, {after}, {ahead}");
        }
    }
}
