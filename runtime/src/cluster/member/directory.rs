//! What a member tells the directory, and what it learns there.

use super::super::view::Beat;
use super::Surroundings;
use crate::port::directory::{self, Lease};
use bytes::Bytes;
use std::collections::BTreeSet;

/// The kind of a registration.
pub(super) const NODE: &str = "node";

/// Whether the directory knows a lease of this node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hint {
    Known,
    Forgotten,
}

/// Tells it that the node is there, and asks who else is; with them the leases that it has forgotten.
pub(super) async fn told_and_listed(
    around: &Surroundings,
    value: Bytes,
    leases: &[(u16, Hint)],
) -> Result<(Vec<Beat>, BTreeSet<u16>), String> {
    let Surroundings { directory, node, life, .. } = around;
    let failed = |error: directory::Error| error.to_string();
    directory.put(NODE, node, value, *life).await.map_err(failed)?;
    // They are hints for those who think that nobody has the partition. Whoever else has it is told apart by the epoch.
    let mut forgotten = BTreeSet::new();
    for (partition, lease) in leases {
        let name = lease_name(*partition);
        match lease {
            // Never taken here: it may have been given up since this beat began.
            Hint::Known if directory.renew(&name, node, *life).await.map_err(failed)? == Lease::Free => {
                forgotten.insert(*partition);
            }
            Hint::Known => {}
            Hint::Forgotten => {
                let _taken = directory.acquire(&name, node, *life).await.map_err(failed)?;
            }
        }
    }
    let entries = directory.list(NODE).await.map_err(failed)?;
    let beats = entries.iter().filter_map(|entry| match serde_json::from_slice(&entry.value) {
        Ok(beat) => Some(beat),
        Err(error) => {
            tracing::warn!(id = entry.id, %error, "the registration of a node can not be read and is passed over");
            None
        }
    });
    Ok((beats.collect(), forgotten))
}

/// The lease that spares two nodes a collision over a partition.
pub(super) fn lease_name(partition: u16) -> String {
    format!("partition.{partition}")
}
