//! Servers that a port may be joined to.

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

    /// Reads a URL of one of these schemes.
    ///
    /// # Errors
    ///
    /// What it is not, in words.
    pub(super) fn read(url: &str, schemes: &[&str]) -> Result<Self, String> {
        let Some((scheme, rest)) = url.split_once("://").filter(|(scheme, _)| schemes.contains(scheme)) else {
            return Err("it has another form".to_owned());
        };
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
        // The colons of an IPv6 address are in brackets.
        let (name, port) = match host.rsplit_once(':').filter(|(_, port)| !port.contains(']')) {
            Some((name, port)) => (name, port),
            None => (host, "1"),
        };
        if name.is_empty() || rest.contains(|c: char| c.is_whitespace() || c.is_control()) {
            return Err(format!("{scheme}:// is followed by a host, and by no blanks"));
        }
        if port.parse().unwrap_or(0_u16) == 0 {
            return Err(format!("the port of {scheme}:// is 1 to 65535"));
        }
        Ok(Self(url.to_owned()))
    }
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
