//! The handle to a task of a test.

use super::history::History;
use super::runtime::{Alive, Shared};
use crate::partition::message::Target;
use crate::{ErrorKind, Result, Run};
use callboard_core::RunId;
use futures::FutureExt;
use futures::future::BoxFuture;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fmt;
use std::future::IntoFuture;
use std::marker::PhantomData;
use std::sync::Arc;

/// A task that was submitted to a [`TestRuntime`](super::TestRuntime); await it for its output. It survives restarts.
/// Dropping it stops nothing.
pub struct TestTask<O> {
    shared: Arc<Shared>,
    run: RunId,
    target: Target,
    output: PhantomData<fn() -> O>,
}

impl<O> TestTask<O> {
    pub(super) fn new(shared: Arc<Shared>, run: RunId, target: Target) -> Self {
        Self { shared, run, target, output: PhantomData }
    }

    /// The id of its run.
    pub fn id(&self) -> RunId {
        self.run
    }

    /// Its run, in the life that goes on: to pause it, cancel it, look at its tasks.
    ///
    /// # Panics
    ///
    /// While the node starts again.
    pub fn run(&self) -> Run {
        super::TestRuntime(self.shared.clone()).run(self.run)
    }

    /// Says yes to the approval that is open, or else to the next one, as [`Run::approve`].
    ///
    /// # Errors
    ///
    /// As there.
    pub async fn approve(&self) -> Result<()> {
        self.alive_run().await.1.approve().await
    }

    /// Says no; as [`approve`](Self::approve).
    ///
    /// # Errors
    ///
    /// As there.
    pub async fn reject(&self) -> Result<()> {
        self.alive_run().await.1.reject().await
    }

    /// Sends a signal, as [`Run::signal`].
    ///
    /// # Errors
    ///
    /// As there.
    pub async fn signal<T: Serialize + ?Sized>(&self, name: &str, value: &T) -> Result<()> {
        self.alive_run().await.1.signal(name, &value).await
    }

    /// What is recorded of its run by now.
    ///
    /// # Errors
    ///
    /// `Unavailable` if the node has stopped.
    pub async fn history(&self) -> Result<History> {
        self.shared.history(self.run).await
    }

    async fn alive_run(&self) -> (Alive, Run) {
        let alive = self.shared.alive().await;
        let run = alive.board.run(self.run);
        (alive, run)
    }
}

impl<O: DeserializeOwned> TestTask<O> {
    /// Waits for its output; as awaiting it, which takes it.
    ///
    /// # Errors
    ///
    /// As [`Run::output`].
    pub async fn output(&self) -> Result<O> {
        loop {
            let (alive, run) = self.alive_run().await;
            {
                let output = run.output_of(self.target.clone()).await;
                // If the node has died, another one goes on.
                let unavailable = matches!(&output, Err(error) if error.kind() == ErrorKind::Unavailable);
                if !unavailable || !self.shared.is_over(alive.number) {
                    return output;
                }
            }
            self.shared.after(alive.number).await;
        }
    }
}

impl<O: DeserializeOwned + 'static> IntoFuture for TestTask<O> {
    type Output = Result<O>;
    type IntoFuture = BoxFuture<'static, Result<O>>;

    /// # Errors
    ///
    /// As [`Run::output`].
    fn into_future(self) -> Self::IntoFuture {
        async move { self.output().await }.boxed()
    }
}

impl<O> Clone for TestTask<O> {
    fn clone(&self) -> Self {
        Self::new(self.shared.clone(), self.run, self.target.clone())
    }
}

impl<O> fmt::Debug for TestTask<O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TestTask").field(&self.run).finish()
    }
}
