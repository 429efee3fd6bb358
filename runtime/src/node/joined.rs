//! The ports that the settings name.
//!
//! Each is a boxed future: what lies behind it is deep, and whoever spawns the start of a node would have to raise the
//! compiler's recursion limit.

#[cfg(any(feature = "rabbitmq", feature = "redis", feature = "s3"))]
mod servers;

use crate::port::bus::Bus;
use crate::port::directory::Directory;
use crate::port::store::{FolderStore, MemoryStore, Store};
use crate::settings::{BusSettings, DirectorySettings, Settings, StoreSettings};
use crate::{Error, ErrorKind, Result};
use futures::FutureExt;
use futures::future::BoxFuture;
use std::path::PathBuf;
use std::sync::Arc;

/// Opens the store.
///
/// # Errors
///
/// `Unavailable` if it can not be reached or is held by another process, `Invalid` if it is not fit for use.
pub(super) fn store(settings: &Settings) -> BoxFuture<'_, Result<Arc<dyn Store>>> {
    async move {
        match &settings.store {
            StoreSettings::Memory => Ok(Arc::new(MemoryStore::new()) as Arc<dyn Store>),
            StoreSettings::Folder(root) => folder(root.clone(), "the store can not be used").await,
            #[cfg(feature = "s3")]
            StoreSettings::S3(url) => servers::s3(settings, url).await,
            #[cfg(not(feature = "s3"))]
            StoreSettings::S3(url) => Err(no_adapter(url)),
        }
    }
    .boxed()
}

/// Opens the store to read what is there, also while others write to it.
///
/// # Errors
///
/// `NotFound` if there is no such folder, `Unavailable` if it can not be reached, `Invalid` for one in memory.
pub(super) fn store_to_read(settings: &Settings) -> BoxFuture<'_, Result<Arc<dyn Store>>> {
    async move {
        match &settings.store {
            StoreSettings::Memory => {
                Err(Error::invalid("store.url is \"memory:\": what is there belongs to one process"))
            }
            StoreSettings::Folder(root) => {
                let (root, shown) = (root.clone(), root.display().to_string());
                let opened = tokio::task::spawn_blocking(move || FolderStore::open_to_read(root)).await?;
                let opened = opened.map(|store| Arc::new(store) as Arc<dyn Store>);
                opened.map_err(|error| {
                    Error::new(ErrorKind::NotFound, format!("there is no store in the folder {shown}"))
                        .caused_by(&error)
                })
            }
            StoreSettings::S3(_) => store(settings).await,
        }
    }
    .boxed()
}

/// Opens the folder in which writes of documents wait while the store is away; `None` without one.
///
/// # Errors
///
/// `Unavailable` if it can not be used, or another process has it.
pub(super) async fn spool(settings: &Settings) -> Result<Option<Arc<dyn Store>>> {
    match settings.state.spool.as_str() {
        "" => Ok(None),
        path => folder(path.into(), "the spool can not be used").await.map(Some),
    }
}

async fn folder(root: PathBuf, otherwise: &str) -> Result<Arc<dyn Store>> {
    let opened = tokio::task::spawn_blocking(move || FolderStore::open(root)).await?;
    let opened = opened.map(|store| Arc::new(store) as Arc<dyn Store>);
    opened.map_err(|error| Error::new(ErrorKind::Unavailable, otherwise).caused_by(&error))
}

/// Joins the bus that nodes share; `None` without one.
///
/// # Errors
///
/// `Unavailable` if the broker can not be reached, `Denied` if it does not let us in.
pub(super) fn bus(settings: &Settings) -> BoxFuture<'_, Result<Option<Arc<dyn Bus>>>> {
    async move {
        match &settings.bus {
            BusSettings::Memory => Ok(None),
            #[cfg(feature = "rabbitmq")]
            BusSettings::Amqp(url) => servers::rabbitmq(settings, url).await.map(Some),
            #[cfg(not(feature = "rabbitmq"))]
            BusSettings::Amqp(url) => Err(no_adapter(url)),
        }
    }
    .boxed()
}

/// Joins the directory that nodes share; `None` without one.
///
/// # Errors
///
/// `Unavailable` if the server can not be reached, `Denied` if it does not let us in.
pub(super) fn directory(settings: &Settings) -> BoxFuture<'_, Result<Option<Arc<dyn Directory>>>> {
    async move {
        match &settings.directory {
            DirectorySettings::Memory => Ok(None),
            #[cfg(feature = "redis")]
            DirectorySettings::Redis(url) => servers::redis(settings, url).await.map(Some),
            #[cfg(not(feature = "redis"))]
            DirectorySettings::Redis(url) => Err(no_adapter(url)),
        }
    }
    .boxed()
}

/// The settings are refused before; a program may have changed them.
#[cfg(not(all(feature = "rabbitmq", feature = "redis", feature = "s3")))]
fn no_adapter(url: &crate::ServerUrl) -> Error {
    Error::invalid(format!("this build has no adapter for {url}"))
}
