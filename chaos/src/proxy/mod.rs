//! A network between a client and a server that a test can break.

mod flow;
#[cfg(test)]
mod tests;

pub use flow::Flow;

use flow::carry;
use std::io;
use std::net::Ipv4Addr;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::servers::free_port;

/// One of the two directions of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// What the client says.
    ToServer,
    /// What the server says.
    ToClient,
}

/// Whether new connections are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Door {
    Open,
    Shut,
}

/// A port of 127.0.0.1 behind which is another one, and a network in between.
///
/// All of it is changed while it runs, and holds for the connections that there are and for those that come. It ends,
/// with all of its connections, when it is dropped.
#[derive(Debug)]
pub struct Proxy {
    port: u16,
    server: watch::Sender<u16>,
    to_server: watch::Sender<Flow>,
    to_client: watch::Sender<Flow>,
    cuts: watch::Sender<u64>,
    wanted: watch::Sender<Door>,
    door: watch::Receiver<Door>,
    _serving: JoinSet<()>,
}

/// What every connection listens to.
#[derive(Debug, Clone)]
struct Weather {
    to_server: watch::Receiver<Flow>,
    to_client: watch::Receiver<Flow>,
    cuts: watch::Receiver<u64>,
}

impl Proxy {
    /// Starts one before the server at this port of 127.0.0.1; everything passes at first.
    ///
    /// A server that is not there shows as a connection that ends at once, not as one that is refused.
    ///
    /// # Errors
    ///
    /// What the system says when no port can be had.
    pub async fn start(server: u16) -> io::Result<Self> {
        let port = free_port();
        let listener = listen(port).await?;
        let (leads_to, server) = watch::channel(server);
        let (to_server, to_client) = (watch::Sender::new(Flow::Pass), watch::Sender::new(Flow::Pass));
        let (cuts, wanted, is) =
            (watch::Sender::new(0), watch::Sender::new(Door::Open), watch::Sender::new(Door::Open));
        let weather =
            Weather { to_server: to_server.subscribe(), to_client: to_client.subscribe(), cuts: cuts.subscribe() };
        let door = is.subscribe();
        let mut serving = JoinSet::new();
        serving.spawn(serve(listener, port, server, weather, wanted.subscribe(), is));
        Ok(Self { port, server: leads_to, to_server, to_client, cuts, wanted, door, _serving: serving })
    }

    /// Where clients are to connect.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// From now on, this happens to what is under way in this direction.
    pub fn set(&self, way: Way, flow: Flow) {
        let of = match way {
            Way::ToServer => &self.to_server,
            Way::ToClient => &self.to_client,
        };
        of.send_replace(flow);
    }

    /// The same in both directions.
    pub fn set_both(&self, flow: Flow) {
        self.set(Way::ToServer, flow);
        self.set(Way::ToClient, flow);
    }

    /// Leads the connections that come from now on to the server at another port; those that there are stay.
    pub fn lead_to(&self, server: u16) {
        self.server.send_replace(server);
    }

    /// Resets all connections, on both sides. New ones are taken as before.
    pub fn cut(&self) {
        self.cuts.send_modify(|cuts| *cuts += 1);
    }

    /// Refuses new connections; those that there are stay. Returns when it is so.
    pub async fn refuse(&mut self) {
        self.turn(Door::Shut).await;
    }

    /// Takes new connections again. Returns when it is so.
    pub async fn accept(&mut self) {
        self.turn(Door::Open).await;
    }

    async fn turn(&mut self, door: Door) {
        self.wanted.send_replace(door);
        // It ends with the proxy only.
        drop(self.door.wait_for(|is| *is == door).await);
    }
}

async fn listen(port: u16) -> io::Result<TcpListener> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await
}

/// Takes connections, and gives up the port while the door is shut.
async fn serve(
    mut listener: TcpListener,
    port: u16,
    server: watch::Receiver<u16>,
    weather: Weather,
    mut wanted: watch::Receiver<Door>,
    is: watch::Sender<Door>,
) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            Ok((client, _)) = listener.accept() => {
                let server = *server.borrow();
                connections.spawn(connection(client, server, weather.clone()));
            }
            Some(_) = connections.join_next() => {}
            there = turned(&mut wanted, Door::Shut) => {
                if !there {
                    return; // nobody is there to open it again
                }
                drop(listener);
                is.send_replace(Door::Shut);
                if !turned(&mut wanted, Door::Open).await {
                    return;
                }
                // Nobody else has it: it is not among those that are given to anybody who asks.
                let Ok(again) = listen(port).await else { return };
                listener = again;
                is.send_replace(Door::Open);
            }
        }
    }
}

/// Waits until the door is so; false when nobody is there any more who could turn it.
async fn turned(door: &mut watch::Receiver<Door>, to: Door) -> bool {
    door.wait_for(|is| *is == to).await.is_ok()
}

/// One connection, until both sides have ended it, one has reset it, or it is cut.
async fn connection(client: TcpStream, server: u16, mut weather: Weather) {
    weather.cuts.mark_unchanged();
    let mut client = client;
    let Ok(mut server) = TcpStream::connect((Ipv4Addr::LOCALHOST, server)).await else { return };
    // What is sent is sent on at once.
    let _slower = (client.set_nodelay(true), server.set_nodelay(true));
    let ended = {
        let ((from_client, to_client), (from_server, to_server)) = (client.split(), server.split());
        let both = async {
            tokio::try_join!(
                carry(from_client, to_server, weather.to_server),
                carry(from_server, to_client, weather.to_client)
            )
        };
        tokio::select! {
            ended = both => ended.is_ok(),
            _ = weather.cuts.changed() => false,
        }
    };
    if !ended {
        // Without lingering, the end of a connection is a reset.
        let _reset = (client.set_zero_linger(), server.set_zero_linger());
    }
}
