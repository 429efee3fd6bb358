//! What a node is told. Every default stands here, once.

mod load;
mod units;

#[cfg(test)]
mod tests;

use crate::{Error, ErrorKind, Result};
use callboard_core::{GraphLimits, Limits};
use serde::Deserialize;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The settings of a node: data, with a default each. `config/callboard.toml` shows all of them.
///
/// In a file durations are written `"30s"` and sizes `"8MiB"`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct Settings {
    /// The name space: runs, queues and keys of different name spaces never meet. 1 to 64 of `A-Z a-z 0-9 _ -`;
    /// `default` by default.
    pub namespace: String,
    /// Where the journal is kept; the folder `.callboard` by default.
    pub store: StoreSettings,
    /// Into how many partitions the runs of a *new* name space are divided, 1 to 1,024; 1 by default, with which one
    /// process on a folder is fastest. It is fixed when the name space is created and read from the store afterwards.
    /// More partitions spread over more nodes, and commit more often in smaller batches.
    pub partitions: u16,
    /// How long a holder of a task may be silent before the task is given to another; 6 s by default. Longer leases
    /// wait longer for a dead holder, shorter ones mistake a busy machine for a dead one.
    #[serde(deserialize_with = "units::duration")]
    pub lease: Duration,
    /// How often the work on a task may be cut short (by the death of its node) before it is dead-lettered; 5 by
    /// default.
    pub losses_max: u32,
    /// Tasks in one workflow at most; 100,000 by default.
    pub graph_tasks_max: usize,
    /// Bytes of one input or output at most; 16 MiB by default.
    #[serde(deserialize_with = "units::bytes")]
    pub payload_bytes_max: usize,
    /// Outputs above this many bytes are stored by the hash of their content and travel as a reference; 64 KiB by
    /// default. The journal grows with it.
    #[serde(deserialize_with = "units::bytes")]
    pub payload_inline_max: usize,
    /// How long a clean stop waits for handlers to finish before it hands their tasks back; 10 s by default.
    #[serde(deserialize_with = "units::duration")]
    pub drain: Duration,
    /// A snapshot is taken after this many events of a partition; 50,000 by default. A restart replays no more.
    pub snapshot_events: u64,
    /// Or after this many bytes; 64 MiB by default.
    #[serde(deserialize_with = "units::bytes")]
    pub snapshot_bytes: u64,
    /// Ended runs of a partition kept in memory before they go to the archive; 1,000 by default.
    pub closed_max: usize,
    /// How long an ended run is kept in memory; 10 minutes by default.
    #[serde(deserialize_with = "units::duration")]
    pub closed_for: Duration,
    /// How late garbage of the journal is deleted; 1 minute by default, enough for a folder, whose lock shuts out every
    /// request of an earlier life. A store that nodes share wants an hour: far longer than any request can take effect
    /// late. A process that lives shorter than this deletes nothing.
    #[serde(deserialize_with = "units::duration")]
    pub garbage_late: Duration,
}

/// Where the journal is kept; written `{ url = "file://FOLDER" }` or `{ url = "memory:" }`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "StoreTable")]
#[non_exhaustive]
pub enum StoreSettings {
    /// A folder, owned by one process at a time.
    Folder(PathBuf),
    /// The memory of this process: gone when it ends.
    Memory,
}

/// A store as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct StoreTable {
    url: String,
}

impl TryFrom<StoreTable> for StoreSettings {
    type Error = String;

    fn try_from(table: StoreTable) -> Result<Self, String> {
        match table.url.split_once(':') {
            Some(("memory", "")) => Ok(Self::Memory),
            Some(("file", rest)) => match rest.strip_prefix("//").unwrap_or(rest) {
                "" => Err("a store's folder is written \"file://FOLDER\"".to_owned()),
                folder => Ok(Self::Folder(folder.into())),
            },
            _ => Err(format!("a store is \"file://FOLDER\" or \"memory:\", not {:?}", table.url)),
        }
    }
}

impl Default for Settings {
    fn default() -> Self {
        let (graph, limits) = (GraphLimits::default(), Limits::default());
        Self {
            namespace: "default".into(),
            store: StoreSettings::Folder(".callboard".into()),
            partitions: 1,
            lease: limits.lease,
            losses_max: limits.losses_max,
            graph_tasks_max: graph.tasks_max,
            payload_bytes_max: graph.input_bytes_max,
            payload_inline_max: 64 << 10,
            drain: Duration::from_secs(10),
            snapshot_events: 50_000,
            snapshot_bytes: 64 << 20,
            closed_max: 1_000,
            closed_for: Duration::from_secs(600),
            garbage_late: Duration::from_secs(60),
        }
    }
}

impl Settings {
    /// The settings of a file, changed by the environment: `CALLBOARD_LEASE=10s`, `CALLBOARD_STORE__URL=file://data`
    /// (two underscores go one level down). `CALLBOARD_CONFIG` names the file, if `file` does not.
    ///
    /// # Errors
    ///
    /// `Invalid` for a file that can not be read, an unknown key, a value of a wrong type or unit.
    pub fn load(file: Option<&Path>) -> Result<Self> {
        let named = std::env::var_os("CALLBOARD_CONFIG").map(PathBuf::from);
        let file = file.map(Path::to_owned).or(named);
        let text = match &file {
            Some(file) => std::fs::read_to_string(file).map_err(|error| {
                let message = format!("the settings file {} can not be read", file.display());
                Error::new(ErrorKind::Invalid, message).because(error)
            })?,
            None => String::new(),
        };
        let settings = load::settings(&text, std::env::vars());
        settings.map_err(|reason| {
            let origin = file.map_or_else(|| "the environment".to_owned(), |file| file.display().to_string());
            Error::new(ErrorKind::Invalid, format!("the settings of {origin} have a fault")).because(reason)
        })
    }

    /// Every fault of the settings, in words.
    pub(crate) fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        let usable = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
        if self.namespace.is_empty() || self.namespace.len() > 64 || !self.namespace.chars().all(usable) {
            faults.push(format!("namespace is 1 to 64 of A-Z a-z 0-9 _ -, not {:?}", self.namespace));
        }
        if !(1..=1_024).contains(&self.partitions) {
            faults.push(format!("partitions is 1 to 1024, not {}", self.partitions));
        }
        if self.lease < Duration::from_millis(10) {
            faults.push(format!("lease is at least 10 ms, not {:?}", self.lease));
        }
        if self.garbage_late < Duration::from_secs(1) {
            faults.push(format!("garbage_late is at least 1 s, not {:?}", self.garbage_late));
        }
        if self.payload_inline_max > self.payload_bytes_max {
            let (inline, max) = (self.payload_inline_max, self.payload_bytes_max);
            faults.push(format!("payload_inline_max ({inline}) is at most payload_bytes_max ({max})"));
        }
        faults
    }

    pub(crate) fn limits(&self) -> Limits {
        let graph = GraphLimits {
            tasks_max: self.graph_tasks_max,
            input_bytes_max: self.payload_bytes_max,
            ..GraphLimits::default()
        };
        Limits { graph, lease: self.lease, losses_max: self.losses_max }
    }
}
