//! Files on their way to become objects.

use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::fs::{AtFlags, Mode, OFlags, RenameFlags, linkat, openat, renameat_with, unlinkat};
use rustix::io::Errno;

use super::directory::Directory;
use super::disk::{Disk, refused};
use crate::port::store::Error;

/// The folder `tmp`. It is no part of `objects`, so no listing ever shows what is in it.
pub(super) struct Temps {
    handle: File,
    next: AtomicU64,
}

impl Temps {
    /// Opens `tmp`, which must exist, and removes what a killed process left in it. The caller holds the
    /// store's lock, so nobody else is writing there and a plain counter names the files.
    pub(super) fn open(tmp: &Path) -> io::Result<Self> {
        for leftover in fs::read_dir(tmp)? {
            fs::remove_file(leftover?.path())?;
        }
        Ok(Self { handle: File::open(tmp)?, next: AtomicU64::new(0) })
    }

    /// Writes `bytes` to a new temp file, durably.
    pub(super) fn write(&self, disk: &Disk, bytes: &[u8]) -> Result<Temp<'_>, Error> {
        let name = self.next.fetch_add(1, Ordering::Relaxed).to_string();
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        let opened = openat(&self.handle, &name, flags, Mode::from_raw_mode(0o644));
        let mut file = File::from(opened.map_err(|errno| refused("making a temp file", &errno.into()))?);
        let temp = Temp { folder: &self.handle, name, place: Place::Tmp };
        disk.write_unseen(&mut file, bytes)?;
        Ok(temp)
    }
}

/// A durable file in `tmp`; removed when dropped, unless it became an object.
pub(super) struct Temp<'a> {
    folder: &'a File,
    name: String,
    place: Place,
}

#[derive(PartialEq, Eq)]
enum Place {
    Tmp,
    Objects,
}

impl Temp<'_> {
    /// Gives the file its name in `directory` if that name is free, [`Errno::EXIST`] if not.
    pub(super) fn publish(&mut self, directory: &Directory, file: &str) -> Result<(), Errno> {
        let (tmp, objects) = (self.folder, &directory.handle);
        match renameat_with(tmp, &self.name, objects, file, RenameFlags::NOREPLACE) {
            Ok(()) => self.place = Place::Objects,
            // A file system without that flag: a second link is as exclusive, and the first goes on drop.
            Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => {
                linkat(tmp, &self.name, objects, file, AtFlags::empty())?;
            }
            Err(errno) => return Err(errno),
        }
        Ok(())
    }
}

impl Drop for Temp<'_> {
    fn drop(&mut self) {
        if self.place == Place::Tmp {
            // What cannot be removed now is removed when the store is next opened.
            let _ = unlinkat(self.folder, &self.name, AtFlags::empty());
        }
    }
}
