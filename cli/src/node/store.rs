//! The folders of a node on its own machine, opened with our own words for what keeps them from being used.

use crate::failure::{Failure, Result};
use callboard::port::store::{FolderStore, MemoryStore, OpenError, Store};
use callboard::{Code, StateSettings, StoreSettings};
use std::path::PathBuf;
use std::sync::Arc;

/// Opens it; `None` if it is elsewhere, where the node finds it by itself.
pub(super) async fn open(settings: &StoreSettings) -> Result<Option<Arc<dyn Store>>> {
    match settings {
        StoreSettings::Memory => Ok(Some(Arc::new(MemoryStore::new()))),
        StoreSettings::Folder(root) => folder(root.clone()).await.map(Some),
        _ => Ok(None),
    }
}

/// Opens the folder in which writes of documents wait while the store is away; `None` without one.
pub(super) async fn spool(settings: &StateSettings) -> Result<Option<Arc<dyn Store>>> {
    match settings.spool.as_str() {
        "" => Ok(None),
        path => folder(path.into()).await.map(Some),
    }
}

/// Opens a folder as a store.
pub(crate) async fn folder(root: PathBuf) -> Result<Arc<dyn Store>> {
    let shown = root.display().to_string();
    let opened = tokio::task::spawn_blocking(move || FolderStore::open(root)).await;
    match opened.map_err(|error| Failure::new(Code::Internal, format!("the store was not opened: {error}")))? {
        Ok(store) => Ok(Arc::new(store)),
        Err(OpenError::Held { holder, .. }) => {
            Err(Failure::new(Code::FolderHeld, format!("the folder {shown} is in use")).seen(holder))
        }
        Err(OpenError::Io { action, path, source }) => {
            let seen = format!("cannot {action} {}: {source}", path.display());
            Err(Failure::new(Code::FolderRefused, format!("the folder {shown} cannot be used")).seen(seen))
        }
    }
}
