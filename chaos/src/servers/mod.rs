//! RabbitMQ, Redis and an S3 server, started and stopped by process id.
//!
//! Each is a real server as a process of our own, on free ports of 127.0.0.1, with its data and its log in a folder that
//! the caller gives. It ends when it is dropped, and when this process ends in another way.

mod certificate;
mod error;
mod guard;
mod port;
mod process;
mod program;
mod rabbitmq;
mod radosgw;
mod redis;
mod shared;

pub use certificate::Certificate;
pub use error::Error;
pub(crate) use port::free as free_port;
#[cfg(feature = "suite")]
pub(crate) use process::Process;
pub use rabbitmq::{Alarm, RabbitMq, RabbitMqCluster, RabbitMqOptions};
pub use radosgw::{Key, RadosGw, RadosGwOptions, Response, Versioning};
pub use redis::{Redis, RedisCluster, RedisOptions, Reply, Sentinel};
pub use shared::{Running, S3, Service, down, running, status, up};
