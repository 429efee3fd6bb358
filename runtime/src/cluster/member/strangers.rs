//! Nodes that share our bus and directory and keep their journal elsewhere: somebody has given two clusters one name space.
//!
//! They would divide among them partitions that are not the same. So a node that starts refuses to join them, and one that
//! runs does not listen to them.

use super::super::view::Beat;
use super::directory::NODE;
use crate::port::directory::Directory;
use crate::{Error, ErrorKind, Result};
use std::collections::BTreeSet;
use std::sync::Arc;
use uuid::Uuid;

/// So many are told apart; it is a mistake, and needs a person after the first.
const TOLD_MAX: usize = 100;

/// Whom a node has heard that belongs to another store.
#[derive(Debug, Default)]
pub(super) struct Strangers(BTreeSet<Arc<str>>);

impl Strangers {
    /// Whether the sender of a beat is one; the first time, that is told.
    pub(super) fn are_joined_by(&mut self, beat: &Beat, home: Uuid) -> bool {
        let is_one = is_stranger(beat, home);
        if is_one && self.0.len() < TOLD_MAX && self.0.insert(beat.node.clone()) {
            tracing::error!(node = %beat.node, store = %beat.home, ours = %home, "a node of another store uses our bus and name space, and is not listened to: give one of the two another namespace, or the same store");
        }
        is_one
    }
}

/// A node that says nothing of its store is taken for one of ours.
fn is_stranger(beat: &Beat, home: Uuid) -> bool {
    !beat.home.is_nil() && beat.home != home
}

/// Looks whether the nodes that are there keep their journal where we do. A directory that does not answer forbids nothing.
///
/// # Errors
///
/// `Conflict` if one of them does not.
pub(crate) async fn no_strangers(directory: &dyn Directory, home: Uuid) -> Result<()> {
    let entries = directory.list(NODE).await.unwrap_or_default();
    let beats = entries.iter().filter_map(|entry| serde_json::from_slice::<Beat>(&entry.value).ok());
    match beats.into_iter().find(|beat| is_stranger(beat, home)) {
        None => Ok(()),
        Some(stranger) => {
            let (node, theirs) = (stranger.node, stranger.home);
            Err(Error::new(ErrorKind::Conflict, "another cluster uses this bus, this directory and this namespace")
                .because(format!("the node {node} keeps its journal in a store with the id {theirs}, ours has {home}"))
                .because("set another namespace, or the same store.url; after a store was wiped, wait for node_life"))
        }
    }
}
