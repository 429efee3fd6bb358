//! Becoming the owner of a partition (J2, J3, J4).

use std::sync::Arc;

use uuid::Uuid;

use super::Journal;
use super::alarm::Corrupt;
use super::append::{Appender, Landed, Mark, Tenure, land};
use super::batch::{self, Header, Kind};
use super::keeper::Keeper;
use super::manifest::{self, Current};
use super::position::Position;
use super::register::Advance;
use super::replay::Replay;
use super::settle::Patience;
use super::walk::{self, Step, Walk};

/// The longest name of an owner: it stands in every record.
pub(crate) const OWNER_BYTES_MAX: usize = 128;

/// The owner of a partition, for one epoch. It may answer and dispatch: its ownership record is durable.
#[derive(Debug)]
pub(crate) struct Owner {
    /// Appends, one at a time.
    pub(crate) appender: Appender,
    /// Snapshots and collects garbage meanwhile.
    pub(crate) keeper: Keeper,
    /// The place of the ownership record: everything replayed is at or before it.
    pub(crate) start: Mark,
}

/// Why a claim did not make an owner. Whatever it was, this process owns nothing and writes nothing more.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The owner's name is empty, too long, or not printable.
    #[error("an owner's name is 1 to {OWNER_BYTES_MAX} printable ASCII characters: {0:?}")]
    InvalidOwner(String),
    /// The manifest could not be read, or is of a newer format.
    #[error("{0}")]
    Manifest(#[from] manifest::Error),
    /// Somebody else claimed the partition: at the same time, or since.
    #[error("epoch {epoch} was superseded by another claim")]
    Superseded {
        /// The epoch claimed.
        epoch: u64,
    },
    /// Whether the claim stands is not known; the next claim, with a new id, supersedes it either way.
    #[error("the outcome of the claim of epoch {epoch} is unknown: {reason}")]
    Unknown {
        /// The epoch claimed.
        epoch: u64,
        /// What was seen last.
        reason: String,
    },
    /// The store refused the claim: nothing was written.
    #[error("the store refused the claim of epoch {epoch}: {reason}")]
    Refused {
        /// The epoch claimed.
        epoch: u64,
        /// What the store said.
        reason: String,
    },
    /// The log could not be read to its end, or not be replayed: the partition is refused.
    #[error("{0}")]
    Walk(#[from] walk::Error),
}

impl Journal {
    /// Claims the partition for `owner` and replays its journal into `replay`.
    ///
    /// On return the epoch is this owner's, every earlier one is sealed, `replay` has been told everything that was
    /// ever committed, and the ownership record is durable. The future may be dropped at any time: nothing is claimed
    /// then, or the next claim supersedes it. A process must not hold two claims of one partition: it waits for the
    /// end of the first, or drops it.
    ///
    /// # Errors
    /// After any error nothing of this claim may be used; a new try is a new call, after a pause. A replay that
    /// refuses an event, a newer format and damage are not healed by trying again.
    pub(crate) async fn claim(self, owner: &str, replay: &mut dyn Replay) -> Result<Owner, Error> {
        let printable = owner.bytes().all(|byte| byte.is_ascii_graphic());
        if owner.is_empty() || owner.len() > OWNER_BYTES_MAX || !printable {
            return Err(Error::InvalidOwner(owner.chars().take(OWNER_BYTES_MAX).collect()));
        }
        let current = self.advance_epoch(owner).await?;
        let walked = match self.walk_to_end(&current, replay).await {
            Ok(walked) => walked,
            Err(error) => {
                let error = self.explain(&current, error).await;
                self.report(&error);
                return Err(error);
            }
        };
        let start = self.record_ownership(owner, &current, walked).await?;
        tracing::info!(partition = self.names.partition(), epoch = current.manifest.epoch, owner, "partition claimed");
        let (journal, tenure) = (Arc::new(self), Tenure::default());
        let appender = Appender::new(journal.clone(), owner.to_owned(), start, tenure.clone());
        Ok(Owner { appender, keeper: Keeper::new(journal, current, tenure), start })
    }

    /// J2: a verified read, and the next epoch; a format we do not know is refused before anything is written.
    async fn advance_epoch(&self, owner: &str) -> Result<Current, Error> {
        let register = self.manifest();
        let current = manifest::read(&register, None).await?;
        let mut claimed = current.manifest.clone();
        let epoch = claimed.epoch + 1;
        let advance = register
            .advance_with(&current.version, |write| {
                claimed = claimed.claimed(owner, write);
                claimed.clone()
            })
            .await;
        match advance {
            Advance::Advanced { version, superseded: false } => Ok(Current { version, manifest: claimed }),
            Advance::Advanced { superseded: true, .. } | Advance::Moved => Err(Error::Superseded { epoch }),
            Advance::Unknown { reason } => Err(Error::Unknown { epoch, reason }),
            Advance::Refused { reason } => Err(Error::Refused { epoch, reason }),
        }
    }

    /// J3: to the end of the epoch before ours, sealing each epoch at its first free slot.
    async fn walk_to_end(
        &self,
        current: &Current,
        replay: &mut dyn Replay,
    ) -> Result<super::digest::Digest, walk::Error> {
        let mut walk = Walk::begin(self, &current.manifest.snapshot, replay).await?;
        while walk.at().epoch < current.manifest.epoch {
            if walk.next().await? == Step::Free {
                walk.seal().await?;
            }
        }
        Ok(walk.chain())
    }

    /// A log that looks broken may only be one that a newer owner has snapshotted and collected under our feet.
    async fn explain(&self, ours: &Current, error: walk::Error) -> Error {
        let walk::Error::Corrupt(corrupt) = error else {
            return error.into();
        };
        match manifest::read(&self.manifest(), Some(ours)).await {
            Ok(now) if now.version.number() == ours.version.number() => walk::Error::from(corrupt.raise()).into(),
            Ok(_) => Error::Superseded { epoch: ours.manifest.epoch },
            Err(error) => error.into(),
        }
    }

    /// What trying again does not heal needs a person; damage has raised its own alarm.
    fn report(&self, error: &Error) {
        use walk::Error::{Batch, Newer, Snapshot};
        if let Error::Walk(refused @ (Batch { .. } | Snapshot { .. } | Newer(_))) = error {
            tracing::error!(partition = self.names.partition(), error = %refused, "partition refused: it cannot be replayed");
        }
    }

    /// J4: the ownership record at the first slot of our epoch, settled like an append.
    async fn record_ownership(
        &self,
        owner: &str,
        current: &Current,
        previous: super::digest::Digest,
    ) -> Result<Mark, Error> {
        let (epoch, claim): (u64, Uuid) = (current.manifest.epoch, current.manifest.claim);
        let at = Position { epoch, slot: 1 };
        let header = Header {
            kind: Kind::Ownership,
            partition: self.names.partition(),
            at,
            writer: owner.to_owned(),
            claim,
            batch: self.ids.next(),
            previous,
            count: 0,
        };
        let bytes = batch::encode(&header, &[], self.settings.zstd_level)
            .map_err(|error| Error::Refused { epoch, reason: error.to_string() })?;
        match land(self, at, &bytes, Patience::Bounded, |_| ()).await {
            Landed::Mine => Ok(Mark::new(at, &bytes, claim)),
            Landed::Sealed => Err(Error::Superseded { epoch }),
            Landed::Foreign => Err(walk::Error::from(Corrupt::ForeignRecord { at }.raise()).into()),
            Landed::Unreadable(error) => Err(walk::Error::from(error).into()),
            Landed::Refused(reason) => Err(Error::Refused { epoch, reason }),
            Landed::Undecided(reason) => Err(Error::Unknown { epoch, reason }),
        }
    }
}
