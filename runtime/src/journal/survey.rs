//! Looking at every object of a journal, those too that no walk needs any more.

use bytes::Bytes;
use futures::stream::{self, StreamExt};

use super::Journal;
use super::batch::{self, Header, Slot};
use super::digest::Digest;
use super::manifest::Named;
use super::position::Position;
use super::replay::{Replay, ReplayError};
use super::snapshot;
use super::walk;

/// Objects that are read at once.
const AT_ONCE: usize = 16;

/// What was looked at, and what of it can not be.
#[derive(Clone, Debug, Default)]
pub(crate) struct Survey {
    pub(crate) objects: u64,
    pub(crate) bytes: u64,
    /// What is wrong: the object, and in which way.
    pub(crate) faults: Vec<(String, String)>,
}

impl Survey {
    /// Counts an object that was read.
    pub(crate) fn read(&mut self, bytes: usize) {
        self.objects += 1;
        self.bytes += bytes as u64;
    }

    /// Notes what is wrong with an object.
    pub(crate) fn fault(&mut self, name: impl Into<String>, reason: impl std::fmt::Display) {
        self.faults.push((name.into(), reason.to_string()));
    }
}

impl Journal {
    /// Checks every slot and snapshot that is there: its checksum, its place, and that a record names the hash of the record
    /// in the slot before it. What is collected meanwhile is no fault.
    ///
    /// # Errors
    /// When the store gives no answer.
    pub(crate) async fn survey(&self, survey: &mut Survey) -> Result<(), walk::Error> {
        let listed = |prefix: String| async move {
            let names = self.access.list_patiently(&prefix).await;
            names.map_err(|error| walk::unavailable(&prefix, &error))
        };
        let slots = listed(self.names.log()).await?;
        let mut read = stream::iter(slots).map(|name| self.fetched(name)).buffered(AT_ONCE);
        let mut before: Option<(Position, Digest)> = None;
        while let Some(found) = read.next().await {
            let (name, Some(bytes)) = found? else { continue };
            survey.read(bytes.len());
            let Some(at) = self.names.parse_slot(&name) else {
                survey.fault(name, "is no name of a slot");
                continue;
            };
            match batch::decode(&name, self.names.partition(), at, &bytes) {
                Err(error) => survey.fault(name, error),
                Ok(Slot::Seal) => continue, // the chain goes on behind it
                Ok(Slot::Ownership(header) | Slot::Data(header, _)) => {
                    if let Some(expected) =
                        before.and_then(|before| follows(before, at)).filter(|it| *it != header.previous)
                    {
                        survey.fault(&name, broken(&header, expected));
                    }
                }
            }
            before = Some((at, Digest::of(&bytes)));
        }
        for name in listed(self.names.snapshots()).await? {
            let (name, Some(bytes)) = self.fetched(name).await? else { continue };
            survey.read(bytes.len());
            let short = name.rsplit('/').next().unwrap_or_default().to_owned();
            let Some(position) = self.names.parse_snapshot(&name) else {
                survey.fault(name, "is no name of a snapshot");
                continue;
            };
            match snapshot::load(self, &Named { position, name: Some(short) }, &mut Nobody).await {
                Ok(_) => {}
                Err(error @ walk::Error::Unavailable { .. }) => return Err(error),
                Err(walk::Error::Corrupt(super::alarm::Corrupt::SnapshotMissing { .. })) => {} // collected since
                Err(error) => survey.fault(name, error),
            }
        }
        Ok(())
    }

    async fn fetched(&self, name: String) -> Result<(String, Option<Bytes>), walk::Error> {
        let found = self.access.get_patiently(&name).await;
        let found = found.map_err(|error| walk::unavailable(&name, &error))?;
        Ok((name, found))
    }
}

/// The hash that a record at `at` is to name, if the record before it is the one that was read before.
fn follows((before, digest): (Position, Digest), at: Position) -> Option<Digest> {
    (before.next_slot() == at).then_some(digest)
}

fn broken(header: &Header, expected: Digest) -> String {
    format!("follows {}, but the record before it is {expected}", header.previous)
}

/// Whoever is told nothing.
struct Nobody;

impl Replay for Nobody {
    fn reset(&mut self) {}

    fn snapshot(&mut self, _: &[u8]) -> Result<(), ReplayError> {
        Ok(())
    }

    fn batch(&mut self, _: Position, _: &[u8]) -> Result<(), ReplayError> {
        Ok(())
    }
}
