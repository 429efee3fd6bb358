//! How a connection is made.

use super::names::Names;
use super::options::RabbitMqOptions;
use super::topology;
use super::trouble::{Trouble, place};
use lapin::tcp::{AMQPUriTcpExt, OwnedTLSConfig};
use lapin::uri::{AMQPScheme, AMQPUri};
use lapin::{Connection, ConnectionProperties};
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
        let unread = |path: &std::path::Path, error: String| Trouble::Certificates(format!("{}: {error}", path.display()));
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

    /// One attempt: a connection on which our exchanges exist.
    pub(super) async fn connect(&self) -> Result<Connection, Trouble> {
        let limit = self.options.connect;
        let silent = || Trouble::Silent { place: self.place(), limit };
        let connection = timeout(limit, self.open()).await.map_err(|_| silent())?;
        let connection = connection.map_err(|error| Trouble::of(&error, &self.uri))?;
        let declared = topology::declare(&connection, &self.names, &self.options);
        match timeout(limit, declared).await {
            Ok(Ok(())) => Ok(connection),
            Ok(Err(error)) => Err(Trouble::of_topology(&error, &self.uri)),
            Err(_) => Err(silent()),
        }
    }

    /// The client's thread connects; it is told to give up in time, which it does not by itself.
    async fn open(&self) -> lapin::Result<Connection> {
        let name = format!("callboard {} {}", self.options.namespace, self.role());
        let properties = ConnectionProperties::default().with_connection_name(name.into());
        let (tls, limit): (_, Duration) = (self.tls.clone(), self.options.connect);
        let connect = async move |uri: AMQPUri, runtime| {
            let connecting = uri.connect_with_config_async(tls.as_ref().as_ref(), &runtime);
            let stream = timeout(limit, connecting).await.map_err(std::io::Error::from)?;
            Ok(stream?)
        };
        Connection::connector(self.uri.clone(), lapin::runtime::default_runtime()?, connect, properties).await
    }
}
