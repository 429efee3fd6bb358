//! Making a name space of a copy.

use super::copy::{millis, not_copied};
use super::{NameSpace, Stand, away};
use crate::journal::copy::{self, Reach};
use crate::port::store::Store;
use crate::port::store::probe::probe;
use crate::root::{self, Root};
use crate::settings::Settings;
use crate::{Error, ErrorKind, Result, chance};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use tokio::time::Instant;
use uuid::Uuid;

/// A name space that was restored.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Restored {
    /// Its identity, a new one.
    pub id: Uuid,
    /// How often it was restored since it was created, this time included.
    pub generation: u32,
    /// The name space of which the copy was made.
    pub of: Uuid,
    /// When that copy was finished, in milliseconds since 1970: what was acknowledged later is not there.
    pub copied_at_ms: i64,
    /// Objects that were written.
    pub objects: u64,
    /// Their bytes.
    pub bytes: u64,
    /// How long it took, in milliseconds.
    pub took_ms: u64,
}

/// What lies in a store while a name space is restored there, so that it can be gone on with.
#[derive(Serialize, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
struct Restoring {
    stand: Stand,
    root: Root,
}

impl NameSpace {
    /// Makes a name space of this copy in the store that the settings name: see [`restore_to`](Self::restore_to).
    ///
    /// # Errors
    ///
    /// As there; `Unavailable` and `Denied` as well if that store can not be reached.
    pub async fn restore(&self, settings: &Settings) -> Result<Restored> {
        self.restore_to(crate::node::store(settings).await?).await
    }

    /// Makes a name space of this copy, in an empty store: the same one in the next generation, with an identity of its own.
    ///
    /// On return it is durable there, and nodes may be started on it. One that was cut short is gone on with.
    /// Tasks that ran when the copy was made begin anew there with what they have recorded; **the old nodes must not run any
    /// more**, for they would do the same work. Those that see the new name space in the place of the old one end.
    ///
    /// # Errors
    ///
    /// `Invalid` if this is no copy, or the target breaks the contract of a store; `Conflict` if the target holds anything
    /// else; `Corrupt` if the copy is damaged; `Unavailable` if a store gives no answer or refuses.
    pub async fn restore_to(&self, target: Arc<dyn Store>) -> Result<Restored> {
        let began = Instant::now();
        let stand = self.stand(&self.store).await?;
        let stand = stand.ok_or_else(|| Error::invalid("this is no copy: make one, and restore that"))?;
        probe(&*target, &self.name).await.map_err(|error| crate::node::refused_store(&error))?;
        let Restoring { stand, root } = self.begin(&target, stand).await?;
        let reach = |number: u16| {
            let until = stand.partitions.get(usize::from(number)).map(|(position, _)| *position);
            Reach { until, finished: None }
        };
        let (partitions, added) = self.copy_all(&target, reach).await?;
        for (number, (found, recorded)) in partitions.iter().zip(&stand.partitions).enumerate() {
            if found != recorded {
                let message = format!("partition {number} of the copy does not lead to the state of which it was made");
                let error =
                    Error::new(ErrorKind::Corrupt, message).because(format!("found {} at {}", found.1, found.0));
                return Err(error.because(format!("recorded {} at {}", recorded.1, recorded.0)));
            }
        }
        self.put_root(&target, &root).await?;
        // It is of no more use, and does no harm.
        let _left = target.delete(&self.marker()).await;
        Ok(Restored {
            id: root.id,
            generation: root.generation,
            of: stand.of.id,
            copied_at_ms: stand.at.0,
            objects: added.objects,
            bytes: added.bytes,
            took_ms: millis(began.elapsed()),
        })
    }

    fn marker(&self) -> String {
        format!("{}/{}", self.name, root::RESTORING)
    }

    /// Marks the target as one in which this is restored, or finds the mark.
    async fn begin(&self, target: &Arc<dyn Store>, stand: Stand) -> Result<Restoring> {
        let refused = |what: String| {
            Error::new(ErrorKind::Conflict, what)
                .because("choose an empty bucket or folder: nothing is ever overwritten")
        };
        if let Some(root) = root::find(&**target, &self.name).await? {
            return Err(refused(format!("the target holds a name space already, {root}")));
        }
        let name = self.marker();
        if target.get(&name).await.map_err(|error| away(&error))?.is_none() {
            if let Some(object) = root::anything(&**target, &self.name).await? {
                return Err(refused(format!("the target holds objects of this name space already, such as {object}")));
            }
            let (id, generation) = (chance::id(), stand.of.generation + 1);
            let root = Root { id, generation, restored_from: Some(stand.of.id), ..stand.of.clone() };
            let bytes = serde_json::to_vec(&Restoring { stand: stand.clone(), root }).map_err(Error::invalid)?;
            match copy::put(&self.access(target), name.clone(), bytes.into()).await {
                Ok(_) | Err(copy::Error::Foreign(_)) => {}
                Err(error) => return Err(not_copied(&error)),
            }
        }
        let found = target.get(&name).await.map_err(|error| away(&error))?;
        let found = found.ok_or_else(|| away(&"the mark of the restoration is gone again"))?;
        let found: Restoring = serde_json::from_slice(&found)
            .map_err(|error| Error::new(ErrorKind::Corrupt, format!("{name} can not be read")).because(error))?;
        if found.stand != stand {
            return Err(refused("another copy was being restored into the target".to_owned()));
        }
        Ok(found)
    }
}
