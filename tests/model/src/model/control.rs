//! The switches that break one rule of the protocol on purpose.

/// One rule of the protocol, broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Broken {
    /// R4: *Created* is taken for *Advanced* without a list.
    NoListAfterCreated,
    /// R5: that somebody is ahead is taken for *Moved*.
    AheadIsMoved,
    /// R5: a pruned successor is taken for *Moved*.
    PrunedSuccessorIsMoved,
    /// R2: no second list, by anyone.
    NoSecondList,
    /// R2: no second list, by the plain reader only.
    ReaderNoSecondList,
    /// R2: no second list, by the garbage collector only.
    CollectorNoSecondList,
    /// R6: the transport repeats a create by itself, and *Exists* is taken for somebody else's.
    ExistsIsForeign,
    /// R6: an absence is taken for a failure.
    AbsentIsFailed,
    /// R1, J5: other bytes after an unclear answer.
    OtherBytes,
    /// R8: pruning may delete the newest version.
    NewestPruned,
    /// R9: a list may be arbitrarily old.
    ListsLag,
    /// J3: a free slot ends the walk of its epoch without a seal.
    NoSeal,
    /// J4: the owner serves before its ownership record is durable.
    ServeBeforeRecord,
    /// J6: a foreign record in the slot always means *failed*.
    ForeignIsFailed,
    /// J8: seals behind the boundary are deleted like data.
    SealsDeleted,
    /// J9: a reader takes the first free slot for the end without a second look at the manifest.
    NoSecondLook,
    /// No epochs at all: every owner appends to one sequence of slots and garbage is deleted (hazards V1).
    OneSequence,
}
