//! What cannot happen, by name (J10).
//!
//! Each of these means that a promise was broken outside this code: bytes were changed, an object was
//! deleted by hand or by a life-cycle rule, a store answered wrongly, or two processes were given one
//! identity. None heals itself: whoever sees one stops and calls a person.

use uuid::Uuid;

use super::digest::Digest;
use super::position::Position;

/// A broken invariant of the stored journal.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Corrupt {
    /// The bytes are not what this code writes: damaged, truncated or foreign.
    #[error("object {name} cannot be decoded: {reason}")]
    Undecodable {
        /// The object.
        name: String,
        /// What was wrong first.
        reason: String,
    },
    /// An object says that it belongs elsewhere.
    #[error("object {name} belongs to {says}")]
    Misplaced {
        /// The object.
        name: String,
        /// Where its header says it belongs.
        says: String,
    },
    /// A batch does not follow the batch before it.
    #[error("batch at {at} follows {found}, but the batch before it is {expected}")]
    BrokenChain {
        /// The later batch.
        at: Position,
        /// The hash of the batch read before it.
        expected: Digest,
        /// The hash it names.
        found: Digest,
    },
    /// A slot is free though the one behind it is not: its record was deleted.
    #[error("slot {at} is free, but the slot behind it is not")]
    Hole {
        /// The slot.
        at: Position,
    },
    /// An epoch holds records of two claims.
    #[error("record at {at} is of claim {found}, but the epoch belongs to claim {expected}")]
    TwoOwners {
        /// The record.
        at: Position,
        /// The claim whose ownership record opened the epoch.
        expected: Uuid,
        /// The claim it names.
        found: Uuid,
    },
    /// An epoch does not begin with its ownership record, or has a second one.
    #[error("the ownership record of an epoch must be at its first slot, and only there: {at}")]
    OwnershipOutOfPlace {
        /// The record.
        at: Position,
    },
    /// A slot of our own epoch holds a record that is not ours.
    #[error("slot {at} of our own epoch holds a foreign record")]
    ForeignRecord {
        /// The slot.
        at: Position,
    },
    /// Our epoch is sealed while the manifest still names us.
    #[error("slot {at} is sealed, but the manifest still names our claim")]
    SealedWithoutClaim {
        /// The slot.
        at: Position,
    },
    /// The manifest names a snapshot that is not there.
    #[error("snapshot {name} is named by the manifest and missing")]
    SnapshotMissing {
        /// The snapshot.
        name: String,
    },
    /// A snapshot position or an epoch went back.
    #[error("the manifest went back: from epoch {from_epoch}, snapshot {from}, to epoch {to_epoch}, snapshot {to}")]
    ManifestBack {
        /// The epoch seen earlier.
        from_epoch: u64,
        /// The snapshot position seen earlier.
        from: Position,
        /// The epoch seen now.
        to_epoch: u64,
        /// The snapshot position seen now.
        to: Position,
    },
    /// The newest version of a register vanished.
    #[error("register {register} went back from version {from} to {to}")]
    RegisterBack {
        /// The register.
        register: String,
        /// The version that was the newest.
        from: u64,
        /// The newest now.
        to: u64,
    },
    /// A register's newest version has no predecessor, though at least two are always kept.
    #[error("register {register} has version {version} but not the one before it")]
    VersionGap {
        /// The register.
        register: String,
        /// Its newest version.
        version: u64,
    },
    /// The content of an object is not what its name says.
    #[error("content of {name} has the hash {found}")]
    WrongContent {
        /// The object, named by its hash.
        name: String,
        /// The hash of what is there.
        found: Digest,
    },
}

impl Corrupt {
    /// Logs the alarm for a person and hands it on as an error.
    #[must_use]
    pub(super) fn raise(self) -> Self {
        tracing::error!(alarm = %self, "the stored journal breaks an invariant");
        self
    }

    pub(super) fn undecodable(name: &str, reason: impl std::fmt::Display) -> Self {
        Self::Undecodable { name: name.to_owned(), reason: reason.to_string() }
    }
}
