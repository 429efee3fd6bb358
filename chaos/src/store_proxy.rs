//! A proxy in front of an S3 server that can answer in its place: what a store does when it is sick.
//!
//! It speaks HTTP/1.1 and holds whole bodies, so it sees single requests: it can do one and lose its answer. What a network
//! does to bytes is the business of `servers::Proxy`.

#[cfg(test)]
mod tests;

use crate::random::Random;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::SendRequest;
use hyper::header::IF_NONE_MATCH;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use std::future::pending;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// What the store does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sickness {
    /// What the server does.
    #[default]
    None,
    /// Connections are closed before they say anything.
    Refuses,
    /// Requests are taken and never answered; they have no effect.
    Hangs,
    /// Requests are answered with this status and have no effect.
    Answers(u16),
    /// Of the creates every so many-th takes effect, and its connection is closed in the place of an answer.
    LosesAnswers(u64),
    /// Of the creates every so many-th takes effect and is answered with status 500.
    FailsAfterwards(u64),
    /// Every so many-th is answered with this status.
    Errs {
        /// 409, 412, 500 or 503. The first two are for creates alone, the others for all requests.
        status: u16,
        /// Of how many one.
        one_in: u64,
        /// From this it is drawn, each time, whether it has taken effect; with 412 it always has: something between has sent
        /// it twice.
        seed: u64,
    },
    /// No object is taken any more, which is answered with this status; everything else works.
    Full(u16),
    /// The condition of a create is left out: what is there is overwritten.
    IgnoresCondition,
}

/// What went through a proxy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Requests that were received.
    pub requests: u64,
    /// Those of them that were creates: puts with a condition.
    pub creates: u64,
    /// Bytes of the bodies, there and back.
    pub body_bytes: u64,
    /// Requests that were answered otherwise than the server did.
    pub spoiled: u64,
}

/// The proxy. Dropping it closes its connections.
#[derive(Debug)]
pub struct StoreProxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    _serving: JoinSet<()>,
}

#[derive(Debug)]
struct Shared {
    server: SocketAddr,
    sickness: Mutex<Sickness>,
    requests: AtomicU64,
    creates: AtomicU64,
    body_bytes: AtomicU64,
    spoiled: AtomicU64,
    /// Requests of which [`Sickness::Errs`] spoils some.
    at_risk: AtomicU64,
}

impl StoreProxy {
    /// Listens on a free port of 127.0.0.1, for the server at `server`.
    ///
    /// # Errors
    ///
    /// Those of the listener.
    pub async fn start(server: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let (sickness, zero) = (Mutex::default(), AtomicU64::default);
        let (requests, creates, body_bytes, spoiled) = (zero(), zero(), zero(), zero());
        let shared = Arc::new(Shared { server, sickness, requests, creates, body_bytes, spoiled, at_risk: zero() });
        let (address, mut serving) = (listener.local_addr()?, JoinSet::new());
        serving.spawn(accept(listener, shared.clone()));
        Ok(Self { address, shared, _serving: serving })
    }

    /// Where it listens, as an endpoint.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The port that it listens on.
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// From now on the store does this.
    pub fn set(&self, sickness: Sickness) {
        *self.shared.sickness.lock().unwrap_or_else(PoisonError::into_inner) = sickness;
    }

    /// What went through so far.
    pub fn traffic(&self) -> Traffic {
        let of = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let Shared { requests, creates, body_bytes, spoiled, .. } = &*self.shared;
        Traffic { requests: of(requests), creates: of(creates), body_bytes: of(body_bytes), spoiled: of(spoiled) }
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let _slower = stream.set_nodelay(true);
        if shared.sickness() != Sickness::Refuses {
            connections.spawn(serve(stream, shared.clone()));
        }
        while connections.try_join_next().is_some() {}
    }
}

/// Serves one connection, with a connection of its own to the server.
async fn serve(stream: TcpStream, shared: Arc<Shared>) {
    let upstream = Arc::new(tokio::sync::Mutex::new(None));
    let service = service_fn(move |request| {
        let (shared, upstream) = (shared.clone(), upstream.clone());
        async move { shared.answer(request, &mut *upstream.lock().await).await }
    });
    // An error ends the connection: that is what it is for.
    let _ended = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

/// The connection to the server.
struct Line {
    sender: SendRequest<Full<Bytes>>,
    /// What carries it; it ends with the line.
    _carrying: JoinSet<()>,
}

/// It, if there is one.
type Upstream = Option<Line>;

impl Shared {
    fn sickness(&self) -> Sickness {
        *self.sickness.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn answer(&self, request: Request<Incoming>, upstream: &mut Upstream) -> io::Result<Response<Full<Bytes>>> {
        self.requests.fetch_add(1, Ordering::Relaxed);
        let is_create = request.method() == Method::PUT && request.headers().contains_key(IF_NONE_MATCH);
        let (mut head, body) = request.into_parts();
        let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
        self.body_bytes.fetch_add(body.len() as u64, Ordering::Relaxed);
        let number = if is_create { self.creates.fetch_add(1, Ordering::Relaxed) + 1 } else { 0 };
        let is_one_of = |every: u64| is_create && number.is_multiple_of(every.max(1));
        match self.sickness() {
            Sickness::Refuses => Err(self.spoil("refused")),
            Sickness::Hangs => {
                let _spoiled = self.spoil("hangs");
                pending().await
            }
            Sickness::Answers(status) => {
                let _spoiled = self.spoil("answered");
                Ok(failure(status))
            }
            Sickness::Errs { status, one_in, seed } if is_create || !matches!(status, 409 | 412) => {
                let number = self.at_risk.fetch_add(1, Ordering::Relaxed) + 1;
                let is_spoiled = number.is_multiple_of(one_in.max(1));
                let takes_effect = status == 412 || Random::of(seed, &format!("request {number}")).percent(50);
                if !is_spoiled || takes_effect {
                    let answer = self.pass(Request::from_parts(head, Full::new(body)), upstream).await?;
                    if !is_spoiled {
                        return Ok(answer);
                    }
                }
                let _spoiled = self.spoil("erred");
                Ok(failure(status))
            }
            // An object is put, or its parts are begun.
            Sickness::Full(status) if matches!(head.method, Method::PUT | Method::POST) && !is_delete(&head) => {
                let _spoiled = self.spoil("full");
                Ok(failure(status))
            }
            Sickness::LosesAnswers(every) if is_one_of(every) => {
                self.pass(Request::from_parts(head, Full::new(body)), upstream).await?;
                Err(self.spoil("its answer is lost"))
            }
            Sickness::FailsAfterwards(every) if is_one_of(every) => {
                self.pass(Request::from_parts(head, Full::new(body)), upstream).await?;
                let _spoiled = self.spoil("failed afterwards");
                Ok(failure(500))
            }
            Sickness::IgnoresCondition if is_create => {
                let _spoiled = self.spoil("without its condition");
                head.headers.remove(IF_NONE_MATCH);
                self.pass(Request::from_parts(head, Full::new(body)), upstream).await
            }
            _ => self.pass(Request::from_parts(head, Full::new(body)), upstream).await,
        }
    }

    fn spoil(&self, how: &str) -> io::Error {
        self.spoiled.fetch_add(1, Ordering::Relaxed);
        io::Error::other(how.to_owned())
    }

    /// Passes a request on, and its answer back.
    async fn pass(&self, request: Request<Full<Bytes>>, upstream: &mut Upstream) -> io::Result<Response<Full<Bytes>>> {
        let line = match upstream.take().filter(|line| !line.sender.is_closed()) {
            Some(line) => line,
            None => connect(self.server).await?,
        };
        let sender = &mut upstream.insert(line).sender;
        sender.ready().await.map_err(io::Error::other)?;
        let answer = sender.send_request(request).await.map_err(io::Error::other)?;
        let (head, body) = answer.into_parts();
        let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
        self.body_bytes.fetch_add(body.len() as u64, Ordering::Relaxed);
        Ok(Response::from_parts(head, Full::new(body)))
    }
}

async fn connect(server: SocketAddr) -> io::Result<Line> {
    let stream = TcpStream::connect(server).await?;
    stream.set_nodelay(true)?;
    let stream = TokioIo::new(stream);
    let (sender, connection) = hyper::client::conn::http1::handshake(stream).await.map_err(io::Error::other)?;
    let mut carrying = JoinSet::new();
    carrying.spawn(async move {
        let _ended = connection.await;
    });
    Ok(Line { sender, _carrying: carrying })
}

/// Whether many objects are deleted at once, which is a POST.
fn is_delete(head: &hyper::http::request::Parts) -> bool {
    head.uri.query().is_some_and(|query| query.split('&').any(|word| word == "delete" || word.starts_with("delete=")))
}

/// An answer in the manner of S3.
fn failure(status: u16) -> Response<Full<Bytes>> {
    let code = match status {
        // What radosgw says of a bucket that is full.
        403 => "QuotaExceeded",
        409 => "ConditionalRequestConflict",
        412 => "PreconditionFailed",
        503 => "SlowDown",
        507 => "InsufficientStorage",
        _ => "InternalError",
    };
    let body = format!("<?xml version=\"1.0\"?><Error><Code>{code}</Code><Message>as told</Message></Error>");
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response
}
