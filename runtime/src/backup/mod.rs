//! A name space without a node: checking it, copying it, and making a new one of a copy.
//!
//! Everything durable is an object that never changes, so a copy is a copy of objects: those that the journals, the documents and
//! the locks rest on. It has the names that they have in the source, and beside them a record of what it is a copy of
//! and up to where. A node opens it to be looked at, and no node goes on with it: that is for what is *restored*
//! from it, which is the same name space in another generation, with an identity of its own. Nodes of the old one meet it as
//! strangers.
//!
//! # As of when
//!
//! Each partition is copied up to its end at some moment while the copy is made, and a run is in one partition with all its
//! tasks. Documents and locks follow, so that what a task is known to have written is there. Payloads are looked for before the
//! journals and behind them: what a journal names was stored before.

mod copy;
mod restore;
mod verify;

pub use copy::Copied;
pub use restore::Restored;
pub use verify::{Fault, PartitionState, Verified};

use crate::journal::access::Access;
use crate::journal::ids::Ids;
use crate::journal::payload::Payloads;
use crate::journal::position::Position;
use crate::journal::register::{self, Register};
use crate::journal::replay::{Replay, ReplayError};
use crate::journal::{self, Journal, manifest, reader, walk};
use crate::node::store_to_read;
use crate::partition::pages_of;
use crate::partition::recover::Recovery;
use crate::port::store::Store;
use crate::root::{self, Root};
use crate::settings::Settings;
use crate::{Error, ErrorKind, Result};
use callboard_core::{Limits, Millis};
use futures::FutureExt;
use futures::future::BoxFuture;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

/// A name space in a store, looked at without a node: also while nodes are at work in it, of which none notices.
#[derive(Clone)]
pub struct NameSpace {
    store: Arc<dyn Store>,
    name: Arc<str>,
    root: Root,
    limits: Limits,
    settings: journal::Settings,
}

/// Up to where something is copied.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Stand {
    /// Of what it is a copy.
    pub(crate) of: Root,
    /// When the copy was finished.
    pub(crate) at: Millis,
    /// Up to where, by partition, and the hash of the state there.
    pub(crate) partitions: Vec<(Position, String)>,
}

impl fmt::Debug for NameSpace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NameSpace").field("name", &self.name).field("root", &self.root).finish_non_exhaustive()
    }
}

impl NameSpace {
    /// The name space that the settings name, in the store that they name. A folder may be in use meanwhile.
    ///
    /// # Errors
    ///
    /// `NotFound` if there is none, `Unavailable` if the store can not be reached, `Invalid` for a store in memory.
    pub async fn open(settings: &Settings) -> Result<Self> {
        let store = store_to_read(settings).await?;
        Self::in_store(store, settings).await
    }

    /// The name space that the settings name, in a store of your own.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open).
    pub async fn in_store(store: Arc<dyn Store>, settings: &Settings) -> Result<Self> {
        let name: Arc<str> = settings.namespace.as_str().into();
        let root = root::find(&*store, &name).await?.ok_or_else(|| {
            let message = format!("there is no name space {name:?} in this store");
            Error::new(ErrorKind::NotFound, message)
                .because("its root object is missing: nothing was begun there, or a copy not finished")
        })?;
        // No call may hang for ever, and nobody waits for an owner here: so as patient as a journal is.
        Ok(Self { store, name, root, limits: settings.limits(), settings: journal::Settings::default() })
    }

    /// The identity of the name space.
    pub fn id(&self) -> uuid::Uuid {
        self.root.id
    }

    /// How often it was restored since it was created.
    pub fn generation(&self) -> u32 {
        self.root.generation
    }

    /// Into how many partitions it is divided.
    pub fn partitions(&self) -> u16 {
        self.root.partitions
    }

    /// What the journal of a partition holds, as lines of JSON: its newest snapshot, and the events behind it.
    ///
    /// # Errors
    ///
    /// `NotFound` for a partition that there is not; `Corrupt` and `Unavailable` as the journal is.
    pub async fn events(&self, partition: u16) -> Result<Vec<u8>> {
        if partition >= self.root.partitions {
            let message = format!("there is no partition {partition}: they are 0 to {}", self.root.partitions - 1);
            return Err(Error::new(ErrorKind::NotFound, message));
        }
        let mut lines = Lines::default();
        self.journal(&self.store, partition).read(&mut lines).await.map_err(|error| unread(&error))?;
        Ok(lines.0)
    }

    /// Whether a page of the archive that was named once is named no more: then it may be gone.
    fn is_forgotten(&self, partition: u16, page: u64) -> BoxFuture<'_, Result<bool>> {
        async move {
            let mut recovery = Recovery::new(self.limits);
            self.journal(&self.store, partition).read(&mut recovery).await.map_err(|error| unread(&error))?;
            Ok(pages_of(&recovery.state).first().is_some_and(|first| page < first.page))
        }
        .boxed()
    }

    fn journal(&self, store: &Arc<dyn Store>, partition: u16) -> Journal {
        Journal::new(store.clone(), Ids::random(), &self.name, partition.into(), self.settings.clone())
    }

    fn payloads(&self, store: &Arc<dyn Store>) -> Payloads {
        Payloads::new(store.clone(), &self.name, &self.settings)
    }

    fn access(&self, store: &Arc<dyn Store>) -> Access {
        Access::new(store.clone(), self.settings.attempt_timeout, self.settings.tries)
    }

    fn register(&self, store: &Arc<dyn Store>, rest: &str) -> Register {
        let name = format!("{}/{rest}", self.name);
        Register::new(self.access(store), Ids::random(), name, self.settings.keep_versions)
    }

    /// The registers of a kind, as `kind/segment`.
    async fn registers(&self, kind: &str) -> Result<BTreeSet<String>> {
        let root = format!("{}/{kind}/", self.name);
        let names = self.access(&self.store).list(&root, "").await.map_err(|error| away(&error))?;
        let segments = names.iter().filter_map(|name| name.strip_prefix(&root)?.split_once('/'));
        Ok(segments.map(|(segment, _)| format!("{kind}/{segment}")).collect())
    }

    /// What this is a copy of, and up to where; `None` for what is none.
    async fn stand(&self, store: &Arc<dyn Store>) -> Result<Option<Stand>> {
        let newest = self.register(store, root::COPY).read(None).await.map_err(|error| unread_register(&error))?;
        newest.parse().map_err(|error| {
            Error::new(ErrorKind::Corrupt, format!("the record of the copy {:?} can not be read", self.name))
                .because(error)
        })
    }
}

/// The lines of a journal as they come.
#[derive(Default)]
struct Lines(Vec<u8>);

impl Replay for Lines {
    fn reset(&mut self) {
        self.0.clear();
    }

    fn snapshot(&mut self, lines: &[u8]) -> Result<(), ReplayError> {
        self.0.extend_from_slice(lines);
        Ok(())
    }

    fn batch(&mut self, _: Position, lines: &[u8]) -> Result<(), ReplayError> {
        self.0.extend_from_slice(lines);
        Ok(())
    }
}

/// That a journal could not be read, in the kinds that callers know.
fn unread(error: &reader::Error) -> Error {
    let kind = match error {
        reader::Error::Manifest(manifest::Error::Corrupt(_) | manifest::Error::Newer { .. }) => ErrorKind::Corrupt,
        reader::Error::Manifest(manifest::Error::Unavailable(_)) | reader::Error::Overtaken { .. } => {
            ErrorKind::Unavailable
        }
        reader::Error::Walk(walk::Error::Unavailable { .. }) => ErrorKind::Unavailable,
        reader::Error::Walk(_) => ErrorKind::Corrupt,
    };
    Error::new(kind, error.to_string())
}

/// That a register could not be read.
fn unread_register(error: &register::Error) -> Error {
    let kind = match error {
        register::Error::Unavailable { .. } => ErrorKind::Unavailable,
        register::Error::Corrupt(_) => ErrorKind::Corrupt,
    };
    Error::new(kind, error.to_string())
}

/// That the store gives no answer.
fn away(error: &impl fmt::Display) -> Error {
    Error::new(ErrorKind::Unavailable, error.to_string())
}
