//! What a node is told: a table of settings, read in layers, each layer over the one before.

mod choice;
mod effective;
#[cfg(feature = "test")]
pub(crate) mod fuzz;
mod joined;
mod load;
mod named;
mod origin;
mod row;
mod server;
mod table;
mod tokens;
mod units;
mod write;

#[cfg(test)]
mod tests;

pub use choice::{Addressing, LogFormat, QueueKind, StoreMode};
pub use effective::{Effective, Shown};
pub use joined::{BusSettings, DirectorySettings, StoreSettings};
pub use load::Layers;
pub(crate) use load::refuse_all;
pub use server::ServerUrl;
pub use table::{BreakerSettings, HttpSettings, LogSettings, RetrySettings, Settings, StateSettings};
pub use tokens::{Role, Tokens};
pub(crate) use units::show_time;

use crate::cluster::steward::Pace;
use callboard_core::{GraphLimits, Limits, Retry};
use std::time::Duration;

/// Something that is wrong with settings each of which could be read.
pub(super) struct Fault {
    /// The settings that it is about.
    keys: Vec<&'static str>,
    reason: String,
}

impl Settings {
    /// Every fault of the settings, in words.
    pub(crate) fn faults(&self) -> Vec<String> {
        self.found().into_iter().map(|fault| fault.reason).collect()
    }

    fn found(&self) -> Vec<Fault> {
        let mut faults = Vec::new();
        self.clone().each(&mut |row, field| {
            let reason = row.fault(&field.amount());
            faults.extend(reason.map(|reason| Fault { keys: vec![row.key], reason }));
        });
        faults.extend(self.faults_of_named());
        faults.extend(self.contradictions());
        faults.extend(self.lacking());
        faults
    }

    /// Settings of which each is good, and both together are not.
    fn contradictions(&self) -> Vec<Fault> {
        let mut faults = Vec::new();
        if self.payload_inline_max > self.payload_bytes_max {
            let (inline, max) = (self.payload_inline_max, self.payload_bytes_max);
            let reason = format!("payload_inline_max ({inline}) is at most payload_bytes_max ({max})");
            faults.push(Fault { keys: vec!["payload_inline_max", "payload_bytes_max"], reason });
        }
        if self.garbage_late > Duration::ZERO && self.garbage_late < Duration::from_secs(1) {
            let reason = format!("garbage_late is 1s to 365d, or 0s, not {:?}", self.garbage_late);
            faults.push(Fault { keys: vec!["garbage_late"], reason });
        }
        if self.history_kept < self.closed_for {
            let (kept, memory) = (show_time(self.history_kept), show_time(self.closed_for));
            let reason = format!("history_kept ({kept}) is at least closed_for ({memory})");
            faults.push(Fault { keys: vec!["history_kept", "closed_for"], reason });
        }
        if self.graph_tasks_max > self.live_tasks_max {
            let (graph, live) = (self.graph_tasks_max, self.live_tasks_max);
            let reason = format!("graph_tasks_max ({graph}) is at most live_tasks_max ({live})");
            faults.push(Fault { keys: vec!["graph_tasks_max", "live_tasks_max"], reason });
        }
        if self.agent_heartbeat > self.agent_life / 2 {
            let (heartbeat, life) = (self.agent_heartbeat, self.agent_life);
            let reason = format!("agent_heartbeat ({heartbeat:?}) is at most half of agent_life ({life:?})");
            faults.push(Fault { keys: vec!["agent_heartbeat", "agent_life"], reason });
        }
        if self.node_heartbeat > self.node_life / 2 {
            let (heartbeat, life) = (self.node_heartbeat, self.node_life);
            let reason = format!("node_heartbeat ({heartbeat:?}) is at most half of node_life ({life:?})");
            faults.push(Fault { keys: vec!["node_heartbeat", "node_life"], reason });
        }
        if self.store_mode == StoreMode::ReadOnly && self.is_of_a_cluster() {
            let reason = "store.mode is \"read-only\" and bus.url names a broker: a copy is looked at by one process, for itself";
            faults.push(Fault { keys: vec!["store.mode", "bus.url"], reason: reason.to_owned() });
        }
        if !self.http.listen.ip().is_loopback() && self.http.tokens.is_empty() {
            let reason = format!(
                "http.listen is {}, which others may reach, and http.tokens names nobody who may ask: set \
                 http.tokens = \"NAME:admin:SECRET\", or listen on 127.0.0.1",
                self.http.listen
            );
            faults.push(Fault { keys: vec!["http.listen", "http.tokens"], reason });
        }
        faults.extend(self.half_of_a_cluster());
        faults
    }

    /// What is missing for several nodes to be one cluster.
    fn half_of_a_cluster(&self) -> impl Iterator<Item = Fault> {
        let is_one = self.is_of_a_cluster();
        let faults = [
            (
                is_one && self.directory == DirectorySettings::Memory,
                ["bus.url", "directory.url"],
                "bus.url names a broker and directory.url no server: nodes that share a bus share a directory, too; set \
                 directory.url to a Redis, \"redis://HOST\"",
            ),
            (
                is_one && self.store == StoreSettings::Memory,
                ["bus.url", "store.url"],
                "bus.url names a broker and store.url is \"memory:\": nodes that share a bus share a store, too; set \
                 store.url to a bucket, \"s3://BUCKET\"",
            ),
            (
                !is_one && matches!(self.store, StoreSettings::S3(_)) && self.store_mode == StoreMode::ReadWrite,
                ["store.url", "bus.url"],
                "store.url is a bucket, which several processes may open, and bus.url names no broker for them to agree \
                 over; set bus.url and directory.url, too, or keep the journal in a folder",
            ),
        ];
        let found = faults.into_iter().filter(|(is_so, ..)| *is_so);
        found.map(|(_, keys, reason)| Fault { keys: keys.into(), reason: reason.to_owned() })
    }

    /// Whether there may be other nodes.
    fn is_of_a_cluster(&self) -> bool {
        self.bus != BusSettings::Memory
    }

    /// Into how many partitions a new name space is divided, in a cluster or alone.
    pub(crate) fn partitions_of(&self, in_cluster: bool) -> u16 {
        match (self.partitions, in_cluster) {
            (0, true) => 16,
            (0, false) => 1,
            (said, _) => said,
        }
    }

    /// How late garbage is collected, in a cluster or alone.
    pub(crate) fn garbage_late_of(&self, in_cluster: bool) -> Duration {
        match (self.garbage_late, in_cluster) {
            (Duration::ZERO, true) => Duration::from_secs(3600),
            (Duration::ZERO, false) => Duration::from_secs(60),
            (said, _) => said,
        }
    }

    /// How partitions move.
    pub(crate) fn stewardship(&self) -> Pace {
        Pace { tenure_min: self.tenure_min, backoff_first: Duration::from_millis(100), backoff_cap: self.node_life }
    }

    /// What a node of this build can not be joined to.
    fn lacking(&self) -> Vec<Fault> {
        let ports = [
            ("bus.url", self.bus.lacking()),
            ("directory.url", self.directory.lacking()),
            ("store.url", self.store.lacking()),
        ];
        let lacking = ports.into_iter().filter_map(|(key, lacking)| Some((key, lacking?)));
        lacking.map(|(key, lacking)| Fault { keys: vec![key], reason: lacking.in_words(key) }).collect()
    }

    pub(crate) fn limits(&self) -> Limits {
        let graph = GraphLimits {
            tasks_max: self.graph_tasks_max,
            input_bytes_max: self.payload_bytes_max,
            input_depth_max: self.input_depth_max,
            after_max: self.after_max,
            requires_max: self.requires_max,
            labels_max: self.labels_max,
            ..GraphLimits::default()
        };
        Limits {
            graph,
            lease: self.lease,
            losses_max: self.losses_max,
            retry: self.retry.policy(),
            depth_max: self.depth_max,
            on_cycle: self.on_cycle,
            signals_max: self.signals_max,
            live_tasks_max: self.live_tasks_max,
        }
    }
}

impl RetrySettings {
    /// The policy that the settings describe.
    pub fn policy(&self) -> Retry {
        let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        Retry {
            retries: self.retries,
            base_ms: millis(self.base),
            factor_permille: (self.factor * 1_000.0).round() as u32,
            cap_ms: millis(self.cap),
        }
    }
}
