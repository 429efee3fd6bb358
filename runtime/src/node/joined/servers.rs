//! The adapters of real servers, made of the settings.

use crate::{Error, ErrorKind, Result, ServerUrl, Settings};
use std::path::PathBuf;
use std::sync::Arc;

#[cfg(feature = "s3")]
pub(super) async fn s3(settings: &Settings, url: &ServerUrl) -> Result<Arc<dyn crate::port::store::Store>> {
    use crate::port::store::s3::{ConnectError, S3Options, S3Store};
    let mut options = S3Options::from_url(url.with_secrets()).map_err(|error| Error::invalid(error.to_string()))?;
    options.endpoint = said(&settings.store_endpoint).map(Into::into);
    options.region = said(&settings.store_region).map(Into::into);
    options.addressing = settings.store_addressing;
    options.write_timeout = settings.store_timeout;
    options.read_attempt_timeout = settings.store_timeout;
    options.read_timeout = 3 * settings.store_timeout;
    let store = S3Store::connect(options).await.map_err(|error| {
        let kind = match error {
            ConnectError::NoAnswer { .. } | ConnectError::Slow { .. } | ConnectError::Unavailable { .. } => {
                ErrorKind::Unavailable
            }
            ConnectError::NoCredentials { .. } | ConnectError::WrongKey { .. } | ConnectError::Denied { .. } => {
                ErrorKind::Denied
            }
            _ => ErrorKind::Invalid,
        };
        Error::new(kind, "the store can not be used").caused_by(&error)
    })?;
    Ok(Arc::new(store))
}

#[cfg(feature = "rabbitmq")]
pub(super) async fn rabbitmq(settings: &Settings, url: &ServerUrl) -> Result<Arc<dyn crate::port::bus::Bus>> {
    use crate::port::bus::rabbitmq::{RabbitMqBus, RabbitMqOptions};
    let mut options = RabbitMqOptions::new(url.with_secrets());
    options.namespace = settings.namespace.clone();
    options.queues = settings.bus_queues;
    options.ca = said(&settings.bus_ca_file).map(PathBuf::from);
    options.answer = settings.bus_timeout;
    let bus = RabbitMqBus::connect(options).await;
    let bus = bus.map_err(|error| Error::new(ErrorKind::Unavailable, "the bus can not be joined").caused_by(&error))?;
    Ok(Arc::new(bus))
}

#[cfg(feature = "redis")]
pub(super) async fn redis(settings: &Settings, url: &ServerUrl) -> Result<Arc<dyn crate::port::directory::Directory>> {
    use crate::port::directory::redis::{ConnectError, RedisDirectory, RedisOptions};
    let mut options = RedisOptions::new(url.with_secrets(), &settings.namespace);
    options.ca_file = said(&settings.directory_ca_file).map(PathBuf::from);
    options.response = settings.directory_timeout;
    options.call = 2 * settings.directory_timeout;
    let directory = RedisDirectory::connect(options).await.map_err(|error| {
        let kind = match error {
            ConnectError::Away { .. } => ErrorKind::Unavailable,
            ConnectError::Denied { .. } => ErrorKind::Denied,
            _ => ErrorKind::Invalid,
        };
        Error::new(kind, "the directory can not be joined").caused_by(&error)
    })?;
    Ok(Arc::new(directory))
}

/// A text that somebody has set.
fn said(text: &str) -> Option<&str> {
    Some(text).filter(|text| !text.is_empty())
}
