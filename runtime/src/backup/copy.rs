//! Copying a name space.

use super::{NameSpace, Stand, away, unread, unread_register};
use crate::journal::copy::{self, Added, Reach};
use crate::journal::position::Position;
use crate::journal::register::Advance;
use crate::partition::pages_of;
use crate::partition::recover::Recovery;
use crate::port::store::Store;
use crate::root::{self, Root};
use crate::state::{DOCUMENTS, LOCKS};
use crate::{Error, ErrorKind, Result, chance};
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;
use uuid::Uuid;

/// A copy that was made.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Copied {
    /// Of which name space.
    pub id: Uuid,
    /// In which generation of it.
    pub generation: u32,
    /// Up to where, by partition: `epoch/slot`.
    pub positions: Vec<String>,
    /// The hash of the state there, by partition.
    pub hashes: Vec<String>,
    /// Objects that were written: those that an earlier copy has left there are not.
    pub objects: u64,
    /// Their bytes.
    pub bytes: u64,
    /// How long it took, in milliseconds.
    pub took_ms: u64,
}

impl NameSpace {
    /// Copies the name space into `target`: an empty store, or one with an earlier copy of it, to which is added what has come since.
    ///
    /// Partitions that `until` names are copied up to that position, `epoch/slot`, and the others up to their ends. On
    /// return it is durable in the target. A copy that was not finished is the one before it, or none.
    ///
    /// # Errors
    ///
    /// `Invalid` for a position that is none, is not kept any more, or not reached yet; `Conflict` if the target holds
    /// something else, or a later copy; `Corrupt` if what is copied is damaged; `Unavailable` if a store gives no answer or
    /// refuses.
    pub async fn copy_to(&self, target: Arc<dyn Store>, until: &BTreeMap<u16, String>) -> Result<Copied> {
        let began = Instant::now();
        let until = self.positions(until)?;
        let finished = self.is_fit(&target).await?;
        let reach = |number: u16| Reach {
            until: until.get(&number).copied(),
            finished: finished.as_ref().and_then(|stand| stand.partitions.get(usize::from(number))).map(|(at, _)| *at),
        };
        for (number, until) in &until {
            if let Some(finished) = reach(*number).finished.filter(|finished| finished > until) {
                let message =
                    format!("the target holds partition {number} up to {finished}, and that is after {until}");
                return Err(Error::new(ErrorKind::Conflict, message).because("choose an empty folder"));
            }
        }
        let (partitions, mut added) = self.copy_all(&target, reach).await?;
        added += self.seal(&target, &partitions).await?;
        let (positions, hashes) = partitions.into_iter().map(|(at, hash)| (at.to_string(), hash)).unzip();
        Ok(Copied {
            id: self.root.id,
            generation: self.root.generation,
            positions,
            hashes,
            objects: added.objects,
            bytes: added.bytes,
            took_ms: millis(began.elapsed()),
        })
    }

    /// What was said of positions, read.
    fn positions(&self, until: &BTreeMap<u16, String>) -> Result<BTreeMap<u16, Position>> {
        let read = |(number, said): (&u16, &String)| {
            if *number >= self.root.partitions {
                let message = format!("there is no partition {number}: they are 0 to {}", self.root.partitions - 1);
                return Err(Error::invalid(message));
            }
            Ok((*number, said.parse().map_err(Error::invalid)?))
        };
        until.iter().map(read).collect()
    }

    /// Copies all that is kept. Returns up to where, by partition, with the hash of the state there.
    pub(super) async fn copy_all(
        &self,
        target: &Arc<dyn Store>,
        reach: impl Fn(u16) -> Reach,
    ) -> Result<(Vec<(Position, String)>, Added)> {
        let (ours, theirs) = (self.payloads(&self.store), self.payloads(target));
        let mut added = ours.copy_to(&theirs).await.map_err(|error| not_copied(&error))?;
        let mut partitions = Vec::new();
        for number in 0..self.root.partitions {
            partitions.push(self.copy_partition(number, target, reach(number), &mut added).await?);
        }
        added += ours.copy_to(&theirs).await.map_err(|error| not_copied(&error))?;
        for kind in [DOCUMENTS, LOCKS] {
            for rest in self.registers(kind).await? {
                let copied = self.register(&self.store, &rest).copy_to(&self.register(target, &rest)).await;
                added += copied.map_err(|error| not_copied(&error))?;
            }
        }
        Ok((partitions, added))
    }

    /// Copies a partition. Returns up to where, and the hash of the state there.
    async fn copy_partition(
        &self,
        number: u16,
        target: &Arc<dyn Store>,
        reach: Reach,
        added: &mut Added,
    ) -> Result<(Position, String)> {
        let (journal, copy) = (self.journal(&self.store, number), self.journal(target, number));
        loop {
            let mut recovery = Recovery::new(self.limits);
            let copied = journal.copy_to(&copy, reach, &mut recovery).await;
            let (at, of_it) = copied.map_err(|error| not_copied(&error))?;
            *added += of_it;
            match journal.archive().copy_to(&copy.archive(), &pages_of(&recovery.state)).await {
                Ok(pages) => {
                    *added += pages;
                    return Ok((at, recovery.digest().to_string()));
                }
                Err(copy::Error::PageMissing { page, .. }) if self.is_forgotten(number, page).await? => {
                    // The journal goes on to where that page is named no more, and so does the copy, unless it is to end before.
                    if let Some(until) = reach.until {
                        let message = format!("position {until} of partition {number} is not kept any more");
                        let why = format!("page {page} of the archive, which it names, is forgotten (history_kept)");
                        return Err(Error::invalid(message).because(why));
                    }
                }
                Err(error) => return Err(not_copied(&error)),
            }
        }
    }

    /// Whether this can be copied into the target: it is empty, or holds an earlier copy of it, finished or not. Answers the last
    /// one that was finished.
    async fn is_fit(&self, target: &Arc<dyn Store>) -> Result<Option<Stand>> {
        let refused = |what: String| Err(Error::new(ErrorKind::Conflict, what).because("choose an empty folder"));
        match (self.stand(target).await?, root::find(&**target, &self.name).await?) {
            (Some(stand), _) if stand.of == self.root => Ok(Some(stand)),
            (Some(stand), _) => refused(format!("the target holds a copy of another name space, {}", stand.of)),
            (None, Some(root)) => refused(format!("the target holds a name space, {root}, and no copy")),
            (None, None) => Ok(None),
        }
    }

    /// Writes what makes a copy of what was copied: the record of it, and the root. Without a root nobody opens it.
    async fn seal(&self, target: &Arc<dyn Store>, partitions: &[(Position, String)]) -> Result<Added> {
        let register = self.register(target, root::COPY);
        let newest = register.read(None).await.map_err(|error| unread_register(&error))?;
        let (at, _) = chance::wall_and_boot();
        let stand = Stand { of: self.root.clone(), at, partitions: partitions.to_vec() };
        let number = match register.advance(&newest, &stand).await {
            Advance::Advanced { superseded: false, version } => version.number(),
            Advance::Advanced { superseded: true, .. } | Advance::Moved => {
                return Err(Error::new(ErrorKind::Conflict, "another copy was made into the target meanwhile"));
            }
            Advance::Unknown { reason } | Advance::Refused { reason } => return Err(away(&reason)),
        };
        // One that is made every minute must not pile up records of those before it (R8).
        let versions = register.versions().await.map_err(|error| unread_register(&error))?;
        for old in versions.into_iter().filter(|version| version + self.settings.keep_versions <= number) {
            register.delete(old).await.map_err(|error| unread_register(&error))?;
        }
        let mut added = self.put_root(target, &self.root).await?;
        added.objects += 1;
        Ok(added)
    }

    /// Writes a root where there is none yet.
    pub(super) async fn put_root(&self, target: &Arc<dyn Store>, root: &Root) -> Result<Added> {
        let put = copy::put(&self.access(target), root::name(&self.name), root.to_bytes()?).await;
        put.map_err(|error| not_copied(&error))
    }
}

/// A time in milliseconds.
pub(super) fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// That something could not be copied, in the kinds that callers know.
pub(super) fn not_copied(error: &copy::Error) -> Error {
    match error {
        copy::Error::Source(error) => unread(error),
        copy::Error::PageMissing { .. } => Error::new(ErrorKind::Corrupt, error.to_string()),
        copy::Error::Register(error) => unread_register(error),
        copy::Error::TooOld { .. } | copy::Error::Ends { .. } => Error::invalid(error),
        copy::Error::Foreign(_) => Error::new(ErrorKind::Conflict, error.to_string()),
        copy::Error::Target { .. } | copy::Error::TargetUnread(_) => {
            Error::new(ErrorKind::Unavailable, error.to_string())
        }
    }
}
