//! What a node says of itself when it has started.

use crate::VERSION;
use crate::failure::{Failure, Result};
use callboard::{Callboard, Code, Settings};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

/// What there is to say, a line each.
pub(super) struct Report(Vec<(&'static str, String)>);

impl Report {
    pub(super) async fn of(board: &Callboard, settings: &Settings) -> Result<Self> {
        let nodes = board.nodes().await.map_err(|error| Failure::of(Code::of(error.kind()), &error))?;
        let owned = nodes.first().map(|node| node.partitions.keys().map(ToString::to_string).collect::<Vec<_>>());
        let partitions = match owned.unwrap_or_default() {
            none if none.is_empty() => format!("none yet, of {}", board.partitions()),
            all if all.len() == board.partitions() => match all.len() {
                1 => "0, the only one".to_owned(),
                count => format!("0 to {}, all of them", count - 1),
            },
            some => format!("{}, of {}", some.join(", "), board.partitions()),
        };
        let mut lines = vec![
            ("name space", settings.namespace.clone()),
            ("store", settings.store.to_string()),
            ("bus", settings.bus.to_string()),
            ("directory", settings.directory.to_string()),
            ("partitions", partitions),
        ];
        let agents = board.agents().await.map_err(|error| Failure::of(Code::of(error.kind()), &error))?;
        let mut offers: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for agent in &agents {
            for capability in &agent.capabilities {
                offers.entry(&capability.name).or_default().push(&agent.id);
            }
        }
        let offered = offers.iter().map(|(capability, agents)| format!("{capability} by {}", agents.join(", ")));
        let offered: Vec<String> = offered.collect();
        lines.extend(offered.into_iter().map(|offered| ("offers", offered)));
        if agents.is_empty() {
            lines.push(("offers", "nothing: no agents are described (agents.folder)".to_owned()));
        }
        Ok(Self(lines))
    }

    /// Writes it to standard error. The address comes last: who waits for it has read the rest.
    pub(super) fn write(self, address: SocketAddr, took: Duration) {
        eprintln!("callboard {VERSION} started in {took:.0?}");
        let mut before = "";
        for (about, what) in self.0 {
            eprintln!("  {:<10}  {what}", if about == before { "" } else { about });
            before = about;
        }
        eprintln!("  {:<10}  http://{address}", "listens");
    }
}
