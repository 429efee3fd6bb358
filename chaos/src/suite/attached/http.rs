//! Nodes asked by HTTP: what one does not take is asked of the next.

use crate::history::Outcome;
use crate::suite::Error;
use crate::suite::client::ANSWER;
use crate::suite::record::Told;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1;
use hyper::{Method, Request, StatusCode, header};
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;

/// What nodes are shown that have tokens, and the file to read it from: as the command has it.
const TOKEN: &str = "CALLBOARD_TOKEN";
const TOKEN_FILE: &str = "CALLBOARD_TOKEN_FILE";
/// How long a node may take to accept a connection, before the next is asked.
const CONNECT: Duration = Duration::from_secs(2);

/// The nodes of a cluster.
#[derive(Debug)]
pub(super) struct Http {
    addresses: Vec<String>,
    token: Option<String>,
    /// Who is asked first the next time.
    turn: AtomicUsize,
}

/// What is asked.
pub(super) struct Asking {
    method: Method,
    path: String,
    key: Option<String>,
    body: String,
}

/// Why there is no answer that could be used.
#[derive(Debug)]
pub(super) struct Failure {
    /// Whether nothing has happened, or nobody knows.
    pub(super) outcome: Outcome,
    pub(super) words: String,
}

/// A page of a list.
#[derive(Deserialize)]
struct Page<T> {
    items: Vec<T>,
    next: Option<String>,
}

/// What an error says of itself.
#[derive(Deserialize)]
struct Problem {
    code: String,
    detail: String,
    #[serde(default)]
    seen: Vec<String>,
}

impl Asking {
    pub(super) fn get(path: impl Into<String>) -> Self {
        Self { method: Method::GET, path: path.into(), key: None, body: String::new() }
    }

    pub(super) fn post(path: impl Into<String>, body: impl Into<String>) -> Self {
        Self { method: Method::POST, path: path.into(), key: None, body: body.into() }
    }

    /// Under this key it happens once, however often it is asked.
    pub(super) fn key(self, key: impl Into<String>) -> Self {
        Self { key: Some(key.into()), ..self }
    }
}

impl Http {
    /// # Errors
    ///
    /// When there is a file of a token that can not be read.
    pub(super) fn of(addresses: &[String]) -> Result<Self, Error> {
        let said = |name| std::env::var(name).ok().filter(|said: &String| !said.is_empty());
        let token = match (said(TOKEN), said(TOKEN_FILE)) {
            (None, Some(file)) => Some(std::fs::read_to_string(&file).map_err(Error::unreadable(&file))?),
            (token, _) => token,
        };
        let token = token.map(|token| token.trim().to_owned());
        Ok(Self { addresses: addresses.to_vec(), token, turn: AtomicUsize::new(0) })
    }

    /// Whether every node says that it is ready.
    ///
    /// # Errors
    ///
    /// What the first that is not says.
    pub(super) async fn ready(&self) -> Result<(), String> {
        for address in &self.addresses {
            let (sender, _connection) = connect(address).await.map_err(|error| format!("{address}: {error}"))?;
            let ready = timeout(ANSWER, self.send(sender, address, &Asking::get("/readyz"))).await;
            ready.map_err(|_| format!("{address}: no answer in time"))?.map_err(|failure| failure.words)?;
        }
        Ok(())
    }

    /// The answer of the first node that takes the question, each time beginning with another one.
    pub(super) async fn ask<T: DeserializeOwned>(&self, asking: &Asking) -> Result<T, Failure> {
        let first = self.turn.fetch_add(1, Ordering::Relaxed);
        let mut met = Failure::never("there is no node");
        for n in 0..self.addresses.len() {
            let address = &self.addresses[(first + n) % self.addresses.len()];
            match connect(address).await {
                Ok((sender, _connection)) => {
                    let answered = timeout(ANSWER, self.send(sender, address, asking)).await;
                    let late = |_| Failure::unknown(format!("{address}: no answer in time"));
                    let strange = |error| Failure::unknown(format!("{address} answers what is not known: {error}"));
                    return serde_json::from_slice(&answered.map_err(late)??).map_err(strange);
                }
                // Nothing was said to it.
                Err(error) => met = Failure::never(format!("{address} can not be reached: {error}")),
            }
        }
        Err(met)
    }

    /// Everything that is on a list.
    pub(super) async fn all<T: DeserializeOwned>(&self, path: &str) -> Result<Vec<T>, Failure> {
        let (mut items, mut after) = (Vec::new(), String::new());
        loop {
            let with = if path.contains('?') { '&' } else { '?' };
            let mut page: Page<T> = self.ask(&Asking::get(format!("{path}{with}limit=1000{after}"))).await?;
            items.append(&mut page.items);
            let Some(next) = page.next else { return Ok(items) };
            after = format!("&after={}", escaped(&next));
        }
    }

    async fn send(&self, mut sender: Sender, to: &str, asking: &Asking) -> Result<Bytes, Failure> {
        let Asking { method, path, key, body } = asking;
        let mut request = Request::builder().method(method).uri(path).header(header::HOST, to);
        request = request.header(header::CONTENT_TYPE, "application/json");
        if let Some(token) = &self.token {
            request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        if let Some(key) = key {
            request = request.header("idempotency-key", key);
        }
        let request = request.body(Full::new(Bytes::from(body.clone()))).map_err(Failure::never)?;
        let lost = |error: hyper::Error| Failure::unknown(format!("{to}: {error}"));
        let (head, body) = sender.send_request(request).await.map_err(lost)?.into_parts();
        let body = body.collect().await.map_err(lost)?.to_bytes();
        if head.status.is_success() { Ok(body) } else { Err(Failure::of(head.status, to, &body)) }
    }
}

type Sender = http1::SendRequest<Full<Bytes>>;

/// A connection, and the task that carries it: it ends with that.
async fn connect(address: &str) -> Result<(Sender, JoinSet<()>), String> {
    let late = |_| format!("no connection within {CONNECT:?}");
    let stream = timeout(CONNECT, TcpStream::connect(address)).await.map_err(late)?;
    let stream = stream.map_err(|error| error.to_string())?;
    let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(|error| error.to_string())?;
    let mut carrying = JoinSet::new();
    // What goes wrong here is told to whoever waits for the answer.
    carrying.spawn(async move { drop(connection.await) });
    Ok((sender, carrying))
}

impl Failure {
    fn never(words: impl ToString) -> Self {
        Self { outcome: Outcome::Failed, words: words.to_string() }
    }

    fn unknown(words: impl ToString) -> Self {
        Self { outcome: Outcome::Unknown, words: words.to_string() }
    }

    /// What an answer means that is an error: only a node says that nothing has happened, and not what lies before it.
    fn of(status: StatusCode, from: &str, body: &[u8]) -> Self {
        let Ok(Problem { code, detail, seen }) = serde_json::from_slice(body) else {
            let said: String = String::from_utf8_lossy(body).chars().take(200).collect();
            return Self::unknown(format!("{from} answers {status}: {said}"));
        };
        let is_certain = status.is_client_error() || status == StatusCode::SERVICE_UNAVAILABLE;
        let outcome = if is_certain { Outcome::Failed } else { Outcome::Unknown };
        let words = seen.into_iter().fold(format!("{code}: {detail}"), |words, seen| format!("{words}: {seen}"));
        Self { outcome, words }
    }
}

impl From<Failure> for Told {
    fn from(failure: Failure) -> Self {
        Self { outcome: failure.outcome, error: Some(failure.words) }
    }
}

/// A part of a path or of a parameter: what has a meaning there is escaped.
pub(super) fn escaped(text: &str) -> String {
    let one = |byte: u8| match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => char::from(byte).to_string(),
        byte => format!("%{byte:02X}"),
    };
    text.bytes().map(one).collect()
}
