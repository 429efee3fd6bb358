//! A lock as JSON.

use super::Moment;
use crate::{Author, LockInfo, LockTicket};
use schemars::JsonSchema;
use serde::Serialize;
use std::sync::Arc;

/// A lock that is held.
#[derive(Serialize, JsonSchema)]
pub(in super::super) struct LockView {
    key: Arc<str>,
    token: u64,
    holder: TicketView,
    ttl_ms: u64,
    waiting: Vec<TicketView>,
}

#[derive(Serialize, JsonSchema)]
struct TicketView {
    by: Author,
    node: Arc<str>,
    since: Moment,
}

impl From<LockTicket> for TicketView {
    fn from(ticket: LockTicket) -> Self {
        Self { by: ticket.by, node: ticket.node, since: Moment(ticket.since) }
    }
}

impl From<LockInfo> for LockView {
    fn from(lock: LockInfo) -> Self {
        Self {
            key: lock.key,
            token: lock.token,
            holder: lock.holder.into(),
            ttl_ms: u64::try_from(lock.ttl.as_millis()).unwrap_or(u64::MAX),
            waiting: lock.waiting.into_iter().map(TicketView::from).collect(),
        }
    }
}
