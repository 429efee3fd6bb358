//! The server: accepts connections, within limits, until it is told to close.

use super::audit::Audit;
use super::stop::Peer;
use super::{App, closed, router};
use crate::node::Node;
use crate::supervise::{ChildSpec, OnGiveUp, Policy, Slot};
use axum::Router;
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use ractor::{Actor, ActorProcessingErr, ActorRef};
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

/// How long open requests may take once the server closes; streams end at once.
const GRACE: Duration = Duration::from_secs(3);
/// The pause after a failed accept: there may be no file descriptors left.
const PAUSE: Duration = Duration::from_millis(100);
/// The head of a request at most, in bytes.
const HEAD_BYTES_MAX: usize = 64 << 10;

/// The socket, shared by all incarnations; gone when one of them has closed it.
type Socket = Arc<Mutex<Option<Arc<TcpListener>>>>;

/// What a server is made of.
#[derive(Clone)]
struct Surroundings {
    node: Weak<Node>,
    socket: Socket,
    address: SocketAddr,
    audit: Audit,
}

/// The server as a child of its node, and where it is found.
pub(super) fn child(
    node: Weak<Node>,
    listener: TcpListener,
    address: SocketAddr,
    audit: Audit,
) -> (ChildSpec, Slot<Message>) {
    let policy = Policy { on_give_up: OnGiveUp::StopTree, ..Policy::default() };
    let around = Surroundings { node, socket: Arc::new(Mutex::new(Some(Arc::new(listener)))), address, audit };
    ChildSpec::actor("api", policy, move || (ApiActor, around.clone()))
}

/// The type of the actor.
struct ApiActor;

/// What is said to the server.
#[derive(Debug)]
pub(super) enum Message {
    /// It accepts no more connections: it has ended, or panicked.
    Ended,
}

/// The state of the actor.
struct Serving {
    close: watch::Sender<bool>,
    /// The one task that accepts.
    accepting: JoinSet<()>,
    socket: Socket,
}

impl Actor for ApiActor {
    type Msg = Message;
    type State = Serving;
    type Arguments = Surroundings;

    async fn pre_start(&self, myself: ActorRef<Message>, around: Surroundings) -> Result<Serving, ActorProcessingErr> {
        let Surroundings { node, socket, address, audit } = around;
        let listener = lock(&socket).clone().ok_or("the socket is closed")?;
        let http = node.upgrade().ok_or("the node is gone")?.settings().http.clone();
        let (close, closing) = watch::channel(false);
        let (connections, streams) = (http.connections_max, Arc::new(Semaphore::new(http.connections_max / 2)));
        let app = App { node, http, audit, address, streams, closing: closing.clone() };
        let server = Server {
            listener,
            header_timeout: app.http.header_timeout,
            router: router::router(app),
            room: Arc::new(Semaphore::new(connections)),
            closing,
        };
        let mut accepting = JoinSet::new();
        let told = Told(myself);
        accepting.spawn(async move {
            let _told = told;
            server.run().await;
        });
        Ok(Serving { close, accepting, socket })
    }

    async fn handle(&self, _: ActorRef<Message>, message: Message, _: &mut Serving) -> Result<(), ActorProcessingErr> {
        match message {
            Message::Ended => Err("the server accepts no more connections".into()),
        }
    }

    async fn post_stop(&self, _: ActorRef<Message>, serving: &mut Serving) -> Result<(), ActorProcessingErr> {
        drop(lock(&serving.socket).take());
        let _nobody_listens = serving.close.send(true);
        // It has a limit of its own.
        while serving.accepting.join_next().await.is_some() {}
        Ok(())
    }
}

/// Tells the actor when its task ends, whatever ends it.
struct Told(ActorRef<Message>);

impl Drop for Told {
    fn drop(&mut self) {
        drop(self.0.cast(Message::Ended));
    }
}

fn lock(socket: &Socket) -> std::sync::MutexGuard<'_, Option<Arc<TcpListener>>> {
    socket.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The task of an incarnation.
struct Server {
    listener: Arc<TcpListener>,
    router: Router,
    header_timeout: Duration,
    /// One permit a connection.
    room: Arc<Semaphore>,
    closing: watch::Receiver<bool>,
}

impl Server {
    async fn run(self) {
        let Self { listener, router, header_timeout, room, closing } = self;
        let mut closes = pin!(closed(closing.clone()));
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                () = closes.as_mut() => break,
                Some(done) = connections.join_next(), if !connections.is_empty() => note(done),
                Some((stream, permit)) = accept(&listener, &room) => {
                    let (router, closing) = (router.clone(), closing.clone());
                    connections.spawn(async move {
                        serve(stream, router, header_timeout, closing).await;
                        drop(permit);
                    });
                }
            }
        }
        drop(listener);
        let ended = timeout(GRACE, async {
            while let Some(done) = connections.join_next().await {
                note(done);
            }
        });
        if ended.await.is_err() {
            tracing::warn!(open = connections.len(), "connections were cut off: they did not end in {GRACE:?}");
            connections.shutdown().await;
        }
    }
}

fn note(done: Result<(), tokio::task::JoinError>) {
    if let Err(error) = done {
        tracing::error!(%error, "the handler of a request has panicked");
    }
}

/// The next connection, as soon as there is room for one; `None` after a pause if there was none.
async fn accept(listener: &TcpListener, room: &Arc<Semaphore>) -> Option<(TcpStream, OwnedSemaphorePermit)> {
    let permit = room.clone().acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((stream, _)) => Some((stream, permit)),
        Err(error) => {
            tracing::warn!(%error, "a connection was not accepted");
            sleep(PAUSE).await;
            None
        }
    }
}

async fn serve(stream: TcpStream, router: Router, header_timeout: Duration, closing: watch::Receiver<bool>) {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(header_timeout).max_buf_size(HEAD_BYTES_MAX);
    let (peer, router) = (stream.peer_addr().ok(), TowerToHyperService::new(router));
    let service = service_fn(move |mut request: Request<Incoming>| {
        if let Some(peer) = peer {
            request.extensions_mut().insert(Peer(peer.ip()));
        }
        router.call(request)
    });
    let mut connection = pin!(http.serve_connection(TokioIo::new(stream), service));
    let served = tokio::select! {
        served = connection.as_mut() => served,
        () = closed(closing) => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = served {
        tracing::debug!(%error, "a connection ended early");
    }
}
