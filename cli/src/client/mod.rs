//! A node, asked by HTTP.

mod events;

use crate::failure::{Failure, Result};
use bytes::Bytes;
use callboard::Code;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper::{Method, Request, Response, header};
use hyper_util::rt::TokioIo;
use std::fmt::Display;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;

pub(crate) use events::Happened;

/// How long a node may take to accept a connection.
const CONNECT_MAX: Duration = Duration::from_secs(5);
/// How long a node may take to begin its answer: longer than it allows itself.
const ANSWER_MAX: Duration = Duration::from_secs(90);
/// What a node is shown that has tokens, and the file to read it from.
const TOKEN: &str = "CALLBOARD_TOKEN";
const TOKEN_FILE: &str = "CALLBOARD_TOKEN_FILE";
/// An answer at most, in bytes.
const ANSWER_BYTES_MAX: usize = 256 << 20;

/// A node at an address.
pub(crate) struct Client {
    address: String,
    /// What is shown to the node, if anything is.
    token: Option<String>,
}

/// A request in the making.
pub(crate) struct Asking<'a> {
    client: &'a Client,
    method: Method,
    path: String,
    headers: Vec<(header::HeaderName, String)>,
    body: Bytes,
}

/// An answer that is no error, with the connection that it comes by.
struct Answer {
    response: Response<Incoming>,
    _connection: JoinSet<()>,
}

impl Client {
    /// # Errors
    ///
    /// `Usage` for what is no address, and for a token that can not be read.
    pub(crate) fn new(address: &str) -> Result<Self> {
        let plain = address.strip_prefix("http://").unwrap_or(address).trim_end_matches('/');
        let is_address = plain.rsplit_once(':').is_some_and(|(host, port)| {
            !host.is_empty() && !host.contains(['/', '@', ' ']) && port.parse::<u16>().is_ok()
        });
        if is_address {
            return Ok(Self { address: plain.to_owned(), token: token()? });
        }
        let message = format!("{address:?} is no address of a node");
        Err(Failure::new(Code::Usage, message).seen("an address is HOST:PORT").next("callboard --addr 127.0.0.1:7420"))
    }

    pub(crate) fn get(&self, path: impl Into<String>) -> Asking<'_> {
        self.ask(Method::GET, path)
    }

    pub(crate) fn post(&self, path: impl Into<String>) -> Asking<'_> {
        self.ask(Method::POST, path)
    }

    pub(crate) fn put(&self, path: impl Into<String>) -> Asking<'_> {
        self.ask(Method::PUT, path)
    }

    pub(crate) fn delete(&self, path: impl Into<String>) -> Asking<'_> {
        self.ask(Method::DELETE, path)
    }

    fn ask(&self, method: Method, path: impl Into<String>) -> Asking<'_> {
        Asking { client: self, method, path: path.into(), headers: Vec::new(), body: Bytes::new() }
    }

    fn unreachable(&self, error: impl Display) -> Failure {
        let failure = Failure::new(Code::NoConnection, format!("no node answers at {}", self.address));
        failure.seen(error.to_string()).next("callboard dev, or say where it listens with --addr")
    }

    async fn connect(&self) -> Result<(http1::SendRequest<Full<Bytes>>, JoinSet<()>)> {
        let connected = timeout(CONNECT_MAX, TcpStream::connect(&self.address)).await;
        let stream = connected.map_err(|_| self.unreachable(format!("no connection within {CONNECT_MAX:?}")))?;
        let stream = stream.map_err(|error| self.unreachable(error))?;
        let (sender, connection) =
            http1::handshake(TokioIo::new(stream)).await.map_err(|error| self.unreachable(error))?;
        let mut tasks = JoinSet::new();
        // What goes wrong here is told to whoever reads the answer.
        tasks.spawn(async move { drop(connection.await) });
        Ok((sender, tasks))
    }
}

impl Asking<'_> {
    pub(crate) fn header(mut self, name: header::HeaderName, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    pub(crate) fn body(mut self, kind: &str, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self.header(header::CONTENT_TYPE, kind)
    }

    /// The whole answer.
    ///
    /// # Errors
    ///
    /// What the node says is wrong; that it cannot be reached.
    pub(crate) async fn text(self) -> Result<String> {
        let client = self.client;
        let mut answer = self.send().await?;
        text(answer.response.body_mut()).await.map_err(|error| client.unreachable(error))
    }

    async fn send(self) -> Result<Answer> {
        let Self { client, method, path, headers, body } = self;
        let (mut sender, connection) = client.connect().await?;
        let request = Request::builder().method(method).uri(path).header(header::HOST, &client.address);
        let shown = client.token.iter().map(|token| (header::AUTHORIZATION, format!("Bearer {token}")));
        let request =
            headers.into_iter().chain(shown).fold(request, |request, (name, value)| request.header(name, value));
        let request = request
            .body(Full::new(body))
            .map_err(|error| Failure::new(Code::Usage, format!("this can not be sent: {error}")))?;
        let answered = timeout(ANSWER_MAX, sender.send_request(request)).await;
        let answered = answered.map_err(|_| client.unreachable(format!("no answer within {ANSWER_MAX:?}")))?;
        let mut response = answered.map_err(|error| client.unreachable(error))?;
        if response.status().is_success() {
            return Ok(Answer { response, _connection: connection });
        }
        let status = response.status();
        let problem = text(response.body_mut()).await.map_err(|error| client.unreachable(error))?;
        let document = serde_json::from_str(&problem).unwrap_or_default();
        Err(Failure::of_problem(&document).unwrap_or_else(|| {
            let seen: String = problem.chars().take(200).collect();
            Failure::new(Code::Internal, format!("{} answers {status}", client.address)).seen(seen)
        }))
    }
}

/// The token of whoever asks. It is no flag: others see those.
fn token() -> Result<Option<String>> {
    let said = |name| std::env::var(name).ok().filter(|said| !said.is_empty());
    if let Some(token) = said(TOKEN) {
        return Ok(Some(token));
    }
    let Some(file) = said(TOKEN_FILE) else { return Ok(None) };
    let read = std::fs::read_to_string(&file);
    let unreadable =
        |error| Failure::new(Code::Usage, format!("{TOKEN_FILE}: {file:?} can not be read")).seen(format!("{error}"));
    read.map(|token| Some(token.trim().to_owned())).map_err(unreadable)
}

async fn text(body: &mut Incoming) -> Result<String, String> {
    let body = Limited::new(body, ANSWER_BYTES_MAX).collect().await.map_err(|error| error.to_string())?;
    String::from_utf8(body.to_bytes().into()).map_err(|error| error.to_string())
}

/// A part of a path, or of a parameter: what has a meaning there is escaped.
pub(crate) fn escaped(text: &str) -> String {
    let one = |byte: u8| match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => char::from(byte).to_string(),
        byte => format!("%{byte:02X}"),
    };
    text.bytes().map(one).collect()
}

/// A path with those of its parameters that have a value.
pub(crate) fn with_query(path: &str, parameters: &[(&str, Option<String>)]) -> String {
    let said = parameters.iter().filter_map(|(name, value)| Some(format!("{name}={}", escaped(value.as_ref()?))));
    let said: Vec<String> = said.collect();
    if said.is_empty() { path.to_owned() } else { format!("{path}?{}", said.join("&")) }
}
