//! What a node is told: a table of settings, read in layers, each layer over the one before.

mod load;
mod row;
mod store;
mod table;
mod units;
mod write;

#[cfg(test)]
mod tests;

pub use load::Layers;
pub(crate) use load::refuse_all;
pub use store::StoreSettings;
pub use table::{RetrySettings, Settings};

use callboard_core::{GraphLimits, Limits, Retry};
use std::time::Duration;

impl Settings {
    /// Every fault of the settings, in words.
    pub(crate) fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        self.clone().each(&mut |row, field| faults.extend(row.fault(&field.amount())));
        faults.extend(self.contradictions());
        faults
    }

    /// Settings of which each is good, and both together are not.
    fn contradictions(&self) -> Vec<String> {
        let mut faults = Vec::new();
        if self.payload_inline_max > self.payload_bytes_max {
            let (inline, max) = (self.payload_inline_max, self.payload_bytes_max);
            faults.push(format!("payload_inline_max ({inline}) is at most payload_bytes_max ({max})"));
        }
        if self.graph_tasks_max > self.live_tasks_max {
            let (graph, live) = (self.graph_tasks_max, self.live_tasks_max);
            faults.push(format!("graph_tasks_max ({graph}) is at most live_tasks_max ({live})"));
        }
        if self.agent_heartbeat > self.agent_life / 2 {
            let (heartbeat, life) = (self.agent_heartbeat, self.agent_life);
            faults.push(format!("agent_heartbeat ({heartbeat:?}) is at most half of agent_life ({life:?})"));
        }
        faults
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
