//! Agents that are described by data and not by types.

use super::Ctx;
use super::erased::{Factory, Perform};
use crate::message::Listen;
use crate::{Error, ErrorKind, Message, MessageCtx, Reply, Result};
use callboard_core::Json;
use futures::FutureExt;
use futures::future::BoxFuture;
use std::marker::PhantomData;
use std::sync::Arc;

/// A task as it is on the wire.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct JsonTask {
    /// What is to be done: one of the capabilities that the agent was given.
    pub capability: Arc<str>,
    /// The request.
    pub input: Json,
}

/// An actor that performs tasks whose types are not known to the compiler: an agent that a file describes, a bridge.
///
/// Its capabilities are data: see [`Pool::json`](crate::Pool::json). Everything that is said of [`Agent`](crate::Agent)
/// holds for it, too.
pub trait JsonAgent: Send + 'static {
    /// Performs one task.
    fn run(&mut self, ctx: &Ctx, task: JsonTask) -> impl Future<Output = Result<Json>> + Send;

    /// Handles a message, between tasks; declines it by default.
    fn message(&mut self, ctx: &MessageCtx, message: &Message) -> impl Future<Output = Result<Reply>> + Send {
        let _ = (ctx, message);
        std::future::ready(Ok(Reply::declined()))
    }

    /// Gets ready, before the first task of the instance.
    fn warm_up(&mut self) -> impl Future<Output = Result<()>> + Send {
        std::future::ready(Ok(()))
    }

    /// Puts away what it has, behind the last task of the instance.
    fn wind_down(&mut self) -> impl Future<Output = ()> + Send {
        std::future::ready(())
    }
}

/// Stands for a type of [`JsonAgent`]s in a [`Pool`](crate::Pool).
#[derive(Debug)]
pub struct Described<J>(PhantomData<fn() -> J>);

/// A factory of such agents.
pub(crate) fn from_json<J: JsonAgent>(make: impl Fn() -> J + Send + Sync + 'static) -> Factory {
    Arc::new(move || Box::new(Untyped(make())))
}

struct Untyped<J>(J);

impl<J: JsonAgent> Listen for Untyped<J> {
    fn listen<'a>(&'a mut self, ctx: &'a MessageCtx, message: &'a Message) -> BoxFuture<'a, Result<Reply>> {
        async move { self.0.message(ctx, message).await }.boxed()
    }
}

impl<J: JsonAgent> Perform for Untyped<J> {
    fn warm_up(&mut self) -> BoxFuture<'_, Result<()>> {
        self.0.warm_up().boxed()
    }

    fn perform<'a>(
        &'a mut self,
        ctx: &'a Ctx,
        capability: &'a str,
        input: &'a [u8],
    ) -> Option<BoxFuture<'a, Result<Json>>> {
        let run = async move {
            let input = serde_json::from_slice(input)
                .map_err(|error| Error::new(ErrorKind::Invalid, "the input is no JSON").because(error))?;
            self.0.run(ctx, JsonTask { capability: capability.into(), input }).await
        };
        Some(run.boxed())
    }

    fn wind_down(&mut self) -> BoxFuture<'_, ()> {
        self.0.wind_down().boxed()
    }
}
