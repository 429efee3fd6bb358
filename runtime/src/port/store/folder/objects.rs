//! The four operations on files, blocking.

use std::fs::File;
use std::io::{self, Read};

use bytes::Bytes;
use rustix::fs::{AtFlags, FileType, Mode, OFlags, openat, unlinkat};
use rustix::io::Errno;

use super::directory::{Directories, Directory};
use super::disk::{Disk, unread};
use super::listing::Listing;
use super::lock::Lock;
use super::temp::Temps;
use crate::port::store::{Create, Error, name};

/// The longest file name of the usual file systems, in bytes.
const SEGMENT_BYTES_MAX: usize = 255;

/// All objects of a folder.
pub(super) struct Objects {
    pub(super) directories: Directories,
    pub(super) disk: Disk,
    /// What it takes to change them; nothing where they are only read.
    pub(super) right: Option<Right>,
}

/// The right to change the objects of a folder.
pub(super) struct Right {
    pub(super) temps: Temps,
    pub(super) lock: Lock,
}

impl Objects {
    pub(super) fn create(&self, name: &str, bytes: &[u8]) -> Result<Create, Error> {
        let (path, file) = self.admit(name)?;
        let right = self.right()?;
        let directory = self.directories.make(&self.disk, path)?;
        if let Some(kind) = self.early_kind(&directory, file)? {
            return taken(name, Some(kind));
        }
        let mut temp = right.temps.write(&self.disk, bytes)?;
        let _gate = directory.change();
        self.disk.check()?;
        match temp.publish(&directory, file) {
            Ok(()) => {}
            Err(Errno::EXIST) => return taken(name, directory.kind(file)?),
            Err(errno) => {
                return Err(self.disk.change_failed(&format!("renaming a temp file to objects/{name}"), errno));
            }
        }
        self.disk.sync_directory(&directory.handle, &directory.path)?;
        Ok(Create::Created)
    }

    pub(super) fn get(&self, name: &str) -> Result<Option<Bytes>, Error> {
        let (path, file) = self.admit(name)?;
        let Some(directory) = self.directories.find(path)? else {
            return Ok(None);
        };
        let opened = {
            let _gate = directory.look();
            self.disk.check()?;
            openat(&directory.handle, file, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())
        };
        // The gate may go: the bytes of a name never change, and an open file outlives its name.
        let mut bytes = Vec::new();
        let read = match opened {
            Ok(opened) => File::from(opened).read_to_end(&mut bytes),
            Err(Errno::NOENT) => return Ok(None),
            Err(errno) => Err(errno.into()),
        };
        match read {
            Ok(_) => Ok(Some(bytes.into())),
            Err(error) if error.kind() == io::ErrorKind::IsADirectory => Ok(None),
            Err(error) => Err(unread(format!("objects/{name}"), &error)),
        }
    }

    pub(super) fn list(&self, prefix: &str, after: &str) -> Result<Vec<String>, Error> {
        self.disk.check()?;
        let (path, _) = name::split(prefix);
        if !path.is_empty() && name::check(path).is_err() {
            return Ok(Vec::new());
        }
        let Some(directory) = self.directories.find(path)? else {
            return Ok(Vec::new());
        };
        let listing = Listing { prefix, after };
        {
            let _gate = directory.look();
            self.disk.check()?;
            if let Some(names) = listing.flat(&directory)? {
                return Ok(names);
            }
        }
        let _gate = directory.still();
        self.disk.check()?;
        listing.deep(&directory)
    }

    pub(super) fn delete(&self, name: &str) -> Result<(), Error> {
        let (path, file) = self.admit(name)?;
        self.right()?;
        let Some(directory) = self.directories.find(path)? else {
            return Ok(());
        };
        let _gate = directory.change();
        self.disk.check()?;
        match unlinkat(&directory.handle, file, AtFlags::empty()) {
            Ok(()) => self.disk.sync_directory(&directory.handle, &directory.path),
            Err(Errno::NOENT | Errno::ISDIR) => Ok(()),
            Err(errno) => Err(self.disk.change_failed(&format!("removing objects/{name}"), errno)),
        }
    }

    fn right(&self) -> Result<&Right, Error> {
        let refused = || Error::Refused { reason: "the folder was opened to be read, and nothing else".into() };
        self.right.as_ref().ok_or_else(refused)
    }

    /// Splits `name` into directory and file, unless the store or the name is unfit.
    fn admit<'a>(&self, name: &'a str) -> Result<(&'a str, &'a str), Error> {
        self.disk.check()?;
        name::check(name)?;
        if let Some(long) = name.split('/').find(|segment| segment.len() > SEGMENT_BYTES_MAX) {
            let reason =
                format!("{name:?} has a segment of {} bytes, a file name has at most {SEGMENT_BYTES_MAX}", long.len());
            return Err(Error::Refused { reason });
        }
        Ok(name::split(name))
    }

    /// Looks whether the name is taken, which spares writing the bytes. The first look is free of waiting;
    /// what it finds counts only when seen again under the gate, hence durable.
    fn early_kind(&self, directory: &Directory, file: &str) -> Result<Option<FileType>, Error> {
        if directory.kind(file)?.is_none() {
            return Ok(None);
        }
        let _gate = directory.look();
        self.disk.check()?;
        directory.kind(file)
    }
}

/// The answer to a create whose name is taken by something of this kind.
fn taken(name: &str, kind: Option<FileType>) -> Result<Create, Error> {
    if kind == Some(FileType::Directory) {
        let reason = format!("{name:?} is a folder of other objects, so it cannot be an object");
        return Err(Error::Refused { reason });
    }
    Ok(Create::Exists)
}

impl Drop for Objects {
    fn drop(&mut self) {
        // The last operation at work holds this too, so nothing is half done here.
        if self.disk.check().is_ok()
            && let Some(right) = &self.right
        {
            right.lock.leave();
        }
    }
}
