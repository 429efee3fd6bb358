//! The root object of a name space: what is fixed when it is created.

use crate::port::store::{self, Store};
use crate::{Error, ErrorKind, Result};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::time::Duration;
use uuid::Uuid;

/// The version of the layout that this release writes and knows.
const FORMAT: u32 = 1;
/// How often an unclear answer is asked about again, and the pause between.
const TRIES: u32 = 5;
const PAUSE: Duration = Duration::from_millis(100);

/// Where a copy says what it is a copy of: a register.
pub(crate) const COPY: &str = "copy";
/// What lies in a store while a name space is restored there.
pub(crate) const RESTORING: &str = "restoring";
/// Where stores are tried out.
const PROBE: &str = "probe/";

/// What is fixed when a name space is created, or restored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Root {
    /// The version of the layout.
    pub(crate) format: u32,
    /// The identity of the name space in this generation.
    pub(crate) id: Uuid,
    /// Into how many partitions its runs are divided.
    pub(crate) partitions: u16,
    /// How often it was restored since it was created.
    #[serde(default, skip_serializing_if = "is_first")]
    pub(crate) generation: u32,
    /// The identity that it had before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) restored_from: Option<Uuid>,
}

fn is_first(generation: &u32) -> bool {
    *generation == 0
}

impl Root {
    /// The object.
    pub(crate) fn to_bytes(&self) -> Result<Bytes> {
        Ok(serde_json::to_vec(self).map_err(|error| corrupt("root", &error))?.into())
    }
}

/// In words.
impl fmt::Display for Root {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of generation {}", self.id, self.generation)
    }
}

/// What the root object of a name space is called.
pub(crate) fn name(namespace: &str) -> String {
    format!("{namespace}/root")
}

/// Reads the root of `namespace`, or creates it with `partitions`. Whoever creates it first decides.
///
/// # Errors
///
/// `Invalid` for a copy, and for objects without a root: what was begun there was not finished.
pub(crate) async fn open(store: &dyn Store, namespace: &str, partitions: u16) -> Result<Root> {
    let ours = Root { format: FORMAT, id: crate::chance::id(), partitions, generation: 0, restored_from: None };
    let bytes = ours.to_bytes()?;
    let mut last = None;
    for _ in 0..TRIES {
        match find(store, namespace).await {
            Ok(Some(root)) => return no_copy(store, namespace).await.map(|()| root),
            Ok(None) => match free(store, namespace).await {
                Ok(true) => match store.create(&name(namespace), bytes.clone()).await {
                    Ok(_) => continue, // what is there now is what counts
                    Err(error @ store::Error::Refused { .. }) => return Err(away(error)),
                    Err(error) => last = Some(away(error)),
                },
                Ok(false) => continue, // somebody was faster
                Err(error) if error.kind() == ErrorKind::Unavailable => last = Some(error),
                Err(error) => return Err(error),
            },
            Err(error) if error.kind() == ErrorKind::Unavailable => last = Some(error),
            Err(error) => return Err(error),
        }
        tokio::time::sleep(PAUSE).await;
    }
    let silent = store::Error::Unclear { reason: "the root object does not appear".into() };
    Err(last.unwrap_or_else(|| away(silent)))
}

/// The root of `namespace`, if there is one.
///
/// # Errors
///
/// `Unavailable` if the store gives no answer, `Corrupt` and `Invalid` for a root that can not be read.
pub(crate) async fn find(store: &dyn Store, namespace: &str) -> Result<Option<Root>> {
    let name = name(namespace);
    let found = store.get(&name).await.map_err(away)?;
    found.map(|bytes| read(&name, &bytes)).transpose()
}

/// Some object of `namespace`, if there is any but what a probe has left.
///
/// # Errors
///
/// `Unavailable` if the store gives no answer.
pub(crate) async fn anything(store: &dyn Store, namespace: &str) -> Result<Option<String>> {
    let (all, probe) = (format!("{namespace}/"), format!("{namespace}/{PROBE}"));
    let names = store.list(&all, "").await.map_err(away)?;
    Ok(names.into_iter().find(|name| !name.starts_with(&probe)))
}

/// Whether `namespace` can be created: there is nothing of it. `false` when somebody else has created it just now.
async fn free(store: &dyn Store, namespace: &str) -> Result<bool> {
    let Some(object) = anything(store, namespace).await? else { return Ok(true) };
    if find(store, namespace).await?.is_some() {
        return Ok(false);
    }
    let message =
        format!("the name space {namespace:?} has objects and no root: a copy or a restoration was not finished");
    let seen = format!("there is {object}, and no {}", name(namespace));
    Err(Error::new(ErrorKind::Invalid, message).because(seen).because("make it again, or choose another store"))
}

/// The root of a copy of `namespace`.
///
/// # Errors
///
/// `NotFound` if there is none, `Invalid` for what is no copy: nodes may be at work in it.
pub(crate) async fn of_copy(store: &dyn Store, namespace: &str) -> Result<Root> {
    let Some(root) = find(store, namespace).await? else {
        let error =
            Error::new(ErrorKind::NotFound, format!("there is no copy of a name space {namespace:?} in this store"));
        return Err(error.because("its root object is missing; a copy that was not finished has none"));
    };
    if no_copy(store, namespace).await.is_ok() {
        let error = Error::invalid(format!("the name space {namespace:?} in this store is no copy"));
        return Err(error.because("nodes may be at work in it: make a copy, and look at that"));
    }
    Ok(root)
}

/// Refuses a copy: what goes on with it would be the second one that goes on with the same work.
async fn no_copy(store: &dyn Store, namespace: &str) -> Result<()> {
    let copy = format!("{namespace}/{COPY}/");
    if store.list(&copy, "").await.map_err(away)?.is_empty() {
        return Ok(());
    }
    let message = format!("the name space {namespace:?} is a copy in this store");
    let advice = "look at it with store.mode = \"read-only\", or restore it into an empty store";
    Err(Error::new(ErrorKind::Invalid, message).because(advice))
}

fn read(name: &str, bytes: &[u8]) -> Result<Root> {
    let root: Root = serde_json::from_slice(bytes).map_err(|error| corrupt(name, &error))?;
    if root.format > FORMAT {
        let message =
            format!("the store has layout {}, newer than {FORMAT}: use the release that wrote it", root.format);
        return Err(Error::new(ErrorKind::Invalid, message));
    }
    if root.partitions == 0 {
        return Err(corrupt(name, &"it says 0 partitions"));
    }
    Ok(root)
}

/// The root object, for `crate::fuzz`.
#[cfg(feature = "test")]
pub(crate) fn fuzz(bytes: &[u8]) {
    if let Ok(root) = read("root", bytes) {
        let written = serde_json::to_vec(&root).expect("a root has a JSON form");
        assert_eq!(read("root", &written).ok(), Some(root));
        crate::fuzz::understood();
    }
}

fn corrupt(name: &str, error: &dyn std::fmt::Display) -> Error {
    Error::new(ErrorKind::Corrupt, format!("the root object {name:?} can not be read")).because(error)
}

fn away(error: store::Error) -> Error {
    Error::new(ErrorKind::Unavailable, "the store can not be used").because(error)
}
