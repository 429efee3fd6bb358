//! A limit as a handler comes to it.

use super::held::Held;
use super::limiter::Enter;
use crate::{Ctx, Result};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;

/// That a handler has been let through a limit: of one that says how many may be at it at a time this is one, until it is
/// dropped.
#[derive(Debug)]
#[must_use = "dropped, it is free again"]
pub struct Permit {
    held: Option<Arc<Held>>,
}

impl Permit {
    pub(crate) const fn free() -> Self {
        Self { held: None }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if let Some(held) = &self.held {
            held.end();
        }
    }
}

/// What keys of limited calls begin with.
const LIMIT: &str = "limit";
/// How long a handler waits for what the directory says before it is parked.
const ANSWER_MAX: Duration = Duration::from_secs(2);

impl Ctx {
    /// Takes `units` of the limit of this name, which the [builder](crate::Builder::limit) was given: tokens, say; 1 where
    /// it only counts calls.
    ///
    /// **While the limit is reached the task is parked**: it waits in order, the most urgent first and the runs in turns,
    /// holds no instance, uses no retry, and whoever asks sees why it waits. Its handler begins again then and is given
    /// what it has recorded; so take it within a step, which runs once:
    ///
    /// ```
    /// # use callboard::prelude::*;
    /// # async fn ask(_: &str) -> Result<String> { Ok(String::new()) }
    /// # async fn example(ctx: &Ctx) -> Result<String> {
    /// ctx.step("ask", || async {
    ///     let _permit = ctx.limit("llm:groq", 2_000).await?;
    ///     ask("Why?").await
    /// })
    /// .await
    /// # }
    /// ```
    ///
    /// What it takes of a rate is taken, whatever becomes of the call. What is to be kept together, requests and tokens of one
    /// provider, say, is [one limit](crate::Limit::calls_per): a handler that waits at a second one has given the first
    /// away.
    ///
    /// # Errors
    ///
    /// `Invalid` if there is no such limit on this node, or `units` are more than all of it; `Cancelled` if the task was
    /// cancelled or its activation is over.
    pub fn limit(&self, name: impl AsRef<str>, units: u64) -> impl Future<Output = Result<Permit>> + Send {
        let ctx = self.clone();
        let limiter = match &self.passage().limits {
            Some(limits) => limits.named(name.as_ref(), self.passage().tenant.as_deref()).map(Some),
            None => Ok(None),
        };
        async move {
            let Some(limiter) = limiter? else {
                ctx.turn(LIMIT, "").await?;
                return Ok(Permit::free());
            };
            limiter.check(units)?;
            // Until what is recorded has been given back nothing begins.
            let mut call = ctx.turn(LIMIT, &limiter.gate).await?;
            let mut claim = None;
            let mut may_ask = true;
            loop {
                let changed = limiter.notified();
                let mut changed = std::pin::pin!(changed);
                changed.as_mut().enable();
                let ticket = ctx.passage().ticket_for(&limiter.gate, units);
                match limiter.enter(ticket, units, claim.as_ref()) {
                    Enter::In(held) => return Ok(Permit { held: Some(held) }),
                    Enter::Ask if std::mem::take(&mut may_ask) => {
                        let _away = timeout(ANSWER_MAX, changed).await;
                        continue;
                    }
                    Enter::Ask | Enter::Full => {}
                }
                let gate: Arc<str> = format!("{}/{units}", limiter.gate).into();
                call.get_or_insert_with(|| ctx.waiting(LIMIT, &limiter.gate)).held(&gate).await?;
                // It has more in hand, and is tried again where it is.
                claim.get_or_insert_with(|| limiter.claim(units));
            }
        }
    }
}
