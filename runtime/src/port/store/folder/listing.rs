//! Reading names out of directories.

use std::fs::File;

use rustix::fs::{AtFlags, Dir, FileType, statat};
use rustix::io::Errno;

use super::directory::{self, Directory};
use super::disk::unread;
use crate::port::store::{Error, name};

/// One question: the names that start with `prefix` and sort after `after`.
pub(super) struct Listing<'a> {
    pub(super) prefix: &'a str,
    pub(super) after: &'a str,
}

impl Listing<'_> {
    /// The answer if `directory` alone holds it, `None` if directories below it must be asked too. The
    /// caller may look at it.
    pub(super) fn flat(&self, directory: &Directory) -> Result<Option<Vec<String>>, Error> {
        let mut found = self.read(&directory.handle, &directory.path)?;
        found.names.sort_unstable();
        Ok(found.below.is_empty().then_some(found.names))
    }

    /// The answer of `directory` and all below it. The caller holds it still.
    pub(super) fn deep(&self, directory: &Directory) -> Result<Vec<String>, Error> {
        let mut names = Vec::new();
        self.collect(&directory.handle, &directory.path, &mut names)?;
        // Not the order of the walk: `a-b` sorts before `a/b`, and `a` is met before `a-b`.
        names.sort_unstable();
        Ok(names)
    }

    fn collect(&self, handle: &File, path: &str, names: &mut Vec<String>) -> Result<(), Error> {
        let found = self.read(handle, path)?;
        names.extend(found.names);
        for below in found.below {
            let (_, segment) = name::split(&below);
            let opened = directory::open(handle, segment).map_err(|errno| trouble(&below, errno))?;
            self.collect(&opened, &below, names)?;
        }
        Ok(())
    }

    /// The entries of one directory that matter. What has no well-formed name is not ours.
    fn read(&self, handle: &File, path: &str) -> Result<Found, Error> {
        let mut found = Found::default();
        for entry in Dir::read_from(handle).map_err(|errno| trouble(path, errno))? {
            let entry = entry.map_err(|errno| trouble(path, errno))?;
            let Some(segment) = entry.file_name().to_str().ok().filter(|segment| name::is_segment(segment)) else {
                continue;
            };
            let full = if path.is_empty() { segment.to_owned() } else { format!("{path}/{segment}") };
            match kind(handle, segment, entry.file_type()).map_err(|errno| trouble(&full, errno))? {
                FileType::Directory if self.may_hold(&format!("{full}/")) => found.below.push(full),
                FileType::RegularFile if full.starts_with(self.prefix) && full.as_str() > self.after => {
                    found.names.push(full)
                }
                _ => {}
            }
        }
        Ok(found)
    }

    /// Whether names below `folder`, which ends in a slash, may be part of the answer.
    fn may_hold(&self, folder: &str) -> bool {
        folder.starts_with(self.prefix) && (self.after < folder || self.after.starts_with(folder))
    }
}

#[derive(Default)]
struct Found {
    names: Vec<String>,
    below: Vec<String>,
}

/// Some file systems do not tell the kind along with the name.
fn kind(handle: &File, segment: &str, told: FileType) -> Result<FileType, Errno> {
    match told {
        FileType::Unknown => Ok(FileType::from_raw_mode(statat(handle, segment, AtFlags::SYMLINK_NOFOLLOW)?.st_mode)),
        told => Ok(told),
    }
}

fn trouble(path: &str, errno: Errno) -> Error {
    unread(format!("directory objects/{path}"), &errno.into())
}
