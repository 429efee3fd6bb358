//! TLS, as far as it is ours: the cryptography, and whom to trust.

use super::address::{Address, Topology, Transport};
use deadpool_redis::redis::{Client, ConnectionInfo, IntoConnectionInfo, TlsCertificates};
use std::path::Path;

/// Has rustls know its cryptography, unless the process has chosen for itself.
pub(super) fn choose_cryptography() {
    let _chosen = rustls::crypto::aws_lc_rs::default_provider().install_default();
}

/// How the one server of this address is connected to, if only the authorities of a file are trusted.
///
/// # Errors
///
/// Why the file can not serve, in words.
pub(super) fn trusting(address: &Address, authorities: &Path) -> Result<ConnectionInfo, String> {
    let shown = authorities.display();
    if address.transport == Transport::Tcp {
        return Err(format!(
            "there are authorities to trust, {shown}, and no TLS: write rediss instead of redis, or leave them out"
        ));
    }
    if address.topology != Topology::Server {
        return Err(format!(
            "Sentinels and clusters are trusted as the system says: set SSL_CERT_FILE to {shown} instead"
        ));
    }
    let pem = std::fs::read(authorities)
        .map_err(|error| format!("the authorities to trust can not be read from {shown}: {error}"))?;
    let certificates = TlsCertificates { client_tls: None, root_cert: Some(pem) };
    let client = address.url().into_connection_info().and_then(|info| Client::build_with_tls(info, certificates));
    client
        .map(|client| client.get_connection_info().clone())
        .map_err(|error| format!("{shown} has no authorities to trust in PEM: {error}"))
}
