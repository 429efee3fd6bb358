//! The store on S3: any server that answers `PUT` with `If-None-Match: *` exactly.
//!
//! An object is one object of the bucket, its key the name below a prefix. A create is a single `PUT` that the
//! server carries out only if the key is free; nothing else is used for coordination.
//!
//! # How answers are told apart
//!
//! - What changes something is sent **once**: a second request behind the caller's back turns its own success into
//!   "exists", and a refusal of the second says nothing about the first. What only looks is sent up to three times.
//! - A create is `Created` by a 200 with an `ETag` and `Exists` by a 412. A 409 has to be sent again (S3 says so), with
//!   the same bytes, a few times. It is `Refused` only by words of the server that leave no doubt (wrong key, no such
//!   bucket, malformed request). All else is `Unclear`: 5xx, a timeout, a cut or refused connection, an answer that is
//!   none of S3's. A refused connection might be called `Refused`, but is a server that comes back: whoever is told
//!   `Unclear` tries again, whoever is told `Refused` gives up.
//! - A free name is a 404 that says `NoSuchKey`. Any other 404 is none: a bucket that is gone must not look like an
//!   empty journal.
//! - A body has exactly the length that its header names, and a page of a list the number of keys that it names, in
//!   order. What is cut short is `Unclear`, never short.
//!
//! # Limits
//!
//! - A list of more than a page (1,000 names) shows every name that was there throughout, and is not one moment: each
//!   page is one of its own, in order, so what is created at the end while the first is read is still seen.
//! - An object has at most 5 GB, and less by the options. A large one has more time, by its size.
//! - Keys below the prefix that are not names of ours are not shown.
//! - A success of a delete has nothing in it by which to tell S3 from something between: it is believed.
//! - A versioned bucket, and one that expires or moves objects by itself, is refused when connecting: on some servers
//!   the condition does not exclude in the former, and the latter takes what was promised to stay.

mod answer;
mod bucket;
mod client;
mod connect;
mod key;
mod options;
#[cfg(test)]
mod tests;

use std::fmt;
use std::time::Duration;

use aws_sdk_s3::Client;
use aws_sdk_s3::operation::get_object::GetObjectOutput;
use aws_sdk_s3::operation::list_objects_v2::ListObjectsV2Output;
use aws_sdk_s3::primitives::ByteStream;
use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;
use tokio::time::Instant;

pub use self::connect::ConnectError;
pub use self::options::{Addressing, S3Key, S3Options, UrlError};

use self::answer::Failure;
use self::key::Keys;
use super::{Create, Error, Store, name};

/// So often a create that met another one (409) is sent again, after 20 ms and twice as long each time.
const CONFLICTS_MAX: u32 = 4;
const CONFLICT_WAIT: Duration = Duration::from_millis(20);
/// What a connection carries at the very least; an object has so much more time.
const BYTES_PER_SECOND_MIN: usize = 1 << 20;

/// Objects of a bucket. See the module for what its answers mean.
///
/// A clone is the same store. Dropping a returned future closes the request's connection.
#[derive(Clone)]
pub struct S3Store {
    // The SDK's futures have some 15 kB each: they are boxed where they are made.
    /// Sends a request once.
    once: Client,
    /// Sends a request up to three times.
    again: Client,
    keys: Keys,
    bucket: String,
    object_bytes_max: usize,
    write_timeout: Duration,
    read_timeout: Duration,
}

impl fmt::Debug for S3Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("S3Store").field("bucket", &self.bucket).field("keys", &self.keys).finish_non_exhaustive()
    }
}

impl S3Store {
    /// Finds credentials and server, and looks whether the bucket is fit: that it is there, that it may be listed, that
    /// it keeps no versions and takes nothing away by itself. Writes nothing; whether the server keeps the contract is
    /// for the [`probe`](super::probe) to ask. A server that does not say whether a bucket has versions or rules is
    /// taken, with a line in the log.
    ///
    /// # Errors
    ///
    /// [`ConnectError`] with what to do about it, within [`S3Options::connect_timeout`].
    pub async fn connect(options: S3Options) -> Result<Self, ConnectError> {
        connect::connect(options).await
    }

    async fn create_key(&self, key: &str, bytes: Bytes) -> Result<Create, Error> {
        let mut conflicts = 0;
        loop {
            match self.put(key, bytes.clone()).await {
                Ok(create) => return Ok(create),
                Err(failure) if failure.is_conflict() && conflicts < CONFLICTS_MAX => {
                    tokio::time::sleep(CONFLICT_WAIT * 2_u32.pow(conflicts)).await;
                    conflicts += 1;
                }
                // What was sent before the refused one may have been carried out.
                Err(failure) if conflicts > 0 => return Err(failure.unclear()),
                Err(failure) => return Err(failure.error()),
            }
        }
    }

    async fn put(&self, key: &str, bytes: Bytes) -> Result<Create, Failure> {
        let put = self.once.put_object().bucket(&self.bucket).key(key).if_none_match("*");
        match put.body(ByteStream::from(bytes)).send().boxed().await.map_err(Failure::from) {
            Ok(stored) if stored.e_tag().is_some() => Ok(Create::Created),
            Ok(_) => Err(Failure::strange("a success without an ETag is no answer of S3")),
            Err(failure) if failure.is_precondition_failed() => Ok(Create::Exists),
            Err(failure) => Err(failure),
        }
    }

    async fn get_key(&self, key: &str) -> Result<Option<Bytes>, Error> {
        let began = Instant::now();
        match within(self.read_timeout, self.object(key)).await? {
            Some(object) => self.body(object, began).await.map(Some),
            None => Ok(None),
        }
    }

    async fn object(&self, key: &str) -> Result<Option<GetObjectOutput>, Error> {
        match self.again.get_object().bucket(&self.bucket).key(key).send().boxed().await.map_err(Failure::from) {
            Ok(object) => Ok(Some(object)),
            Err(failure) if failure.is_no_such_key() => Ok(None),
            Err(failure) => Err(failure.error()),
        }
    }

    /// All of an object that was asked for at `began`, or nothing.
    async fn body(&self, object: GetObjectOutput, began: Instant) -> Result<Bytes, Error> {
        if object.e_tag().is_none() {
            return Err(Failure::strange("an object without an ETag").unclear());
        }
        let Some(length) = object.content_length().and_then(|length| usize::try_from(length).ok()) else {
            return Err(Failure::strange("an object without a length").unclear());
        };
        self.admit(length)?;
        let body = object.body.collect().map(|body| body.map_err(|error| Failure::cut(&error).unclear()));
        let bytes = ends(began, self.read_timeout + transfer(length), body).await?.into_bytes();
        if bytes.len() != length {
            let saw = format!("{} bytes of an object of {length}", bytes.len());
            return Err(Failure::strange(&saw).unclear());
        }
        Ok(bytes)
    }

    async fn list_keys(&self, prefix: &str, after: &str) -> Result<Vec<String>, Error> {
        let mut names = Vec::new();
        let Some(mut after) = self.keys.start(prefix, after) else { return Ok(names) };
        let prefix = self.keys.of(prefix);
        loop {
            let page = within(self.read_timeout, self.page(&prefix, after.as_deref())).await?;
            let more = page.is_truncated() == Some(true);
            let keys = key::in_order(page, &prefix, after.as_deref())?;
            names.extend(keys.iter().filter_map(|key| self.keys.name(key)));
            match keys.into_iter().next_back() {
                Some(last) if more => after = Some(last),
                None if more => return Err(Failure::strange("a page without a key, and more to come").unclear()),
                _ => return Ok(names),
            }
        }
    }

    async fn page(&self, prefix: &str, after: Option<&str>) -> Result<ListObjectsV2Output, Error> {
        let page = self.again.list_objects_v2().bucket(&self.bucket).prefix(prefix);
        let page = page.set_start_after(after.map(str::to_owned));
        page.send().boxed().await.map_err(|error| Failure::from(error).error())
    }

    async fn delete_key(&self, key: &str) -> Result<(), Error> {
        match self.once.delete_object().bucket(&self.bucket).key(key).send().boxed().await.map_err(Failure::from) {
            Ok(_) => Ok(()),
            Err(failure) if failure.is_no_such_key() => Ok(()),
            Err(failure) => Err(failure.error()),
        }
    }

    fn admit(&self, bytes: usize) -> Result<(), Error> {
        if bytes <= self.object_bytes_max {
            return Ok(());
        }
        let max = self.object_bytes_max;
        Err(Error::Refused { reason: format!("an object of {bytes} bytes is larger than the limit of {max}") })
    }
}

impl Store for S3Store {
    fn create<'a>(&'a self, name: &'a str, bytes: Bytes) -> BoxFuture<'a, Result<Create, Error>> {
        async move {
            name::check(name)?;
            self.admit(bytes.len())?;
            let limit = self.write_timeout + transfer(bytes.len());
            within(limit, self.create_key(&self.keys.of(name), bytes)).await
        }
        .boxed()
    }

    fn get<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Option<Bytes>, Error>> {
        async move {
            name::check(name)?;
            self.get_key(&self.keys.of(name)).await
        }
        .boxed()
    }

    fn list<'a>(&'a self, prefix: &'a str, after: &'a str) -> BoxFuture<'a, Result<Vec<String>, Error>> {
        self.list_keys(prefix, after).boxed()
    }

    fn delete<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<(), Error>> {
        async move {
            name::check(name)?;
            within(self.write_timeout, self.delete_key(&self.keys.of(name))).await
        }
        .boxed()
    }
}

/// The time that so many bytes may take on the way.
fn transfer(bytes: usize) -> Duration {
    Duration::from_secs((bytes / BYTES_PER_SECOND_MIN) as u64)
}

/// An answer in time from now, or an unclear one.
async fn within<T>(limit: Duration, answer: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    ends(Instant::now(), limit, answer).await
}

/// An answer in time from `began`, or an unclear one.
async fn ends<T>(began: Instant, limit: Duration, answer: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    let late = |_| Err(Error::Unclear { reason: format!("no answer within {limit:?}") });
    tokio::time::timeout_at(began + limit, answer).await.unwrap_or_else(late)
}
