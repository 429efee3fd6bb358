//! Copying a journal, as of a position, into another store.
//!
//! The source is read as by any reader (J9), so nothing is created there and its owner goes on meanwhile. In the target every
//! object has the name and the bytes that it has in the source; only the manifest is made anew, last, and names no more than is
//! there. A copy that is made again into the same target adds what has come since: slots in their order, so that a copy which
//! was not finished is the one before it, and somewhat more. Its manifest goes on naming the snapshot on which the last one rests that
//! was finished, as the second newest.

use bytes::Bytes;
use futures::future::try_join_all;

use super::Journal;
use super::access::Access;
use super::manifest::{self, Manifest, Named};
use super::position::Position;
use super::reader;
use super::register::{self, Advance, Register};
use super::replay::Replay;
use super::settle::{Patience, Settled, settle};
use super::walk::{self, Step, Walk};
use crate::port::store::Create;

/// Slots that are written at once into a target where nobody can read them yet.
const AT_ONCE: usize = 16;

/// What was added to a copy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Added {
    /// Objects.
    pub(crate) objects: u64,
    /// Their bytes.
    pub(crate) bytes: u64,
}

impl std::ops::AddAssign for Added {
    fn add_assign(&mut self, other: Self) {
        self.objects += other.objects;
        self.bytes += other.bytes;
    }
}

/// Why there is no copy. What was written into the target until then does no harm there.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The source could not be read.
    #[error("{0}")]
    Source(#[from] reader::Error),
    /// A register of the source could not be read.
    #[error("{0}")]
    Register(#[from] register::Error),
    /// Of what was before that position the source keeps too little.
    #[error(
        "position {until} of partition {partition} is not kept any more: the earliest that can be copied is {earliest}"
    )]
    TooOld {
        /// The partition.
        partition: u32,
        /// What was asked for.
        until: Position,
        /// The position of the oldest snapshot.
        earliest: Position,
    },
    /// A page of the archive is not there, though the journal up to that position names it.
    #[error("page {page} of the archive of partition {partition} is missing")]
    PageMissing {
        /// The partition.
        partition: u32,
        /// The page.
        page: u64,
    },
    /// The source does not go that far.
    #[error("partition {partition} ends at {end}, before position {until}")]
    Ends {
        /// The partition.
        partition: u32,
        /// What was asked for.
        until: Position,
        /// Its end.
        end: Position,
    },
    /// The target holds what no earlier copy of this source would hold there.
    #[error("the target holds something else: {0}")]
    Foreign(String),
    /// The target refused, or gave no clear answer.
    #[error("{name} could not be written into the target: {reason}")]
    Target {
        /// The object.
        name: String,
        /// What the target said.
        reason: String,
    },
    /// The target could not be read.
    #[error("the target could not be read: {0}")]
    TargetUnread(String),
}

impl From<walk::Error> for Error {
    fn from(error: walk::Error) -> Self {
        Self::Source(error.into())
    }
}

impl From<manifest::Error> for Error {
    fn from(error: manifest::Error) -> Self {
        Self::Source(error.into())
    }
}

/// Up to where a partition is copied.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Reach {
    /// To this position, and not to the end.
    pub(crate) until: Option<Position>,
    /// What the target holds of it by the last copy that was finished.
    pub(crate) finished: Option<Position>,
}

impl Journal {
    /// Copies the journal into `target`, and replays it into `replay` on the way.
    ///
    /// On return everything up to the position that is returned is durable in the target, which holds nothing behind it
    /// that an earlier copy has not put there.
    ///
    /// # Errors
    /// See [`Error`]. Made again, it goes on.
    pub(crate) async fn copy_to(
        &self,
        target: &Self,
        reach: Reach,
        replay: &mut dyn Replay,
    ) -> Result<(Position, Added), Error> {
        let register = self.manifest();
        let mut current = manifest::read(&register, None).await?;
        let tries = self.access.tries();
        for _ in 0..tries {
            let snapshot = self.snapshot_before(&current.manifest, reach.until)?;
            let copied = self.copy_from(&current.manifest, &snapshot, target, reach, replay).await;
            // As for any reader: what looks like an end, or like damage, may have been collected meanwhile.
            let now = match &copied {
                Ok(_) | Err(Error::Source(reader::Error::Walk(walk::Error::Corrupt(_))) | Error::Ends { .. }) => {
                    manifest::read(&register, Some(&current)).await?
                }
                Err(error) => return Err(error.clone()),
            };
            if now.manifest.snapshot == snapshot || now.manifest.previous == snapshot {
                return copied;
            }
            current = now;
        }
        Err(reader::Error::Overtaken { tries }.into())
    }

    /// The newest snapshot that holds nothing behind `until`.
    fn snapshot_before(&self, manifest: &Manifest, until: Option<Position>) -> Result<Named, Error> {
        let Some(until) = until else { return Ok(manifest.snapshot.clone()) };
        let kept = [&manifest.snapshot, &manifest.previous];
        kept.into_iter().find(|snapshot| snapshot.position <= until).cloned().ok_or_else(|| Error::TooOld {
            partition: self.names.partition(),
            until,
            earliest: manifest.previous.position,
        })
    }

    async fn copy_from(
        &self,
        manifest: &Manifest,
        snapshot: &Named,
        target: &Self,
        Reach { until, finished }: Reach,
        replay: &mut dyn Replay,
    ) -> Result<(Position, Added), Error> {
        let theirs = manifest::read(&target.manifest(), None).await;
        let theirs = theirs.map_err(|error| Error::TargetUnread(error.to_string()))?;
        let is_new = theirs.version.number() == 0;
        // What is written never changes, so what is there need not be written again.
        let there = if is_new {
            Vec::new()
        } else {
            let listed = target.access.list_patiently(&target.names.log()).await;
            listed.map_err(|error| Error::TargetUnread(error.to_string()))?
        };
        let mut added = Added::default();
        let mut walk = Walk::begin(self, snapshot, replay).await?;
        if let Some(name) = snapshot.name.as_ref().filter(|_| theirs.manifest.snapshot != *snapshot) {
            let name = self.names.snapshot(name);
            let found = self.access.get_patiently(&name).await.map_err(|error| walk::unavailable(&name, &error))?;
            // It was there a moment ago: whoever collected it has moved the manifest.
            let found = found
                .ok_or_else(|| walk::Error::from(super::alarm::Corrupt::SnapshotMissing { name: name.clone() }))?;
            added += put(&target.access, name, found).await?;
        }
        let mut slots = Vec::new();
        let mut is_at_end = false;
        while !is_at_end {
            is_at_end = until.is_some_and(|until| walk.at() >= until) || walk.next().await? == Step::Free;
            slots.extend(walk.take_passed());
            if slots.len() >= AT_ONCE || is_at_end || !is_new {
                let slots = std::mem::take(&mut slots).into_iter();
                let slots = slots.map(|(at, bytes)| (target.names.slot(at), bytes));
                let new = slots.filter(|(name, _)| there.binary_search(name).is_err());
                let puts = new.map(|(name, bytes)| put(&target.access, name, bytes));
                try_join_all(puts).await?.into_iter().for_each(|each| added += each);
            }
        }
        let at = walk.at();
        if let Some(until) = until.filter(|until| at < *until) {
            return Err(Error::Ends { partition: self.names.partition(), until, end: at });
        }
        let epoch = at.epoch.min(manifest.epoch);
        let newest = &theirs.manifest.snapshot;
        let rests_on_it = newest.position < snapshot.position && finished.is_some_and(|at| newest.position <= at);
        let previous = if rests_on_it { newest } else { &theirs.manifest.previous }.clone();
        let claim = walk.claim().unwrap_or(manifest.claim);
        let made = Manifest { epoch, claim, snapshot: snapshot.clone(), previous, ..manifest.clone() };
        if made.epoch < theirs.manifest.epoch || made.snapshot.position < theirs.manifest.snapshot.position {
            let found = format!("partition {} as of a later moment", self.names.partition());
            return Err(Error::Foreign(found));
        }
        let is_there = (made.epoch, &made.snapshot) == (theirs.manifest.epoch, &theirs.manifest.snapshot);
        if !is_there {
            match target.manifest().advance(&theirs.version, &made).await {
                Advance::Advanced { superseded: false, .. } => added += Added { objects: 1, bytes: 0 },
                Advance::Advanced { superseded: true, .. } | Advance::Moved => {
                    return Err(Error::Foreign("another copy is being made into it".to_owned()));
                }
                Advance::Unknown { reason } | Advance::Refused { reason } => {
                    return Err(Error::Target { name: target.names.manifest(), reason });
                }
            }
        }
        Ok((at, added))
    }
}

impl Register {
    /// Copies the versions that are kept into `target`, a register of the same name, and deletes there what was kept no more.
    ///
    /// # Errors
    /// See [`Error`]. Made again, it goes on.
    pub(crate) async fn copy_to(&self, target: &Self) -> Result<Added, Error> {
        let mut kept: Vec<u64> = self.kept().await?.into_iter().map(|(number, _)| number).collect();
        kept.reverse();
        let theirs = target.versions().await.map_err(|error| Error::TargetUnread(error.to_string()))?;
        let (Some(&oldest), Some(&newest)) = (kept.first(), kept.last()) else {
            return Ok(Added::default());
        };
        if let Some(later) = theirs.iter().find(|version| **version > newest) {
            return Err(Error::Foreign(format!("{}, of a later moment", target.object(*later))));
        }
        let mut added = Added::default();
        // In their order: so the last of them is at any time a version that was the newest once.
        for number in kept.into_iter().filter(|number| !theirs.contains(number)) {
            let name = self.object(number);
            let found = self.access.get_patiently(&name).await.map_err(|error| walk::unavailable(&name, &error))?;
            // One that is collected meanwhile is none that anybody needs.
            if let Some(bytes) = found {
                added += put(&target.access, target.object(number), bytes).await?;
            }
        }
        for version in theirs.into_iter().filter(|version| *version < oldest) {
            target.delete(version).await.map_err(|error| Error::TargetUnread(error.to_string()))?;
        }
        Ok(added)
    }
}

/// Puts an object into the target of a copy, if it is not there yet.
///
/// # Errors
/// Foreign if something else is; Target if that could not be settled.
pub(crate) async fn put(target: &Access, name: String, bytes: Bytes) -> Result<Added, Error> {
    if let Ok(Create::Created) = target.create(&name, bytes.clone()).await {
        return Ok(Added { objects: 1, bytes: bytes.len() as u64 });
    }
    match settle(target, &name, &bytes, Patience::Bounded, |_| ()).await {
        // It was there already; or else an answer was lost, and it is not counted.
        Settled::Mine => Ok(Added::default()),
        Settled::Foreign(_) => Err(Error::Foreign(name)),
        Settled::Refused(reason) | Settled::Undecided(reason) => Err(Error::Target { name, reason }),
    }
}
