//! Asks servers that the operator has listed, over HTTP/1.1 and TLS (feature `http`).
//!
//! | input | meaning | default |
//! |---|---|---|
//! | `url` | absolute, `http` or `https`, without a user | |
//! | `method` | one of the allowed | `GET` |
//! | `headers` | an object of strings; only allowed names | |
//! | `json` or `text` | the body: any JSON value but `null`, or text | no body |
//!
//! The output is `{"status": 200, "headers": {...}, "body": ...}`. The body is JSON if the answer says so, text if it is
//! UTF-8, and `null` if there is none. Of the headers those are kept that the settings name.
//!
//! | what happens | what becomes of the attempt |
//! |---|---|
//! | 2xx, 304, and what `accept` lists | the answer is the output |
//! | 429 or 503 | retryable, not before `Retry-After` (seconds, or a date relative to the answer's own `Date`; an hour at most) |
//! | 408, 425, other 5xx, no connection, too slow | retryable |
//! | any other status | terminal, with the begin of the body |
//! | host, method or header not allowed, private address, too long, not JSON though it says so, not text | terminal |
//!
//! A retry asks again: methods other than `GET` and `HEAD` may be performed twice by the server, unless the input carries
//! an idempotency key that the server knows.
//!
//! # Where a request can go
//!
//! Every URL, also that of every redirect, must match an entry of `hosts` or `private_hosts` by scheme, host and port. For
//! `hosts` the addresses are checked *after* the name is resolved: loopback, private, link-local, shared, documentation,
//! multicast and reserved addresses are left out, also when they are wrapped in IPv6 (mapped, NAT64, 6to4), and if none is
//! left the request is refused. The connection goes to the very addresses that were checked: a name is not resolved
//! again between the check and the connection, so a server that answers differently the second time (DNS rebinding)
//! gains nothing. An address in the place of the name is checked alike. Proxies of the environment are not used,
//! since a proxy would resolve the name once more. Only the hosts in `private_hosts`, each named in full, may be at any
//! address.
//!
//! On a redirect to another scheme, host or port all headers but `accept` and `content-type` stay behind: they may hold
//! secrets.

mod address;
mod answer;
mod ask;
mod clients;
mod date;
mod host;
mod settings;
#[cfg(test)]
mod tests;
mod trouble;

pub use host::{Host, HostFault};
pub use settings::{HeaderValue, HttpSettings};

use crate::fault::Fault;
use ask::{Ask, Asked};
use callboard::{Error, Json, Result};
use clients::Clients;
use reqwest::{Response, StatusCode, Url, header};

/// Asks servers, as its settings allow.
#[derive(Debug)]
pub struct Http {
    settings: HttpSettings,
    fixed: header::HeaderMap,
    clients: Clients,
}

impl Http {
    /// Checks the settings, reads the variables that they name, and makes the clients.
    ///
    /// # Errors
    ///
    /// Every fault of the settings; one of `hosts` when the system has no certificates to trust and a host needs them.
    pub fn new(settings: HttpSettings) -> Result<Self, Vec<Fault>> {
        let mut faults = settings.faults();
        let fixed = settings.fixed_headers(&mut faults);
        match Clients::new(&settings) {
            Ok(clients) if faults.is_empty() => return Ok(Self { settings, fixed, clients }),
            Ok(_) => {}
            Err(error) => faults.push(Fault::new("hosts", format!("no client can be made: {:#}", Error::from(error)))),
        }
        Err(faults)
    }

    /// Asks once, and follows redirects.
    ///
    /// Dropping the future closes the connection; what the server has begun it may finish.
    ///
    /// # Errors
    ///
    /// As the table of the [module](self) says.
    pub async fn run(&self, input: &Json) -> Result<Json> {
        let asked = Asked::parse(input)?;
        let limit = self.settings.timeout;
        let asking = async {
            let ask = asked.check(&self.settings)?;
            self.follow(ask).await
        };
        tokio::time::timeout(limit, asking).await.unwrap_or_else(|_elapsed| {
            let limit = humantime::format_duration(limit);
            Err(Error::timeout(format!("no answer within timeout, {limit}")))
        })
    }

    async fn follow(&self, mut ask: Ask) -> Result<Json> {
        let origin = ask.url.origin();
        for _ in 0..=self.settings.redirects_max {
            let fixed = (ask.url.origin() == origin).then_some(&self.fixed);
            let response = self.send(&ask, fixed).await?;
            match target(&ask.url, &response) {
                Some(target) if self.settings.redirects_max > 0 => {
                    ask.redirect(response.status(), target?, &self.settings)?
                }
                _ => return answer::answer(&ask, response, &self.settings).await,
            }
        }
        Err(Error::terminal(format!("more redirects than redirects_max, {}", self.settings.redirects_max)))
    }

    async fn send(&self, ask: &Ask, fixed: Option<&header::HeaderMap>) -> Result<Response> {
        let client = self.clients.of(&ask.url, &self.settings)?;
        let mut headers = ask.headers.clone();
        for (name, value) in fixed.into_iter().flatten() {
            headers.insert(name.clone(), value.clone());
        }
        let mut request = client.request(ask.method.clone(), ask.url.clone()).headers(headers);
        if let Some(body) = &ask.body {
            request = request.body(body.clone());
        }
        request.send().await.map_err(|error| trouble::sending(&ask.url, error))
    }
}

/// Where the answer sends us on to, if it does.
fn target(from: &Url, response: &Response) -> Option<Result<Url>> {
    use StatusCode as S;
    let is_redirect = [S::MOVED_PERMANENTLY, S::FOUND, S::SEE_OTHER, S::TEMPORARY_REDIRECT, S::PERMANENT_REDIRECT]
        .contains(&response.status());
    let location = response.headers().get(header::LOCATION).filter(|_| is_redirect)?;
    let url = location.to_str().ok().and_then(|location| from.join(location).ok());
    Some(url.ok_or_else(|| Error::terminal(format!("{} redirects to what is no URL", trouble::shown(from)))))
}
