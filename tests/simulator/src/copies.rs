//! Copies of a name space that are made while it is used: each that was finished is sound, and the last one leads to the same.

use callboard::backup::NameSpace;
use callboard::port::store::{MemoryStore, Store};
use callboard::{ErrorKind, Result, Settings};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// One place to which copies are made, one after the other, each by a process that may die of it.
#[derive(Clone, Default)]
pub struct Copies {
    target: MemoryStore,
    breaches: Arc<Mutex<Vec<String>>>,
}

impl Copies {
    /// Copies what is in this store, as the process sees it.
    pub async fn add(&self, source: Arc<dyn Store>, settings: &Settings) {
        match self.copied(source, settings).await {
            Ok(()) => {}
            // Nobody has made a name space yet, or nobody answers.
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::Unavailable) => {}
            Err(error) => self.breach(format!("it can not be copied: {error:#}")),
        }
    }

    async fn copied(&self, source: Arc<dyn Store>, settings: &Settings) -> Result<()> {
        let source = NameSpace::in_store(source, settings).await?;
        let _copied = source.copy_to(Arc::new(self.target.clone()), &BTreeMap::new()).await?;
        // It is sound, whatever has come of copies before that were not finished.
        NameSpace::in_store(Arc::new(self.target.clone()), settings).await?.verify().await?.ok()
    }

    /// What must not be, when the source has come to rest: it is copied once more, checked, and restored.
    ///
    /// # Errors
    /// Any of that can not be done.
    pub async fn end(&self, source: Arc<dyn Store>, settings: &Settings) -> Result<Vec<String>> {
        self.copied(source.clone(), settings).await?;
        let source = NameSpace::in_store(source, settings).await?.verify().await?;
        source.ok()?;
        let copy = NameSpace::in_store(Arc::new(self.target.clone()), settings).await?;
        let restored: Arc<dyn Store> = Arc::new(MemoryStore::new());
        copy.restore_to(restored.clone()).await?;
        let restored = NameSpace::in_store(restored, settings).await?.verify().await?;
        restored.ok()?;
        let mut breaches = self.breaches.lock().unwrap_or_else(PoisonError::into_inner).clone();
        for (name, other) in [("copy", copy.verify().await?), ("restored", restored)] {
            let pairs = source.partitions.iter().zip(&other.partitions);
            for (source, other) in pairs.filter(|(source, other)| source.hash != other.hash) {
                breaches.push(format!("{source:?} is {other:?} in the {name}"));
            }
        }
        Ok(breaches)
    }

    fn breach(&self, what: String) {
        self.breaches.lock().unwrap_or_else(PoisonError::into_inner).push(what);
    }
}
