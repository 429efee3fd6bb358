//! Tells what is in a folder.

use super::FileSettings;
use super::input::{Entry, List, Listed};
use super::place::{Missing, Place, Root};
use callboard::{Error, Result};
use rustix::fs::{AtFlags, Dir, FileType, statat};
use rustix::io::Errno;
use std::os::fd::OwnedFd;

/// The entries of the folder, by name. A name that is not UTF-8 is shown with replacement characters.
pub(super) fn list(root: &Root, settings: &FileSettings, asked: List) -> Result<Listed> {
    let place = Place::parse(&asked.path)?;
    let said = |errno| place.error("list", errno);
    let folder = root.folder(place.parts(), Missing::Fail).map_err(said)?;
    let mut entries = Vec::new();
    for entry in Dir::read_from(&folder).map_err(said)? {
        let entry = entry.map_err(said)?;
        if [c".", c".."].contains(&entry.file_name()) {
            continue;
        }
        if entries.len() == settings.entries_max {
            let max = settings.entries_max;
            return Err(Error::terminal(format!("{:?} has more entries than entries_max, {max}", asked.path)));
        }
        if let Some(entry) = look(&folder, entry.file_name()).map_err(said)? {
            entries.push(entry);
        }
    }
    entries.sort_unstable();
    Ok(Listed { path: asked.path, entries })
}

/// One entry, unless it is gone meanwhile.
fn look(folder: &OwnedFd, name: &std::ffi::CStr) -> Result<Option<Entry>, Errno> {
    let stat = match statat(folder, name, AtFlags::SYMLINK_NOFOLLOW) {
        Err(Errno::NOENT) => return Ok(None),
        other => other?,
    };
    let (kind, bytes) = match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => ("file", u64::try_from(stat.st_size).ok()),
        FileType::Directory => ("folder", None),
        FileType::Symlink => ("link", None),
        _ => ("other", None),
    };
    Ok(Some(Entry { name: name.to_string_lossy().into_owned(), kind, bytes }))
}
