//! Agents: actors that perform tasks.

mod context;
mod erased;
pub(crate) mod handle;
pub(crate) mod instance;
mod json;
pub(crate) mod pool;

pub use context::Ctx;
pub use handle::AgentHandle;
pub use json::{Described, JsonAgent, JsonTask};
pub use pool::Pool;

use crate::{Result, Task};

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
