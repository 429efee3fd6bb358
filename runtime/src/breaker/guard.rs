//! A call that a breaker guards, as a handler makes it.

use super::machine::Heard;
use super::{Breaker, Pass};
use crate::durable::calls::{Cut, Given};
use crate::telemetry::convention::Operation;
use crate::telemetry::tracer;
use crate::{Ctx, Error, Result};
use std::sync::Arc;
use tokio::time::{Instant, sleep};
use tracing::Instrument;

/// What keys of guarded calls begin with.
const GUARD: &str = "guard";

impl Ctx {
    /// Makes a call of a dependency of this name, unless its breaker is open; names are 1 to 180 of `A-Za-z0-9._:=-`.
    ///
    /// Failures that another attempt may mend count against the dependency, [slow calls](crate::BreakerRules::slow) too;
    /// terminal errors do not, for it has answered. After 5 failures in a row, in whichever tasks of whichever node, the
    /// breaker is open for 60 s, and then one call may try.
    ///
    /// An error of class `Timeout` is no failure but a slow call ([`Error::timeout`]; that of tokio's `timeout` is one). A
    /// call that is cut short because the time of its task is up is a slow one as well, if it took at least half of that.
    ///
    /// **While the breaker lets nothing through the task is parked**: no call is made, no retry is used, its instance does
    /// other work, and whoever asks sees why it waits. When calls come back, first a few and then more, the most urgent
    /// task is let through first. Its handler begins again then and is given what it has recorded; so make the call within
    /// a step, which runs once:
    ///
    /// ```
    /// # use callboard::prelude::*;
    /// # async fn ask(_: &str) -> Result<String> { Ok(String::new()) }
    /// # async fn example(ctx: &Ctx) -> Result<String> {
    /// ctx.step("ask", || ctx.guard("llm:groq", || ask("Why?"))).await
    /// # }
    /// ```
    ///
    /// Around an [effect](Self::effect), not within it: what is begun there would count as begun.
    ///
    /// # Errors
    ///
    /// That of `f`; `Invalid` for a name that no breaker can have; `Cancelled` if the task was cancelled or its activation
    /// is over.
    pub fn guard<T, F, R>(&self, name: impl AsRef<str>, f: F) -> impl Future<Output = Result<T>> + Send
    where
        T: Send,
        F: FnOnce() -> R + Send,
        R: Future<Output = Result<T>> + Send,
    {
        let (breaker, ctx) = (self.passage().breakers.dependency(name.as_ref()), self.clone());
        async move {
            let breaker = breaker?;
            // Until what is recorded has been given back nothing begins.
            let mut call = ctx.turn(GUARD, &breaker.name).await?;
            let ticket = ctx.passage().ticket.as_ref();
            let pass = loop {
                if let Some(pass) = breaker.enter(ticket) {
                    break pass;
                }
                call.get_or_insert_with(|| ctx.waiting(GUARD, &breaker.name)).held(&breaker.name).await?;
            };
            let traced = tracer::call(Operation::Guard, &breaker.name);
            watched(&ctx, &breaker, pass, f()).instrument(traced).await
        }
    }
}

/// Makes a call that was let through, and notes how it goes.
async fn watched<T>(ctx: &Ctx, breaker: &Arc<Breaker>, pass: Pass, call: impl Future<Output = Result<T>>) -> Result<T> {
    let mut under_way = UnderWay { ctx, before: ctx.calls().given(), since: Instant::now(), pass: Some(pass) };
    let result = match breaker.slow_after() {
        None => call.await,
        Some(limit) => {
            let mut call = std::pin::pin!(call);
            tokio::select! {
                biased;
                result = &mut call => result,
                () = sleep(limit) => {
                    under_way.pass.iter_mut().for_each(Pass::is_slow);
                    call.await
                }
            }
        }
    };
    under_way.ended(result.as_ref().map_or_else(Heard::from, |_| Heard::Well));
    // It counts against what was called, and against nobody else.
    result.map_err(Error::of_another)
}

/// A call that has not ended. Dropped, it was cut short, which may say something of who was called.
struct UnderWay<'a> {
    ctx: &'a Ctx,
    before: Given,
    since: Instant,
    pass: Option<Pass>,
}

impl UnderWay<'_> {
    fn ended(&mut self, heard: Heard) {
        let Some(pass) = self.pass.take() else { return };
        if self.ctx.calls().given().is_all_replayed_since(self.before) {
            // An effect that was made long ago: nobody was called.
            pass.unused();
        } else {
            pass.ended(heard);
        }
    }

    /// What it says that it was cut short.
    fn cut_short(&self) -> Heard {
        let calls = self.ctx.calls();
        let is_probe = self.pass.as_ref().is_some_and(Pass::is_probe);
        let is_slow = match calls.cut() {
            // What has taken the smaller part of the time is not why it is up; but it is no probe that went well.
            Some(Cut::TimeIsUp) => {
                let is_to_blame = self.since.elapsed() * 2 >= calls.began().elapsed();
                if is_to_blame {
                    calls.are_of_another();
                }
                is_to_blame || is_probe
            }
            Some(Cut::Other) => false,
            // By the handler, which goes on without it: perhaps another was faster. Nor is that a probe that went well.
            None => is_probe,
        };
        if is_slow { Heard::Slow { trips: false } } else { Heard::Dropped }
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        if self.pass.is_some() {
            self.ended(self.cut_short());
        }
    }
}
