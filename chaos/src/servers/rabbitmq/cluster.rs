//! Several brokers of one cluster.

use super::install::{self, Ports};
use super::{Member, RabbitMq, RabbitMqOptions, cookie};
use crate::servers::process::Process;
use crate::servers::{Error, port};
use std::path::Path;

/// Several RabbitMQ servers of our own that are one cluster: each its own process with its own data. Of a name server, which only
/// they know, they have one.
#[derive(Debug)]
pub struct RabbitMqCluster {
    brokers: Vec<RabbitMq>,
    /// It ends with them.
    _names: Process,
}

impl RabbitMqCluster {
    /// Starts so many in folders below this one, one after the other: each joins those before it.
    ///
    /// # Errors
    ///
    /// As of [`RabbitMq::start`].
    pub async fn start(folder: &Path, count: usize) -> Result<Self, Error> {
        std::fs::create_dir_all(folder).map_err(Error::file(folder))?;
        let cookie = cookie::made(folder)?;
        port::retry(async || {
            let name_server = port::free();
            let names = install::names(folder, name_server)?;
            let names = Process::spawn("epmd", names, &folder.join("names.log"))?;
            let mut brokers = Vec::new();
            for number in 1..=count {
                let folder = folder.join(number.to_string());
                std::fs::create_dir_all(&folder).map_err(Error::file(&folder))?;
                cookie::given(&folder, &cookie)?;
                let ports = Ports { amqp: port::free(), tls: port::free(), erlang: port::free(), names: name_server };
                let options = RabbitMqOptions { more: of_the_cluster(count), ..RabbitMqOptions::default() };
                let mut broker = RabbitMq {
                    folder,
                    options,
                    ports,
                    cookie: cookie.clone(),
                    member: Member::OfSeveral(number),
                    processes: None,
                };
                broker.start_again().await?;
                brokers.push(broker);
            }
            Ok(Self { brokers, _names: names })
        })
        .await
    }

    /// All of them, running or not.
    #[must_use]
    pub fn brokers(&self) -> &[RabbitMq] {
        &self.brokers
    }

    /// The same, to be killed and started.
    pub fn brokers_mut(&mut self) -> &mut [RabbitMq] {
        &mut self.brokers
    }
}

/// The lines of `rabbitmq.conf` by which brokers find each other. Of a cluster that is cut the smaller part stops.
fn of_the_cluster(count: usize) -> Vec<String> {
    let nodes = (1..=count).map(|number| {
        format!("cluster_formation.classic_config.nodes.{number} = {}", Member::OfSeveral(number).node())
    });
    let found = "cluster_formation.peer_discovery_backend = classic_config".to_owned();
    std::iter::once(found).chain(nodes).chain(["cluster_partition_handling = pause_minority".to_owned()]).collect()
}
