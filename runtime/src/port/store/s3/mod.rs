//! The store on S3, or on any server that speaks its protocol and keeps the [contract](super).
//!
//! A create is one put with `If-None-Match: *`. It is sent once: with the SDK's own retries a create whose answer was lost
//! would be told that its name is taken, by itself. What may have reached the server and was not answered plainly is
//! [`Error::Unclear`], and the journal looks at what is there. Reads and deletes are tried up to three times.
//!
//! | | requests |
//! |---|---|
//! | create | 1 put; after 409, which says that another create of the name is under way, up to 3 more of the same bytes |
//! | get | 1 get |
//! | list | 1 list for each 1,000 names |
//! | delete | 1 delete |

mod bucket;
mod client;
mod error;
mod options;

use super::{Create, Error, Store, name};
use aws_sdk_s3::primitives::ByteStream;
use bytes::Bytes;
use client::Clients;
use error::Seen;
use futures::FutureExt;
use futures::future::BoxFuture;
use std::time::Duration;
use tokio::time::{sleep, timeout};

pub use error::ConnectError;
pub use options::{S3Credentials, S3Options};

/// So often a create is sent again that met another of its name.
const CONFLICTS_MAX: u32 = 3;
/// The pause before each of them.
const CONFLICT_PAUSE: Duration = Duration::from_millis(50);
/// A large object may take so many times the limit of a request until its last byte is there.
const BODY_TIMES: u32 = 4;

/// A bucket, or a part of one.
#[derive(Debug)]
pub struct S3Store {
    clients: Clients,
    options: S3Options,
}

impl S3Store {
    /// Connects to a bucket, after a look at whether it is there, lets us in, keeps no versions and deletes nothing by its
    /// age. Whether the server keeps the contract is what [`probe`](super::probe::probe) looks at.
    ///
    /// # Errors
    ///
    /// [`ConnectError`], with what was seen and what to do.
    pub async fn connect(options: S3Options) -> Result<Self, ConnectError> {
        let clients = Clients::of(&options).await?;
        bucket::examine(&clients, &options).await?;
        Ok(Self { clients, options })
    }

    async fn put_once(&self, name: &str, bytes: Bytes) -> Result<Create, Seen> {
        let put = self.clients.create.put_object().bucket(&self.options.bucket).key(self.options.key(name));
        match put.if_none_match("*").body(ByteStream::from(bytes)).send().await {
            Ok(_) => Ok(Create::Created),
            Err(error) => {
                let seen = Seen::of(&error);
                if seen.status == Some(412) { Ok(Create::Exists) } else { Err(seen) }
            }
        }
    }

    async fn get_all(&self, name: &str) -> Result<Option<Bytes>, Error> {
        let get = self.clients.ask.get_object().bucket(&self.options.bucket).key(self.options.key(name));
        let found = match get.send().await {
            Ok(found) => found,
            Err(error) => {
                let seen = Seen::of(&error);
                // A bucket that is gone is no empty one.
                return if seen.is("NoSuchKey") { Ok(None) } else { Err(seen.into_error()) };
            }
        };
        let promised = found.content_length();
        let unclear = |reason: String| Error::Unclear { reason };
        let body = found.body.collect().await.map_err(|error| unclear(format!("{name} was cut short: {error}")))?;
        let bytes = body.into_bytes();
        match promised.and_then(|length| u64::try_from(length).ok()) {
            Some(length) if length != bytes.len() as u64 => {
                Err(unclear(format!("{name} has {length} bytes, and {} came", bytes.len())))
            }
            _ => Ok(Some(bytes)),
        }
    }

    async fn list_all(&self, prefix: &str, after: &str) -> Result<Vec<String>, Error> {
        let list = self.clients.ask.list_objects_v2().bucket(&self.options.bucket).prefix(self.options.key(prefix));
        let list = if after.is_empty() { list } else { list.start_after(self.options.key(after)) };
        let (mut names, mut next) = (Vec::new(), None);
        loop {
            let page = list.clone().set_continuation_token(next.take()).send().await;
            let page = page.map_err(|error| Seen::of(&error).into_error())?;
            let keys = page.contents().iter().filter_map(|object| object.key());
            names.extend(keys.filter_map(|key| self.options.name(key)).map(str::to_owned));
            next = page.next_continuation_token().map(str::to_owned);
            if next.is_none() && page.is_truncated() == Some(true) {
                return Err(Error::Unclear { reason: "a list ends in the middle, and does not say how it goes on".into() });
            }
            if next.is_none() {
                break;
            }
        }
        // The protocol promises the order of bytes, and some servers have another.
        names.sort_unstable();
        Ok(names)
    }
}

impl Store for S3Store {
    fn create<'a>(&'a self, name: &'a str, bytes: Bytes) -> BoxFuture<'a, Result<Create, Error>> {
        async move {
            name::check(name)?;
            for _ in 0..CONFLICTS_MAX {
                match self.put_once(name, bytes.clone()).await {
                    Err(Seen { status: Some(409), .. }) => sleep(CONFLICT_PAUSE).await,
                    told => return told.map_err(Seen::into_error),
                }
            }
            self.put_once(name, bytes).await.map_err(Seen::into_error)
        }
        .boxed()
    }

    fn get<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Option<Bytes>, Error>> {
        async move {
            name::check(name)?;
            let limit = self.options.timeout * BODY_TIMES;
            let late = |_| Error::Unclear { reason: format!("{name} did not come within {limit:?}") };
            timeout(limit, self.get_all(name)).await.map_err(late)?
        }
        .boxed()
    }

    fn list<'a>(&'a self, prefix: &'a str, after: &'a str) -> BoxFuture<'a, Result<Vec<String>, Error>> {
        self.list_all(prefix, after).boxed()
    }

    fn delete<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<(), Error>> {
        async move {
            name::check(name)?;
            let delete = self.clients.ask.delete_object().bucket(&self.options.bucket).key(self.options.key(name));
            match delete.send().await {
                Ok(_) => Ok(()),
                Err(error) => {
                    let seen = Seen::of(&error);
                    if seen.is("NoSuchKey") { Ok(()) } else { Err(seen.into_error()) }
                }
            }
        }
        .boxed()
    }
}
