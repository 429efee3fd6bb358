//! The root object of a name space: what is fixed when it is created.

use crate::port::store::{self, Store};
use crate::{Error, ErrorKind, Result};
use serde::{Deserialize, Serialize};
use std::time::Duration;
use uuid::Uuid;

/// The version of the layout that this release writes and knows.
const FORMAT: u32 = 1;
/// How often an unclear answer is asked about again, and the pause between.
const TRIES: u32 = 5;
const PAUSE: Duration = Duration::from_millis(100);

/// What is fixed when a name space is created.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Root {
    /// The version of the layout.
    pub(crate) format: u32,
    /// The identity of the name space.
    pub(crate) id: Uuid,
    /// Into how many partitions its runs are divided.
    pub(crate) partitions: u16,
}

/// Reads the root of `namespace`, or creates it with `partitions`. Whoever creates it first decides.
pub(crate) async fn open(store: &dyn Store, namespace: &str, partitions: u16) -> Result<Root> {
    let name = format!("{namespace}/root");
    let ours = Root { format: FORMAT, id: crate::chance::id(), partitions };
    let bytes: bytes::Bytes = serde_json::to_vec(&ours).map_err(|error| corrupt(&name, &error))?.into();
    let mut last = None;
    for _ in 0..TRIES {
        match store.get(&name).await {
            Ok(Some(found)) => return read(&name, &found),
            Ok(None) => match store.create(&name, bytes.clone()).await {
                Ok(_) => continue, // what is there now is what counts
                Err(error @ store::Error::Refused { .. }) => return Err(away(error)),
                Err(error) => last = Some(error),
            },
            Err(error) => last = Some(error),
        }
        tokio::time::sleep(PAUSE).await;
    }
    let silent = store::Error::Unclear { reason: "the root object does not appear".into() };
    Err(away(last.unwrap_or(silent)))
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
