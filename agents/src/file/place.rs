//! Paths below a root, walked one part after the other.

use super::trouble;
use callboard::{Error, Result};
use rustix::fs::{CWD, Mode, OFlags, mkdirat, openat};
use rustix::io::Errno;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

/// Parts of one path at most.
const PARTS_MAX: usize = 32;
/// Bytes of one part at most: what file systems allow.
const PART_BYTES_MAX: usize = 255;

/// The folder that nothing leaves.
#[derive(Debug)]
pub(super) struct Root(OwnedFd);

/// A relative path whose parts are names, and nothing else.
#[derive(Debug)]
pub(super) struct Place<'a> {
    text: &'a str,
    parts: Vec<&'a str>,
}

/// What becomes of a folder that is missing on the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Missing {
    Fail,
    Make,
}

const FOLDER: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

impl Root {
    pub(super) fn open(root: &Path) -> Result<Self, Errno> {
        openat(CWD, root, FOLDER, Mode::empty()).map(Self)
    }

    /// Opens the folder to which the first `parts` lead, without following a link.
    pub(super) fn folder(&self, parts: &[&str], missing: Missing) -> Result<OwnedFd, Errno> {
        let mut here = below(self.0.as_fd(), ".")?;
        for part in parts {
            here = match below(here.as_fd(), part) {
                Err(Errno::NOENT) if missing == Missing::Make => {
                    match mkdirat(&here, *part, Mode::from_raw_mode(0o777)) {
                        Ok(()) => rustix::fs::fsync(&here)?,
                        Err(Errno::EXIST) => {} // somebody else was faster
                        Err(errno) => return Err(errno),
                    }
                    below(here.as_fd(), part)?
                }
                other => other?,
            };
        }
        Ok(here)
    }
}

fn below(folder: BorrowedFd<'_>, part: &str) -> Result<OwnedFd, Errno> {
    openat(folder, part, FOLDER | OFlags::NOFOLLOW, Mode::empty())
}

impl<'a> Place<'a> {
    /// The root itself is the empty path.
    pub(super) fn parse(text: &'a str) -> Result<Self> {
        let refuse = |what: String| Err(Error::terminal(format!("the path {text:?} is refused: {what}")));
        let parts: Vec<_> = if text.is_empty() { Vec::new() } else { text.split('/').collect() };
        if parts.len() > PARTS_MAX {
            return refuse(format!("it has {} parts, more than {PARTS_MAX}", parts.len()));
        }
        for part in &parts {
            match *part {
                "" => return refuse("it is absolute or has an empty part".to_owned()),
                "." | ".." => return refuse(format!("it has the part {part:?}")),
                part if part.contains('\0') => return refuse("it contains a NUL".to_owned()),
                part if part.len() > PART_BYTES_MAX => {
                    return refuse(format!("a part has {} bytes, more than {PART_BYTES_MAX}", part.len()));
                }
                _ => {}
            }
        }
        Ok(Self { text, parts })
    }

    pub(super) fn parts(&self) -> &[&'a str] {
        &self.parts
    }

    /// The folders on the way, and the name at its end.
    pub(super) fn file(&self) -> Result<(&'a str, &[&'a str])> {
        let (name, folders) =
            self.parts.split_last().ok_or_else(|| Error::terminal("the path of a file is not empty"))?;
        Ok((name, folders))
    }

    /// The error of `what` was being done here.
    pub(super) fn error(&self, what: &str, errno: Errno) -> Error {
        trouble::error(what, self.text, errno)
    }
}
