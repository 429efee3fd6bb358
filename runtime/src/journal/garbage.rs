//! Collecting what no walk needs any more (J8), and pages of the archive that are forgotten.
//!
//! # How a seal is told from a record without reading it
//!
//! The records of an epoch are its slots 1 to n, and the seal that closed it is at n + 1: it was created at the first
//! free slot by a walk that had seen all before it, and nobody writes behind a seal. An epoch before the boundary's is
//! closed, and its closing seal was there before the boundary's manifest, so a list that follows shows it, as the
//! *last name of its epoch*. So the last name of an epoch is never deleted; in the boundary's own epoch the closing
//! seal, if any, is after the boundary.
//!
//! Below n + 1 there can be seals too: a walk that a newer owner has overtaken may find a slot already collected, take
//! it for free and seal it. Such a seal has done its work when the walk has read it; were it deleted, the slot would be
//! what it was before, a collected one, and an owner of that epoch that comes back to life is still stopped at n + 1.
//! They are kept all the same where they can be told: such a slot has collected neighbours, so whatever a gap follows
//! is read before it is deleted.
//!
//! # Pages
//!
//! A page is forgotten by an event, and deleted when that has been durable for as long as garbage is kept: whoever has
//! been told of it before can read it for that long. All before the first that is kept are deleted, as the list has
//! them, so a page that a dead owner has left goes, too, and one that a crash has spared. Nobody writes there again:
//! the number of a page is greater than that of any that was named before it.

use callboard_core::sabotage::{self, Sabotage};
use futures::stream::{self, StreamExt};
use tokio::time::Instant;

use super::batch;
use super::keeper::{Error, Keeper};
use super::manifest;
use super::position::Position;

/// How many deletes are under way at once.
const AT_ONCE: usize = 8;

/// What a collection deleted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Collected {
    /// Records of the log.
    pub(crate) slots: usize,
    /// Snapshot objects.
    pub(crate) snapshots: usize,
    /// Versions of the manifest.
    pub(crate) versions: usize,
    /// Pages of the archive.
    pub(crate) pages: usize,
}

/// A slot at or before the boundary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// A record.
    Delete(Position),
    /// Perhaps a seal.
    Read(Position),
}

impl Keeper {
    /// Deletes what was garbage the settings' `garbage_late` ago; meant to be called a few times in that period.
    ///
    /// May be dropped at any time. What could not be deleted is left for the next time.
    ///
    /// # Errors
    /// Deposed when the verified manifest is no longer this owner's: nothing was deleted. Store when the store cannot
    /// be read.
    pub(crate) async fn collect(&mut self) -> Result<Collected, Error> {
        self.check_serving()?;
        let current = match manifest::read(&self.register, Some(&self.current)).await {
            Ok(current) => current,
            Err(manifest::Error::Corrupt(corrupt)) => return Err(corrupt.into()),
            Err(error @ manifest::Error::Unavailable(_)) => {
                return Err(Error::Store(error.to_string()));
            }
            Err(error @ manifest::Error::Newer { .. }) => {
                return Err(self.step_down(&error.to_string()));
            }
        };
        if current.version.number() != self.current.version.number() {
            return Err(self.step_down("another owner moved the manifest"));
        }
        let now = Instant::now();
        let versions = self.register.prune(&mut self.newest, now).await;
        let mut collected =
            Collected { versions: versions.map_err(|error| Error::Store(error.to_string()))?, ..Default::default() };
        let is_hasty = sabotage::is(Sabotage::GarbageAtOnce);
        let snapshot = if is_hasty { &current.manifest.snapshot } else { &current.manifest.previous };
        if let Some(boundary) = self.boundary.ripe(now, snapshot.position) {
            collected.slots = self.collect_slots(boundary).await?;
            collected.snapshots = self.collect_snapshots(boundary).await?;
        }
        let first = self.pages.first;
        if let Some(first) = self.pages.late.ripe(now, first).filter(|first| *first > self.pages.swept) {
            collected.pages = self.collect_pages(first).await?;
        }
        Ok(collected)
    }

    async fn collect_slots(&self, boundary: Position) -> Result<usize, Error> {
        let journal = &self.journal;
        let names = self.list(&journal.names.log()).await?;
        let slots: Vec<Position> = names.iter().filter_map(|name| journal.names.parse_slot(name)).collect();
        let deleted = stream::iter(fates(&slots, boundary)).map(async |fate| match fate {
            Fate::Delete(at) => self.delete(&journal.names.slot(at)).await,
            Fate::Read(at) => self.is_record(at).await && self.delete(&journal.names.slot(at)).await,
        });
        Ok(deleted.buffered(AT_ONCE).filter(|deleted| std::future::ready(*deleted)).count().await)
    }

    async fn collect_snapshots(&self, boundary: Position) -> Result<usize, Error> {
        let names = self.list(&self.journal.names.snapshots()).await?;
        let mut deleted = 0;
        for name in &names {
            let old = self.journal.names.parse_snapshot(name).is_some_and(|at| at < boundary);
            deleted += usize::from(old && self.delete(name).await);
        }
        Ok(deleted)
    }

    /// Deletes all pages before `first`. It is the only list of them, for it is long, and made only when there are new ones.
    async fn collect_pages(&mut self, first: u64) -> Result<usize, Error> {
        let names = self.list(&self.journal.names.pages()).await?;
        let is_before = |name: &String| self.journal.names.parse_page(name).is_some_and(|page| page < first);
        let before: Vec<String> = names.into_iter().filter(is_before).collect();
        let all = before.len();
        let deletes = stream::iter(before).map(async |name| self.delete(&name).await).buffered(AT_ONCE);
        let deleted = deletes.filter(|deleted| std::future::ready(*deleted)).count().await;
        if deleted == all {
            self.pages.swept = first;
        }
        Ok(deleted)
    }

    /// Whether a slot holds a record for certain.
    async fn is_record(&self, at: Position) -> bool {
        matches!(self.journal.access.get(&self.journal.names.slot(at)).await, Ok(Some(bytes)) if bytes != batch::seal())
    }

    async fn list(&self, prefix: &str) -> Result<Vec<String>, Error> {
        self.journal.access.list_patiently(prefix).await.map_err(|error| Error::Store(error.to_string()))
    }

    async fn delete(&self, name: &str) -> bool {
        self.journal.access.delete(name).await.is_ok()
    }
}

/// What to do with the `slots` of a log, listed in order, at or before `boundary`; see the module.
pub(super) fn fates(slots: &[Position], boundary: Position) -> Vec<Fate> {
    let next_of = slots.iter().skip(1).map(Some).chain([None]);
    slots
        .iter()
        .zip(next_of)
        .filter(|(at, _)| **at <= boundary)
        .filter_map(|(&at, next)| match next {
            Some(next) if *next == at.next_slot() => Some(Fate::Delete(at)),
            Some(next) if next.epoch == at.epoch => Some(Fate::Read(at)),
            _ if sabotage::is(Sabotage::GarbageAtOnce) => Some(Fate::Delete(at)),
            // The last of its epoch: the closing seal, or a record that will have its turn.
            _ => None,
        })
        .collect()
}
