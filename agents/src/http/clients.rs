//! The two clients: one that may connect to public addresses only, and one for what the operator has named in full.

#[cfg(test)]
mod tests;

use super::address::is_public;
use super::settings::HttpSettings;
use super::trouble::shown;
use callboard::{Error, Result};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::{Client, Url, redirect, retry};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

#[derive(Debug)]
pub(super) struct Clients {
    public: Client,
    private: Client,
}

impl Clients {
    pub(super) fn new(settings: &HttpSettings) -> Result<Self, reqwest::Error> {
        let is_secure = settings.hosts.iter().chain(&settings.private_hosts).any(|host| host.is_secure());
        let client = |reach| {
            let client = Client::builder()
                .no_proxy()
                .redirect(redirect::Policy::none())
                .retry(retry::never())
                .referer(false)
                .user_agent(concat!("callboard/", env!("CARGO_PKG_VERSION")))
                .dns_resolver(Arc::new(Resolver(reach)));
            // A machine without certificates can still be asked to speak to its own services.
            if is_secure { client } else { client.tls_certs_only([]) }.build()
        };
        Ok(Self { public: client(Reach::Public)?, private: client(Reach::Everything)? })
    }

    /// The client for this URL, if it is one of those that may be asked.
    pub(super) fn of(&self, url: &Url, settings: &HttpSettings) -> Result<&Client> {
        if settings.private_hosts.iter().any(|host| host.allows(url)) {
            return Ok(&self.private);
        }
        if !settings.hosts.iter().any(|host| host.allows(url)) {
            return Err(Error::terminal(format!("{} is none of the allowed hosts", shown(url))));
        }
        // An address is connected to without asking the resolver.
        match literal(url) {
            Some(address) if !is_public(address) => Err(Error::terminal(PrivateAddress(shown(url)).to_string())),
            _ => Ok(&self.public),
        }
    }
}

fn literal(url: &Url) -> Option<IpAddr> {
    url.host_str()?.trim_start_matches('[').trim_end_matches(']').parse().ok()
}

/// Which addresses may be connected to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reach {
    Public,
    Everything,
}

#[derive(Debug)]
struct Resolver(Reach);

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let reach = self.0;
        Box::pin(async move {
            let found: Vec<_> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            Ok(Box::new(reachable(reach, name.as_str(), found)?.into_iter()) as Addrs)
        })
    }
}

fn reachable(reach: Reach, name: &str, mut found: Vec<SocketAddr>) -> Result<Vec<SocketAddr>, PrivateAddress> {
    if reach == Reach::Public {
        found.retain(|address| is_public(address.ip()));
        if found.is_empty() {
            return Err(PrivateAddress(name.to_owned()));
        }
    }
    Ok(found)
}

/// A host that is not where the world is.
#[derive(Debug, thiserror::Error)]
#[error("{0} has no public address; a private one is for private_hosts only")]
pub(super) struct PrivateAddress(String);
