//! A limit as others see it.

use std::sync::Arc;
use std::time::Duration;

/// A limit as it stands on one node.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LimitInfo {
    /// Its name; that of the capability, if it is one's.
    pub name: Arc<str>,
    /// Whose share it is, if each tenant has one.
    pub tenant: Option<Arc<str>>,
    /// The capability whose tasks it limits, if it does.
    pub capability: Option<Arc<str>>,
    /// How many may be at it at a time, over all nodes.
    pub at_once: Option<u64>,
    /// How many are, of this node.
    pub taken: u64,
    /// Its rates.
    pub rates: Vec<RateInfo>,
    /// Tasks of this node that wait for it.
    pub waiting: usize,
    /// By how many nodes it is divided, while the directory is away.
    pub nodes: Option<u64>,
}

/// A rate as it stands on one node.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RateInfo {
    /// What it counts: `units` or `calls`.
    pub what: &'static str,
    /// How many may go, over all nodes.
    pub most: u64,
    /// In any stretch of this length.
    pub per: Duration,
    /// How many went in the last one, of this node.
    pub went: u64,
}
