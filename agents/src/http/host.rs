//! Which servers may be asked.

use reqwest::Url;
use std::fmt;
use std::str::FromStr;

/// One entry of an allow-list: `https://api.example.com`, `https://*.example.com:8443`.
///
/// Scheme, host and port must be equal; a port that is left out is that of the scheme. `*.` stands for one or more
/// labels before the rest, which has two labels at least; the rest alone is another host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Host {
    scheme: String,
    name: Name,
    port: u16,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Name {
    Exact(String),
    /// With its leading dot.
    Below(String),
}

/// What is wrong with the text of a [`Host`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a host is written as https://api.example.com or https://*.example.com:8443, {what}: {text:?}")]
pub struct HostFault {
    text: String,
    what: &'static str,
}

impl Host {
    /// Whether a request to `url` is a request to this host.
    pub fn allows(&self, url: &Url) -> bool {
        let host = url.host_str().unwrap_or_default();
        let is_named = match &self.name {
            Name::Exact(name) => name == host,
            Name::Below(suffix) => host.len() > suffix.len() && host.ends_with(suffix.as_str()),
        };
        is_named && self.scheme == url.scheme() && Some(self.port) == url.port_or_known_default()
    }

    /// Whether it is one host, named in full.
    pub fn is_exact(&self) -> bool {
        matches!(self.name, Name::Exact(_))
    }

    /// Whether it is asked over TLS.
    pub fn is_secure(&self) -> bool {
        self.scheme == "https"
    }
}

impl FromStr for Host {
    type Err = HostFault;

    fn from_str(text: &str) -> Result<Self, HostFault> {
        let fault = |what| HostFault { text: text.to_owned(), what };
        let (scheme, rest) = text.split_once("://").ok_or_else(|| fault("with a scheme"))?;
        let (is_below, rest) = rest.strip_prefix("*.").map_or((false, rest), |rest| (true, rest));
        let url = Url::parse(&format!("{scheme}://{rest}")).map_err(|_| fault("which this is not"))?;
        if !["http", "https"].contains(&url.scheme()) {
            return Err(fault("with http or https"));
        }
        let is_bare = url.path() == "/" && url.query().is_none() && url.fragment().is_none() && !rest.ends_with('/');
        if !is_bare || !url.username().is_empty() || url.password().is_some() {
            return Err(fault("without a user, path or query"));
        }
        let host = url.host_str().ok_or_else(|| fault("with a host"))?;
        if host.contains('*') {
            return Err(fault("with a * only as its first label"));
        }
        let port = url.port_or_known_default().ok_or_else(|| fault("with a port"))?;
        let name = match is_below {
            false => Name::Exact(host.to_owned()),
            true if url.domain().is_none() || !host.trim_end_matches('.').contains('.') => {
                return Err(fault("with two labels at least after the *"));
            }
            true => Name::Below(format!(".{host}")),
        };
        Ok(Self { scheme: url.scheme().to_owned(), name, port })
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.name {
            Name::Exact(name) => write!(f, "{}://{name}:{}", self.scheme, self.port),
            Name::Below(suffix) => write!(f, "{}://*{suffix}:{}", self.scheme, self.port),
        }
    }
}
