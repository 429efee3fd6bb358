//! A store in a folder of a local file system, every object fsynced.
//!
//! ```text
//! <root>/objects/a/b/c   the object `a/b/c`, its bytes and nothing else
//! <root>/tmp/            files being written; emptied when the store is opened
//! <root>/lock            held by the one process that may use the folder, and names it
//! ```
//!
//! A create writes and fsyncs a temp file, renames it to its name unless that is taken, and fsyncs the
//! directory. From the rename to the end of that fsync the directory's gate is closed: nobody is shown a
//! name that a power cut could take back. A list goes through the same gate, so it shows one moment; a list
//! of one directory waits for that directory only, a list of several levels makes all changes below wait.
//!
//! # Limits
//!
//! - A name cannot be an object and a folder of others at once: with `a/b` stored, or once stored, `a` is
//!   refused, and with `a` stored, `a/b` is. A segment has at most 255 bytes.
//! - The file system tells upper from lower case. On one that does not, names that differ only in case are
//!   one name here; nothing detects that.
//! - An advisory lock keeps out processes on the same host, and on others only as far as the file system
//!   passes locks on. Nothing else may write below the folder.
//! - Empty directories stay.

mod directory;
mod disk;
mod listing;
mod lock;
mod objects;
mod temp;
#[cfg(test)]
mod tests;

use std::fmt;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;

use self::directory::Directories;
use self::disk::{Disk, Kernel, Syscalls};
use self::lock::{Former, Lock};
use self::objects::{Objects, Right};
use self::temp::Temps;
use super::{Create, Error, Store};

/// Why a folder could not be opened as a store.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process, or another store in this one, has the folder.
    #[error(
        "the store folder is in use by {holder}: stop that process, or choose another folder than {}",
        root.display()
    )]
    Held {
        /// The folder.
        root: PathBuf,
        /// Process, host, program and since when.
        holder: String,
    },
    /// The file system said no.
    #[error("the store folder cannot be opened: cannot {action} {}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// On which file or directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl OpenError {
    fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { action, path, source }
    }
}

/// Objects as files of a folder. See the module for the layout and its limits.
///
/// Operations run on tokio's blocking threads, so a tokio runtime must be there; one whose future is
/// dropped is carried on to its end. After a failed fsync every operation is [`Error::Refused`] with the
/// words of that failure, until the process is restarted. A full disk is [`Error::Refused`] too, but only
/// for the create that met it.
///
/// A clone is the same store. The folder is free again when the last clone and the last operation are gone.
#[derive(Clone)]
pub struct FolderStore {
    objects: Arc<Objects>,
}

impl fmt::Debug for FolderStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FolderStore").finish_non_exhaustive()
    }
}

impl FolderStore {
    /// Opens the folder `root`, made if it is missing. Blocks on a few file operations; when the process
    /// before was killed, also until all of the file system is synced.
    ///
    /// # Errors
    ///
    /// [`OpenError::Held`] if the folder is in use, [`OpenError::Io`] if it cannot be made, read or synced.
    pub fn open(root: impl Into<PathBuf>) -> Result<Self, OpenError> {
        Self::open_on(root.into(), Kernel)
    }

    fn open_on(root: PathBuf, calls: impl Syscalls) -> Result<Self, OpenError> {
        make_durable(&root)?;
        let (lock, former) = Lock::take(&root)?;
        let (objects, tmp) = (root.join("objects"), root.join("tmp"));
        make_durable(&objects)?;
        make_durable(&tmp)?;
        if former == Former::Died {
            // It may have renamed a file and died before its fsync; what we show must be durable.
            File::open(&root).and_then(|root| calls.sync_file_system(&root)).map_err(OpenError::io("sync", &root))?;
        }
        let temps = Temps::open(&tmp).map_err(OpenError::io("empty", &tmp))?;
        let objects = Objects {
            directories: Directories::open(&objects).map_err(OpenError::io("open", &objects))?,
            disk: Disk::new(calls),
            right: Some(Right { temps, lock }),
        };
        Ok(Self { objects: Arc::new(objects) })
    }

    /// Opens the folder `root` to be read, also while another process has it: to make a copy of it, or to check it. Every create
    /// and every delete is refused, and nothing below the folder is changed.
    ///
    /// Without the gates of the process that writes, a list may miss what is created while it is made, and show what is being
    /// deleted; what was there before it began and after it had ended is never missing. And what is shown may not be durable yet.
    ///
    /// # Errors
    ///
    /// [`OpenError::Io`] if there is no such folder, or it can not be read.
    pub fn open_to_read(root: impl Into<PathBuf>) -> Result<Self, OpenError> {
        let objects = root.into().join("objects");
        let directories = Directories::open(&objects).map_err(OpenError::io("open", &objects))?;
        Ok(Self { objects: Arc::new(Objects { directories, disk: Disk::new(Kernel), right: None }) })
    }

    fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Objects) -> Result<T, Error> + Send + 'static,
    ) -> BoxFuture<'static, Result<T, Error>> {
        let objects = Arc::clone(&self.objects);
        async move {
            let done = tokio::task::spawn_blocking(move || work(&objects)).await;
            done.unwrap_or_else(|broken| {
                Err(Error::Unclear { reason: format!("the file operation did not end: {broken}") })
            })
        }
        .boxed()
    }
}

impl Store for FolderStore {
    fn create<'a>(&'a self, name: &'a str, bytes: Bytes) -> BoxFuture<'a, Result<Create, Error>> {
        let name = name.to_owned();
        self.blocking(move |objects| objects.create(&name, &bytes))
    }

    fn get<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Option<Bytes>, Error>> {
        let name = name.to_owned();
        self.blocking(move |objects| objects.get(&name))
    }

    fn list<'a>(&'a self, prefix: &'a str, after: &'a str) -> BoxFuture<'a, Result<Vec<String>, Error>> {
        let (prefix, after) = (prefix.to_owned(), after.to_owned());
        self.blocking(move |objects| objects.list(&prefix, &after))
    }

    fn delete<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<(), Error>> {
        let name = name.to_owned();
        self.blocking(move |objects| objects.delete(&name))
    }
}

/// Makes the directory `path` and those above it, each durable in the one above.
fn make_durable(path: &Path) -> Result<(), OpenError> {
    let missing: Vec<&Path> =
        path.ancestors().take_while(|above| !above.as_os_str().is_empty() && !above.exists()).collect();
    fs::create_dir_all(path).map_err(OpenError::io("make", path))?;
    for made in missing {
        let above = made.parent().filter(|above| !above.as_os_str().is_empty()).unwrap_or(Path::new("."));
        File::open(above).and_then(|above| above.sync_all()).map_err(OpenError::io("sync", above))?;
    }
    Ok(())
}
