//! Large payloads, stored once under the hash of their content: `<namespace>/payloads/<blake3>`.

use std::sync::Arc;

use bytes::Bytes;
use futures::stream::{self, StreamExt};

use super::Settings;
use super::access::Access;
use super::alarm::Corrupt;
use super::copy::{self, Added};
use super::digest::Digest;
use super::settle::{Patience, Settled, settle};
use super::walk;
use crate::port::store::Store;

/// Payloads that are copied at once.
const AT_ONCE: usize = 8;

/// The payloads of a namespace, of all its partitions.
#[derive(Clone, Debug)]
pub(crate) struct Payloads {
    access: Access,
    root: String,
}

/// Why a payload was not stored or read.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The store refused; nothing was written.
    #[error("the store refused payload {digest}: {reason}")]
    Refused {
        /// Its hash.
        digest: Digest,
        /// What the store said.
        reason: String,
    },
    /// The store gave no clear answer. Storing it again is harmless.
    #[error("payload {digest} could not be settled: {reason}")]
    Unknown {
        /// Its hash.
        digest: Digest,
        /// What was seen last.
        reason: String,
    },
    /// There is no such payload.
    #[error("payload {digest} is missing")]
    Missing {
        /// Its hash.
        digest: Digest,
    },
    /// What is stored under the hash has another one.
    #[error(transparent)]
    Corrupt(#[from] Corrupt),
}

impl Payloads {
    /// The payloads under `namespace` in `store`.
    pub(crate) fn new(store: Arc<dyn Store>, namespace: &str, settings: &Settings) -> Self {
        let access = Access::new(store, settings.attempt_timeout, settings.tries);
        Self { access, root: format!("{namespace}/payloads") }
    }

    /// Stores `bytes` and returns their hash; durable on return, and read back if the name was taken.
    ///
    /// # Errors
    /// Refused: nothing was written. Unknown: store it again. Corrupt: other bytes lie there.
    pub(crate) async fn put(&self, bytes: Bytes) -> Result<Digest, Error> {
        let digest = Digest::of(&bytes);
        let name = self.name(digest);
        match settle(&self.access, &name, &bytes, Patience::Bounded, |_| ()).await {
            Settled::Mine => Ok(digest),
            Settled::Foreign(found) => Err(wrong(name, &found)),
            Settled::Refused(reason) => Err(Error::Refused { digest, reason }),
            Settled::Undecided(reason) => Err(Error::Unknown { digest, reason }),
        }
    }

    /// The payload with the hash `digest`, verified.
    ///
    /// # Errors
    /// Missing; Corrupt when the content has another hash; Unknown when the store gave no answer.
    pub(crate) async fn get(&self, digest: Digest) -> Result<Bytes, Error> {
        let name = self.name(digest);
        let found = self.access.get_patiently(&name).await;
        let found = found.map_err(|error| Error::Unknown { digest, reason: error.to_string() })?;
        let bytes = found.ok_or(Error::Missing { digest })?;
        if Digest::of(&bytes) == digest { Ok(bytes) } else { Err(wrong(name, &bytes)) }
    }

    /// The hashes of all payloads that are stored, in order.
    ///
    /// # Errors
    /// When the store gives no answer.
    pub(crate) async fn all(&self) -> Result<Vec<Digest>, walk::Error> {
        let root = format!("{}/", self.root);
        let names = self.access.list_patiently(&root).await.map_err(|error| walk::unavailable(&root, &error))?;
        // Nothing else is written there, and what somebody has put there is nobody's payload.
        Ok(names.iter().filter_map(|name| name.strip_prefix(&root)?.parse().ok()).collect())
    }

    /// Copies the payloads that `theirs`, those of the same name space in another store, do not have yet.
    ///
    /// # Errors
    /// See [`copy::Error`]: a payload with another hash than its name says is the source's fault.
    pub(crate) async fn copy_to(&self, theirs: &Self) -> Result<Added, copy::Error> {
        let there = theirs.all().await.map_err(|error| copy::Error::TargetUnread(error.to_string()))?;
        let missing = self.all().await?.into_iter().filter(|digest| there.binary_search(digest).is_err());
        let mut copies = stream::iter(missing)
            .map(async |digest| {
                let bytes = self.get(digest).await.map_err(|error| match error {
                    Error::Corrupt(corrupt) => walk::Error::from(corrupt),
                    error => walk::Error::Unavailable { name: self.name(digest), reason: error.to_string() },
                })?;
                copy::put(&theirs.access, theirs.name(digest), bytes).await
            })
            .buffer_unordered(AT_ONCE);
        let mut added = Added::default();
        while let Some(copied) = copies.next().await {
            added += copied?;
        }
        Ok(added)
    }

    /// What the payload with this hash is called in the store.
    pub(crate) fn name(&self, digest: Digest) -> String {
        format!("{}/{digest}", self.root)
    }
}

fn wrong(name: String, found: &[u8]) -> Error {
    Corrupt::WrongContent { name, found: Digest::of(found) }.raise().into()
}
