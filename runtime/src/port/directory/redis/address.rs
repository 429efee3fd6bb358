//! Where a Redis is: the forms of its URL.

use std::fmt;

/// A Redis, as its URL tells it.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Address {
    pub(super) topology: Topology,
    pub(super) transport: Transport,
    /// Each `HOST:PORT`, an IPv6 host in brackets; at least one.
    pub(super) hosts: Vec<String>,
    /// `USER:PASSWORD`, escaped as in the URL.
    credentials: Option<String>,
    database: u16,
}

/// What the hosts are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Topology {
    /// One server.
    Server,
    /// Sentinels, which know the server that is the master of this name.
    Sentinel { master: String },
    /// Some servers of a cluster.
    Cluster,
}

/// How bytes get there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Transport {
    Tcp,
    Tls,
}

impl Address {
    /// Reads a URL.
    ///
    /// # Errors
    ///
    /// What is wrong with it, without its secrets.
    pub(super) fn read(url: &str) -> Result<Self, String> {
        let (scheme, rest) = url.split_once("://").ok_or(FORMS)?;
        if rest.contains(['?', '#']) {
            return Err("nothing follows the database of a redis URL; escape ? as %3F and # as %23".to_owned());
        }
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let (credentials, hosts) = match authority.rsplit_once('@') {
            Some((credentials, hosts)) => (Some(credentials.to_owned()), hosts),
            None => (None, authority),
        };
        let (topology, database) = topology(scheme, path)?;
        let port = if matches!(topology, Topology::Sentinel { .. }) { 26379 } else { 6379 };
        let hosts = hosts.split(',').map(|host| with_port(host, port)).collect::<Result<Vec<_>, _>>()?;
        if topology == Topology::Server && hosts.len() > 1 {
            return Err("redis:// names one host; several are redis+sentinel:// or redis+cluster://".to_owned());
        }
        let transport = if scheme.starts_with("rediss") { Transport::Tls } else { Transport::Tcp };
        Ok(Self { topology, transport, hosts, credentials, database })
    }

    /// The hosts as URLs of single servers. Sentinels are asked without credentials.
    pub(super) fn urls(&self) -> Vec<String> {
        match self.topology {
            Topology::Sentinel { .. } => self.hosts.iter().map(|host| format!("{}://{host}", self.scheme())).collect(),
            Topology::Server | Topology::Cluster => self.hosts.iter().map(|host| self.url_of(host)).collect(),
        }
    }

    /// The URL of the one server, or of a master as if it were where the first Sentinel is.
    pub(super) fn url(&self) -> String {
        self.url_of(&self.hosts[0])
    }

    fn url_of(&self, host: &str) -> String {
        let credentials = self.credentials.as_deref().map(|secret| format!("{secret}@")).unwrap_or_default();
        format!("{}://{credentials}{host}/{}", self.scheme(), self.database)
    }

    fn scheme(&self) -> &'static str {
        match self.transport {
            Transport::Tcp => "redis",
            Transport::Tls => "rediss",
        }
    }
}

const FORMS: &str = "a directory is redis://HOST:PORT/DATABASE, redis+sentinel://HOST,HOST/MASTER/DATABASE or \
                     redis+cluster://HOST,HOST, or the same with rediss for TLS";

/// What the scheme says that the hosts are, and the database that the path names.
fn topology(scheme: &str, path: &str) -> Result<(Topology, u16), String> {
    let (topology, database) = match scheme {
        "redis" | "rediss" => (Topology::Server, path),
        "redis+cluster" | "rediss+cluster" => (Topology::Cluster, path),
        "redis+sentinel" | "rediss+sentinel" => {
            let (master, database) = path.split_once('/').unwrap_or((path, ""));
            if master.is_empty() {
                return Err(
                    "redis+sentinel:// names a master after its hosts, as in redis+sentinel://HOST,HOST/MASTER"
                        .to_owned(),
                );
            }
            (Topology::Sentinel { master: master.to_owned() }, database)
        }
        _ => return Err(FORMS.to_owned()),
    };
    let number = match database {
        "" => 0,
        number => number.parse().map_err(|_| format!("the database of Redis is a number, not {number:?}"))?,
    };
    if topology == Topology::Cluster && number != 0 {
        return Err(format!("a cluster of Redis has the database 0 alone, not {number}"));
    }
    Ok((topology, number))
}

fn with_port(host: &str, default: u16) -> Result<String, String> {
    // The colons of an IPv6 address are in brackets.
    let (name, port) = match host.rsplit_once(':').filter(|(_, port)| !port.contains(']')) {
        Some((name, port)) => (name, port.parse().unwrap_or(0)),
        None => (host, default),
    };
    if name.is_empty() || name.contains(char::is_whitespace) || port == 0 {
        return Err(format!("a host is HOST or HOST:PORT with a port of 1 to 65535, not {host:?}"));
    }
    Ok(format!("{name}:{port}"))
}

impl fmt::Display for Address {
    /// The hosts, without secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.topology {
            Topology::Server | Topology::Cluster => f.write_str(&self.hosts.join(",")),
            Topology::Sentinel { master } => {
                write!(f, "the master {master:?} of the Sentinels {}", self.hosts.join(","))
            }
        }
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self} over {:?}", self.transport)
    }
}
