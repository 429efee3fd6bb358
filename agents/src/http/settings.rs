//! What an operator says about servers.

use super::Host;
use crate::fault::Fault;
use reqwest::header::{self, HeaderMap, HeaderName};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

/// Which servers are asked, how, and within which limits.
#[derive(Clone, Debug)]
pub struct HttpSettings {
    /// Hosts that may be asked at public addresses.
    pub hosts: Vec<Host>,
    /// Hosts that may be asked at any address, each named in full.
    pub private_hosts: Vec<Host>,
    /// Methods, in capitals; `GET` and `HEAD` by default.
    pub methods: BTreeSet<String>,
    /// Headers that a task may set, in small letters; `accept` and `content-type` by default.
    pub request_headers: BTreeSet<String>,
    /// Headers of the answer that are kept, in small letters; `content-type` by default.
    pub response_headers: BTreeSet<String>,
    /// Headers of each request, by name in small letters; they win over those of a task.
    pub fixed_headers: BTreeMap<String, HeaderValue>,
    /// Statuses that are answers though they are none by themselves, such as 404; 300 to 599, none by default.
    pub accept: BTreeSet<u16>,
    /// How long an answer may take, redirects included, 1 ms to 1 h; 30 s by default.
    pub timeout: Duration,
    /// How many redirects are followed, 0 to 20; 5 by default. With 0 a redirect is an answer, if `accept` lists it.
    pub redirects_max: u32,
    /// How long the body of a request may be, 0 B to 16 MiB; 1 MiB by default.
    pub request_bytes_max: usize,
    /// How long the body of an answer may be, 0 B to 16 MiB; 1 MiB by default. It is held in memory.
    pub response_bytes_max: usize,
}

/// The value of a header that is the same in each request.
#[derive(Clone, PartialEq, Eq)]
pub enum HeaderValue {
    /// This text.
    Fixed(String),
    /// The value of this variable of the environment, read when the agent is made: for secrets.
    Environment(String),
}

/// Shows no value: it may be a secret.
impl fmt::Debug for HeaderValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fixed(_) => f.write_str("Fixed(..)"),
            Self::Environment(name) => f.debug_tuple("Environment").field(name).finish(),
        }
    }
}

const TIMEOUT_MAX: Duration = Duration::from_secs(60 * 60);
const REDIRECTS_MAX: u32 = 20;
const BODY_BYTES_MAX: usize = 16 << 20;
/// Headers that belong to the connection or to its framing.
const OURS: [&str; 8] =
    ["host", "content-length", "transfer-encoding", "connection", "te", "trailer", "upgrade", "expect"];

impl HttpSettings {
    /// The defaults, for these hosts.
    pub fn of(hosts: impl IntoIterator<Item = Host>) -> Self {
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        Self {
            hosts: hosts.into_iter().collect(),
            private_hosts: Vec::new(),
            methods: names(&["GET", "HEAD"]),
            request_headers: names(&["accept", "content-type"]),
            response_headers: names(&["content-type"]),
            fixed_headers: BTreeMap::new(),
            accept: BTreeSet::new(),
            timeout: Duration::from_secs(30),
            redirects_max: 5,
            request_bytes_max: 1 << 20,
            response_bytes_max: 1 << 20,
        }
    }

    pub(super) fn faults(&self) -> Vec<Fault> {
        let mut faults = Vec::new();
        let mut check = |holds: bool, key: &str, message: String| {
            if !holds {
                faults.push(Fault::new(key, message));
            }
        };
        let some = !self.hosts.is_empty() || !self.private_hosts.is_empty();
        check(some, "hosts", "no host may be asked; list one here or in private_hosts".to_owned());
        for host in &self.private_hosts {
            check(host.is_exact(), "private_hosts", format!("a host is named in full here, not {host}"));
        }
        check(!self.methods.is_empty(), "methods", "at least one".to_owned());
        for method in &self.methods {
            let is_method = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"].contains(&method.as_str());
            check(is_method, "methods", format!("GET, HEAD, POST, PUT, PATCH, DELETE or OPTIONS, not {method:?}"));
        }
        for (key, names) in [("request_headers", &self.request_headers), ("response_headers", &self.response_headers)] {
            for name in names {
                check(is_header(name), key, format!("no name of a header in small letters: {name:?}"));
            }
        }
        for name in self.request_headers.iter().chain(self.fixed_headers.keys()) {
            check(!OURS.contains(&name.as_str()), "request_headers", format!("{name} is set by the agent itself"));
        }
        for status in &self.accept {
            check((300..=599).contains(status), "accept", format!("300 to 599, not {status}"));
        }
        let time = humantime::format_duration(self.timeout);
        let in_range = (Duration::from_millis(1)..=TIMEOUT_MAX).contains(&self.timeout);
        check(in_range, "timeout", format!("1ms to 1h, not {time}"));
        let redirects = self.redirects_max;
        check(redirects <= REDIRECTS_MAX, "redirects_max", format!("0 to {REDIRECTS_MAX}, not {redirects}"));
        for (key, bytes) in [("request_max", self.request_bytes_max), ("response_max", self.response_bytes_max)] {
            check(bytes <= BODY_BYTES_MAX, key, format!("0B to 16MiB, not {bytes} bytes"));
        }
        faults
    }

    /// The fixed headers with their values, which are marked as secrets: no debug output shows them.
    pub(super) fn fixed_headers(&self, faults: &mut Vec<Fault>) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in &self.fixed_headers {
            let key = format!("fixed_headers.{name}");
            let text = match value {
                HeaderValue::Fixed(text) => text.clone(),
                HeaderValue::Environment(variable) => match std::env::var(variable) {
                    Ok(text) => text,
                    Err(_) => {
                        faults.push(Fault::new(key, format!("the environment has no variable {variable}")));
                        continue;
                    }
                },
            };
            match (name.parse::<HeaderName>(), header::HeaderValue::from_str(&text)) {
                (Ok(header), Ok(mut value)) if is_header(name) => {
                    value.set_sensitive(true);
                    headers.insert(header, value);
                }
                (_, Err(_)) => faults.push(Fault::new(key, "the value has characters that no header may have")),
                _ => faults.push(Fault::new(key, "no name of a header in small letters")),
            }
        }
        headers
    }
}

fn is_header(name: &str) -> bool {
    name.parse::<HeaderName>().is_ok_and(|parsed| parsed.as_str() == name)
}
