//! The journal for tests of other crates: one partition with lines of text for events, and one register of numbers.
//!
//! Not a public interface: it exists only with the feature `test`, and says less than the journal does.

pub mod audit;

pub use crate::chance::simulated::Source;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::mpsc;
use uuid::Uuid;

use crate::journal::access::Access;
use crate::journal::append::{Appender, Mark, Outcome};
use crate::journal::ids::Ids;
use crate::journal::keeper::Keeper;
use crate::journal::position::Position;
use crate::journal::register::{Advance, Register, Verified};
use crate::journal::replay::{Replay, ReplayError};
use crate::journal::snapshot::Slice;
use crate::journal::{Journal, Settings};
use crate::port::store::Store;

/// The store under test decides when a call ends.
const CALL_TIMEOUT: Duration = Duration::from_secs(1_000_000_000);

/// How a partition under test is set up.
#[derive(Clone, Copy, Debug)]
pub struct Setup {
    /// Makes the ids of this process differ from those of the others.
    pub process: u64,
    /// How many versions of the manifest are never pruned.
    pub keep_versions: u64,
    /// How often a bounded series of calls is tried.
    pub tries: u32,
}

/// What became of an append.
#[derive(Debug)]
#[must_use]
pub enum Appended {
    /// Durable, here.
    Committed(Place),
    /// Not in the log and never will be.
    Failed,
    /// In the log or not.
    Unknown(String),
    /// Not even tried.
    Refused(String),
}

/// A durable place in the log; only a commit makes one.
#[derive(Clone, Copy, Debug)]
pub struct Place(Mark);

/// An owner's appender.
#[derive(Debug)]
pub struct Log(Appender);

/// An owner's keeper.
#[derive(Debug)]
pub struct Snapshots(Keeper);

/// A claim that made an owner.
#[derive(Debug)]
pub struct Owned {
    /// Appends.
    pub log: Log,
    /// Snapshots.
    pub snapshots: Snapshots,
    /// The place of the ownership record.
    pub start: Place,
    /// The lines replayed.
    pub lines: Vec<String>,
}

/// The bytes of every seal of a log.
#[must_use]
pub fn seal() -> Bytes {
    crate::journal::batch::seal()
}

/// Claims the partition.
///
/// # Errors
/// The journal's error, in words.
pub async fn claim(store: Arc<dyn Store>, setup: Setup) -> Result<Owned, String> {
    let mut lines = Lines::default();
    let owner = format!("process-{}", setup.process);
    match journal(store, setup).claim(&owner, &mut lines).await {
        Ok(owner) => Ok(Owned {
            log: Log(owner.appender),
            snapshots: Snapshots(owner.keeper),
            start: Place(owner.start),
            lines: lines.0,
        }),
        Err(error) => Err(error.to_string()),
    }
}

/// Reads the partition without owning it.
///
/// # Errors
/// The journal's error, in words.
pub async fn read(store: Arc<dyn Store>, setup: Setup) -> Result<Vec<String>, String> {
    let mut lines = Lines::default();
    match journal(store, setup).read(&mut lines).await {
        Ok(_) => Ok(lines.0),
        Err(error) => Err(error.to_string()),
    }
}

impl Log {
    /// Appends one line, without its line feed.
    pub async fn append(&mut self, line: &str) -> Appended {
        match self.0.append(Bytes::from(format!("{line}\n")), 1).await {
            Outcome::Committed(mark) => Appended::Committed(Place(mark)),
            Outcome::Failed { .. } => Appended::Failed,
            Outcome::Unknown { reason, .. } => Appended::Unknown(reason),
            Outcome::Refused(refusal) => Appended::Refused(refusal.to_string()),
        }
    }
}

impl Snapshots {
    /// Stores `lines` as the state at `at`.
    ///
    /// # Errors
    /// The keeper's error, in words.
    pub async fn snapshot(&mut self, at: Place, lines: &[String]) -> Result<(), String> {
        let (slices, taken) = mpsc::channel(2);
        let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
        for slice in [Slice::Lines(text.into()), Slice::End] {
            slices.try_send(slice).map_err(|error| error.to_string())?;
        }
        let snapshot = self.0.snapshot(at.0, taken).await;
        snapshot.map_err(|error| error.to_string())
    }
}

/// A register whose versions hold lists of numbers.
#[derive(Debug)]
pub struct Numbers(Register);

/// A verified version of [`Numbers`].
#[derive(Clone, Debug)]
pub struct Version(Verified);

/// What became of an advance.
#[derive(Debug)]
#[must_use]
pub enum Advanced {
    /// It was the newest version, and nobody was seen after it.
    Newest(Version),
    /// It was the newest version, and is no more.
    Superseded,
    /// It never was and never will be.
    Moved,
    /// Either, or the store refused it.
    Unknown(String),
}

impl Numbers {
    /// The register of numbers in `store`.
    pub fn new(store: Arc<dyn Store>, setup: Setup) -> Self {
        let access = Access::new(store, CALL_TIMEOUT, setup.tries);
        Self(Register::new(access, ids(setup), "test/numbers".into(), setup.keep_versions))
    }

    /// Reads the newest version, verified.
    ///
    /// # Errors
    /// The register's error, in words.
    pub async fn read(&self) -> Result<Version, String> {
        self.0.read(None).await.map(Version).map_err(|error| error.to_string())
    }

    /// Makes the version after `base`, with these numbers.
    pub async fn advance(&self, base: &Version, numbers: &[u8]) -> Advanced {
        match self.0.advance(&base.0, &numbers).await {
            Advance::Advanced { version, superseded: false } => Advanced::Newest(Version(version)),
            Advance::Advanced { superseded: true, .. } => Advanced::Superseded,
            Advance::Moved => Advanced::Moved,
            Advance::Unknown { reason } | Advance::Refused { reason } => Advanced::Unknown(reason),
        }
    }
}

impl Version {
    /// Its numbers; none for the empty register.
    ///
    /// # Errors
    /// For a body that is no list of numbers.
    pub fn numbers(&self) -> Result<Vec<u8>, String> {
        let numbers = self.0.parse().map_err(|error| error.to_string())?;
        Ok(numbers.unwrap_or_default())
    }
}

/// Ids that no other process has.
fn ids(setup: Setup) -> Ids {
    let next = AtomicU64::new(1);
    Ids::from_fn(move || Uuid::from_u64_pair(setup.process + 1, next.fetch_add(1, Ordering::Relaxed)))
}

fn journal(store: Arc<dyn Store>, setup: Setup) -> Journal {
    let settings = Settings {
        attempt_timeout: CALL_TIMEOUT,
        tries: setup.tries,
        keep_versions: setup.keep_versions,
        read_ahead: 1,
        ..Settings::default()
    };
    Journal::new(store, ids(setup), "test", 0, settings)
}

/// Keeps the lines it is told.
#[derive(Debug, Default)]
struct Lines(Vec<String>);

impl Lines {
    fn take(&mut self, lines: &[u8]) -> Result<(), ReplayError> {
        let text = std::str::from_utf8(lines).map_err(ReplayError::new)?;
        self.0.extend(text.lines().map(str::to_owned));
        Ok(())
    }
}

impl Replay for Lines {
    fn reset(&mut self) {
        self.0.clear();
    }

    fn snapshot(&mut self, lines: &[u8]) -> Result<(), ReplayError> {
        self.take(lines)
    }

    fn batch(&mut self, _at: Position, lines: &[u8]) -> Result<(), ReplayError> {
        self.take(lines)
    }
}
