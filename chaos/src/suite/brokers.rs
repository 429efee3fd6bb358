//! RabbitMQ, as one broker or as a cluster of three.

use crate::servers::{Error, RabbitMq, RabbitMqCluster};
use std::path::Path;

/// What nodes and clients use as their bus.
pub(super) enum Brokers {
    Single(Box<RabbitMq>),
    Several(RabbitMqCluster),
}

impl Brokers {
    pub(super) async fn start(count: usize, folder: &Path) -> Result<Self, Error> {
        match count {
            1 => RabbitMq::start(folder).await.map(Box::new).map(Self::Single),
            count => RabbitMqCluster::start(folder, count).await.map(Self::Several),
        }
    }

    pub(super) fn all(&self) -> &[RabbitMq] {
        match self {
            Self::Single(broker) => std::slice::from_ref(broker),
            Self::Several(cluster) => cluster.brokers(),
        }
    }

    /// One that runs, and speaks for all.
    pub(super) fn any(&self) -> &RabbitMq {
        let all = self.all();
        all.iter().find(|broker| broker.id().is_some()).unwrap_or(&all[0])
    }

    /// The one that a number stands for.
    pub(super) fn one(&mut self, number: u64) -> &mut RabbitMq {
        let all = match self {
            Self::Single(broker) => std::slice::from_mut(&mut **broker),
            Self::Several(cluster) => cluster.brokers_mut(),
        };
        let nth = number as usize % all.len();
        &mut all[nth]
    }

    /// Where clients find them, by these ports in the place of theirs.
    pub(super) fn url(&self, ports: &[u16]) -> String {
        let (own, url) = (self.all()[0].port(), self.all()[0].url());
        let hosts: Vec<String> = ports.iter().map(|port| format!("127.0.0.1:{port}")).collect();
        url.replace(&format!("127.0.0.1:{own}"), &hosts.join(","))
    }

    pub(super) fn ports(&self) -> Vec<u16> {
        self.all().iter().map(RabbitMq::port).collect()
    }
}
