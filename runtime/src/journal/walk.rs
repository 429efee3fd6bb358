//! Reading a log in order, from the newest snapshot on: what claims and readers have in common (J3, J9).

use std::collections::VecDeque;

use bytes::Bytes;
use futures::future::join_all;
use uuid::Uuid;

use super::Journal;
use super::alarm::Corrupt;
use super::batch::{self, Header, Slot};
use super::digest::Digest;
use super::manifest::Named;
use super::position::Position;
use super::replay::{Replay, ReplayError};
use super::snapshot;
use crate::port::store;

/// How often damaged bytes are read again before they are believed: an answer may have been cut short.
const LOOKS: usize = 3;

/// Why a walk stopped.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The store gave no answer for too long.
    #[error("object {name} could not be read: {reason}")]
    Unavailable {
        /// The object.
        name: String,
        /// What was seen last.
        reason: String,
    },
    /// What cannot happen.
    #[error(transparent)]
    Corrupt(#[from] Corrupt),
    /// Written by a newer release.
    #[error("{0}")]
    Newer(batch::Error),
    /// The events of a batch cannot be replayed.
    #[error("batch at {at} cannot be replayed: {source}")]
    Batch {
        /// The batch.
        at: Position,
        /// What the replay said.
        source: ReplayError,
    },
    /// The lines of a snapshot cannot be replayed.
    #[error("snapshot {name} at {at} cannot be replayed: {source}")]
    Snapshot {
        /// The snapshot.
        name: String,
        /// Its position.
        at: Position,
        /// What the replay said.
        source: ReplayError,
    },
}

impl From<batch::Error> for Error {
    fn from(error: batch::Error) -> Self {
        match error {
            batch::Error::Corrupt(corrupt) => Self::Corrupt(corrupt),
            newer @ batch::Error::Newer { .. } => Self::Newer(newer),
        }
    }
}

/// What was found next.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// A batch, already replayed.
    Data,
    /// The beginning of an epoch.
    Ownership,
    /// The end of one: the walk stands before the next.
    Seal,
    /// Nothing: the slot is free.
    Free,
}

/// A walk along the log; it checks every record against the one before.
pub(super) struct Walk<'a> {
    journal: &'a Journal,
    replay: &'a mut dyn Replay,
    /// The last position passed.
    at: Position,
    /// The hash of the last record passed.
    chain: Digest,
    /// The claim of the epoch that the walk is in, once its first slot is passed.
    claim: Option<Uuid>,
    /// Slots after `at`, read ahead.
    ahead: VecDeque<Bytes>,
    window: u64,
    /// The slot passed last, and its bytes.
    passed: Option<(Position, Bytes)>,
}

impl<'a> Walk<'a> {
    /// Begins anew from a snapshot: the replay is reset and told what it holds.
    pub(super) async fn begin(
        journal: &'a Journal,
        snapshot: &Named,
        replay: &'a mut dyn Replay,
    ) -> Result<Self, Error> {
        replay.reset();
        let start = snapshot::load(journal, snapshot, replay).await?;
        Ok(Self {
            journal,
            replay,
            at: snapshot.position,
            chain: start.chain,
            claim: start.claim,
            ahead: VecDeque::new(),
            window: 1,
            passed: None,
        })
    }

    /// The last position passed; slot 0 at the beginning of an epoch.
    pub(super) fn at(&self) -> Position {
        self.at
    }

    /// The slot passed last and its bytes, once.
    pub(super) fn take_passed(&mut self) -> Option<(Position, Bytes)> {
        self.passed.take()
    }

    /// The claim of the epoch that the walk is in, once its first slot is passed.
    pub(super) fn claim(&self) -> Option<Uuid> {
        self.claim
    }

    /// The hash of the last record passed.
    pub(super) fn chain(&self) -> Digest {
        self.chain
    }

    /// Passes the next slot, if it is not free.
    pub(super) async fn next(&mut self) -> Result<Step, Error> {
        let at = self.at.next_slot();
        let (bytes, slot) = match self.slot(at).await? {
            Some(found) => found,
            None if !overtaken(self.journal, at).await? => return Ok(Step::Free),
            // Written, and more behind it, since we looked; or it was there and is lost.
            None => match self.slot(at).await? {
                Some(found) => found,
                None => return Err(Corrupt::Hole { at }.into()),
            },
        };
        self.passed = Some((at, bytes.clone()));
        match slot {
            Slot::Seal => {
                self.at = self.at.next_epoch();
                self.claim = None;
                self.ahead.clear();
                self.window = 1;
                Ok(Step::Seal)
            }
            Slot::Ownership(header) => {
                self.follow(at, &header, &bytes)?;
                Ok(Step::Ownership)
            }
            Slot::Data(header, lines) => {
                self.follow(at, &header, &bytes)?;
                self.replay.batch(at, &lines).map_err(|source| Error::Batch { at, source })?;
                Ok(Step::Data)
            }
        }
    }

    /// Creates a seal in the next slot and reads it until it holds something (J3). What it holds is passed by
    /// [`Self::next`]: the seal, or a record that came first.
    pub(super) async fn seal(&mut self) -> Result<(), Error> {
        let name = self.journal.names.slot(self.at.next_slot());
        let mut backoff = super::access::Backoff::default();
        loop {
            let created = self.journal.access.create(&name, batch::seal()).await;
            if get(self.journal, &name).await?.is_some() {
                return Ok(());
            }
            if backoff.waits() + 1 >= self.journal.access.tries() {
                let reason =
                    created.map_or_else(|error| error.to_string(), |create| format!("{create:?}, then absent"));
                return Err(Error::Unavailable { name, reason });
            }
            backoff.wait().await;
        }
    }

    /// Checks that a record follows the one before, and passes it (J10).
    fn follow(&mut self, at: Position, header: &Header, bytes: &[u8]) -> Result<(), Corrupt> {
        if (header.kind == batch::Kind::Ownership) != (at.slot == 1) {
            return Err(Corrupt::OwnershipOutOfPlace { at });
        }
        if let Some(expected) = self.claim.filter(|claim| *claim != header.claim) {
            return Err(Corrupt::TwoOwners { at, expected, found: header.claim });
        }
        if header.previous != self.chain {
            return Err(Corrupt::BrokenChain { at, expected: self.chain, found: header.previous });
        }
        self.at = at;
        self.chain = Digest::of(bytes);
        self.claim = Some(header.claim);
        Ok(())
    }

    /// The bytes and the content of a slot, read again when they look damaged.
    async fn slot(&mut self, at: Position) -> Result<Option<(Bytes, Slot)>, Error> {
        let name = self.journal.names.slot(at);
        let mut looks = 0;
        loop {
            let Some(bytes) = self.fetch(at).await? else {
                return Ok(None);
            };
            match batch::decode(&name, self.journal.names.partition(), at, &bytes) {
                Ok(slot) => return Ok(Some((bytes, slot))),
                Err(error) if looks + 1 >= LOOKS => return Err(error.into()),
                Err(_) => {
                    looks += 1;
                    self.ahead.clear();
                    self.window = 1;
                }
            }
        }
    }

    /// The bytes of the next slot `at`. Reads ahead while slots are full (L20); an absence read ahead is never
    /// believed, only that of the slot itself.
    async fn fetch(&mut self, at: Position) -> Result<Option<Bytes>, Error> {
        if let Some(bytes) = self.ahead.pop_front() {
            return Ok(Some(bytes));
        }
        let names: Vec<String> =
            (0..self.window).map(|i| self.journal.names.slot(Position { slot: at.slot + i, ..at })).collect();
        let mut answers = join_all(names.iter().map(|name| get(self.journal, name))).await.into_iter();
        let first = answers.next().transpose()?.flatten();
        self.ahead.extend(answers.map_while(|answer| answer.ok().flatten()));
        let full = self.ahead.len() as u64 + 1 == self.window;
        self.window = if full { (self.window * 2).min(self.journal.settings.read_ahead.max(1)) } else { 1 };
        if first.is_none() {
            self.ahead.clear();
        }
        Ok(first)
    }
}

async fn get(journal: &Journal, name: &str) -> Result<Option<Bytes>, Error> {
    let found = journal.access.get_patiently(name).await;
    found.map_err(|error| unavailable(name, &error))
}

/// Whether there is something behind `at`. A slot is only ever written when the one before it is durable.
async fn overtaken(journal: &Journal, at: Position) -> Result<bool, Error> {
    Ok(get(journal, &journal.names.slot(at.next_slot())).await?.is_some())
}

/// A store's error as a walk's.
pub(super) fn unavailable(name: &str, error: &store::Error) -> Error {
    Error::Unavailable { name: name.to_owned(), reason: error.to_string() }
}
