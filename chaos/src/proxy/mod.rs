//! A network between a client and a server that a test can break.

mod ears;
mod flow;
mod frames;
#[cfg(test)]
mod tests;

pub use flow::Flow;

use ears::Ears;
use flow::carry;
use std::io;
use std::net::Ipv4Addr;
use tokio::io::AsyncReadExt;
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

/// What clients and the server say to one another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Speech {
    /// It does not matter.
    Any,
    /// AMQP 0-9-1: it is known where a frame begins.
    Amqp,
}

/// How often something was done to the connections that there were.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Blows {
    /// They were reset.
    cuts: u64,
    /// They were lost on the side of the server.
    losses: u64,
    /// Those that were lost were reset on the side of the client, too.
    mendings: u64,
    /// Their consumers were made deaf.
    deafenings: u64,
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
    blows: watch::Sender<Blows>,
    wanted: watch::Sender<Door>,
    door: watch::Receiver<Door>,
    _serving: JoinSet<()>,
}

/// What every connection listens to.
#[derive(Debug, Clone)]
struct Weather {
    to_server: watch::Receiver<Flow>,
    to_client: watch::Receiver<Flow>,
    blows: watch::Receiver<Blows>,
    speech: Speech,
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
        Self::start_for(server, Speech::Any).await
    }

    /// The same before a broker, of AMQP 0-9-1 without TLS: its consumers can be made [deaf](Self::deafen).
    ///
    /// # Errors
    ///
    /// As of [`start`](Self::start).
    pub async fn start_for_amqp(server: u16) -> io::Result<Self> {
        Self::start_for(server, Speech::Amqp).await
    }

    async fn start_for(server: u16, speech: Speech) -> io::Result<Self> {
        let port = free_port();
        let listener = listen(port).await?;
        let (leads_to, server) = watch::channel(server);
        let (to_server, to_client) = (watch::Sender::new(Flow::Pass), watch::Sender::new(Flow::Pass));
        let (wanted, is) = (watch::Sender::new(Door::Open), watch::Sender::new(Door::Open));
        let blows = watch::Sender::new(Blows::default());
        let (of_server, of_client) = (to_server.subscribe(), to_client.subscribe());
        let weather = Weather { to_server: of_server, to_client: of_client, blows: blows.subscribe(), speech };
        let door = is.subscribe();
        let mut serving = JoinSet::new();
        serving.spawn(serve(listener, port, server, weather, wanted.subscribe(), is));
        Ok(Self { port, server: leads_to, to_server, to_client, blows, wanted, door, _serving: serving })
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
        self.blows.send_modify(|blows| blows.cuts += 1);
    }

    /// Loses all connections on the side of the server, which sees a reset, and tells no client: what these say is lost, and
    /// nothing answers, until it is [mended](Self::mend). New connections are taken as before.
    pub fn lose(&self) {
        self.blows.send_modify(|blows| blows.losses += 1);
    }

    /// Resets the connections that were lost on the side of the client, too.
    pub fn mend(&self) {
        self.blows.send_modify(|blows| blows.mendings += 1);
    }

    /// Leaves out whatever the broker delivers to consumers of the connections that there are, as long as they last;
    /// everything else passes. For a proxy that was [started for it](Self::start_for_amqp); before another server nothing
    /// happens.
    pub fn deafen(&self) {
        self.blows.send_modify(|blows| blows.deafenings += 1);
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

/// How a connection is over.
enum Over {
    /// Both sides have ended it.
    Ended,
    /// It is reset on both sides.
    Cut,
    /// The server has it no more, and the client is not told.
    Lost,
}

/// One connection, until both sides have ended it, one has reset it, or it is cut or lost.
async fn connection(client: TcpStream, server: u16, weather: Weather) {
    let Weather { to_server, to_client, mut blows, speech } = weather;
    let before = *blows.borrow_and_update();
    let mut client = client;
    let Ok(mut server) = TcpStream::connect((Ipv4Addr::LOCALHOST, server)).await else { return };
    // What is sent is sent on at once.
    let _slower = (client.set_nodelay(true), server.set_nodelay(true));
    let ears = (speech == Speech::Amqp).then(|| Ears::new(blows.clone(), before));
    let over = {
        let ((from_client, at_client), (from_server, at_server)) = (client.split(), server.split());
        let both = async {
            tokio::try_join!(
                carry(from_client, at_server, to_server, None),
                carry(from_server, at_client, to_client, ears)
            )
        };
        tokio::select! {
            ended = both => if ended.is_ok() { Over::Ended } else { Over::Cut },
            over = struck(&mut blows, before) => over,
        }
    };
    // Without lingering, the end of a connection is a reset.
    match over {
        Over::Ended => return,
        Over::Cut => drop(server.set_zero_linger()),
        Over::Lost => {
            drop(server.set_zero_linger());
            drop(server);
            tokio::select! {
                () = say_in_vain(&mut client) => return,
                // It only fails when the proxy is gone.
                _ = blows.wait_for(|now| (now.cuts, now.mendings) != (before.cuts, before.mendings)) => {}
            }
        }
    }
    let _reset = client.set_zero_linger();
}

/// Waits until the connections that there were before are cut or lost.
async fn struck(blows: &mut watch::Receiver<Blows>, before: Blows) -> Over {
    let struck = blows.wait_for(|now| (now.cuts, now.losses) != (before.cuts, before.losses)).await;
    match struck {
        Ok(now) if now.cuts == before.cuts => Over::Lost,
        _ => Over::Cut,
    }
}

/// Reads what a client says to nobody, until it ends.
async fn say_in_vain(client: &mut TcpStream) {
    let mut bytes = [0; 1024];
    while let Ok(1..) = client.read(&mut bytes).await {}
}
