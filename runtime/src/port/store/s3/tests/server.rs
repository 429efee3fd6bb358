//! An S3 server of one bucket in memory, which spoils requests as it is told.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::fmt::Write as _;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt, BufStream};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// What a request asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Operation {
    Create,
    Get,
    List,
    Delete,
    Versioning,
    Lifecycle,
}

/// What the server does with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    Pass,
    /// Closes the connection without having done anything.
    CutBefore,
    /// Does it and closes the connection.
    CutAfter,
    /// Answers this and does nothing.
    Instead(u16, &'static str),
    /// Does it and answers this.
    AfterAll(u16, &'static str),
    /// Does nothing, for ever.
    Hang,
    /// Does it, and sends the first line of an answer.
    HangInHead,
    /// Does it, and sends the answer's body a while after its head.
    LateBody,
    /// Does it, and sends all but the last byte of the answer's body before it closes.
    CutBody,
    /// The same with a body whose length it has not said.
    CutBodyUnsaid,
    /// Answers with a page of HTML that nobody asked for.
    Html,
    /// Answers 200 and nothing.
    Nothing,
}

/// How the server keeps the condition of a create.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Condition {
    Kept,
    Ignored,
    /// Looks, waits a moment, and writes.
    Raced,
}

/// What it answers to `?versioning` and `?lifecycle`, and in which order it lists.
#[derive(Clone, Copy, Debug)]
pub(super) struct Settings {
    pub(super) condition: Condition,
    pub(super) versioning: &'static str,
    pub(super) lifecycle: Option<&'static str>,
    pub(super) page_keys: usize,
    pub(super) descending: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self { condition: Condition::Kept, versioning: "", lifecycle: None, page_keys: 1_000, descending: false }
    }
}

#[derive(Default)]
struct State {
    objects: BTreeMap<String, Vec<u8>>,
    seen: Vec<(Operation, String)>,
    once: HashMap<Operation, VecDeque<Fault>>,
    always: HashMap<Operation, Fault>,
}

/// A server on a port of its own; dropping it closes its connections.
pub(super) struct Server {
    port: u16,
    shared: Arc<Shared>,
    _serving: JoinSet<()>,
}

struct Shared {
    settings: Settings,
    state: Mutex<State>,
}

struct Request {
    operation: Operation,
    key: String,
    query: HashMap<String, String>,
    if_free: bool,
    body: Vec<u8>,
}

/// Status, headers and body of an answer.
struct Answer {
    status: u16,
    headers: &'static str,
    body: Vec<u8>,
}

impl Server {
    pub(super) async fn start() -> Self {
        Self::with(Settings::default()).await
    }

    pub(super) async fn with(settings: Settings) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let shared = Arc::new(Shared { settings, state: Mutex::default() });
        let mut serving = JoinSet::new();
        serving.spawn(accept(listener, Arc::clone(&shared)));
        Self { port, shared, _serving: serving }
    }

    pub(super) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Spoils the next requests of this kind, one each.
    pub(super) fn script(&self, operation: Operation, faults: impl IntoIterator<Item = Fault>) {
        self.shared.state().once.entry(operation).or_default().extend(faults);
    }

    /// Spoils all requests of this kind.
    pub(super) fn always(&self, operation: Operation, fault: Fault) {
        self.shared.state().always.insert(operation, fault);
    }

    pub(super) fn put(&self, key: &str, bytes: &str) {
        self.shared.state().objects.insert(key.to_owned(), bytes.into());
    }

    pub(super) fn holds(&self, key: &str) -> Option<Vec<u8>> {
        self.shared.state().objects.get(key).cloned()
    }

    /// How many requests of this kind have come.
    pub(super) fn count(&self, operation: Operation) -> usize {
        self.shared.state().seen.iter().filter(|(seen, _)| *seen == operation).count()
    }

    /// How many requests have come.
    pub(super) fn count_all(&self) -> usize {
        self.shared.state().seen.len()
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        connections.spawn(serve(stream, Arc::clone(&shared)));
    }
}

/// A connection's requests, until the client or a fault ends it.
async fn serve(stream: TcpStream, shared: Arc<Shared>) {
    let mut stream = BufStream::new(stream);
    while let Ok(request) = read(&mut stream).await {
        let fault = shared.draw(&request);
        let answer = match fault {
            Fault::CutBefore => return,
            Fault::Hang => return std::future::pending().await,
            Fault::Instead(status, code) => error(status, code),
            Fault::Html => Answer { status: 200, headers: "", body: b"<html><body>Welcome</body></html>".into() },
            Fault::Nothing => Answer { status: 200, headers: "", body: Vec::new() },
            _ => shared.carry_out(&request).await,
        };
        let answer = if let Fault::AfterAll(status, code) = fault { error(status, code) } else { answer };
        let sent = match fault {
            Fault::CutAfter => return,
            Fault::HangInHead => {
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nETag:").await;
                let _ = stream.flush().await;
                return std::future::pending().await;
            }
            Fault::CutBody | Fault::CutBodyUnsaid => return cut(&mut stream, answer, fault).await,
            Fault::LateBody => write(&mut stream, answer, Duration::from_millis(50)).await,
            _ => write(&mut stream, answer, Duration::ZERO).await,
        };
        if sent.is_err() {
            return;
        }
    }
}

async fn read(stream: &mut BufStream<TcpStream>) -> io::Result<Request> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await?);
    }
    let head = String::from_utf8(head).unwrap();
    let mut lines = head.lines();
    let mut first = lines.next().unwrap().split(' ');
    let (method, target) = (first.next().unwrap(), first.next().unwrap());
    let headers: HashMap<String, &str> = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_ascii_lowercase(), value))
        .collect();
    if headers.contains_key("expect") {
        stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await?;
        stream.flush().await?;
    }
    let mut body = vec![0; headers.get("content-length").map_or(0, |length| length.parse().unwrap())];
    stream.read_exact(&mut body).await?;
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let query: HashMap<String, String> = query
        .split('&')
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(name, value)| (name.to_owned(), decode(value)))
        .collect();
    let operation = match method {
        "PUT" => Operation::Create,
        "DELETE" => Operation::Delete,
        _ if query.contains_key("versioning") => Operation::Versioning,
        _ if query.contains_key("lifecycle") => Operation::Lifecycle,
        _ if query.contains_key("list-type") => Operation::List,
        _ => Operation::Get,
    };
    let key = decode(path.strip_prefix("/bucket").unwrap().trim_start_matches('/'));
    Ok(Request { operation, key, query, if_free: headers.get("if-none-match") == Some(&"*"), body })
}

/// Undoes the percent signs of an address.
fn decode(text: &str) -> String {
    let mut parts = text.split('%');
    let mut decoded = parts.next().unwrap().to_owned();
    for part in parts {
        let (code, rest) = part.split_at(2);
        decoded.push(u8::from_str_radix(code, 16).unwrap().into());
        decoded.push_str(rest);
    }
    decoded
}

fn error(status: u16, code: &str) -> Answer {
    let body = if code.is_empty() { String::new() } else { format!("<Error><Code>{code}</Code></Error>") };
    Answer { status, headers: "", body: body.into() }
}

/// Head and body, so long one after the other.
async fn write(stream: &mut BufStream<TcpStream>, answer: Answer, between: Duration) -> io::Result<()> {
    let Answer { status, headers, body } = answer;
    let length = if status == 204 { String::new() } else { format!("Content-Length: {}\r\n", body.len()) };
    stream.write_all(format!("HTTP/1.1 {status} -\r\n{headers}{length}\r\n").as_bytes()).await?;
    if !between.is_zero() {
        stream.flush().await?;
        tokio::time::sleep(between).await;
    }
    stream.write_all(&body).await?;
    stream.flush().await
}

/// An answer whose body ends too early.
async fn cut(stream: &mut BufStream<TcpStream>, answer: Answer, fault: Fault) {
    let Answer { headers, mut body, .. } = answer;
    let length =
        if fault == Fault::CutBody { format!("Content-Length: {}\r\n", body.len().max(1)) } else { String::new() };
    // A list loses its end and an object, and is a beginning of good XML still.
    let at = String::from_utf8_lossy(&body).rfind("<Contents>").unwrap_or(body.len().saturating_sub(1));
    body.truncate(at);
    let head = format!("HTTP/1.1 200 OK\r\n{headers}{length}Connection: close\r\n\r\n");
    let _ = stream.write_all(&[head.as_bytes(), &body].concat()).await;
    let _ = stream.flush().await;
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    fn draw(&self, request: &Request) -> Fault {
        let mut state = self.state();
        state.seen.push((request.operation, request.key.clone()));
        let next = state.once.get_mut(&request.operation).and_then(VecDeque::pop_front);
        next.or(state.always.get(&request.operation).copied()).unwrap_or(Fault::Pass)
    }

    async fn carry_out(&self, request: &Request) -> Answer {
        match request.operation {
            Operation::Create => self.create(request).await,
            Operation::Get => match self.state().objects.get(&request.key) {
                Some(bytes) => Answer { status: 200, headers: "ETag: \"e\"\r\n", body: bytes.clone() },
                None => error(404, "NoSuchKey"),
            },
            Operation::List => Answer { status: 200, headers: "", body: self.list(&request.query).into() },
            Operation::Delete => {
                self.state().objects.remove(&request.key);
                Answer { status: 204, headers: "", body: Vec::new() }
            }
            Operation::Versioning => {
                let status = self.settings.versioning;
                let body = format!("<VersioningConfiguration>{status}</VersioningConfiguration>");
                Answer { status: 200, headers: "", body: body.into() }
            }
            Operation::Lifecycle => match self.settings.lifecycle {
                None => error(404, "NoSuchLifecycleConfiguration"),
                Some(rules) => {
                    let body = format!("<LifecycleConfiguration>{rules}</LifecycleConfiguration>");
                    Answer { status: 200, headers: "", body: body.into() }
                }
            },
        }
    }

    async fn create(&self, request: &Request) -> Answer {
        assert!(request.if_free, "a create without its condition");
        let taken = |state: &State| state.objects.contains_key(&request.key);
        match self.settings.condition {
            Condition::Kept if taken(&self.state()) => return error(412, "PreconditionFailed"),
            Condition::Raced if taken(&self.state()) => return error(412, "PreconditionFailed"),
            Condition::Raced => tokio::time::sleep(Duration::from_millis(20)).await,
            Condition::Kept | Condition::Ignored => {}
        }
        let mut state = self.state();
        if self.settings.condition == Condition::Kept && taken(&state) {
            return error(412, "PreconditionFailed");
        }
        state.objects.insert(request.key.clone(), request.body.clone());
        Answer { status: 200, headers: "ETag: \"e\"\r\n", body: Vec::new() }
    }

    fn list(&self, query: &HashMap<String, String>) -> String {
        let of = |name: &str| query.get(name).map(String::as_str).unwrap_or_default();
        let (prefix, after) = (of("prefix"), of("start-after"));
        let most = of("max-keys").parse().unwrap_or(usize::MAX).min(self.settings.page_keys);
        let state = self.state();
        let all = state.objects.keys().filter(|key| key.starts_with(prefix) && key.as_str() > after);
        let all: Vec<&String> = all.collect();
        let mut page: Vec<&&String> = all.iter().take(most).collect();
        if self.settings.descending {
            page.reverse();
        }
        let (truncated, count) = (page.len() < all.len(), page.len());
        let mut body = format!("<ListBucketResult><IsTruncated>{truncated}</IsTruncated><KeyCount>{count}</KeyCount>");
        page.iter().for_each(|key| write!(body, "<Contents><Key>{key}</Key></Contents>").unwrap());
        body + "</ListBucketResult>"
    }
}
