//! Agents: actors that perform tasks of a type.

mod context;
mod erased;
pub(crate) mod instance;
pub(crate) mod pool;

pub use context::Ctx;
pub(crate) use erased::{from_agent, from_fn};

use crate::{Result, Task};

/// An actor that performs tasks of type `T`.
///
/// An instance handles one task at a time, so `&mut self` needs no lock. Its fields are volatile: they live as long as
/// the instance, which is replaced after a panic. Dropping the future at an await is how a handler is stopped, when its
/// task is cancelled or takes too long.
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
}
