//! The actors of a node by their paths, for tests that kill them.

use super::Node;
use std::sync::Arc;

impl Node {
    /// The path of every actor that runs: `node`, `node/registry`, `node/partitions/3`, `node/agents/summarizer/2`.
    pub(crate) async fn actors(&self) -> Vec<String> {
        self.supervisor.actors().await.iter().map(|found| path(&found.names)).collect()
    }

    /// Kills an actor, and waits until it has ended; says whether there was one to kill.
    pub(crate) async fn kill(&self, wanted: &str) -> bool {
        let found = self.supervisor.actors().await.into_iter().find(|found| path(&found.names) == wanted);
        match found {
            Some(found) => {
                found.kill().await;
                true
            }
            None => false,
        }
    }
}

/// The path of an actor, from the names of the children on the way to it.
fn path(names: &[Arc<str>]) -> String {
    let last = match names.last() {
        None => return "node".to_owned(),
        Some(last) => &**last,
    };
    if let Some(number) = last.strip_prefix("partition ") {
        return format!("node/partitions/{number}"); // in a tree of their own, or not
    }
    if let Some(agent) = last.strip_prefix("pool ") {
        return format!("node/agents/{agent}");
    }
    match last.rsplit_once('#') {
        // What it is called says its node, too.
        Some((instance, number)) => {
            let agent = instance.rsplit_once('/').map_or(instance, |(_, agent)| agent);
            format!("node/agents/{agent}/{number}")
        }
        None => format!("node/{last}"),
    }
}
