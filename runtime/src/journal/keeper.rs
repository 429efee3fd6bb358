//! The keeper: moves an owner's manifest forward, snapshot by snapshot (J7).

use std::sync::Arc;

use tokio::sync::mpsc;
use uuid::Uuid;

use super::Journal;
use super::alarm::Corrupt;
use super::append::{Mark, Tenure};
use super::late::Late;
use super::manifest::{Current, Named};
use super::name::snapshot_name;
use super::position::Position;
use super::register::{Advance, Register};
use super::settle::{Patience, Settled, settle};
use super::snapshot::{self, Slice, SliceError};

/// Snapshots and collects garbage for one owner, while its appender goes on.
#[derive(Debug)]
pub(crate) struct Keeper {
    pub(super) journal: Arc<Journal>,
    pub(super) register: Register,
    /// The version that this owner wrote last; it advances from no other.
    pub(super) current: Current,
    /// Set while an advance is in flight, and for ever when it was dropped there: its outcome is unknown.
    pub(super) in_doubt: bool,
    pub(super) boundary: Late<Position>,
    pub(super) newest: Late<u64>,
    pub(super) pages: Pages,
    pub(super) tenure: Tenure,
}

/// What is known of the pages of the archive that are forgotten.
#[derive(Debug)]
pub(super) struct Pages {
    /// The first that is not, by events that are durable; 0 if nobody has said.
    pub(super) first: u64,
    pub(super) late: Late<u64>,
    /// None before this one are left; 1 at first, for there is no page 0.
    pub(super) swept: u64,
}

/// Why there is no new snapshot.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum Error {
    /// Another owner moved the manifest, or may have: this tenure is over, its appender refuses from now on.
    #[error("this owner has stepped down: {0}")]
    Deposed(String),
    /// The position is not after the newest snapshot's, or was not committed by this owner.
    #[error("a snapshot at {at} cannot follow the one at {newest}")]
    NotNewer {
        /// The position given.
        at: Position,
        /// The newest snapshot.
        newest: Position,
    },
    /// The slices did not make a snapshot. Nothing was written; try again.
    #[error(transparent)]
    Slices(#[from] SliceError),
    /// The store did not take the object. The manifest was not touched; try again.
    #[error("the snapshot object could not be stored: {0}")]
    Store(String),
    /// What cannot happen.
    #[error(transparent)]
    Corrupt(#[from] Corrupt),
}

impl Keeper {
    pub(super) fn new(journal: Arc<Journal>, current: Current, tenure: Tenure) -> Self {
        Self {
            register: journal.manifest(),
            boundary: Late::new(journal.settings.garbage_late),
            newest: Late::new(journal.settings.garbage_late),
            pages: Pages { first: 0, late: Late::new(journal.settings.garbage_late), swept: 1 },
            journal,
            current,
            in_doubt: false,
            tenure,
        }
    }

    /// The position of the newest snapshot.
    pub(crate) fn newest_snapshot(&self) -> Position {
        self.current.manifest.snapshot.position
    }

    /// The write id of the claim that this keeper serves: a fencing token.
    pub(crate) fn claim(&self) -> Uuid {
        self.current.manifest.claim
    }

    /// Stores the state at `at`, and makes walks begin there.
    ///
    /// `slices` must hold the state after exactly the batches up to `at`. On return object and manifest are durable.
    /// May take as long as the slices do; appends go on meanwhile. If the future is dropped while the manifest is
    /// being advanced, whether it moved is unknown, and the next call is Deposed.
    ///
    /// # Errors
    /// Deposed ends the tenure. After the others the older snapshots stand and the keeper can go on.
    pub(crate) async fn snapshot(&mut self, at: Mark, slices: mpsc::Receiver<Slice>) -> Result<(), Error> {
        self.check_serving()?;
        let newest = self.newest_snapshot();
        if at.position() <= newest || at.claim() != self.claim() {
            return Err(Error::NotNewer { at: at.position(), newest });
        }
        let name = self.store_object(at, slices).await?;
        let manifest = self.current.manifest.with_snapshot(Named { position: at.position(), name: Some(name) });
        self.in_doubt = true;
        let advance = self.register.advance(&self.current.version, &manifest).await;
        self.in_doubt = false;
        match advance {
            Advance::Advanced { version, superseded: false } => {
                self.current = Current { version, manifest };
                Ok(())
            }
            Advance::Advanced { superseded: true, .. } | Advance::Moved => {
                Err(self.step_down("another owner moved the manifest"))
            }
            Advance::Unknown { reason } => Err(self.step_down(&format!("the manifest may have moved: {reason}"))),
            Advance::Refused { reason } => Err(Error::Store(reason)),
        }
    }

    /// Writes the object under a new name. One that no manifest comes to name is garbage later, by its position.
    async fn store_object(&self, at: Mark, slices: mpsc::Receiver<Slice>) -> Result<String, Error> {
        let journal = &self.journal;
        let bytes = snapshot::encode(journal.names.partition(), at, slices, journal.settings.zstd_level).await?;
        let name = snapshot_name(at.position(), journal.ids.next());
        let object = journal.names.snapshot(&name);
        match settle(&journal.access, &object, &bytes, Patience::Bounded, |_| ()).await {
            Settled::Mine => Ok(name),
            Settled::Foreign(_) => {
                Err(Corrupt::undecodable(&object, "a new name holds other bytes than were written").raise().into())
            }
            Settled::Refused(reason) | Settled::Undecided(reason) => Err(Error::Store(reason)),
        }
    }

    /// Says which page of the archive is the first that the durable state of the partition names: those before it are
    /// forgotten, by this owner or one before it, and no state of any later owner names them.
    pub(crate) fn forgotten_before(&mut self, page: u64) {
        self.pages.first = self.pages.first.max(page);
    }

    /// An advance whose future was dropped counts as unknown, and after that only a new claim may go on (R1, J7).
    pub(super) fn check_serving(&self) -> Result<(), Error> {
        match self.tenure.ended() {
            Some(reason) => Err(Error::Deposed(reason)),
            None if self.in_doubt => {
                Err(self.step_down("an advance of the manifest was dropped before its outcome was known"))
            }
            None => Ok(()),
        }
    }

    pub(super) fn step_down(&self, reason: &str) -> Error {
        self.tenure.end(reason);
        Error::Deposed(reason.to_owned())
    }
}
