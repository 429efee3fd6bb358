//! The snapshot object: a state at one position, as lines in slices.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;
use uuid::Uuid;

use super::Journal;
use super::alarm::Corrupt;
use super::append::Mark;
use super::batch::unreadable;
use super::digest::Digest;
use super::envelope::{self, FRAME_BYTES_MAX, count_lines};
use super::manifest::Named;
use super::position::Position;
use super::replay::Replay;
use super::walk;

const KIND: &str = "snapshot";

/// From this size on, bytes are compressed and hashed on a thread of their own.
const BLOCKING_FROM: usize = 256 << 10;

/// What a snapshot's writer sends. A channel that closes before [`Slice::End`] leaves no snapshot: a writer that died
/// half-way must not look like one that was done (L9).
#[derive(Clone, Debug)]
pub(crate) enum Slice {
    /// Whole lines, about 1 MiB of them and never more than 64 MiB.
    Lines(Bytes),
    /// That was all.
    End,
}

/// Why slices did not make a snapshot. Nothing was written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SliceError {
    /// The writer went away.
    #[error("the snapshot's writer went away before its end")]
    Abandoned,
    /// A slice was not whole lines, or too large.
    #[error("a slice of {0} bytes is not whole lines, or is more than {FRAME_BYTES_MAX} bytes")]
    Invalid(usize),
    /// The compressor failed.
    #[error("a slice could not be encoded: {0}")]
    Encoding(String),
}

#[derive(Serialize, Deserialize)]
struct Header {
    partition: u32,
    at: Position,
    /// The hash of the record at the position: the walk goes on from there.
    chain: Digest,
    /// The claim of the epoch it lies in.
    claim: Uuid,
    /// How many lines.
    count: u64,
}

/// Where a walk stands after a snapshot.
pub(super) struct Start {
    pub(super) chain: Digest,
    pub(super) claim: Option<Uuid>,
}

/// Encodes a snapshot slice by slice, as the slices come.
pub(super) async fn encode(
    partition: u32,
    at: Mark,
    mut slices: mpsc::Receiver<Slice>,
    level: i32,
) -> Result<Bytes, SliceError> {
    let mut frames = Vec::new();
    let mut count = 0;
    loop {
        match slices.recv().await {
            None => return Err(SliceError::Abandoned),
            Some(Slice::End) => break,
            Some(Slice::Lines(lines)) if lines.is_empty() => {}
            Some(Slice::Lines(lines)) => {
                let whole = count_lines(&lines).filter(|_| lines.len() <= FRAME_BYTES_MAX);
                count += whole.ok_or(SliceError::Invalid(lines.len()))?;
                let large = lines.len() >= BLOCKING_FROM;
                let frame = aside(large, move || envelope::compress(&lines, level)).await;
                frames.extend_from_slice(&frame.map_err(|error| SliceError::Encoding(error.to_string()))?);
            }
        }
    }
    let header = Header { partition, at: at.position(), chain: at.chain(), claim: at.claim(), count };
    let large = frames.len() >= BLOCKING_FROM;
    aside(large, move || envelope::close(KIND, &header, &frames))
        .await
        .map_err(|error| SliceError::Encoding(error.to_string()))
}

/// Tells `replay` the lines of the snapshot `named`, checked before the first line is told (L9).
pub(super) async fn load(journal: &Journal, named: &Named, replay: &mut dyn Replay) -> Result<Start, walk::Error> {
    let Some(snapshot) = &named.name else {
        return Ok(Start { chain: Digest::ZERO, claim: None });
    };
    let name = journal.names.snapshot(snapshot);
    let found = journal.access.get_patiently(&name).await.map_err(|error| walk::unavailable(&name, &error))?;
    let Some(bytes) = found else {
        return Err(Corrupt::SnapshotMissing { name }.into());
    };
    let opened = {
        let bytes = bytes.clone();
        aside(bytes.len() >= BLOCKING_FROM, move || {
            envelope::open::<Header>(KIND, &bytes).map(|(header, frames)| (header, bytes.len() - frames.len()))
        })
        .await
    };
    let (header, offset) = opened.map_err(|error| unreadable(&name, error))?;
    if header.partition != journal.names.partition() || header.at != named.position {
        let says = format!("partition {} position {}", header.partition, header.at);
        return Err(Corrupt::Misplaced { name, says }.into());
    }
    let mut count = 0;
    let mut frames = &bytes[offset..];
    while let Some(lines) = envelope::next_frame(&mut frames).map_err(|error| unreadable(&name, error))? {
        count += count_lines(&lines).unwrap_or(0);
        let told = replay.snapshot(&lines);
        told.map_err(|source| walk::Error::Snapshot { name: name.clone(), at: named.position, source })?;
        tokio::task::yield_now().await;
    }
    if count != header.count {
        return Err(Corrupt::undecodable(&name, format!("holds {count} lines, says {}", header.count)).into());
    }
    Ok(Start { chain: header.chain, claim: Some(header.claim) })
}

/// Runs `work` here, or on a thread of its own when it is `large`; joined either way.
async fn aside<T: Send + 'static>(large: bool, work: impl FnOnce() -> T + Send + 'static) -> T {
    if !large {
        return work();
    }
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(died) => match died.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // The runtime is shutting down and will not poll us again.
            Err(_) => std::future::pending().await,
        },
    }
}
