//! Why there is no connection, in words that say what to do.

use lapin::ErrorKind;
use lapin::protocol::{AMQPErrorKind, AMQPHardError, AMQPSoftError};
use lapin::uri::{AMQPScheme, AMQPUri};
use std::io;
use std::time::Duration;

/// Why there is no connection.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Trouble {
    /// The first attempt is not over.
    #[error("not connected yet")]
    Starting,
    #[error("not connected within {limit:?}")]
    Late { limit: Duration },
    #[error("not a URL such as \"amqp://user:password@host:5672/vhost\": {0}")]
    Url(String),
    #[error("{0}")]
    Namespace(String),
    #[error("the file of trusted certificates can not be read: {0}")]
    Certificates(String),
    #[error("nobody listens there; start RabbitMQ or correct the URL: {place}")]
    Refused { place: String },
    #[error("can not be reached ({seen}): {place}")]
    Unreachable { place: String, seen: String },
    #[error("no answer within {limit:?}: {place}")]
    Silent { place: String, limit: Duration },
    #[error("does not speak AMQP 0-9-1 without TLS ({seen}); is the port right: {place}")]
    NotABroker { place: String, seen: String },
    #[error("TLS failed ({seen}); is the certificate trusted and the port one for TLS: {place}")]
    Tls { place: String, seen: String },
    #[error("the user or the password is wrong: user {user:?} at {place}")]
    Login { place: String, user: String },
    #[error("there is no such virtual host, or {user:?} has no access to it ({said}): {place}")]
    Vhost { place: String, user: String, said: String },
    #[error("the broker refused ({said}): {place}")]
    Said { place: String, said: String },
    #[error("the connection was lost ({seen}): {place}")]
    Lost { place: String, seen: String },
}

impl Trouble {
    /// Whether it may pass by itself. What does not needs other settings.
    pub(super) fn may_pass(&self) -> bool {
        match self {
            Self::Starting
            | Self::Late { .. }
            | Self::Refused { .. }
            | Self::Unreachable { .. }
            | Self::Silent { .. }
            | Self::Lost { .. } => true,
            Self::Url(_)
            | Self::Namespace(_)
            | Self::Certificates(_)
            | Self::NotABroker { .. }
            | Self::Tls { .. }
            | Self::Login { .. }
            | Self::Vhost { .. }
            | Self::Said { .. } => false,
        }
    }

    /// What an error before the connection was there means.
    pub(super) fn of(error: &lapin::Error, uri: &AMQPUri) -> Self {
        let (place, user) = (place(uri), uri.authority.userinfo.username.clone());
        let seen = error.to_string();
        match error.kind() {
            ErrorKind::IOError(error) => Self::of_io(error, uri),
            ErrorKind::ProtocolError(error) => {
                let said = error.get_message().to_string();
                match error.kind() {
                    AMQPErrorKind::Soft(AMQPSoftError::ACCESSREFUSED) => Self::Login { place, user },
                    AMQPErrorKind::Hard(AMQPHardError::NOTALLOWED | AMQPHardError::INVALIDPATH) => {
                        Self::Vhost { place, user, said }
                    }
                    // As a broker does that is about to stop or has just begun.
                    AMQPErrorKind::Hard(AMQPHardError::CONNECTIONFORCED) => Self::Lost { place, seen: said },
                    AMQPErrorKind::Hard(_) | AMQPErrorKind::Soft(_) => Self::Said { place, said },
                }
            }
            ErrorKind::ParsingError(_) | ErrorKind::InvalidProtocolVersion(_) => Self::NotABroker { place, seen },
            _ => Self::Lost { place, seen },
        }
    }

    /// What an error means when our exchanges are declared.
    pub(super) fn of_topology(error: &lapin::Error, uri: &AMQPUri) -> Self {
        match error.kind() {
            ErrorKind::ProtocolError(said) if error.is_amqp_soft_error() => {
                Self::Said { place: place(uri), said: said.get_message().to_string() }
            }
            _ => Self::of(error, uri),
        }
    }

    fn of_io(error: &io::Error, uri: &AMQPUri) -> Self {
        let (place, seen) = (place(uri), error.to_string());
        match (error.kind(), &uri.scheme) {
            (io::ErrorKind::ConnectionRefused, _) => Self::Refused { place },
            (io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput | io::ErrorKind::Other, AMQPScheme::AMQPS) => {
                Self::Tls { place, seen }
            }
            _ => Self::Unreachable { place, seen },
        }
    }
}

/// Where a broker is, without its secrets.
pub(super) fn place(uri: &AMQPUri) -> String {
    let vhost = if uri.vhost == "/" { String::new() } else { format!("/{}", uri.vhost) };
    format!("{}://{}:{}{vhost}", uri.scheme, uri.authority.host, uri.authority.port)
}
