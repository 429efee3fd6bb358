//! The archive: closed runs, in pages that are written once and found by a small summary each.
//!
//! A page is the object `<namespace>/partitions/<pppp>/archive/<20 digits>`. Its number and its [`Summary`] are kept by
//! the caller in its own journalled state; the archive itself keeps nothing but the last two pages it read. Lines are
//! `<id> <closed, ms> <record>`, so `zstdcat PAGE | cut -d' ' -f3-` shows the records.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use serde::{Deserialize, Deserializer, Serialize, de};
use uuid::Uuid;

use super::Journal;
use super::access::Access;
use super::alarm::Corrupt;
use super::copy::{self, Added};
use super::envelope::{self, FRAME_BYTES_MAX};
use super::name::Names;
use super::position::NUMBER_MAX;
use super::settle::{Patience, Settled, settle};
use super::walk;

const KIND: &str = "page";

/// How many pages are kept in memory.
const CACHED: usize = 2;

/// One closed thing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Record {
    /// What it is found by.
    pub(crate) id: Uuid,
    /// When it was closed, in milliseconds since 1970.
    pub(crate) closed_ms: i64,
    /// One opaque line, without its line feed.
    pub(crate) line: Bytes,
}

/// What the caller keeps of a page, in its journalled state: about eight bytes a record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Summary {
    /// The number of the page.
    #[serde(deserialize_with = "number")]
    pub(crate) page: u64,
    /// How many records.
    pub(crate) count: u64,
    /// When the first of them was closed, in milliseconds since 1970.
    pub(crate) oldest_ms: i64,
    /// When the last of them was closed.
    pub(crate) newest_ms: i64,
    fingerprints: Fingerprints,
    /// What may be on an earlier page, too, as it was before.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) again: Vec<Uuid>,
}

/// The number of a page, which has a next one.
fn number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    let number = u64::deserialize(deserializer)?;
    if number <= NUMBER_MAX { Ok(number) } else { Err(de::Error::custom("a page beyond all pages")) }
}

impl Summary {
    /// The summary of `page` with `records`; no times when there are none.
    fn of(page: u64, records: &[Record]) -> Self {
        let closed = || records.iter().map(|record| record.closed_ms);
        Self {
            page,
            count: records.len() as u64,
            oldest_ms: closed().min().unwrap_or(0),
            newest_ms: closed().max().unwrap_or(0),
            fingerprints: Fingerprints::of(records),
            again: Vec::new(),
        }
    }

    /// Whether the page may hold what has this fingerprint: never wrongly no, wrongly yes about once in 4,294,967,296 / count.
    /// What an older release has written is wrong once in 65,536 / count.
    pub(crate) fn may_hold(&self, fingerprint: Fingerprint) -> bool {
        self.fingerprints.contain(fingerprint)
    }
}

/// The first four bytes of an id's hash: ids that count up are spread all the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fingerprint(u32);

impl Fingerprint {
    pub(crate) fn of(id: Uuid) -> Self {
        let [a, b, c, d, ..] = *blake3::hash(id.as_bytes()).as_bytes();
        Self(u32::from_be_bytes([a, b, c, d]))
    }
}

/// Sorted fingerprints of a page's ids, written as `8:` and eight hex digits each. Without the `8:` they are the first four of them each,
/// as releases wrote them that looked into one page of a few dozen in vain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
enum Fingerprints {
    Whole(Vec<u32>),
    Halves(Vec<u16>),
}

/// What the text of whole ones begins with.
const WHOLE: &str = "8:";

impl Fingerprints {
    fn of(records: &[Record]) -> Self {
        let mut all: Vec<u32> = records.iter().map(|record| Fingerprint::of(record.id).0).collect();
        all.sort_unstable();
        Self::Whole(all)
    }

    fn contain(&self, Fingerprint(wanted): Fingerprint) -> bool {
        match self {
            Self::Whole(all) => is_among(all, wanted),
            Self::Halves(all) => all.binary_search(&((wanted >> 16) as u16)).is_ok(),
        }
    }
}

/// Whether a number is among sorted ones that are spread evenly: it is looked for where it would stand then, for each submission with a
/// key looks at every page.
fn is_among(all: &[u32], wanted: u32) -> bool {
    let near = ((u64::from(wanted) * all.len() as u64) >> 32) as usize;
    match all.get(near) {
        None => false, // there are none
        Some(there) if *there < wanted => all[near..].iter().find(|one| **one >= wanted) == Some(&wanted),
        Some(_) => all[..=near].iter().rfind(|one| **one <= wanted) == Some(&wanted),
    }
}

impl From<Fingerprints> for String {
    fn from(fingerprints: Fingerprints) -> Self {
        use std::fmt::Write;
        let mut text = Self::new();
        let written = match fingerprints {
            Fingerprints::Whole(all) => {
                text.reserve_exact(WHOLE.len() + 8 * all.len());
                text.push_str(WHOLE);
                all.iter().try_for_each(|one| write!(text, "{one:08x}"))
            }
            Fingerprints::Halves(all) => all.iter().try_for_each(|one| write!(text, "{one:04x}")),
        };
        written.expect("a string takes everything");
        text
    }
}

impl TryFrom<String> for Fingerprints {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let all = match text.strip_prefix(WHOLE) {
            Some(whole) => groups::<8>(whole).map(Self::Whole),
            None => {
                let halves = |all: Vec<u32>| all.into_iter().map(|half| half as u16).collect();
                groups::<4>(&text).map(halves).map(Self::Halves)
            }
        };
        all.ok_or("fingerprints are ascending groups of eight hex digits behind 8:, or of four")
    }
}

/// Ascending numbers of so many hex digits each, at most eight.
fn groups<const DIGITS: usize>(text: &str) -> Option<Vec<u32>> {
    let (groups, []) = text.as_bytes().as_chunks::<DIGITS>() else { return None };
    let digits = |group: &[u8; DIGITS]| group.iter().all(u8::is_ascii_hexdigit);
    let one = |group: &[u8; DIGITS]| u32::from_str_radix(std::str::from_utf8(group).ok()?, 16).ok();
    let all: Option<Vec<u32>> = groups.iter().map(|group| one(group).filter(|_| digits(group))).collect();
    all.filter(|all| all.is_sorted())
}

/// The header of a page.
#[derive(Serialize, Deserialize)]
struct Header {
    partition: u32,
    page: u64,
    count: u64,
}

/// Why a page was not written or read.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The number holds another page, left by an owner that died before its journal knew of it. Take the next number.
    #[error("page {page} is taken by another content")]
    Taken {
        /// The number.
        page: u64,
    },
    /// A record is not one line, or the page is too large. Nothing was written.
    #[error("page {page}: record {id} is not one line, or the page is larger than {FRAME_BYTES_MAX} bytes")]
    Invalid {
        /// The number.
        page: u64,
        /// The first record that does not fit.
        id: Uuid,
    },
    /// The store refused; nothing was written.
    #[error("the store refused page {page}: {reason}")]
    Refused {
        /// The number.
        page: u64,
        /// What it said.
        reason: String,
    },
    /// The store gave no clear answer: the page may be there or not. Writing it again is harmless.
    #[error("page {page} could not be settled: {reason}")]
    Unknown {
        /// The number.
        page: u64,
        /// What was seen last.
        reason: String,
    },
    /// The page is not there though its summary is.
    #[error("page {page} is missing")]
    Missing {
        /// The number.
        page: u64,
    },
    /// What cannot happen.
    #[error(transparent)]
    Corrupt(#[from] Corrupt),
    /// Written by a newer release.
    #[error("page {page}: {source}")]
    Newer {
        /// The number.
        page: u64,
        /// What it says.
        source: envelope::Error,
    },
}

/// The archive of one partition. Cheap to share by reference.
#[derive(Debug)]
pub(crate) struct Archive {
    access: Access,
    names: Names,
    level: i32,
    cache: Mutex<VecDeque<(u64, Arc<Page>)>>,
}

/// A page in memory.
#[derive(Debug)]
struct Page {
    records: Arc<[Record]>,
    /// Where the newest record of each id is.
    places: HashMap<Uuid, usize>,
}

impl Page {
    fn of(records: Vec<Record>) -> Self {
        let places = records.iter().enumerate().map(|(place, record)| (record.id, place)).collect();
        Self { records: records.into(), places }
    }

    fn newest(&self, id: Uuid) -> Option<&Record> {
        self.places.get(&id).map(|place| &self.records[*place])
    }
}

impl Journal {
    /// The archive beside this journal.
    pub(crate) fn archive(&self) -> Archive {
        Archive {
            access: self.access.clone(),
            names: self.names.clone(),
            level: self.settings.zstd_level,
            cache: Mutex::default(),
        }
    }
}

impl Archive {
    /// Writes `records` as `page`; durable on return. Writing the same page again is no error.
    ///
    /// # Errors
    /// Taken: take the next number. Unknown: write it again. The others: nothing was written.
    pub(crate) async fn put(&self, page: u64, records: &[Record]) -> Result<Summary, Error> {
        let bytes = self.encode(page, records)?;
        match settle(&self.access, &self.names.page(page), &bytes, Patience::Bounded, |_| ()).await {
            Settled::Mine => Ok(Summary::of(page, records)),
            Settled::Foreign(_) => Err(Error::Taken { page }),
            Settled::Refused(reason) => Err(Error::Refused { page, reason }),
            Settled::Undecided(reason) => Err(Error::Unknown { page, reason }),
        }
    }

    /// The newest record of `id` in the pages of `summaries`, which are in ascending order of their numbers.
    ///
    /// # Errors
    /// Of the pages read on the way.
    pub(crate) async fn find(&self, id: Uuid, summaries: &[Summary]) -> Result<Option<Record>, Error> {
        let fingerprint = Fingerprint::of(id);
        for summary in summaries.iter().rev().filter(|summary| summary.may_hold(fingerprint)) {
            if let Some(record) = self.opened(summary.page).await?.newest(id) {
                return Ok(Some(record.clone()));
            }
        }
        Ok(None)
    }

    /// The records of a page, in the order they were put.
    ///
    /// # Errors
    /// Missing, Corrupt and Newer are not healed by trying again; Unknown is.
    pub(crate) async fn page(&self, page: u64) -> Result<Arc<[Record]>, Error> {
        self.opened(page).await.map(|page| page.records.clone())
    }

    async fn opened(&self, page: u64) -> Result<Arc<Page>, Error> {
        if let Some(opened) = self.cached(page) {
            return Ok(opened);
        }
        let name = self.names.page(page);
        let found = self.access.get_patiently(&name).await;
        let found = found.map_err(|error| Error::Unknown { page, reason: error.to_string() })?;
        let bytes = found.ok_or(Error::Missing { page })?;
        let opened = Arc::new(Page::of(self.decode(page, &name, &bytes)?));
        let mut cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        cache.truncate(CACHED - 1);
        cache.push_front((page, opened.clone()));
        Ok(opened)
    }

    /// Copies the pages of `summaries` that `theirs`, the archive of the same partition in another store, does not have yet.
    ///
    /// # Errors
    /// See [`copy::Error`]: a page that is damaged is the source's fault, one that is missing may be forgotten since.
    pub(crate) async fn copy_to(&self, theirs: &Self, summaries: &[Summary]) -> Result<Added, copy::Error> {
        let mut added = Added::default();
        let unread = |error: &dyn std::fmt::Display| copy::Error::TargetUnread(error.to_string());
        let there = theirs.access.list_patiently(&theirs.names.pages()).await.map_err(|error| unread(&error))?;
        for summary in summaries {
            let name = self.names.page(summary.page);
            if there.binary_search(&name).is_ok() {
                continue;
            }
            let found = self.access.get_patiently(&name).await.map_err(|error| walk::unavailable(&name, &error))?;
            let damaged = |reason: String| walk::Error::from(Corrupt::undecodable(&name, reason));
            let missing = copy::Error::PageMissing { partition: self.names.partition(), page: summary.page };
            let bytes = found.ok_or(missing)?;
            self.decode(summary.page, &name, &bytes).map_err(|error| damaged(error.to_string()))?;
            added += copy::put(&theirs.access, name.clone(), bytes).await?;
        }
        Ok(added)
    }

    fn cached(&self, page: u64) -> Option<Arc<Page>> {
        let cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        cache.iter().find(|(number, _)| *number == page).map(|(_, opened)| opened.clone())
    }

    fn encode(&self, page: u64, records: &[Record]) -> Result<Bytes, Error> {
        let mut lines = Vec::new();
        for record in records {
            lines.extend_from_slice(format!("{} {} ", record.id, record.closed_ms).as_bytes());
            lines.extend_from_slice(&record.line);
            lines.push(b'\n');
            if record.line.contains(&b'\n') || lines.len() > FRAME_BYTES_MAX {
                return Err(Error::Invalid { page, id: record.id });
            }
        }
        let header = Header { partition: self.names.partition(), page, count: records.len() as u64 };
        envelope::compress(&lines, self.level)
            .and_then(|frame| Ok(envelope::close(KIND, &header, &frame)?))
            .map_err(|error| Error::Refused { page, reason: error.to_string() })
    }

    fn decode(&self, page: u64, name: &str, bytes: &[u8]) -> Result<Vec<Record>, Error> {
        let unreadable = |error| match error {
            envelope::Error::Malformed(reason) => Corrupt::undecodable(name, reason).raise().into(),
            source @ envelope::Error::Newer { .. } => Error::Newer { page, source },
        };
        let (header, mut frames): (Header, _) = envelope::open(KIND, bytes).map_err(unreadable)?;
        if header.page != page || header.partition != self.names.partition() {
            let says = format!("partition {} page {}", header.partition, header.page);
            return Err(Corrupt::Misplaced { name: name.to_owned(), says }.raise().into());
        }
        let lines = Bytes::from(envelope::next_frame(&mut frames).map_err(unreadable)?.unwrap_or_default());
        let records: Option<Vec<Record>> =
            lines.split_inclusive(|&byte| byte == b'\n').map(|line| parse(&lines, line)).collect();
        records
            .filter(|records| records.len() as u64 == header.count && frames.is_empty())
            .ok_or_else(|| Corrupt::undecodable(name, "its lines are not the records it says").raise().into())
    }
}

/// The record in `line`, which is a part of `lines`.
fn parse(lines: &Bytes, line: &[u8]) -> Option<Record> {
    let line = line.strip_suffix(b"\n")?;
    let mut words = line.splitn(3, |&byte| byte == b' ');
    let id = Uuid::try_parse_ascii(words.next()?).ok()?;
    let closed_ms = std::str::from_utf8(words.next()?).ok()?.parse().ok()?;
    Some(Record { id, closed_ms, line: lines.slice_ref(words.next()?) })
}
