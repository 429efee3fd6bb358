//! Servers that a port may be joined to.

#[cfg(test)]
mod tests;

use super::units;
use std::fmt;

/// Where a server is: a URL, perhaps with a password in it, which is never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct ServerUrl(String);

impl ServerUrl {
    /// The whole of it, secrets included: for whoever connects, and for nobody else.
    pub fn with_secrets(&self) -> &str {
        &self.0
    }

    /// Reads a URL of one of these schemes. One with a plus, such as `redis+cluster`, is followed by one host or several, and so is that of
    /// RabbitMQ.
    ///
    /// # Errors
    ///
    /// What it is not, in words.
    pub(super) fn read(url: &str, schemes: &[&str]) -> Result<Self, String> {
        let Some((scheme, rest)) = url.split_once("://").filter(|(scheme, _)| schemes.contains(scheme)) else {
            return Err("it has another form".to_owned());
        };
        if rest.contains(|c: char| c.is_whitespace() || c.is_control()) {
            return Err(no_host(scheme));
        }
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        let hosts = authority.rsplit_once('@').map_or(authority, |(_, hosts)| hosts);
        let has_several = scheme.contains('+') || scheme.starts_with("amqp");
        hosts.split(|c| has_several && c == ',').try_for_each(|host| check_host(scheme, host))?;
        Ok(Self(url.to_owned()))
    }
}

fn check_host(scheme: &str, host: &str) -> Result<(), String> {
    // The colons of an IPv6 address are in brackets.
    let (name, port) = match host.rsplit_once(':').filter(|(_, port)| !port.contains(']')) {
        Some((name, port)) => (name, port),
        None => (host, "1"),
    };
    if name.is_empty() {
        return Err(no_host(scheme));
    }
    if port.parse().unwrap_or(0_u16) == 0 {
        return Err(format!("the port of {scheme}:// is 1 to 65535"));
    }
    Ok(())
}

fn no_host(scheme: &str) -> String {
    format!("{scheme}:// is followed by a host, and by no blanks")
}

impl fmt::Display for ServerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&units::without_secrets(&self.0))
    }
}

impl fmt::Debug for ServerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}
