//! Directories of a folder store: their gates, their handles and the bounded set of known ones.

use std::collections::HashMap;
use std::fs::File;
use std::iter;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use rustix::fs::{AtFlags, FileType, Mode, OFlags, mkdirat, openat, statat};
use rustix::io::Errno;

use super::disk::{Disk, refused, unread};
use crate::port::store::{Error, name};

/// So many directories are kept open at most, besides those at work: a quarter of the usual limit of 1,024
/// open files, and far more than the partitions of a node have.
const KNOWN_MAX: usize = 256;

/// An open directory.
///
/// # Gates
///
/// Whoever changes the entries of a directory holds its `entries` exclusively until the change is durable;
/// whoever looks at them holds `entries` shared, so he sees them as they are on disk. He who changes also
/// holds `subtree` shared, here and in all directories above; who lists several levels holds the `subtree`
/// of the topmost exclusively, so that all below it stands still for one moment.
///
/// Gates are taken from the top down, `subtree` before `entries`, so nobody waits in a circle. Changes of
/// different directories do not wait for each other's fsync, and only changes wait for a list of several
/// levels.
pub(super) struct Directory {
    /// The path below `objects`, empty for `objects` itself.
    pub(super) path: String,
    pub(super) handle: File,
    parent: Option<Arc<Directory>>,
    entries: RwLock<()>,
    subtree: RwLock<()>,
}

/// The right to change the entries of a directory.
pub(super) struct Change<'a> {
    _entries: RwLockWriteGuard<'a, ()>,
    _subtrees: Vec<RwLockReadGuard<'a, ()>>,
}

// The gates guard no data, so what a panic leaves behind in them is nothing.
impl Directory {
    fn new(path: String, handle: File, parent: Option<Arc<Directory>>) -> Arc<Self> {
        Arc::new(Self { path, handle, parent, entries: RwLock::new(()), subtree: RwLock::new(()) })
    }

    /// The right to look at this directory's own entries.
    pub(super) fn look(&self) -> RwLockReadGuard<'_, ()> {
        self.entries.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// The right to look at this directory and all below it.
    pub(super) fn still(&self) -> RwLockWriteGuard<'_, ()> {
        self.subtree.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// The right to change this directory's own entries.
    pub(super) fn change(&self) -> Change<'_> {
        let mut chain: Vec<_> = iter::successors(Some(self), |below| below.parent.as_deref()).collect();
        chain.reverse();
        let subtrees = chain.into_iter().map(|directory| directory.subtree.read());
        let subtrees = subtrees.map(|gate| gate.unwrap_or_else(PoisonError::into_inner)).collect();
        let entries = self.entries.write().unwrap_or_else(PoisonError::into_inner);
        Change { _entries: entries, _subtrees: subtrees }
    }

    /// What stands under `file` in this directory, if anything.
    pub(super) fn kind(&self, file: &str) -> Result<Option<FileType>, Error> {
        match statat(&self.handle, file, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => Ok(Some(FileType::from_raw_mode(stat.st_mode))),
            Err(Errno::NOENT) => Ok(None),
            Err(errno) => Err(refused(format!("looking up {file} in objects/{}", self.path), &errno.into())),
        }
    }
}

/// Opens the directory `segment` of `above`.
pub(super) fn open(above: &File, segment: &str) -> Result<File, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    openat(above, segment, flags, Mode::empty()).map(File::from)
}

/// All directories of a store. At any time at most one [`Directory`] exists for a path, so that its gates
/// exclude everybody.
pub(super) struct Directories {
    root: Arc<Directory>,
    known: Mutex<HashMap<String, Arc<Directory>>>,
}

impl Directories {
    /// `objects` must exist.
    pub(super) fn open(objects: &Path) -> std::io::Result<Self> {
        let root = Directory::new(String::new(), File::open(objects)?, None);
        Ok(Self { root, known: Mutex::default() })
    }

    /// The directory at `path`, or `None` if there is none.
    pub(super) fn find(&self, path: &str) -> Result<Option<Arc<Directory>>, Error> {
        if let Some(directory) = self.known(path) {
            return Ok(Some(directory));
        }
        let (above, segment) = name::split(path);
        let Some(parent) = self.find(above)? else {
            return Ok(None);
        };
        // Under the gate: a directory whose own entry is not yet durable must not be built upon.
        let opened = {
            let _gate = parent.look();
            open(&parent.handle, segment)
        };
        match opened {
            Ok(handle) => Ok(Some(self.remember(path, parent, handle))),
            Err(Errno::NOENT | Errno::NOTDIR) => Ok(None),
            Err(errno) => Err(unread(format!("directory objects/{path}"), &errno.into())),
        }
    }

    /// The directory at `path`, durably made if there is none.
    pub(super) fn make(&self, disk: &Disk, path: &str) -> Result<Arc<Directory>, Error> {
        if let Some(directory) = self.find(path)? {
            return Ok(directory);
        }
        let (above, segment) = name::split(path);
        let parent = self.make(disk, above)?;
        let what = || format!("making directory objects/{path}");
        let handle = {
            let _gate = parent.change();
            disk.check()?;
            match mkdirat(&parent.handle, segment, Mode::from_raw_mode(0o755)) {
                Ok(()) => disk.sync_directory(&parent.handle, &parent.path)?,
                Err(Errno::EXIST) => {}
                Err(errno) => return Err(disk.change_failed(&what(), errno)),
            }
            open(&parent.handle, segment).map_err(|errno| refused(what(), &errno.into()))?
        };
        Ok(self.remember(path, parent, handle))
    }

    fn known(&self, path: &str) -> Option<Arc<Directory>> {
        if path.is_empty() {
            return Some(Arc::clone(&self.root));
        }
        self.known.lock().unwrap_or_else(PoisonError::into_inner).get(path).cloned()
    }

    fn remember(&self, path: &str, parent: Arc<Directory>, handle: File) -> Arc<Directory> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(directory) = known.get(path) {
            return Arc::clone(directory);
        }
        if known.len() >= KNOWN_MAX {
            // One that somebody uses stays: a second one for the same path would have gates of its own.
            known.retain(|_, directory| Arc::strong_count(directory) > 1);
        }
        let directory = Directory::new(path.to_owned(), handle, Some(parent));
        known.insert(path.to_owned(), Arc::clone(&directory));
        directory
    }
}
