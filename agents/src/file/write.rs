//! Writes a file: beside its place first, then there in one move.

use super::FileSettings;
use super::input::{IfExists, Write, Written};
use super::place::{Missing, Place, Root};
use super::read;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use callboard::{Error, Result};
use rustix::fs::{AtFlags, Mode, OFlags, fsync, linkat, openat, renameat, unlinkat};
use rustix::io::Errno;
use std::fs;
use std::io::Write as _;
use std::os::fd::OwnedFd;
use uuid::Uuid;

/// Durable when it returns.
pub(super) fn write(root: &Root, settings: &FileSettings, asked: Write) -> Result<Written> {
    let content = match (asked.text, asked.base64) {
        (Some(text), None) => text.into_bytes(),
        (None, Some(base64)) => {
            STANDARD.decode(base64).map_err(|error| Error::terminal(format!("base64 is not valid: {error}")))?
        }
        _ => return Err(Error::terminal("a write has either text or base64")),
    };
    let max = settings.file_bytes_max;
    if content.len() > max {
        let bytes = content.len();
        return Err(Error::terminal(format!("{bytes} bytes are more than file_max, {max} bytes")));
    }
    let place = Place::parse(&asked.path)?;
    let (name, folders) = place.file()?;
    let said = |errno| place.error("write", errno);
    let folder = root.folder(folders, Missing::Make).map_err(said)?;
    match put(&folder, name, &content, asked.if_exists) {
        // An attempt before this one may have written it.
        Err(Errno::EXIST) if asked.if_exists == IfExists::Refuse => match read::bytes(&folder, name, max) {
            Ok(there) if there == content => {}
            _ => return Err(Error::terminal(format!("cannot write {:?}: it exists with other content", asked.path))),
        },
        other => other.map_err(said)?,
    }
    Ok(Written { path: asked.path, bytes: content.len() })
}

/// The name is not one that a path may have by accident.
fn put(folder: &OwnedFd, name: &str, content: &[u8], if_exists: IfExists) -> Result<(), Errno> {
    let part = Part { folder, name: format!(".{}.callboard-part", Uuid::new_v4().simple()) };
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mut file = fs::File::from(openat(folder, &*part.name, flags, Mode::from_raw_mode(0o666))?);
    let written = file.write_all(content).and_then(|()| file.sync_all());
    written.map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO))?;
    match if_exists {
        IfExists::Replace => renameat(folder, &*part.name, folder, name)?,
        IfExists::Refuse => linkat(folder, &*part.name, folder, name, AtFlags::empty())?,
    }
    drop(part);
    fsync(folder)
}

/// A file that is gone when it is not needed any more.
struct Part<'a> {
    folder: &'a OwnedFd,
    name: String,
}

impl Drop for Part<'_> {
    fn drop(&mut self) {
        let _moved = unlinkat(self.folder, &*self.name, AtFlags::empty());
    }
}
