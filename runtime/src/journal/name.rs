//! The names of a partition's objects.

use super::position::{Position, digits};
use uuid::Uuid;

/// Builds and reads the names of one partition's objects: `<namespace>/partitions/<pppp>/...`.
#[derive(Clone, Debug)]
pub(crate) struct Names {
    root: String,
    partition: u32,
}

impl Names {
    /// Names under `namespace`, which must obey the port's rules for names (the store refuses others).
    pub(crate) fn new(namespace: &str, partition: u32) -> Self {
        Self { root: format!("{namespace}/partitions/{partition:04}"), partition }
    }

    /// The number of the partition.
    pub(crate) fn partition(&self) -> u32 {
        self.partition
    }

    /// The register of the manifest.
    pub(super) fn manifest(&self) -> String {
        format!("{}/manifest", self.root)
    }

    /// All slots of all epochs.
    pub(super) fn log(&self) -> String {
        format!("{}/log/", self.root)
    }

    /// One slot.
    pub(super) fn slot(&self, at: Position) -> String {
        format!("{}/log/{:020}/{:020}", self.root, at.epoch, at.slot)
    }

    /// The slot that `name` is.
    pub(super) fn parse_slot(&self, name: &str) -> Option<Position> {
        let (epoch, slot) = name.strip_prefix(&self.log())?.split_once('/')?;
        Some(Position { epoch: padded(epoch)?, slot: padded(slot)? })
    }

    /// All snapshots.
    pub(super) fn snapshots(&self) -> String {
        format!("{}/snapshots/", self.root)
    }

    /// The object of the snapshot called `snapshot`.
    pub(super) fn snapshot(&self, snapshot: &str) -> String {
        format!("{}/snapshots/{snapshot}", self.root)
    }

    /// The position of the snapshot object `name`, without reading it (J8 needs it).
    pub(super) fn parse_snapshot(&self, name: &str) -> Option<Position> {
        let mut parts = name.strip_prefix(&self.snapshots())?.splitn(3, '-');
        Some(Position { epoch: padded(parts.next()?)?, slot: padded(parts.next()?)? })
    }

    /// All pages of the archive.
    pub(super) fn pages(&self) -> String {
        format!("{}/archive/", self.root)
    }

    /// A page of the archive.
    pub(super) fn page(&self, page: u64) -> String {
        format!("{}/archive/{page:020}", self.root)
    }

    /// The number of the page that `name` is.
    pub(super) fn parse_page(&self, name: &str) -> Option<u64> {
        padded(name.strip_prefix(&self.pages())?)
    }
}

/// What a new snapshot is called: its position, and an id that makes the name new.
pub(super) fn snapshot_name(at: Position, id: Uuid) -> String {
    format!("{:020}-{:020}-{}", at.epoch, at.slot, id.simple())
}

/// The number written with exactly 20 digits; anything else is not a name of ours.
pub(crate) fn padded(text: &str) -> Option<u64> {
    digits(text).filter(|_| text.len() == 20)
}
