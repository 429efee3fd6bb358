//! How a connection is made.

use super::names::Names;
use super::options::RabbitMqOptions;
use super::topology;
use super::trouble::{Trouble, place};
use super::wire::Wire;
use lapin::tcp::OwnedTLSConfig;
use lapin::uri::{AMQPScheme, AMQPUri};
use lapin::{AsyncTcpStream, Connection, ConnectionProperties};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::time::timeout;
use uuid::Uuid;

/// What one of the two connections is for.
///
/// A broker that is short of memory or disk stops reading from connections that publish, so nothing else may go over them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// Messages to the broker.
    Publish,
    /// Everything else.
    Consume,
}

/// How a connection is made.
#[derive(Debug)]
pub(super) struct Dial {
    /// Each broker of a cluster; one at least.
    brokers: Vec<AMQPUri>,
    /// The one that is tried first: the last that was connected to. Until then it is any, so that nodes spread.
    first: AtomicUsize,
    tls: Arc<OwnedTLSConfig>,
    role: Role,
    options: Arc<RabbitMqOptions>,
    names: Arc<Names>,
}

impl Dial {
    /// Reads the options, and the file of certificates, once.
    pub(super) fn new(options: Arc<RabbitMqOptions>, names: Arc<Names>, role: Role) -> Result<Self, Trouble> {
        let heartbeat = u16::try_from(options.heartbeat.as_secs()).unwrap_or(u16::MAX).max(1);
        let brokers = each(&options.url).map(|url| {
            let mut uri: AMQPUri = url.parse()?;
            if uri.vhost.is_empty() {
                // A bare slash at the end means nothing to nearly everybody.
                uri.vhost = "/".to_owned();
            }
            uri.query.heartbeat = uri.query.heartbeat.or(Some(heartbeat));
            Ok(uri)
        });
        let brokers: Vec<AMQPUri> = brokers.collect::<Result<_, _>>().map_err(Trouble::Url)?;
        let [chance, ..] = Uuid::new_v4().into_bytes();
        let first = AtomicUsize::new(usize::from(chance) % brokers.len());
        let is_tls = brokers.iter().all(|uri| uri.scheme == AMQPScheme::AMQPS);
        let unread =
            |path: &std::path::Path, error: String| Trouble::Certificates(format!("{}: {error}", path.display()));
        let cert_chain = match &options.ca {
            Some(path) if is_tls => {
                Some(std::fs::read_to_string(path).map_err(|error| unread(path, error.to_string()))?)
            }
            Some(path) => return Err(unread(path, "it is for amqps:// alone".to_owned())),
            None => None,
        };
        let tls = Arc::new(OwnedTLSConfig { identity: None, cert_chain });
        Ok(Self { brokers, first, tls, role, options, names })
    }

    /// For logs.
    pub(super) fn role(&self) -> &'static str {
        match self.role {
            Role::Publish => "publish",
            Role::Consume => "consume",
        }
    }

    /// Where the last connection was, or will be tried first.
    pub(super) fn place(&self) -> String {
        place(&self.brokers[self.first.load(Ordering::Relaxed)])
    }

    /// One attempt with each broker until one takes it: a connection on which our exchanges exist, and its socket, which is
    /// closed if nothing comes of it. All of them take no longer than one may.
    pub(super) async fn connect(&self) -> Result<(Connection, Wire), Trouble> {
        let (first, count) = (self.first.load(Ordering::Relaxed), self.brokers.len());
        let limit = self.options.connect / count as u32;
        let mut trouble = None;
        for nth in (first..first + count).map(|nth| nth % count) {
            match self.connect_to(&self.brokers[nth], limit).await {
                Ok(connected) => {
                    self.first.store(nth, Ordering::Relaxed);
                    return Ok(connected);
                }
                // What may pass is a reason to go on, whatever the others say.
                Err(seen) if seen.may_pass() || trouble.is_none() => trouble = Some(seen),
                Err(_) => {}
            }
        }
        Err(trouble.unwrap_or(Trouble::Starting))
    }

    async fn connect_to(&self, uri: &AMQPUri, limit: Duration) -> Result<(Connection, Wire), Trouble> {
        let silent = || Trouble::Silent { place: place(uri), limit };
        let wire = Wire::default();
        let scissors = wire.scissors();
        let connection = timeout(limit, self.open(uri, limit, wire.clone())).await.map_err(|_| silent())?;
        let connection = connection.map_err(|error| Trouble::of(&error, uri))?;
        let declared = topology::declare(&connection, &self.names, &self.options);
        match timeout(limit, declared).await {
            Ok(Ok(())) => {
                scissors.disarm();
                Ok((connection, wire))
            }
            Ok(Err(error)) => Err(Trouble::of_topology(&error, uri)),
            Err(_) => Err(silent()),
        }
    }

    /// The client connects on a thread of its own. It would wait there for as long as it takes.
    async fn open(&self, uri: &AMQPUri, limit: Duration, wire: Wire) -> lapin::Result<Connection> {
        let name = format!("callboard {} {}", self.options.namespace, self.role());
        let properties = ConnectionProperties::default().with_connection_name(name.into());
        let tls = self.tls.clone();
        let runtime = lapin::runtime::default_runtime()?;
        let reactor = runtime.clone();
        let connect = async move |uri: AMQPUri, _runtime| {
            let connecting = async {
                let place = (uri.authority.host.clone(), uri.authority.port);
                let stream = AsyncTcpStream::connect(&reactor, reactor.to_socket_addrs(place)).await?;
                if let AsyncTcpStream::Plain(socket) = &stream {
                    wire.connected(socket.get_ref())?;
                }
                match uri.scheme {
                    AMQPScheme::AMQP => Ok(stream),
                    AMQPScheme::AMQPS => stream.into_tls(&uri.authority.host, tls.as_ref().as_ref()).await,
                }
            };
            Ok(timeout(limit, connecting).await.map_err(io::Error::from)??)
        };
        Connection::connector(uri.clone(), runtime, connect, properties).await
    }
}

/// The URL of each broker of a URL with one host or several.
fn each(url: &str) -> impl Iterator<Item = String> {
    let from = url.find("://").map_or(0, |at| at + "://".len());
    let to = url[from..].find(['/', '?', '#']).map_or(url.len(), |at| from + at);
    let from = url[from..to].rfind('@').map_or(from, |at| from + at + 1);
    let (before, hosts, behind) = (&url[..from], &url[from..to], &url[to..]);
    hosts.split(',').map(move |host| format!("{before}{host}{behind}"))
}

#[cfg(test)]
mod tests {
    #[test]
    fn hosts_stand_between_commas() {
        let each = |url| super::each(url).collect::<Vec<_>>();
        assert_eq!(each("amqp://one"), ["amqp://one"]);
        assert_eq!(
            each("amqps://u,v:p,w@a:1,b,[::1]:3/v,w?x=1,2"),
            ["amqps://u,v:p,w@a:1/v,w?x=1,2", "amqps://u,v:p,w@b/v,w?x=1,2", "amqps://u,v:p,w@[::1]:3/v,w?x=1,2"]
        );
        assert_eq!(each("no url"), ["no url"]);
    }
}
