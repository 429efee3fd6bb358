//! The calls by which bytes become durable, and the memory of the first one that failed.

use std::fmt::Display;
use std::fs::File;
use std::io::{self, Write};
use std::sync::OnceLock;

use rustix::io::Errno;

use crate::port::store::Error;

/// The system calls a test must be able to fail, hold or cut short; the methods here are the real ones.
pub(super) trait Syscalls: Send + Sync + 'static {
    fn write(&self, file: &mut File, bytes: &[u8]) -> io::Result<()> {
        file.write_all(bytes)
    }

    fn sync_file(&self, file: &File) -> io::Result<()> {
        file.sync_all()
    }

    /// `path` is the directory's path below `objects`, empty for `objects` itself.
    fn sync_directory(&self, directory: &File, path: &str) -> io::Result<()> {
        let _ = path;
        directory.sync_all()
    }

    /// Makes durable whatever was changed in the file system of `root`, by whomever.
    fn sync_file_system(&self, root: &File) -> io::Result<()> {
        #[cfg(target_os = "linux")]
        rustix::fs::syncfs(root)?;
        #[cfg(not(target_os = "linux"))]
        {
            let _ = root;
            rustix::fs::sync();
        }
        Ok(())
    }
}

/// The kernel's own calls.
pub(super) struct Kernel;

impl Syscalls for Kernel {}

/// The disk below a folder store.
///
/// After a failed fsync the kernel may have dropped the pages and call them clean, so a second fsync that
/// succeeds proves nothing. The first failure therefore breaks the disk for as long as the process lives.
pub(super) struct Disk {
    calls: Box<dyn Syscalls>,
    broken: OnceLock<String>,
}

impl Disk {
    pub(super) fn new(calls: impl Syscalls) -> Self {
        Self { calls: Box::new(calls), broken: OnceLock::new() }
    }

    /// Refuses everything once the disk is broken, with the words of the first failure.
    pub(super) fn check(&self) -> Result<(), Error> {
        match self.broken.get() {
            None => Ok(()),
            Some(reason) => Err(Error::Refused { reason: reason.clone() }),
        }
    }

    /// Writes a file that nobody sees yet, durably.
    pub(super) fn write_unseen(&self, file: &mut File, bytes: &[u8]) -> Result<(), Error> {
        self.calls.write(file, bytes).map_err(|error| refused("writing a temp file", &error))?;
        self.calls.sync_file(file).map_err(|error| match Errno::from_io_error(&error) {
            // Some file systems find out only here. The file is thrown away, never synced again.
            Some(errno) if is_full(errno) => refused("fsync of a temp file", &error),
            _ => self.break_down("fsync of a temp file", &error),
        })
    }

    /// Makes the entries of a directory durable. The caller holds its gate, so that nobody sees them before.
    pub(super) fn sync_directory(&self, directory: &File, path: &str) -> Result<(), Error> {
        let broken = |error| self.break_down(&format!("fsync of directory objects/{path}"), &error);
        self.calls.sync_directory(directory, path).map_err(broken)
    }

    /// What a failed change of a directory means: most errors are found before anything is changed, any
    /// other leaves in doubt what the disk holds.
    pub(super) fn change_failed(&self, what: &str, errno: Errno) -> Error {
        match errno {
            Errno::ACCESS | Errno::PERM | Errno::ROFS | Errno::NOENT | Errno::NOTDIR | Errno::MLINK | Errno::NOMEM => {
                refused(what, &errno.into())
            }
            errno if is_full(errno) => refused(what, &errno.into()),
            errno => self.break_down(what, &errno.into()),
        }
    }

    fn break_down(&self, what: &str, error: &io::Error) -> Error {
        let reason = self.broken.get_or_init(|| {
            let reason = format!(
                "{what} failed: {error}; nothing more is written until the process is restarted and the disk is checked"
            );
            tracing::error!(reason, "the folder store stops");
            reason
        });
        Error::Unclear { reason: reason.clone() }
    }
}

/// An error that was met before anything could be seen by others.
pub(super) fn refused(what: impl Display, error: &io::Error) -> Error {
    let full = Errno::from_io_error(error).is_some_and(is_full);
    let cause = if full { "disk full" } else { "failed" };
    Error::Refused { reason: format!("{cause}: {what}: {error}") }
}

/// An error met while reading.
pub(super) fn unread(what: impl Display, error: &io::Error) -> Error {
    Error::Unclear { reason: format!("reading {what} failed: {error}") }
}

fn is_full(errno: Errno) -> bool {
    matches!(errno, Errno::NOSPC | Errno::DQUOT)
}
