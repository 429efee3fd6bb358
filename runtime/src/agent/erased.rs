//! Agents without their types: JSON in, JSON out, one box a task.

use super::{Agent, Ctx};
use crate::message::Listen;
use crate::{Error, ErrorKind, Message, MessageCtx, Reply, Result, Task};
use callboard_core::Json;
use futures::FutureExt;
use futures::future::BoxFuture;
use std::collections::BTreeMap;
use std::marker::PhantomData;
use std::sync::{Arc, PoisonError, RwLock};

/// An agent of some type.
pub(crate) trait Perform: Listen {
    /// Gets ready to take tasks.
    fn warm_up(&mut self) -> BoxFuture<'_, Result<()>>;

    /// Performs a task, or says that it does not do such tasks.
    fn perform<'a>(
        &'a mut self,
        ctx: &'a Ctx,
        capability: &'a str,
        input: &'a [u8],
    ) -> Option<BoxFuture<'a, Result<Json>>>;

    /// Puts away what it has: it takes no more tasks.
    fn wind_down(&mut self) -> BoxFuture<'_, ()>;
}

/// Makes the agent of a new instance.
pub(crate) type Factory = Arc<dyn Fn() -> Box<dyn Perform> + Send + Sync>;

/// What agents of type `A` can do, by capability; shared by all instances, so that it can change while they run.
pub(crate) struct Handlers<A>(Arc<RwLock<BTreeMap<&'static str, Handler<A>>>>);

/// How agents of type `A` perform tasks of one type.
struct Handler<A> {
    run: for<'a> fn(&'a mut A, &'a Ctx, &'a [u8]) -> BoxFuture<'a, Result<Json>>,
    warm_up: for<'a> fn(&'a mut A) -> BoxFuture<'a, Result<()>>,
    wind_down: for<'a> fn(&'a mut A) -> BoxFuture<'a, ()>,
    message: for<'a> fn(&'a mut A, &'a MessageCtx, &'a Message) -> BoxFuture<'a, Result<Reply>>,
}

impl<A> Clone for Handler<A> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<A> Copy for Handler<A> {}

impl<A> Clone for Handlers<A> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<A: Send + 'static> Handlers<A> {
    pub(crate) fn new() -> Self {
        Self(Arc::default())
    }

    /// Adds a type of tasks; false if there is one with its capability.
    pub(crate) fn add<T: Task>(&self) -> bool
    where
        A: Agent<T>,
    {
        let handler = Handler {
            run: run::<T, A>,
            warm_up: |agent| agent.warm_up().boxed(),
            wind_down: wind_down::<T, A>,
            message: |agent, ctx, message| async move { agent.message(ctx, message).await }.boxed(),
        };
        let mut handlers = self.0.write().unwrap_or_else(PoisonError::into_inner);
        handlers.insert(T::CAPABILITY, handler).is_none()
    }

    /// A factory of agents that perform what is in here at the time.
    pub(crate) fn factory(&self, make: impl Fn() -> A + Send + Sync + 'static) -> Factory {
        let handlers = self.clone();
        Arc::new(move || Box::new(Typed { agent: make(), handlers: handlers.clone() }))
    }

    fn get(&self, capability: &str) -> Option<Handler<A>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(capability).copied()
    }

    /// That of the capability at this place in their order.
    fn nth(&self, at: usize) -> Option<Handler<A>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).values().nth(at).copied()
    }

    /// The one that there is, if there is but one.
    fn only(&self) -> Option<Handler<A>> {
        let handlers = self.0.read().unwrap_or_else(PoisonError::into_inner);
        handlers.values().next().copied().filter(|_| handlers.len() == 1)
    }

    fn all(&self) -> Vec<Handler<A>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).values().copied().collect()
    }
}

fn run<'a, T: Task, A: Agent<T>>(agent: &'a mut A, ctx: &'a Ctx, input: &'a [u8]) -> BoxFuture<'a, Result<Json>> {
    async move { output::<T>(agent.run(ctx, request(input)?).await?) }.boxed()
}

fn wind_down<T: Task, A: Agent<T>>(agent: &mut A) -> BoxFuture<'_, ()> {
    agent.wind_down().boxed()
}

struct Typed<A> {
    agent: A,
    handlers: Handlers<A>,
}

impl<A: Send + 'static> Listen for Typed<A> {
    fn listen<'a>(&'a mut self, ctx: &'a MessageCtx, message: &'a Message) -> BoxFuture<'a, Result<Reply>> {
        if let Some(only) = self.handlers.only() {
            return (only.message)(&mut self.agent, ctx, message); // one box less
        }
        async move {
            let mut at = 0;
            while let Some(handler) = self.handlers.nth(at) {
                let reply = (handler.message)(&mut self.agent, ctx, message).await?;
                if !reply.is_declined() {
                    return Ok(reply);
                }
                at += 1;
            }
            Ok(Reply::declined())
        }
        .boxed()
    }
}

impl<A: Send + 'static> Perform for Typed<A> {
    fn warm_up(&mut self) -> BoxFuture<'_, Result<()>> {
        async move {
            for handler in self.handlers.all() {
                (handler.warm_up)(&mut self.agent).await?;
            }
            Ok(())
        }
        .boxed()
    }

    fn perform<'a>(
        &'a mut self,
        ctx: &'a Ctx,
        capability: &'a str,
        input: &'a [u8],
    ) -> Option<BoxFuture<'a, Result<Json>>> {
        let handler = self.handlers.get(capability)?;
        Some((handler.run)(&mut self.agent, ctx, input))
    }

    fn wind_down(&mut self) -> BoxFuture<'_, ()> {
        async move {
            for handler in self.handlers.all() {
                (handler.wind_down)(&mut self.agent).await;
            }
        }
        .boxed()
    }
}

/// A factory of agents around a plain function.
pub(crate) fn from_fn<T, F, R>(function: F) -> Factory
where
    T: Task,
    F: Fn(Ctx, T) -> R + Send + Sync + 'static,
    R: Future<Output = Result<T::Output>> + Send + 'static,
{
    let function = Arc::new(function);
    Arc::new(move || Box::new(Function { function: function.clone(), task: PhantomData::<fn(T)> }))
}

struct Function<F, T> {
    function: Arc<F>,
    task: PhantomData<fn(T)>,
}

/// A function has no ear: it may take messages during a task, and declines those that wait behind it.
impl<T, F, R> Listen for Function<F, T>
where
    T: Task,
    F: Fn(Ctx, T) -> R + Send + Sync,
    R: Future<Output = Result<T::Output>> + Send,
{
    fn listen<'a>(&'a mut self, _: &'a MessageCtx, _: &'a Message) -> BoxFuture<'a, Result<Reply>> {
        std::future::ready(Ok(Reply::declined())).boxed()
    }
}

impl<T, F, R> Perform for Function<F, T>
where
    T: Task,
    F: Fn(Ctx, T) -> R + Send + Sync,
    R: Future<Output = Result<T::Output>> + Send,
{
    fn warm_up(&mut self) -> BoxFuture<'_, Result<()>> {
        std::future::ready(Ok(())).boxed()
    }

    fn perform<'a>(
        &'a mut self,
        ctx: &'a Ctx,
        capability: &'a str,
        input: &'a [u8],
    ) -> Option<BoxFuture<'a, Result<Json>>> {
        let run = async move { output::<T>((self.function)(ctx.clone(), request(input)?).await?) };
        (capability == T::CAPABILITY).then(|| run.boxed())
    }

    fn wind_down(&mut self) -> BoxFuture<'_, ()> {
        std::future::ready(()).boxed()
    }
}

fn request<T: Task>(input: &[u8]) -> Result<T> {
    serde_json::from_slice(input).map_err(|error| {
        let message = format!("the input does not fit the task {:?}", T::CAPABILITY);
        Error::new(ErrorKind::Invalid, message).because(error)
    })
}

fn output<T: Task>(output: T::Output) -> Result<Json> {
    Json::of(&output).map_err(|error| {
        let message = format!("the output of {:?} has no JSON form", T::CAPABILITY);
        Error::new(ErrorKind::Invalid, message).because(error)
    })
}
