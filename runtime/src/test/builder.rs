//! A test's runtime before it runs.

use super::runtime::{Shared, TestRuntime};
use super::watch::Orders;
use crate::agent::pool::PoolSpec;
use crate::durable::trap::Spot;
use crate::{Agent, Builder, Ctx, Pool, Result, Settings, Task};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// A test's runtime that is being put together. See [`TestRuntime::new`].
#[must_use = "a builder does nothing before `.start().await`"]
pub struct TestBuilder {
    builder: Builder,
    stubs: Vec<PoolSpec>,
    orders: Orders,
}

impl TestBuilder {
    pub(super) fn new(builder: Builder) -> Self {
        let builder = builder.settings(|settings| {
            // Only what a test orders is lost here, however often that is.
            settings.losses_max = 1_000_000;
            // Nobody is silent here, and whoever works for years need not say so every two seconds.
            settings.lease = Duration::from_secs(3_600);
        });
        Self { builder, stubs: Vec::new(), orders: Orders::default() }
    }

    fn on(mut self, change: impl FnOnce(Builder) -> Builder) -> Self {
        self.builder = change(self.builder);
        self
    }

    /// Changes the settings. They are the defaults, whatever the environment says, with a lease of an hour and
    /// without a limit of losses that a test could reach.
    pub fn settings(self, change: impl FnOnce(&mut Settings)) -> Self {
        self.on(|builder| builder.settings(change))
    }

    /// Adds an agent, as [`Builder::agent`].
    pub fn agent<T: Task, A: Agent<T>>(self, factory: impl Fn() -> A + Send + Sync + 'static) -> Self {
        self.on(|builder| builder.agent(factory))
    }

    /// Adds an agent with several instances, as [`Builder::agents`].
    pub fn agents<T: Task, A: Agent<T>>(
        self,
        instances: usize,
        factory: impl Fn() -> A + Send + Sync + 'static,
    ) -> Self {
        self.on(|builder| builder.agents(instances, factory))
    }

    /// Adds an agent that performs several types of tasks, as [`Builder::pool`].
    pub fn pool<A: Send + 'static>(self, factory: impl Fn() -> A + Send + Sync + 'static) -> TestPoolBuilder<A> {
        TestPoolBuilder { builder: self, pool: Pool::new(factory) }
    }

    /// Adds an agent, as [`Builder::add`].
    #[expect(clippy::should_implement_trait, reason = "it reads as what it does, and nothing is summed up")]
    pub fn add<A>(self, pool: Pool<A>) -> Self {
        self.on(|builder| builder.add(pool))
    }

    /// Makes a plain async function an agent, as [`Builder::task_fn`].
    pub fn task_fn<T, F, R>(self, function: F) -> Self
    where
        T: Task,
        F: Fn(Ctx, T) -> R + Send + Sync + 'static,
        R: Future<Output = Result<T::Output>> + Send + 'static,
    {
        self.on(|builder| builder.task_fn(function))
    }

    /// Has a closure perform the tasks of type `T`, in the place of every agent that was given for them, before or after
    /// this. The last stub for a type counts.
    ///
    /// What such an agent does besides it still does. A stub performs 32 tasks at a time.
    pub fn stub<T, F>(self, stub: F) -> Self
    where
        T: Task,
        F: Fn(T) -> Result<T::Output> + Send + Sync + 'static,
    {
        self.stub_fn(move |_, task: T| std::future::ready(stub(task)))
    }

    /// The same with an async function, as [`task_fn`](Self::task_fn): for a stub that takes its time, or asks others.
    pub fn stub_fn<T, F, R>(mut self, stub: F) -> Self
    where
        T: Task,
        F: Fn(Ctx, T) -> R + Send + Sync + 'static,
        R: Future<Output = Result<T::Output>> + Send + 'static,
    {
        self.stubs.retain(|stub| stub.capabilities.iter().all(|capability| &*capability.name != T::CAPABILITY));
        self.stubs.push(Pool::task_fn(stub).kind("stub").spec);
        self
    }

    fn crash(mut self, entry: impl Into<String>, spot: Spot) -> Self {
        self.orders.once.push((entry.into(), spot));
        self
    }

    /// Has the instance die right **after this entry** of its journal, once: what the call came to is recorded, and the
    /// handler has not seen it.
    ///
    /// An entry is the key of a durable call: its kind and name, and its occurrence from the second on, such as `step:tag`,
    /// `call:vcs.build#2`, `sleep` or `approval`. Within a [scope](Ctx::scope), `in:branch/step:tag`; without the scope
    /// the first such call in any is meant. `map:vcs.build[3]` is the fourth child of a map; without its number whichever
    /// comes first. `begin` is the beginning of a handler and `end` its end, with a result that nobody has heard of.
    ///
    /// An instance that dies takes its agent's value with it; the task is lost, which uses no retry, and begins again
    /// with what is recorded. An order for a call that is never made changes nothing: hold
    /// [`crashes`](TestRuntime::crashes) against what you expect. Several orders for one call count one after the other.
    pub fn crash_after(self, entry: impl Into<String>) -> Self {
        self.crash(entry, Spot::Recorded)
    }

    /// Has the instance die **in the gap before this entry**, once: the code of the step or effect has run, and that is
    /// not recorded. Of a call that waits for something, it is the moment before anybody hears of it.
    ///
    /// Entries are named as for [`crash_after`](Self::crash_after).
    pub fn crash_before(self, entry: impl Into<String>) -> Self {
        self.crash(entry, Spot::Unrecorded)
    }

    /// Has the instance die **while this call goes on**, once: its beginning is recorded and its outcome is not. The task
    /// is submitted, the sleep has begun, the effect is about to run. A step has no beginning of its own.
    ///
    /// Entries are named as for [`crash_after`](Self::crash_after).
    pub fn crash_during(self, entry: impl Into<String>) -> Self {
        self.crash(entry, Spot::Begun)
    }

    /// Has the instance die at the `n`th place that any handler comes to, from 1: places are the beginnings and ends of
    /// handlers, and of each call the gap before its entry, its beginning and its outcome. With the same `n` it is the same
    /// place every time, if the test is deterministic.
    ///
    /// Until nothing crashes any more, every place has been tried:
    ///
    /// ```
    /// # use callboard::prelude::*;
    /// # use callboard::test::TestRuntime;
    /// # #[task(output = u64)] struct Count { upto: u64 }
    /// # async fn count(ctx: Ctx, t: Count) -> Result<u64> {
    /// #     let mut sum = 0;
    /// #     for n in 0..=t.upto { sum += ctx.step("add", || async move { Ok(n) }).await?; }
    /// #     Ok(sum)
    /// # }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<()> {
    /// # tokio::time::pause();
    /// for n in 1.. {
    ///     let rt = TestRuntime::new().task_fn(count).crash_at(n).start().await;
    ///     assert_eq!(rt.call(Count { upto: 3 }).await?, 6);
    ///     if rt.crashes() == 0 {
    ///         assert_eq!(n, 11); // a beginning, four steps with a gap and an outcome each, and an end
    ///         break;
    ///     }
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn crash_at(mut self, n: usize) -> Self {
        self.orders.nth = Some(n);
        self
    }

    /// Has an instance die at every place that its handler comes to, once for each place of each attempt.
    ///
    /// Hard on a handler, and quicker than [`crash_at`](Self::crash_at) with every number; but what one crash alone would
    /// show, the next may hide.
    pub fn crash_everywhere(mut self) -> Self {
        self.orders.each = true;
        self
    }

    /// Starts it.
    ///
    /// # Panics
    ///
    /// If the agents or the settings have faults: the message names all of them.
    pub async fn start(self) -> TestRuntime {
        let Self { builder, stubs, orders } = self;
        let parts = builder.parts();
        let (settings, _, pools) = parts.unwrap_or_else(|error| panic!("the runtime can not start: {error:#}"));
        TestRuntime(Arc::new(Shared::start(settings, pools, stubs, orders).await))
    }
}

/// A test's runtime that is being put together, with an agent that is; as [`PoolBuilder`](crate::PoolBuilder).
#[must_use = "a builder does nothing before `.start().await`"]
pub struct TestPoolBuilder<A> {
    builder: TestBuilder,
    pool: Pool<A>,
}

impl<A: Send + 'static> TestPoolBuilder<A> {
    /// Says that the agent performs tasks of type `T`.
    pub fn handles<T: Task>(self) -> Self
    where
        A: Agent<T>,
    {
        self.change(Pool::handles::<T>)
    }

    /// How many tasks the agent performs at a time: so many instances, 1 by default.
    pub fn instances(self, instances: usize) -> Self {
        self.change(|pool| pool.instances(instances))
    }

    /// Says anything else of the agent.
    pub fn change(mut self, change: impl FnOnce(Pool<A>) -> Pool<A>) -> Self {
        self.pool = change(self.pool);
        self
    }

    /// Closes this agent.
    pub fn close(self) -> TestBuilder {
        self.builder.add(self.pool)
    }

    /// Closes this agent and adds another; see [`TestBuilder::agent`].
    pub fn agent<T: Task, B: Agent<T>>(self, factory: impl Fn() -> B + Send + Sync + 'static) -> TestBuilder {
        self.close().agent(factory)
    }

    /// Closes this agent and begins another; see [`TestBuilder::pool`].
    pub fn pool<B: Send + 'static>(self, factory: impl Fn() -> B + Send + Sync + 'static) -> TestPoolBuilder<B> {
        self.close().pool(factory)
    }

    /// Closes this agent and makes a plain async function another; see [`TestBuilder::task_fn`].
    pub fn task_fn<T, F, R>(self, function: F) -> TestBuilder
    where
        T: Task,
        F: Fn(Ctx, T) -> R + Send + Sync + 'static,
        R: Future<Output = Result<T::Output>> + Send + 'static,
    {
        self.close().task_fn(function)
    }

    /// Closes this agent and has a closure perform tasks; see [`TestBuilder::stub`].
    pub fn stub<T, F>(self, stub: F) -> TestBuilder
    where
        T: Task,
        F: Fn(T) -> Result<T::Output> + Send + Sync + 'static,
    {
        self.close().stub(stub)
    }

    /// Closes this agent and orders a crash; see [`TestBuilder::crash_after`].
    pub fn crash_after(self, entry: impl Into<String>) -> TestBuilder {
        self.close().crash_after(entry)
    }

    /// Closes this agent and starts the runtime; see [`TestBuilder::start`].
    ///
    /// # Panics
    ///
    /// As there.
    pub async fn start(self) -> TestRuntime {
        self.close().start().await
    }
}

impl fmt::Debug for TestBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestBuilder")
            .field("builder", &self.builder)
            .field("orders", &self.orders)
            .finish_non_exhaustive()
    }
}

impl<A> fmt::Debug for TestPoolBuilder<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestPoolBuilder").field("pool", &self.pool).finish_non_exhaustive()
    }
}
