//! What a slot holds: a seal, an ownership record, or a batch of events.

use std::sync::LazyLock;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::alarm::Corrupt;
use super::digest::Digest;
use super::envelope;
use super::position::Position;

const KIND: &str = "slot";

/// The seal: the same bytes everywhere, for ever (J3), so they name neither partition nor place.
static SEAL: LazyLock<Bytes> = LazyLock::new(|| envelope::assemble(KIND, b"{\"kind\":\"seal\"}\n", &[]));

/// The bytes of every seal.
pub(crate) fn seal() -> Bytes {
    SEAL.clone()
}

/// The header of a record, fixed with its bytes before the first try (J5).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Header {
    /// What the slot holds.
    pub(crate) kind: Kind,
    /// The partition it belongs to.
    pub(crate) partition: u32,
    /// Its place.
    pub(crate) at: Position,
    /// The owner's name.
    pub(crate) writer: String,
    /// The write id of the owner's claim.
    pub(crate) claim: Uuid,
    /// The id of this batch alone.
    pub(crate) batch: Uuid,
    /// The hash of the whole record before it, across slots and epochs, past seals; zeros before the first.
    pub(crate) previous: Digest,
    /// How many events.
    pub(crate) count: u64,
}

/// The kinds of records. A seal has no header of this form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kind {
    /// Opens an epoch (J4); holds no events.
    Ownership,
    /// A batch of events.
    Data,
}

/// What a slot holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Slot {
    /// The epoch ends here.
    Seal,
    /// The epoch begins here.
    Ownership(Header),
    /// Events, as whole lines.
    Data(Header, Vec<u8>),
}

/// Why a slot's bytes cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Error {
    /// Damaged, truncated, misplaced or not ours.
    #[error(transparent)]
    Corrupt(#[from] Corrupt),
    /// Written by a newer release.
    #[error("object {name}: {source}")]
    Newer {
        /// The object.
        name: String,
        /// What it says.
        source: envelope::Error,
    },
}

/// The bytes of a record with `lines`.
pub(super) fn encode(header: &Header, lines: &[u8], level: i32) -> std::io::Result<Bytes> {
    let frames = if lines.is_empty() { Vec::new() } else { envelope::compress(lines, level)? };
    Ok(envelope::close(KIND, header, &frames)?)
}

/// What `bytes`, read from the object `name`, hold as slot `at` of `partition`.
pub(super) fn decode(name: &str, partition: u32, at: Position, bytes: &[u8]) -> Result<Slot, Error> {
    if bytes == *SEAL {
        return Ok(Slot::Seal);
    }
    let (header, mut frames): (Header, _) = envelope::open(KIND, bytes).map_err(|error| unreadable(name, error))?;
    if header.partition != partition || header.at != at {
        let says = format!("partition {} slot {}", header.partition, header.at);
        return Err(Corrupt::Misplaced { name: name.to_owned(), says }.into());
    }
    let lines = envelope::next_frame(&mut frames).map_err(|error| unreadable(name, error))?.unwrap_or_default();
    if !frames.is_empty() {
        return Err(Corrupt::undecodable(name, "bytes after its lines").into());
    }
    if envelope::count_lines(&lines) != Some(header.count) {
        return Err(Corrupt::undecodable(name, format!("does not hold the {} events it says", header.count)).into());
    }
    match header.kind {
        Kind::Data => Ok(Slot::Data(header, lines)),
        Kind::Ownership if lines.is_empty() => Ok(Slot::Ownership(header)),
        Kind::Ownership => Err(Corrupt::undecodable(name, "an ownership record with events").into()),
    }
}

/// Tells damage from a newer format; both are refused, but only one is an alarm.
pub(super) fn unreadable(name: &str, error: envelope::Error) -> Error {
    match error {
        envelope::Error::Malformed(reason) => Corrupt::undecodable(name, reason).into(),
        source @ envelope::Error::Newer { .. } => Error::Newer { name: name.to_owned(), source },
    }
}
