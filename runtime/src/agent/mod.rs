//! Agents: actors that perform tasks.

pub(crate) mod context;
mod erased;
pub(crate) mod handle;
pub(crate) mod instance;
mod json;
pub(crate) mod pool;
mod results;

pub use context::Ctx;
pub use handle::AgentHandle;
pub use json::{Described, JsonAgent, JsonTask};
pub use pool::Pool;

use crate::{Message, MessageCtx, Reply, Result, Task};

/// An actor that performs tasks of type `T`.
///
/// An instance handles one task at a time, so `&mut self` needs no lock. Its fields are volatile: they live as long as
/// the instance, which is replaced after a panic. Dropping the future at an await is how a handler is stopped, when its
/// task is cancelled or takes too long.
///
/// An agent may perform several types of tasks, with one `impl` each: see [`Pool`].
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not perform `{T}`",
    label = "there is no `impl Agent<{T}> for {Self}`",
    note = "write `impl Agent<{T}> for {Self}` with `async fn run(&mut self, ctx: &Ctx, task: {T}) -> Result<...>`"
)]
pub trait Agent<T: Task>: Send + 'static {
    /// Performs one task.
    ///
    /// An `Err` is a failed attempt: it is retried, unless its [class](crate::Error::class) says that no other attempt
    /// would help. A panic is a failed attempt as well, and costs the instance.
    fn run(&mut self, ctx: &Ctx, task: T) -> impl Future<Output = Result<T::Output>> + Send;

    /// Handles a message, which is **not durable**: see [`Message`]. Declines it by default.
    ///
    /// Called between tasks; during one, messages wait, and the handler of the task may take them from
    /// [`Ctx::inbox`]. Messages and tasks take turns: after a task up to 32 messages, then a task if one waits. An
    /// instance that handles a message performs no task meanwhile, so a message is for what is short.
    ///
    /// The reply is the answer to whoever [asked](crate::Callboard::ask). So is an `Err`, with kind `Failed`; if nobody
    /// asked it is logged. A panic costs the instance, and the message; those that wait are for the next one. Of an
    /// agent with several types of tasks one after the other is tried, in the order of their capabilities, until one
    /// does not decline.
    fn message(&mut self, ctx: &MessageCtx, message: &Message) -> impl Future<Output = Result<Reply>> + Send {
        let _ = (ctx, message);
        std::future::ready(Ok(Reply::declined()))
    }

    /// Gets ready, before the first task of an instance: opens a connection, loads a model. Does nothing by default.
    ///
    /// An instance takes no task before it is warm. An `Err` or a panic costs the instance, and another one tries again
    /// after a while; until then the agent says why it has none. Of an agent with several types of tasks all are called,
    /// in the order of their capabilities.
    fn warm_up(&mut self) -> impl Future<Output = Result<()>> + Send {
        std::future::ready(Ok(()))
    }

    /// Puts away what it has, behind the last task of an instance that is asked to leave. Does nothing by default, and
    /// is not called after a panic. It has as long as a clean stop has.
    fn wind_down(&mut self) -> impl Future<Output = ()> + Send {
        std::future::ready(())
    }
}
