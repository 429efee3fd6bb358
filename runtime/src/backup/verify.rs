//! Checking every object.

use super::{NameSpace, away, unread_register};
use crate::journal::archive::{self, Fingerprint};
use crate::journal::digest::Digest;
use crate::journal::payload;
use crate::journal::position::Position;
use crate::journal::survey::Survey;
use crate::journal::walk;
use crate::journal::{manifest, reader, register};
use crate::partition::pages_of;
use crate::partition::recover::Recovery;
use crate::state::{DOCUMENTS, LOCKS};
use crate::{Error, ErrorKind, Result};
use futures::stream::{self, StreamExt};
use serde::Serialize;
use std::collections::BTreeSet;
use uuid::Uuid;

/// Payloads that are read at once.
const AT_ONCE: usize = 8;

/// What a check has found.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Verified {
    /// The identity of the name space.
    pub id: Uuid,
    /// How often it was restored since it was created.
    pub generation: u32,
    /// How each partition stands that could be replayed.
    pub partitions: Vec<PartitionState>,
    /// Objects that were read.
    pub objects: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Documents, deleted ones included.
    pub documents: usize,
    /// What is wrong; empty if all is well.
    pub faults: Vec<Fault>,
}

/// How a partition stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct PartitionState {
    /// Its number.
    pub partition: u16,
    /// Up to where it was read: `epoch/slot`.
    pub position: String,
    /// Events, from the first one on.
    pub events: u64,
    /// Runs that are not in the archive.
    pub runs: usize,
    /// Pages of the archive.
    pub pages: usize,
    /// A hash of the state that its journal leads to: equal for equal journals, whoever replays them.
    pub hash: String,
}

/// What is wrong with an object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Fault {
    /// The object, or the folder of those in which it shows.
    pub object: String,
    /// What is wrong.
    pub reason: String,
}

impl NameSpace {
    /// Checks every object: its checksum or hash, its place, the chain from each record to the one before; that all that a journal
    /// names is there, that it can be replayed, and that the states lead to the hashes that were recorded.
    ///
    /// Reads everything once or twice, and changes nothing. What nodes write and collect meanwhile is no fault.
    ///
    /// # Errors
    ///
    /// `Unavailable` if the store gives no answer. What is found to be wrong is no error but a [`Fault`].
    pub async fn verify(&self) -> Result<Verified> {
        let mut survey = Survey::default();
        let mut partitions = Vec::new();
        let stand = self.stand(&self.store).await?;
        let mut named = BTreeSet::new();
        for number in 0..self.root.partitions {
            let expected = stand.as_ref().and_then(|stand| stand.partitions.get(usize::from(number)));
            partitions.extend(self.verify_partition(number, expected, &mut survey, &mut named).await?);
        }
        self.verify_payloads(named, &mut survey).await?;
        let (documents, locks) = (self.registers(DOCUMENTS).await?, self.registers(LOCKS).await?);
        for rest in documents.iter().chain(&locks) {
            self.verify_register(rest, &mut survey).await?;
        }
        let Survey { objects, bytes, faults } = survey;
        let faults = faults.into_iter().map(|(object, reason)| Fault { object, reason }).collect();
        Ok(Verified {
            id: self.root.id,
            generation: self.root.generation,
            partitions,
            objects,
            bytes,
            documents: documents.len(),
            faults,
        })
    }

    async fn verify_partition(
        &self,
        number: u16,
        expected: Option<&(Position, String)>,
        survey: &mut Survey,
        named: &mut BTreeSet<Digest>,
    ) -> Result<Option<PartitionState>> {
        let journal = self.journal(&self.store, number);
        journal.survey(survey).await.map_err(|error| away(&error))?;
        self.verify_register(&format!("partitions/{number:04}/manifest"), survey).await?;
        let mut recovery = Recovery::new(self.limits);
        let object = format!("{}/partitions/{number:04}", self.name);
        let at = match journal.read(&mut recovery).await {
            Ok(at) => at,
            Err(
                error @ (reader::Error::Overtaken { .. }
                | reader::Error::Walk(walk::Error::Unavailable { .. })
                | reader::Error::Manifest(manifest::Error::Unavailable(_))),
            ) => return Err(away(&error)),
            Err(error) => {
                survey.fault(object, error);
                return Ok(None);
            }
        };
        for breach in std::mem::take(&mut recovery.diverged) {
            survey.fault(&object, breach);
        }
        let hash = recovery.digest().to_string();
        if let Some((position, recorded)) = expected.filter(|(position, _)| *position == at)
            && *recorded != hash
        {
            survey.fault(
                &object,
                format!("at {position} its state has hash {hash}, and the copy was made of {recorded}"),
            );
        }
        for lines in recovery.history.all() {
            stored_in(lines, named);
        }
        let archive = journal.archive();
        let pages = pages_of(&recovery.state);
        for page in &pages {
            match archive.page(page.page).await {
                Ok(records) => {
                    survey.read(records.iter().map(|record| record.line.len()).sum());
                    records.iter().for_each(|record| stored_in(&record.line, named));
                    if let Some(record) = records.iter().find(|record| !page.may_hold(Fingerprint::of(record.id))) {
                        survey.fault(
                            &object,
                            format!("page {} holds run {}, and its summary does not", page.page, record.id),
                        );
                    }
                }
                Err(error @ archive::Error::Unknown { .. }) => return Err(away(&error)),
                Err(archive::Error::Missing { page }) if self.is_forgotten(number, page).await? => {}
                Err(error) => survey.fault(&object, error),
            }
        }
        if pages.len() != recovery.state.pages().len() {
            survey.fault(&object, "it names a page of the archive in words that are not understood");
        }
        Ok(Some(PartitionState {
            partition: number,
            position: at.to_string(),
            events: recovery.state.seq(),
            runs: recovery.state.runs().count(),
            pages: pages.len(),
            hash,
        }))
    }

    /// The payloads that are stored, and whether those are there that journals name.
    async fn verify_payloads(&self, mut named: BTreeSet<Digest>, survey: &mut Survey) -> Result<()> {
        let payloads = self.payloads(&self.store);
        let all = payloads.all().await.map_err(|error| away(&error))?;
        let mut read =
            stream::iter(all).map(async |digest| (digest, payloads.get(digest).await)).buffer_unordered(AT_ONCE);
        while let Some((digest, found)) = read.next().await {
            named.remove(&digest);
            match found {
                Ok(bytes) => survey.read(bytes.len()),
                Err(error @ (payload::Error::Unknown { .. } | payload::Error::Missing { .. })) => {
                    return Err(away(&error));
                }
                Err(error) => survey.fault(payloads.name(digest), error),
            }
        }
        for digest in named {
            survey.fault(payloads.name(digest), "is named in a journal, and is not there");
        }
        Ok(())
    }

    async fn verify_register(&self, rest: &str, survey: &mut Survey) -> Result<()> {
        let register = self.register(&self.store, rest);
        match register.kept().await {
            Ok(versions) => versions.iter().for_each(|(_, bytes)| survey.read(*bytes)),
            Err(error @ register::Error::Unavailable { .. }) => return Err(unread_register(&error)),
            Err(error) => survey.fault(format!("{}/{rest}", self.name), error),
        }
        Ok(())
    }
}

/// The payloads that a line of a journal names.
fn stored_in(line: &[u8], named: &mut BTreeSet<Digest>) {
    const BEFORE: &str = r#"{"stored":{"hash":""#;
    const DIGITS: usize = 64;
    let line = std::str::from_utf8(line).unwrap_or_default(); // it was read as JSON
    let digits = line.match_indices(BEFORE).filter_map(|(at, _)| line.get(at + BEFORE.len()..)?.get(..DIGITS));
    named.extend(digits.filter_map(|digits| digits.parse::<Digest>().ok()));
}

impl Verified {
    /// `Corrupt` with every fault, if there is one.
    ///
    /// # Errors
    ///
    /// That.
    pub fn ok(&self) -> Result<()> {
        let count = self.faults.len();
        if count == 0 {
            return Ok(());
        }
        let error = Error::new(ErrorKind::Corrupt, format!("{count} fault{}", if count == 1 { "" } else { "s" }));
        Err(self
            .faults
            .iter()
            .fold(error, |error, Fault { object, reason }| error.because(format!("{object}: {reason}"))))
    }
}
