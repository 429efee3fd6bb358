//! The nodes as a program sees them.

use super::view::{Beat, Standing};
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// A node of the cluster, as the node that was asked knows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct NodeInfo {
    /// Its name: a life, not a machine.
    pub id: Arc<str>,
    /// Whether it takes part.
    pub status: NodeStatus,
    /// The partitions that it owns, each with the epoch of its tenure.
    pub partitions: BTreeMap<u16, u64>,
    /// How long it had been there when it was last heard of.
    pub up: Duration,
}

/// Whether a node takes part in the ownership of partitions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum NodeStatus {
    /// It owns partitions, and takes more.
    Serving,
    /// It does not reach the store, or nobody reaches it: others have its partitions.
    Unfit,
    /// It stops, and hands over what it has.
    Leaving,
    /// It never owns any.
    Client,
}

impl NodeInfo {
    pub(crate) fn of(beat: Beat) -> Self {
        let status = match beat.standing {
            Standing::Owner => NodeStatus::Serving,
            Standing::Unfit => NodeStatus::Unfit,
            Standing::Leaving | Standing::Gone => NodeStatus::Leaving,
            Standing::Client => NodeStatus::Client,
        };
        Self { id: beat.node, status, partitions: beat.owns, up: Duration::from_millis(beat.up_ms) }
    }
}
