//! What somebody outside looks after, through whichever process is up.

use crate::deeds::Deeds;
use callboard::prelude::*;
use futures::future::BoxFuture;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::time::{sleep, timeout};

/// Longer than a node that answers at all takes to answer.
pub(crate) const PATIENCE: Duration = Duration::from_secs(8);
/// The pause before what has come to nothing is tried again.
pub(crate) const AGAIN: Duration = Duration::from_millis(200);

/// A run, or a schedule.
pub trait Matter: Send + Sync {
    /// What has been found out about it.
    fn findings(&self) -> &Findings;

    /// What is known of it, for somebody who wonders why it does not end.
    fn status(&self) -> String;

    /// Looks after it through a node, for as long as that helps.
    fn look_after(self: Arc<Self>, board: Callboard, deeds: Deeds) -> BoxFuture<'static, ()>;
}

/// What has been found out about a matter.
#[derive(Debug, Default)]
pub struct Findings {
    is_done: AtomicBool,
    breaches: Mutex<Vec<String>>,
}

impl Findings {
    /// Whether nobody needs to look after it any more.
    pub fn are_done(&self) -> bool {
        self.is_done.load(Ordering::SeqCst)
    }

    /// Nobody needs to look after it any more.
    pub fn done(&self) {
        self.is_done.store(true, Ordering::SeqCst);
    }

    /// What of it is not as it should be.
    pub fn breaches(&self) -> Vec<String> {
        self.breaches.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Notes what is not as it should be.
    pub fn breach(&self, what: String) {
        self.breaches.lock().unwrap_or_else(PoisonError::into_inner).push(what);
    }
}

/// Asks again and again until there is an answer that another try would not change.
pub(crate) async fn insisted<T, F>(mut ask: impl FnMut() -> F) -> Result<T>
where
    F: Future<Output = Result<T>>,
{
    loop {
        match timeout(PATIENCE, ask()).await {
            Ok(Err(error)) if matches!(error.kind(), ErrorKind::Unavailable | ErrorKind::Unknown) => {}
            Ok(answer) => return answer,
            Err(_elapsed) => {}
        }
        sleep(AGAIN).await;
    }
}
