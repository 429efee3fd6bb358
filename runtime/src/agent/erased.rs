//! Agents without their types: JSON in, JSON out, one box a task.

use super::{Agent, Ctx};
use crate::{Error, ErrorKind, Result, Task};
use callboard_core::Json;
use futures::FutureExt;
use futures::future::BoxFuture;
use std::marker::PhantomData;
use std::sync::Arc;

/// An agent of some type, for one type of task.
pub(crate) trait Perform: Send {
    fn perform<'a>(&'a mut self, ctx: &'a Ctx, input: &'a [u8]) -> BoxFuture<'a, Result<Json>>;
}

/// Makes the agent of a new instance.
pub(crate) type Factory = Arc<dyn Fn() -> Box<dyn Perform> + Send + Sync>;

/// A factory of agents that a user has written.
pub(crate) fn from_agent<T: Task, A: Agent<T>>(make: impl Fn() -> A + Send + Sync + 'static) -> Factory {
    Arc::new(move || Box::new(Typed { agent: make(), task: PhantomData::<fn(T)> }))
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

struct Typed<A, T> {
    agent: A,
    task: PhantomData<fn(T)>,
}

impl<T: Task, A: Agent<T>> Perform for Typed<A, T> {
    fn perform<'a>(&'a mut self, ctx: &'a Ctx, input: &'a [u8]) -> BoxFuture<'a, Result<Json>> {
        async move { output::<T>(self.agent.run(ctx, request(input)?).await?) }.boxed()
    }
}

struct Function<F, T> {
    function: Arc<F>,
    task: PhantomData<fn(T)>,
}

impl<T, F, R> Perform for Function<F, T>
where
    T: Task,
    F: Fn(Ctx, T) -> R + Send + Sync,
    R: Future<Output = Result<T::Output>> + Send,
{
    fn perform<'a>(&'a mut self, ctx: &'a Ctx, input: &'a [u8]) -> BoxFuture<'a, Result<Json>> {
        async move { output::<T>((self.function)(ctx.clone(), request(input)?).await?) }.boxed()
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
