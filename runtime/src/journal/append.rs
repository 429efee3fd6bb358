//! Appending to the own epoch, and saying truly what became of it (J5, J6).

use std::sync::Arc;

use bytes::Bytes;
use callboard_core::sabotage::{self, Sabotage};
use tokio::sync::watch;
use tokio::time::Instant;
use uuid::Uuid;

use super::Journal;
use super::access::Backoff;
use super::alarm::Corrupt;
use super::batch::{self, Header, Kind, Slot};
use super::digest::Digest;
use super::envelope::{FRAME_BYTES_MAX, count_lines};
use super::manifest;
use super::position::Position;
use super::settle::{Patience, Settled, settle};

/// A durable place in the log. Only a commit makes one, so a snapshot cannot be of anything else (J7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mark {
    position: Position,
    chain: Digest,
    claim: Uuid,
}

impl Mark {
    pub(super) fn new(position: Position, bytes: &[u8], claim: Uuid) -> Self {
        Self { position, chain: Digest::of(bytes), claim }
    }

    /// The slot.
    pub(crate) fn position(&self) -> Position {
        self.position
    }

    /// The hash of the record there.
    pub(super) fn chain(&self) -> Digest {
        self.chain
    }

    /// The claim it was written under.
    pub(super) fn claim(&self) -> Uuid {
        self.claim
    }
}

/// What became of a batch, of all its events alike: every waiter is told the same (L16).
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub(crate) enum Outcome {
    /// Durable, here.
    Committed(Mark),
    /// Not in the log and never will be. The owner is deposed.
    Failed {
        /// Where it would have been.
        at: Position,
    },
    /// In the log or not. The owner is deposed, or the log is damaged.
    Unknown {
        /// Where it may be.
        at: Position,
        /// Why it cannot be known.
        reason: String,
    },
    /// Nothing was written and nothing will be. The appender is at its end all the same.
    Refused(Refusal),
}

/// Whether an owner serves still.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// Nobody served in its place when that was asked.
    Serving,
    /// Its tenure is over.
    Deposed,
    /// The store does not say.
    Unknown,
}

/// Why a batch was not even tried, or the one try was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refusal {
    /// An earlier outcome, a dropped append or the keeper ended this tenure.
    #[error("this owner has stepped down: {0}")]
    Deposed(String),
    /// The store refused it.
    #[error("the store refused: {0}")]
    Store(String),
    /// The batch is not whole lines, not as many as said, none, or too large.
    #[error("not a batch: {0}")]
    Invalid(String),
}

/// How the tenure of an owner is going. Watch it: a stuck store shows here while an append waits.
#[derive(Clone, Debug, Default)]
pub(crate) struct Status {
    /// The append in flight has had no clear answer yet.
    pub(crate) stuck: Option<Stuck>,
    /// Why the tenure is over.
    pub(crate) ended: Option<String>,
}

/// An append without an answer.
#[derive(Clone, Debug)]
pub(crate) struct Stuck {
    /// Since when.
    pub(crate) since: Instant,
    /// Tries without an answer.
    pub(crate) tries: u32,
    /// What was seen last.
    pub(crate) last_error: String,
}

/// What appender and keeper of one owner share: its status. Once over, it stays over.
#[derive(Clone, Debug, Default)]
pub(super) struct Tenure(watch::Sender<Status>);

impl Tenure {
    pub(super) fn end(&self, reason: &str) {
        self.0.send_modify(|status| {
            status.ended.get_or_insert_with(|| reason.to_owned());
        });
    }

    pub(super) fn ended(&self) -> Option<String> {
        self.0.borrow().ended.clone()
    }

    fn stuck(&self, reason: &str) {
        self.0.send_modify(|status| {
            let stuck = status.stuck.get_or_insert_with(|| Stuck {
                since: Instant::now(),
                tries: 0,
                last_error: String::new(),
            });
            stuck.tries = stuck.tries.saturating_add(1);
            reason.clone_into(&mut stuck.last_error);
        });
    }

    fn settled(&self) {
        self.0.send_if_modified(|status| status.stuck.take().is_some());
    }
}

/// Appends batches to the epoch of one owner, one at a time.
///
/// The calls: [`Self::append`] until an outcome is not *committed*; then the state is dropped and the partition claimed
/// anew, never patched.
#[derive(Debug)]
pub(crate) struct Appender {
    journal: Arc<Journal>,
    writer: String,
    /// The last record of the log.
    last: Mark,
    /// Set while an append is in flight, and for ever when it was dropped there: its slot is not known.
    in_doubt: bool,
    tenure: Tenure,
}

/// Nobody waits any more for the answer to what was under way.
impl Drop for Appender {
    fn drop(&mut self) {
        self.tenure.settled();
    }
}

impl Appender {
    pub(super) fn new(journal: Arc<Journal>, writer: String, last: Mark, tenure: Tenure) -> Self {
        Self { journal, writer, last, in_doubt: false, tenure }
    }

    /// The last durable record.
    pub(crate) fn last(&self) -> Mark {
        self.last
    }

    /// Follows the status of this tenure, while an append is in flight too.
    pub(crate) fn status(&self) -> watch::Receiver<Status> {
        self.tenure.0.subscribe()
    }

    /// Appends `count` events, each a line of `lines`, as one batch: all of them or none.
    ///
    /// Goes on until the outcome is known, however long the store is away (see [`Self::status`]); with a store that
    /// answers that is one create. If the future is dropped the outcome is unknown, and every later append is refused.
    pub(crate) async fn append(&mut self, lines: Bytes, count: u32) -> Outcome {
        if let Some(reason) = self.tenure.ended() {
            return Outcome::Refused(Refusal::Deposed(reason));
        }
        if std::mem::replace(&mut self.in_doubt, true) {
            self.tenure.end("an append was dropped before its outcome was known");
            return Outcome::Refused(Refusal::Deposed("an earlier append was dropped".to_owned()));
        }
        let outcome = self.try_append(&lines, count).await;
        self.tenure.settled();
        match &outcome {
            Outcome::Committed(mark) => {
                self.last = *mark;
                self.in_doubt = false;
            }
            Outcome::Failed { at } => self.tenure.end(&format!("slot {at} is sealed")),
            Outcome::Unknown { at, reason } => self.tenure.end(&format!("the outcome at {at} is unknown: {reason}")),
            Outcome::Refused(refusal) => self.tenure.end(&refusal.to_string()),
        }
        outcome
    }

    /// Whether nobody served the partition in this owner's place when this was asked: who does has sealed the next slot
    /// first (J3), and seals are never collected (J8). One get.
    pub(crate) async fn standing(&self) -> Standing {
        if self.in_doubt || self.tenure.ended().is_some() {
            return Standing::Deposed;
        }
        match self.journal.access.get(&self.journal.names.slot(self.last.position.next_slot())).await {
            Ok(Some(_)) if sabotage::is(Sabotage::NoFence) => Standing::Serving,
            Ok(None) => Standing::Serving,
            Ok(Some(_)) => {
                self.tenure.end("a newer owner has sealed the next slot");
                Standing::Deposed
            }
            Err(_) => Standing::Unknown,
        }
    }

    async fn try_append(&self, lines: &[u8], count: u32) -> Outcome {
        let at = self.last.position.next_slot();
        let bytes = match self.encode(at, lines, count) {
            Ok(bytes) => bytes,
            Err(reason) => return Outcome::Refused(Refusal::Invalid(reason)),
        };
        match land(&self.journal, at, &bytes, Patience::Endless, |reason| self.tenure.stuck(reason)).await {
            Landed::Mine => Outcome::Committed(Mark::new(at, &bytes, self.last.claim)),
            Landed::Sealed | Landed::Foreign if sabotage::is(Sabotage::NoFence) => {
                Outcome::Committed(Mark::new(at, &bytes, self.last.claim))
            }
            Landed::Sealed => self.sealed(at).await,
            Landed::Refused(reason) => Outcome::Refused(Refusal::Store(reason)),
            Landed::Foreign => Outcome::Unknown { at, reason: Corrupt::ForeignRecord { at }.raise().to_string() },
            Landed::Unreadable(error) => Outcome::Unknown { at, reason: error.to_string() },
            Landed::Undecided(reason) => Outcome::Unknown { at, reason },
        }
    }

    /// J5: the bytes, once and for all.
    fn encode(&self, at: Position, lines: &[u8], count: u32) -> Result<Bytes, String> {
        if count == 0 || count_lines(lines) != Some(u64::from(count)) {
            return Err(format!("{} bytes are not {count} whole lines", lines.len()));
        }
        if lines.len() > FRAME_BYTES_MAX {
            return Err(format!("{} bytes, more than {FRAME_BYTES_MAX}", lines.len()));
        }
        let header = Header {
            kind: Kind::Data,
            partition: self.journal.names.partition(),
            at,
            writer: self.writer.clone(),
            claim: self.last.claim,
            batch: self.journal.ids.next(),
            previous: self.last.chain,
            count: count.into(),
        };
        batch::encode(&header, lines, self.journal.settings.zstd_level).map_err(|error| error.to_string())
    }

    /// J6: our slot is sealed. Whether our bytes were there before, committed, snapshotted and collected, only the
    /// manifest can tell, and only as "certainly not" or "perhaps".
    async fn sealed(&self, at: Position) -> Outcome {
        let register = self.journal.manifest();
        let mut backoff = Backoff::default();
        let manifest = loop {
            match manifest::read(&register, None).await {
                Ok(current) => break current.manifest,
                Err(manifest::Error::Unavailable(error)) => self.tenure.stuck(&error.to_string()),
                Err(error) => {
                    return Outcome::Unknown { at, reason: error.to_string() };
                }
            }
            backoff.wait().await;
        };
        if manifest.claim == self.last.claim {
            return Outcome::Unknown { at, reason: Corrupt::SealedWithoutClaim { at }.raise().to_string() };
        }
        if manifest.snapshot.position < at {
            return Outcome::Failed { at };
        }
        let reason = format!("the slot was sealed, and the snapshot at {} may hold it", manifest.snapshot.position);
        Outcome::Unknown { at, reason }
    }
}

/// What a slot turned out to hold after a create.
pub(super) enum Landed {
    /// Our bytes.
    Mine,
    /// A seal.
    Sealed,
    /// A record that is not ours.
    Foreign,
    /// Bytes that cannot be decoded, several times.
    Unreadable(batch::Error),
    /// Nothing of ours, for certain: the store refused.
    Refused(String),
    /// Not known.
    Undecided(String),
}

/// Creates the record `bytes` in slot `at` and settles it.
pub(super) async fn land(
    journal: &Journal,
    at: Position,
    bytes: &Bytes,
    patience: Patience,
    mut stuck: impl FnMut(&str),
) -> Landed {
    const LOOKS: u32 = 3;
    let name = journal.names.slot(at);
    let mut looks = 0;
    loop {
        let found = match settle(&journal.access, &name, bytes, patience, &mut stuck).await {
            Settled::Mine => return Landed::Mine,
            // A refusal after a look at foreign bytes cannot be: then the name exists.
            Settled::Refused(reason) if looks == 0 => return Landed::Refused(reason),
            Settled::Refused(reason) | Settled::Undecided(reason) => {
                return Landed::Undecided(reason);
            }
            Settled::Foreign(found) => found,
        };
        looks += 1;
        match batch::decode(&name, journal.names.partition(), at, &found) {
            Ok(Slot::Seal) => return Landed::Sealed,
            Ok(Slot::Ownership(_) | Slot::Data(..)) => return Landed::Foreign,
            Err(error) if looks >= LOOKS => {
                if let batch::Error::Corrupt(corrupt) = &error {
                    let _logged = corrupt.clone().raise();
                }
                return Landed::Unreadable(error);
            }
            // An answer cut short looks like damage: look again.
            Err(_) => stuck("the slot's bytes cannot be decoded"),
        }
    }
}
