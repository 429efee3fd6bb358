//! The journal: a partition's ordered log over a store that can only *create if absent*.
//!
//! It knows nothing of workflows: an event is one opaque line, a snapshot a stream of lines. It promises that what was
//! acknowledged is never lost, that what was reported failed never happened, and that one owner at a time decides,
//! with a store whose answers may be lost, late or repeated, and with processes that stop anywhere for any time.
//! No rule uses a clock.
//!
//! # Reading order
//!
//! [`register`], then [`claim`] and [`walk`], [`append`], [`keeper`] and [`snapshot`], [`garbage`], [`reader`]. The
//! forms of the bytes are in [`envelope`] and [`batch`]. [`archive`] and [`payload`] keep write-once objects beside it;
//! [`copy`] and [`survey`] are for who looks after all of it.
//!
//! # The register, a chain of write-once versions
//!
//! - **R1** A version is `<register>/<20 digits>`, from 1. It holds its write id, its predecessor's, the body and a
//!   checksum. Its bytes are fixed before the first try; another intent has another id.
//! - **R2** A read is list, get, list: the content is that of the newest version only if a second list still ends in
//!   it. A cached version is proven current by one list.
//! - **R3** An advance creates the version after a verified one and names its write id as the predecessor.
//! - **R4** *Created* proves nothing, for the name may have been pruned: only a list without a later version does.
//! - **R5** A later version does not mean that we lost: its successor names whom it follows.
//! - **R6** Any other answer is unclear: get, *then* list, and decide; or create the same bytes again. An absence is
//!   never a failure.
//! - **R7** *Advanced*: was the newest, once. *Moved*: never was, never will be. *Unknown*: either, and it is not tried
//!   again. (*Refused*, an addition: the only try was refused by the store, so nothing was or will be written.)
//! - **R8** Versions far behind the newest may be pruned, late; the newest never.
//! - **R9** The store's list shows one moment, over all pages: see [`crate::port::store`].
//!
//! # The log, `log/<epoch>/<slot>`
//!
//! - **J1** The manifest is a register of epoch, owner, the two newest snapshots and the format floor.
//! - **J2** A claim advances it to the next epoch; only a clear *Advanced* goes on.
//! - **J3** The claimant walks from the newest snapshot and seals each earlier epoch at its first free slot. All seals
//!   are the same bytes.
//! - **J4** Its ownership record is the first slot of its epoch; only when that is durable is it the owner.
//! - **J5** It appends into the next slot, one at a time, bytes fixed before the first try.
//! - **J6** Created, or read back as ours: committed. Absent: again. Sealed: failed if the manifest's snapshot is
//!   before the slot, else unknown; deposed in either case.
//! - **J7** A snapshot is of durable state: an object under a new name, then the manifest, from the owner's own version.
//! - **J8** Records at or before the second newest snapshot are garbage, late. Seals never.
//! - **J9** A reader creates nothing, and at the first free slot looks at the manifest once more.
//! - **J10** What cannot happen is [`alarm::Corrupt`], logged for a person.
//!
//! # What is absent
//!
//! Leases, clocks, wall time, retries by the transport, a window of several appends in flight, deletion of seals.

pub(crate) mod access;
pub(crate) mod alarm;
pub(crate) mod append;
pub(crate) mod archive;
pub(crate) mod batch;
pub(crate) mod claim;
pub(crate) mod copy;
pub(crate) mod digest;
pub(crate) mod envelope;
#[cfg(feature = "test")]
pub(crate) mod fuzz;
pub(crate) mod garbage;
pub(crate) mod ids;
pub(crate) mod keeper;
pub(crate) mod late;
pub(crate) mod manifest;
pub(crate) mod name;
pub(crate) mod payload;
pub(crate) mod position;
pub(crate) mod reader;
pub(crate) mod register;
pub(crate) mod replay;
mod settle;
pub(crate) mod snapshot;
pub(crate) mod survey;
pub(crate) mod walk;

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use crate::port::store::Store;
use access::Access;
use ids::Ids;
use name::Names;
use register::Register;

/// How a journal behaves; safety depends on none of it but `keep_versions`, which must be at least 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Settings {
    /// How long one call of the store may take before its answer counts as unclear. Default 5 s. Longer: a hang is
    /// noticed later; shorter: a slow store is called more often.
    pub(crate) attempt_timeout: Duration,
    /// How often a bounded series of calls is tried: reads, claims, advances. Default 8, over about 1 s of waits. More:
    /// an outage is reported later.
    pub(crate) tries: u32,
    /// How long garbage is kept after it became garbage. Default 1 h. More: more objects; fewer: slow readers start
    /// again more often, and a listing that lags does harm.
    pub(crate) garbage_late: Duration,
    /// How many of the newest versions of the manifest are never pruned. Default 16, the same for all processes of a
    /// namespace. Fewer: an advance that was overtaken ends as *unknown* more often.
    pub(crate) keep_versions: u64,
    /// The zstd level of batches and snapshots. Default 1. Higher: smaller objects, slower commits.
    pub(crate) zstd_level: i32,
    /// How many slots are read at once during a walk. Default 16. More: a faster take-over, more memory.
    pub(crate) read_ahead: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            attempt_timeout: Duration::from_secs(5),
            tries: 8,
            garbage_late: Duration::from_secs(3600),
            keep_versions: 16,
            zstd_level: 1,
            read_ahead: 16,
        }
    }
}

/// The journal of one partition, not owned yet: [`Journal::claim`] makes an owner of it, [`Journal::read`] only looks.
#[derive(Debug)]
pub(crate) struct Journal {
    access: Access,
    ids: Ids,
    names: Names,
    settings: Settings,
}

impl Journal {
    /// The journal of `partition` under `namespace` in `store`. Does nothing yet.
    pub(crate) fn new(store: Arc<dyn Store>, ids: Ids, namespace: &str, partition: u32, settings: Settings) -> Self {
        let access = Access::new(store, settings.attempt_timeout, settings.tries);
        Self { access, ids, names: Names::new(namespace, partition), settings }
    }

    /// The register of the manifest.
    fn manifest(&self) -> Register {
        Register::new(self.access.clone(), self.ids.clone(), self.names.manifest(), self.settings.keep_versions)
    }
}
