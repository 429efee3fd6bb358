//! Every place where bytes from outside the process are read, by name, for tests that feed it anything at all. No part of
//! the public API.
//!
//! An [`Entry`] is a plain function over bytes. It reads them as the product does, writes what was understood and reads it
//! again, and panics if that is not the same. So three things are seen at each: a panic, an overflow of the stack, and a
//! form that does not come back. How long it takes and how much memory it wants is for whoever calls it to watch:
//! `tests/hostile` counts the memory, `tests/fuzz` looks for new paths.
//!
//! What is behind a checksum has two entries: the bytes as they lie in the store, which nearly always fail at the checksum,
//! and those `.._sealed`, which get a checksum that fits.
//!
//! | file | what |
//! |---|---|
//! | here | the list |
//! | `text` | what people write: documents, ids, requirements, schemas, expressions |
//! | `edit` | changes to a sample, each of three numbers, so that a generator of any kind can draw them |
//! | `samples/` | what valid bytes look like |
//! | `fuzz` of `journal`, `partition`, `cluster`, `message`, `settings`, `api` | what is private there |

pub mod edit;
mod text;

#[cfg(test)]
mod tests;

#[cfg(feature = "api")]
use crate::api::fuzz as api;
use crate::cluster::fuzz as cluster;
use crate::journal::fuzz as journal;
use crate::message::fuzz as message;
use crate::partition::fuzz as partition;
use crate::settings::fuzz as settings;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::cell::Cell;
use std::fmt;

/// A place where bytes from outside are read.
#[derive(Clone, Copy)]
pub struct Entry {
    /// Its name: the area, and what is read.
    pub name: &'static str,
    /// Reads the bytes.
    ///
    /// # Panics
    ///
    /// If what was understood is not what comes back when it is written and read again.
    pub feed: fn(&[u8]),
    /// What is read without a fault, each a case of its own.
    pub samples: fn() -> Vec<Vec<u8>>,
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

const fn entry(name: &'static str, feed: fn(&[u8]), samples: fn() -> Vec<Vec<u8>>) -> Entry {
    Entry { name, feed, samples }
}

/// All of them.
pub const ENTRIES: &[Entry] = &[
    entry("text.workflow_yaml", text::workflow_yaml, text::samples::workflows_yaml),
    entry("text.workflow_json", text::workflow_json, text::samples::workflows_json),
    entry("text.workflow_toml", text::workflow_toml, text::samples::workflows_toml),
    entry("text.ids", text::ids, text::samples::ids),
    entry("text.requirement", text::requirement, text::samples::requirements),
    entry("text.schema", text::schema, text::samples::schemas),
    entry("text.cron", text::cron, text::samples::crons),
    entry("text.history", text::history, text::samples::histories),
    entry("text.answer", text::answer, text::samples::answers),
    entry("text.queue_name", text::queue_name, text::samples::queue_names),
    entry("core.event", text::event, text::samples::events),
    entry("settings.file", settings::file, settings::files),
    entry("settings.value", settings::value, settings::values),
    entry("journal.register", journal::register, journal::samples::registers),
    entry("journal.manifest_sealed", journal::manifest_sealed, journal::samples::manifests),
    entry("journal.slot", journal::slot, journal::samples::slots),
    entry("journal.slot_sealed", journal::slot_sealed, journal::samples::slots_open),
    entry("journal.snapshot", journal::snapshot, journal::samples::snapshots),
    entry("journal.snapshot_sealed", journal::snapshot_sealed, journal::samples::snapshots_open),
    entry("journal.page", journal::page, journal::samples::pages),
    entry("journal.page_sealed", journal::page_sealed, journal::samples::pages_open),
    entry("journal.summary", journal::summary, journal::samples::summaries),
    entry("journal.name", journal::name, journal::samples::names),
    entry("journal.root", crate::root::fuzz, journal::samples::roots),
    entry("partition.snapshot_lines", partition::snapshot_lines, partition::samples::snapshots),
    entry("partition.batch_lines", partition::batch_lines, partition::samples::batches),
    entry("partition.archived_run", partition::archived_run, partition::samples::archived),
    entry("partition.request", partition::request, partition::samples::requests),
    entry("partition.answer", partition::answer, partition::samples::answers),
    entry("cluster.beat", cluster::beat, cluster::samples::beats),
    entry("cluster.note", cluster::note, cluster::samples::notes),
    entry("cluster.agent", cluster::agent, cluster::samples::agents),
    entry("cluster.bundle", cluster::bundle, cluster::samples::bundles),
    entry("message.request", message::request, message::samples::requests),
    entry("message.outcome", message::outcome, message::samples::outcomes),
    entry("message.address", message::address, message::samples::addresses),
    #[cfg(feature = "api")]
    entry("api.request", api::request, api::requests),
];

/// The entry of this name.
pub fn entry_of(name: &str) -> Option<&'static Entry> {
    ENTRIES.iter().find(|entry| entry.name == name)
}

thread_local! {
    static UNDERSTOOD: Cell<u64> = const { Cell::new(0) };
}

/// How often this thread has fed an entry with what it understood.
pub fn times_understood() -> u64 {
    UNDERSTOOD.get()
}

/// An entry says that what it was fed was understood: the tests want to see that of every sample.
pub(crate) fn understood() {
    UNDERSTOOD.set(UNDERSTOOD.get() + 1);
}

/// Reads JSON as a `T`; what is written of it is read again, and written the same.
pub(crate) fn json<T: Serialize + DeserializeOwned>(bytes: &[u8]) -> Option<T> {
    let read: T = serde_json::from_slice(bytes).ok()?;
    let written = serde_json::to_vec(&read).expect("what was read can be written");
    let again: T = serde_json::from_slice(&written).expect("what was written can be read");
    let rewritten = serde_json::to_vec(&again).expect("what was read can be written");
    assert_eq!(String::from_utf8_lossy(&written), String::from_utf8_lossy(&rewritten));
    understood();
    Some(read)
}

/// Each of some texts as bytes.
pub(crate) fn bytes_of<T: AsRef<[u8]>>(texts: impl IntoIterator<Item = T>) -> Vec<Vec<u8>> {
    texts.into_iter().map(|text| text.as_ref().to_vec()).collect()
}

/// Runs a future that waits for nothing but the runtime.
pub(crate) fn block_on<T>(future: impl Future<Output = T>) -> T {
    use tokio::runtime::{Builder, Runtime};
    thread_local! {
        static RUNTIME: Runtime = Builder::new_current_thread().enable_time().build().expect("a runtime of one thread");
    }
    RUNTIME.with(|runtime| runtime.block_on(future))
}
