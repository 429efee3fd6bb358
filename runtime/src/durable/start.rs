//! Runs of their own, started from inside a handler.

use super::calls::{Turn, Waiting};
use super::step::record;
use crate::{Callboard, Ctx, ErrorKind, Result, Run, Workflow};
use callboard_core::RunId;
use futures::FutureExt;
use futures::future::BoxFuture;
use std::fmt;
use std::future::IntoFuture;
use std::time::Duration;

impl Ctx {
    /// Starts a workflow as a run of its own; await the result for the run, which is there when this returns.
    ///
    /// It is started once, whatever crashes: its id follows from this call. It goes its own way: it is not cancelled with
    /// this task, and its tasks are none of this run. A workflow that is to be a part of this run is [nested](Self::nest).
    pub fn start(&self, workflow: Workflow) -> Starting {
        let call = self.waiting("start", &workflow.name());
        let derived = self.derived("callboard 2026 run started by a task", &call.key);
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&derived[..16]);
        let id = RunId::new(uuid::Builder::from_custom_bytes(bytes).into_uuid());
        Starting { board: self.board(), call, id, workflow, key: None }
    }
}

/// A run that is started; await it.
#[must_use = "nothing is started before it is awaited"]
pub struct Starting {
    board: Result<Callboard>,
    call: Waiting,
    id: RunId,
    workflow: Workflow,
    key: Option<String>,
}

/// The pause before a submission that was not let in is tried again.
const AGAIN: Duration = Duration::from_millis(200);

impl Starting {
    /// Starts it under this key, as [`Start::key`](crate::Start::key): whoever else starts it under the key gets the same
    /// run.
    pub fn key(mut self, key: impl Into<String>) -> Self {
        self.key = Some(key.into());
        self
    }
}

impl IntoFuture for Starting {
    type Output = Result<Run>;
    type IntoFuture = BoxFuture<'static, Result<Run>>;

    /// # Errors
    ///
    /// As [`Callboard::start`]; `Cancelled` if the task was cancelled or its activation is over.
    fn into_future(self) -> Self::IntoFuture {
        async move {
            let board = self.board?;
            let id: RunId = match self.call.turn().await? {
                Turn::Outcome(outcome) => outcome.read(&self.call.key)?,
                Turn::Go(_) => {
                    let result = {
                        let _running = self.call.calls.running();
                        loop {
                            let mut start = board.start(self.workflow.again()).with_id(self.id);
                            if let Some(key) = &self.key {
                                start = start.key(key.clone());
                            }
                            match start.await {
                                // The same id again is the same run.
                                Err(error) if error.kind() == ErrorKind::Unknown => tokio::time::sleep(AGAIN).await,
                                started => break started.map(|run| run.id()),
                            }
                        }
                    };
                    record(&self.call, result).await?
                }
            };
            Ok(board.run(id))
        }
        .boxed()
    }
}

impl fmt::Debug for Starting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Starting").field(&self.call.key).finish()
    }
}
