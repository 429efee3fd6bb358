//! A network between a bus and its broker that can be cut.

use std::net::SocketAddr;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// What becomes of what goes through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Network {
    /// All arrives.
    Whole,
    /// What goes to the broker vanishes, and nobody is told.
    DeafBroker,
    /// What comes from the broker vanishes, and nobody is told.
    DeafClient,
    /// Nothing arrives, and nobody is told; no new connection answers either.
    Silent,
    /// Every connection is closed, and no new one is taken.
    Cut,
}

/// Stands between a bus and its broker, for as long as it is held.
pub(super) struct Proxy {
    place: SocketAddr,
    network: watch::Sender<Network>,
    _tasks: JoinSet<()>,
}

impl Proxy {
    /// Begins to pass on what comes for the broker at this port.
    pub(super) async fn to(port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("bound");
        let place = listener.local_addr().expect("bound");
        let (network, is) = watch::channel(Network::Whole);
        let mut tasks = JoinSet::new();
        tasks.spawn(accept(listener, port, is));
        Self { place, network, _tasks: tasks }
    }

    pub(super) fn url(&self) -> String {
        format!("amqp://{}", self.place)
    }

    pub(super) fn set(&self, network: Network) {
        self.network.send_replace(network);
    }
}

async fn accept(listener: TcpListener, port: u16, network: watch::Receiver<Network>) {
    let mut passing = JoinSet::new();
    while let Ok((client, _)) = listener.accept().await {
        if *network.borrow() == Network::Cut {
            continue;
        }
        let Ok(broker) = TcpStream::connect(("127.0.0.1", port)).await else { continue };
        let ((from_client, to_client), (from_broker, to_broker)) = (client.into_split(), broker.into_split());
        passing.spawn(pass(from_client, to_broker, Network::DeafBroker, network.clone()));
        passing.spawn(pass(from_broker, to_client, Network::DeafClient, network.clone()));
    }
}

/// One direction of one connection. Bytes that vanished are gone: such a connection stays broken when the network is whole.
async fn pass(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, deaf: Network, mut network: watch::Receiver<Network>) {
    let mut buffer = vec![0; 64 * 1024];
    let mut has_lost = false;
    loop {
        let read = tokio::select! {
            _cut = network.wait_for(|network| *network == Network::Cut) => return,
            read = from.read(&mut buffer) => read.unwrap_or(0),
        };
        if read == 0 {
            return;
        }
        let is = *network.borrow();
        has_lost |= is == deaf || is == Network::Silent;
        if !has_lost && to.write_all(&buffer[..read]).await.is_err() {
            return;
        }
    }
}
