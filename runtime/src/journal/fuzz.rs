//! What the journal reads, for `crate::fuzz`: each object as it lies in the store, and with a checksum that fits.

use super::archive::{Fingerprint, Summary};
use super::digest::Digest;
use super::manifest::{self, Named};
use super::name::Names;
use super::position::Position;
use super::register::{Advance, Register};
use super::replay::{Replay, ReplayError};
use super::{Ids, Journal, Settings, batch, envelope, snapshot as snapshots};
use crate::fuzz::{block_on, understood};
use crate::port::store::{MemoryStore, Store};
use bytes::Bytes;
use serde_json::value::RawValue;
use std::sync::Arc;
use uuid::Uuid;

const NAMESPACE: &str = "test";
const PARTITION: u32 = 3;
const REGISTER: &str = "test/partitions/0003/manifest";

/// A journal over a store that holds one object.
fn journal(name: &str, bytes: &[u8]) -> Journal {
    let store = Arc::new(MemoryStore::new());
    if !name.is_empty() {
        let _created = block_on(store.create(name, Bytes::copy_from_slice(bytes)));
    }
    let settings = Settings { tries: 1, ..Settings::default() };
    Journal::new(store, Ids::from_fn(|| Uuid::from_u128(7)), NAMESPACE, PARTITION, settings)
}

/// An object of `kind` whose header is the first line and whose lines are the others.
fn sealed(kind: &str, bytes: &[u8]) -> Bytes {
    let end = bytes.iter().position(|byte| *byte == b'\n').map_or(bytes.len(), |end| end + 1);
    let (header, lines) = bytes.split_at(end);
    // As `compress` has it, but each text as one frame, also an empty one and one that is not whole lines.
    let frames = envelope::compress(lines, 1).unwrap_or_default();
    envelope::assemble(kind, header, if lines.is_empty() { &[] } else { &frames })
}

/// The header and the lines of an object.
fn unsealed(kind: &str, bytes: &[u8]) -> Vec<u8> {
    let Ok((header, mut frames)) = envelope::open::<Box<RawValue>>(kind, bytes) else { return Vec::new() };
    let mut text = header.get().as_bytes().to_vec();
    text.push(b'\n');
    while let Ok(Some(lines)) = envelope::next_frame(&mut frames) {
        text.extend(lines);
    }
    text
}

pub(crate) fn register(bytes: &[u8]) {
    let journal = journal(&format!("{REGISTER}/{:020}", 1), bytes);
    let register = journal.manifest();
    block_on(async {
        let Ok(version) = register.read(None).await else { return };
        assert_eq!(version.number(), 1);
        understood();
        let _moved = register.advance(&version, &1).await;
        drop(manifest::read(&register, None).await);
    });
}

/// The body of a version of the manifest.
pub(crate) fn manifest_sealed(bytes: &[u8]) {
    let Ok(body) = serde_json::from_slice::<Box<RawValue>>(bytes) else { return };
    let journal = journal("", &[]);
    let register = journal.manifest();
    block_on(async {
        let Ok(empty) = register.read(None).await else { return };
        let Advance::Advanced { .. } = register.advance(&empty, &body).await else { return };
        let Ok(read) = manifest::read(&register, None).await else { return };
        let text = serde_json::to_string(&read.manifest).expect("a manifest has a JSON form");
        assert_eq!(serde_json::from_str::<manifest::Manifest>(&text).ok(), Some(read.manifest.clone()));
        // What comes next.
        let claimed = read.manifest.claimed("n", Uuid::nil());
        let at = claimed.snapshot.position.next_slot();
        let named = Named { position: at.next_epoch(), name: None };
        let next = claimed.with_snapshot(named);
        let Advance::Advanced { .. } = register.advance(&read.version, &next).await else { return };
        drop(manifest::read(&register, Some(&read)).await);
        understood();
    });
}

pub(crate) fn slot(bytes: &[u8]) {
    // Where the samples lie.
    let places = [(1, 1), (1, 2), (1, 3)].map(|(epoch, slot)| Position { epoch, slot });
    let read = places.iter().find_map(|at| Some((*at, batch::decode("slot", PARTITION, *at, bytes).ok()?)));
    let (at, header, lines) = match read {
        Some((at, batch::Slot::Data(header, lines))) => (at, header, lines),
        Some((_, batch::Slot::Seal | batch::Slot::Ownership(_))) => return understood(),
        None => return,
    };
    understood();
    let again = batch::encode(&header, &lines, 1).expect("what was read can be written");
    let again = batch::decode("slot", PARTITION, at, &again).expect("and read again");
    assert_eq!(again, batch::Slot::Data(header, lines));
}

pub(crate) fn slot_sealed(bytes: &[u8]) {
    slot(&sealed("slot", bytes));
}

/// Keeps what it is told.
#[derive(Default)]
struct Kept(Vec<u8>);

impl Replay for Kept {
    fn reset(&mut self) {
        self.0.clear();
    }

    fn snapshot(&mut self, lines: &[u8]) -> Result<(), ReplayError> {
        assert!(lines.is_empty() || lines.ends_with(b"\n"), "lines are whole");
        self.0.extend(lines);
        Ok(())
    }

    fn batch(&mut self, _: Position, lines: &[u8]) -> Result<(), ReplayError> {
        self.snapshot(lines)
    }
}

pub(crate) fn snapshot(bytes: &[u8]) {
    let at = Position { epoch: 3, slot: 1 };
    let named = Named { position: at, name: Some("snapshot".into()) };
    let journal = journal(&Names::new(NAMESPACE, PARTITION).snapshot("snapshot"), bytes);
    let mut kept = Kept::default();
    if block_on(snapshots::load(&journal, &named, &mut kept)).is_ok() {
        understood();
    }
}

pub(crate) fn snapshot_sealed(bytes: &[u8]) {
    snapshot(&sealed("snapshot", bytes));
}

pub(crate) fn page(bytes: &[u8]) {
    let journal = journal(&Names::new(NAMESPACE, PARTITION).page(1), bytes);
    let archive = journal.archive();
    block_on(async {
        let Ok(records) = archive.page(1).await else { return };
        let summary = archive.put(2, &records).await.expect("records that were read can be written");
        assert_eq!(archive.page(2).await.expect("and read again"), records);
        assert!(records.iter().all(|record| summary.may_hold(Fingerprint::of(record.id))));
        understood();
    });
}

pub(crate) fn page_sealed(bytes: &[u8]) {
    page(&sealed("page", bytes));
}

pub(crate) fn summary(bytes: &[u8]) {
    if let Some(summary) = crate::fuzz::json::<Summary>(bytes) {
        let _holds = summary.may_hold(Fingerprint::of(Uuid::nil()));
    }
    let _parts = (crate::fuzz::json::<Position>(bytes), crate::fuzz::json::<Digest>(bytes));
}

/// The names that a listing gives.
pub(crate) fn name(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let names = Names::new(NAMESPACE, PARTITION);
    if let Some(at) = names.parse_slot(text) {
        assert_eq!(names.slot(at), text);
        drop((at.next_slot().to_string(), at.next_epoch().to_string()));
        understood();
    }
    if let Some(at) = names.parse_snapshot(text) {
        assert!(text.starts_with(&names.snapshot(&format!("{:020}-{:020}", at.epoch, at.slot))), "{text}");
        understood();
    }
    if let Ok(at) = text.parse::<Position>() {
        assert_eq!(at.to_string().parse::<Position>().ok(), Some(at));
        understood();
    }
    if let Ok(digest) = text.parse::<Digest>() {
        assert_eq!(digest.to_string(), text.to_ascii_lowercase());
        understood();
    }
    // A foreign name in the listing of a register.
    let register = Register::new(journal(text, b"{}").access, Ids::random(), REGISTER.into(), 1);
    drop(block_on(register.read(None)));
}

/// The lines of an object of the golden name spaces.
pub(crate) fn lines_in(kind: &str, bytes: &[u8]) -> Vec<u8> {
    let text = unsealed(kind, bytes);
    let end = text.iter().position(|byte| *byte == b'\n').map_or(0, |end| end + 1);
    text[end..].to_vec()
}

/// What is read without a fault.
pub(crate) mod samples {
    use super::unsealed;
    use crate::fuzz::bytes_of;

    macro_rules! golden {
        ($($name:literal),*) => { [$(include_bytes!(concat!("../../tests/golden/journal-v1/test/partitions/0003/", $name)).as_slice()),*] };
    }

    pub(crate) fn registers() -> Vec<Vec<u8>> {
        bytes_of(golden!["manifest/00000000000000000001"])
    }

    pub(crate) fn manifests() -> Vec<Vec<u8>> {
        let version: serde_json::Value = serde_json::from_slice(&registers()[0]).unwrap_or_default();
        let named = r#"{"epoch":9,"owner":"n","claim":"00000000-0000-0001-0000-000000000001","snapshot":{"position":"3/1","name":"x"},"previous":{"position":"2/7","name":"y"},"format_floor":1}"#;
        bytes_of([version["body"].to_string(), named.to_owned()])
    }

    pub(crate) fn slots() -> Vec<Vec<u8>> {
        bytes_of(golden![
            "log/00000000000000000001/00000000000000000002",
            "log/00000000000000000001/00000000000000000003",
            "log/00000000000000000001/00000000000000000001",
            "log/00000000000000000002/00000000000000000002"
        ])
    }

    pub(crate) fn slots_open() -> Vec<Vec<u8>> {
        slots().iter().map(|slot| unsealed("slot", slot)).filter(|text| !text.is_empty()).collect()
    }

    pub(crate) fn snapshots() -> Vec<Vec<u8>> {
        bytes_of(golden!["snapshots/00000000000000000003-00000000000000000001-00000000000000030000000000000003"])
    }

    pub(crate) fn snapshots_open() -> Vec<Vec<u8>> {
        snapshots().iter().map(|snapshot| unsealed("snapshot", snapshot)).collect()
    }

    pub(crate) fn pages() -> Vec<Vec<u8>> {
        bytes_of(golden!["archive/00000000000000000001"])
    }

    pub(crate) fn pages_open() -> Vec<Vec<u8>> {
        pages().iter().map(|page| unsealed("page", page)).collect()
    }

    pub(crate) fn summaries() -> Vec<Vec<u8>> {
        let digest = super::Digest::of(b"").to_string();
        bytes_of([
            r#"{"page":2,"count":2,"oldest_ms":1,"newest_ms":2,"fingerprints":"8:00ff12ab12345678"}"#,
            r#"{"page":1,"count":2,"oldest_ms":1,"newest_ms":2,"fingerprints":"00ff12ab","again":["0192f0c1-2a3b-7c4d-8e5f-60718293a4b5"]}"#,
            "\"3/17\"",
            &format!("\"{digest}\""),
        ])
    }

    pub(crate) fn names() -> Vec<Vec<u8>> {
        let names = super::Names::new(super::NAMESPACE, super::PARTITION);
        let at = super::Position { epoch: 3, slot: 17 };
        let snapshot = super::super::name::snapshot_name(at, uuid::Uuid::nil());
        bytes_of([names.slot(at), names.snapshot(&snapshot), "3/17".into(), super::Digest::of(b"").to_string()])
    }

    pub(crate) fn roots() -> Vec<Vec<u8>> {
        bytes_of([r#"{"format":1,"id":"199393de-7f96-44bb-a05f-6969c3e40c9c","partitions":2}"#])
    }
}
