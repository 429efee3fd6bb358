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
use std::time::Duration;
use tokio::time::timeout;

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
#[derive(Clone, Debug)]
pub(super) struct Dial {
    uri: AMQPUri,
    tls: Arc<OwnedTLSConfig>,
    role: Role,
    options: Arc<RabbitMqOptions>,
    names: Arc<Names>,
}

impl Dial {
    /// Reads the options, and the file of certificates, once.
    pub(super) fn new(options: Arc<RabbitMqOptions>, names: Arc<Names>, role: Role) -> Result<Self, Trouble> {
        let mut uri: AMQPUri = options.url.parse().map_err(Trouble::Url)?;
        if uri.vhost.is_empty() {
            // A bare slash at the end means nothing to nearly everybody.
            uri.vhost = "/".to_owned();
        }
        let heartbeat = u16::try_from(options.heartbeat.as_secs()).unwrap_or(u16::MAX).max(1);
        uri.query.heartbeat = uri.query.heartbeat.or(Some(heartbeat));
        let unread =
            |path: &std::path::Path, error: String| Trouble::Certificates(format!("{}: {error}", path.display()));
        let cert_chain = match (&options.ca, &uri.scheme) {
            (Some(path), AMQPScheme::AMQPS) => {
                Some(std::fs::read_to_string(path).map_err(|error| unread(path, error.to_string()))?)
            }
            (Some(path), AMQPScheme::AMQP) => return Err(unread(path, "it is for amqps:// alone".to_owned())),
            (None, _) => None,
        };
        let tls = Arc::new(OwnedTLSConfig { identity: None, cert_chain });
        Ok(Self { uri, tls, role, options, names })
    }

    /// For logs.
    pub(super) fn role(&self) -> &'static str {
        match self.role {
            Role::Publish => "publish",
            Role::Consume => "consume",
        }
    }

    pub(super) fn place(&self) -> String {
        place(&self.uri)
    }

    /// One attempt: a connection on which our exchanges exist, and its socket, which is closed if nothing comes of it.
    pub(super) async fn connect(&self) -> Result<(Connection, Wire), Trouble> {
        let limit = self.options.connect;
        let silent = || Trouble::Silent { place: self.place(), limit };
        let wire = Wire::default();
        let scissors = wire.scissors();
        let connection = timeout(limit, self.open(wire.clone())).await.map_err(|_| silent())?;
        let connection = connection.map_err(|error| Trouble::of(&error, &self.uri))?;
        let declared = topology::declare(&connection, &self.names, &self.options);
        match timeout(limit, declared).await {
            Ok(Ok(())) => {
                scissors.disarm();
                Ok((connection, wire))
            }
            Ok(Err(error)) => Err(Trouble::of_topology(&error, &self.uri)),
            Err(_) => Err(silent()),
        }
    }

    /// The client connects on a thread of its own. It would wait there for as long as it takes.
    async fn open(&self, wire: Wire) -> lapin::Result<Connection> {
        let name = format!("callboard {} {}", self.options.namespace, self.role());
        let properties = ConnectionProperties::default().with_connection_name(name.into());
        let (tls, limit): (_, Duration) = (self.tls.clone(), self.options.connect);
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
        Connection::connector(self.uri.clone(), runtime, connect, properties).await
    }
}
