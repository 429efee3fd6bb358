//! Redis Cluster: three masters, without replicas.

use super::super::{Error, port};
use super::sentinel::until;
use super::{Redis, RedisOptions};
use std::path::Path;

/// So many hash slots there are (Redis Cluster specification, "Key distribution model").
const SLOTS: u16 = 16_384;
const MASTERS: u16 = 3;

/// Three masters, each with a third of the slots.
#[derive(Debug)]
pub struct RedisCluster {
    nodes: Vec<Redis>,
}

impl RedisCluster {
    /// Starts all three and makes them a cluster; returns when each of them says that it is complete.
    ///
    /// # Errors
    ///
    /// Words about what is missing or wrong, and which log to read.
    pub async fn start(folder: &Path) -> Result<Self, Error> {
        let (mut nodes, mut links) = (Vec::new(), Vec::new());
        for number in 0..MASTERS {
            let (node, link) = start(&folder.join(format!("node-{number}"))).await?;
            let (first, last) = (number * SLOTS / MASTERS, (number + 1) * SLOTS / MASTERS - 1);
            node.ask(&["CLUSTER", "ADDSLOTSRANGE", &first.to_string(), &last.to_string()]).await?;
            node.ask(&["CLUSTER", "SET-CONFIG-EPOCH", &(number + 1).to_string()]).await?;
            nodes.push(node);
            links.push(link);
        }
        for (node, link) in nodes.iter().zip(links).skip(1) {
            let (port, link) = (node.port().to_string(), link.to_string());
            nodes[0].ask(&["CLUSTER", "MEET", "127.0.0.1", &port, &link]).await?;
        }
        let cluster = Self { nodes };
        cluster.complete().await?;
        Ok(cluster)
    }

    /// Waits until every node knows of all and of a master for every slot, as after a node was started again.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] when that takes longer than 40 s.
    pub async fn complete(&self) -> Result<(), Error> {
        until("a complete cluster", async || {
            for node in &self.nodes {
                let info = node.ask(&["CLUSTER", "INFO"]).await?.to_string();
                let known = format!("cluster_known_nodes:{MASTERS}\r");
                if !info.contains("cluster_state:ok\r") || !info.contains(&known) {
                    return Ok(false);
                }
            }
            Ok(true)
        })
        .await
    }

    /// Where the nodes are, such as `127.0.0.1:20817`.
    #[must_use]
    pub fn addresses(&self) -> Vec<String> {
        self.nodes.iter().map(|node| format!("127.0.0.1:{}", node.port())).collect()
    }

    /// The nodes, to kill one or to pause it.
    pub fn nodes(&mut self) -> &mut [Redis] {
        &mut self.nodes
    }

    /// Removes all keys of all nodes.
    ///
    /// # Errors
    ///
    /// As of [`Redis::ask`].
    pub async fn flush(&self) -> Result<(), Error> {
        for node in &self.nodes {
            node.flush().await?;
        }
        Ok(())
    }
}

/// A node of a cluster that it does not know yet, and the port for the other nodes.
async fn start(folder: &Path) -> Result<(Redis, u16), Error> {
    port::retry(async || {
        let link = port::free();
        let words = format!("--cluster-enabled yes --cluster-node-timeout 2000 --cluster-port {link}");
        let more = words.split(' ').map(str::to_owned).collect();
        let node = Redis::start_with(folder, RedisOptions { more, ..RedisOptions::default() }).await?;
        Ok((node, link))
    })
    .await
}
