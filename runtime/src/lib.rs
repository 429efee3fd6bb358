//! Callboard: a runtime for fleets of agents and long workflows that loses nothing it has acknowledged.
//!
//! Define agents, submit workflows, kill the process whenever you like: it goes on where it was.
//!
//! ```
//! use callboard::prelude::*;
//!
//! #[task(output = String)]
//! struct Greet { name: String }
//!
//! # #[tokio::main]
//! # async fn main() -> Result<()> {
//! let board = Callboard::dev()
//!     .ephemeral() // no folder: for this example only
//!     .task_fn(|_, t: Greet| async move { Ok(format!("Hello, {}.", t.name)) })
//!     .start().await?;
//! assert_eq!(board.call(Greet { name: "callboard".into() }).await?, "Hello, callboard.");
//! # Ok(())
//! # }
//! ```
//!
//! An agent's fields are volatile; what a task has returned is durable. [`Callboard`] is the runtime, [`Workflow`] a
//! graph of tasks, [`Agent`] what performs them, [`Run`] one execution.

mod agent;
mod answer;
#[cfg(feature = "api")]
mod api;
pub mod backup;
mod board;
mod breaches;
mod breaker;
mod budget;
mod builder;
mod chance;
mod clock;
mod closing_time;
mod cluster;
mod dispatch;
mod document;
mod durable;
mod error;
mod feed;
#[cfg(feature = "test")]
#[doc(hidden)]
pub mod fuzz;
mod join;
mod journal;
mod limit;
mod limits;
mod message;
mod node;
mod partition;
mod past;
pub mod port;
mod query;
mod registry;
mod root;
mod run;
mod run_event;
mod schedule;
mod schema;
mod settings;
mod state;
mod stops;
#[cfg_attr(
    not(test),
    expect(dead_code, unused_imports, reason = "what adds and removes children is used by tests so far")
)]
mod supervise;
mod sync;
mod task;
mod telemetry;
#[cfg(feature = "test")]
pub mod test;
#[cfg(feature = "test")]
#[doc(hidden)]
pub mod testing;
mod workflow;

pub use agent::{Agent, AgentHandle, Ctx, Described, JsonAgent, JsonTask, Pool};
pub use answer::{Answering, Deciding};
#[cfg(feature = "api")]
pub use api::Code;
pub use board::{Call, Callboard, JournalCounters, Start};
pub use breaker::{BreakerChanges, BreakerHandle, BreakerInfo, BreakerRules, BreakerState};
pub use budget::{Budget, BudgetInfo, BudgetWait, Cost, TopUp, TopUpInfo};
pub use builder::{Builder, PoolBuilder};
pub use callboard_core::{
    Amount, Counts, InstanceId, Json, Millis, OnCycle, ParseIdError, Priority, Requirement, Requirements, Retry, RunId,
    RunOutcome, Status, TaskIndex, TraceParent, Traits, closest,
};
pub use callboard_core::{ParseAmountError, ParseTraceError};
pub use callboard_macros::{payload, task};
pub use cluster::{NodeInfo, NodeStatus};
pub use dispatch::backlog::QueueInfo;
pub use durable::Spent;
pub use durable::{
    Approval, Barrier, Calling, Child, EffectStep, Either, IdempotencyKey, Joined, Mapping, Met, Nested, Nesting,
    Signal, Starting, Submitting, Voting,
};
pub use error::{Error, ErrorClass, ErrorKind, Result, ResultExt, VersionConflict};
pub use feed::{Feed, FeedEvent, FeedPosition, FeedRequest};
pub use join::{Aggregate, Aggregation, Arrays, Conflict, Opinion, Prefer, Standing, Tie, Vote, aggregate};
pub use limit::{Limit, LimitInfo, Permit, RateInfo};
pub use message::{
    Broadcast, CorrelationId, Filter, Inbox, Message, MessageCounters, MessageCtx, MessageId, Observed, Received,
    Reply, Subscription,
};
pub use partition::Progress;
pub use past::{Leg, Past, Phase, RunDiff, RunTimes, Sides, TaskDiff, TimeSpent};
pub use query::{AllTasks, Cause, Elsewhere, RunTask, Why};
pub use query::{ApprovalId, EffectId, OpenApproval, Pending, UnknownEffect};
pub use query::{Cursor, DeadLetter, DeadLetters, FailedAttempt, Page, RunInfo, RunStatus, Runs, TaskInfo, Tasks};
pub use registry::{AgentInfo, AgentStatus, Agents, Capability, Find};
pub use run::{Events, Retrying, Run};
pub use run_event::{Position, RunEvent, What};
pub use schedule::{CatchUp, Overlap, Schedule, ScheduleInfo, ScheduleStatus, Scheduled, SetSchedule};
pub use settings::{
    Addressing, BreakerSettings, BusSettings, DirectorySettings, Effective, HttpSettings, Layers, LogFormat,
    LogSettings, QueueKind, RetrySettings, Role, ServerUrl, Settings, Shown, StateSettings, StoreMode, StoreSettings,
    Tokens,
};
pub use state::{
    Author, DOCUMENT_BYTES_MAX, Document, Lock, LockInfo, LockRequest, LockTicket, OnDeadlock, Remembered,
    SpooledWrite, TaskDocument, TaskLock, TaskLockRequest, Version,
};
pub use task::{In, Task};
#[cfg(feature = "log")]
pub use telemetry::{Telemetry, TelemetryBuilder};
pub use workflow::{Gather, Node, Workflow};

/// What nearly every program uses: `use callboard::prelude::*;`.
pub mod prelude {
    pub use crate::{
        Agent, Callboard, Ctx, Error, ErrorClass, ErrorKind, Gather, In, Message, MessageCtx, Node, Pool, Priority,
        Reply, Requirement, Result, ResultExt, Retry, Run, RunOutcome, Schedule, Task, Workflow, payload, task,
    };
    pub use std::time::Duration;
}

/// What generated code refers to. No part of the public API.
#[doc(hidden)]
pub mod __private {
    pub use crate::schema::derived::{NoSchema, SchemaOf, SomeSchema, schema_of};
    pub use crate::task::can_be_sent;
    pub use schemars;
    pub use serde;
}
