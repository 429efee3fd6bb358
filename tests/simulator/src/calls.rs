//! Tasks that somebody outside calls and waits for, one after the other, each until it has its answer.

use crate::deeds::Deeds;
use crate::matter::{AGAIN, Findings, Matter, PATIENCE};
use crate::program::{Echo, PARROT};
use callboard::prelude::*;
use callboard_core::Json;
use futures::FutureExt;
use futures::future::BoxFuture;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::time::{sleep, timeout};

/// Some of them.
#[derive(Debug)]
pub struct Calls {
    count: u64,
    answered: AtomicU64,
    findings: Findings,
}

impl Calls {
    /// So many.
    pub fn new(count: u64) -> Self {
        Self { count, answered: AtomicU64::new(0), findings: Findings::default() }
    }

    async fn attended(&self, board: &Callboard) {
        loop {
            let number = self.answered.load(Ordering::SeqCst);
            if number >= self.count {
                return self.findings.done();
            }
            let text = format!("call {number}");
            let call = async {
                Ok::<_, Error>(match number % 2 {
                    0 => board.call(Echo { text: text.clone() }).key(text.clone()).await?,
                    _ => {
                        let said = board.call_json(PARROT, Json::of(&text)?).key(text.clone()).await?;
                        said.as_str().trim_matches('"').to_owned()
                    }
                })
            };
            match timeout(PATIENCE, call).await {
                Ok(Ok(said)) => {
                    if said != text {
                        self.findings.breach(format!("{text} was answered with {said:?}"));
                    }
                    self.answered.fetch_max(number + 1, Ordering::SeqCst);
                }
                Ok(Err(error)) if !matches!(error.kind(), ErrorKind::Unavailable | ErrorKind::Unknown) => {
                    self.findings.breach(format!("{text} has failed: {error:#}"));
                    return self.findings.done();
                }
                Ok(Err(_)) | Err(_) => sleep(AGAIN).await,
            }
        }
    }
}

impl Matter for Calls {
    fn findings(&self) -> &Findings {
        &self.findings
    }

    fn status(&self) -> String {
        format!("{} of {} calls are answered", self.answered.load(Ordering::SeqCst), self.count)
    }

    fn look_after(self: std::sync::Arc<Self>, board: Callboard, _: Deeds) -> BoxFuture<'static, ()> {
        async move { self.attended(&board).await }.boxed()
    }
}
