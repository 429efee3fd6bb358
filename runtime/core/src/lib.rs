//! The workflow machine of Callboard: what a run is, and what may happen to it next.
//!
//! This crate is pure. It has no async, no clock, no randomness and no port, and the compiler keeps it so: its
//! only dependencies are serde and its like. Everything else in Callboard is a shell around three functions:
//!
//! - [`decide`]`(&State, now, Command) -> Result<Step, Rejected>` says what a wish comes to: the events to make
//!   durable and the effects to release once they are;
//! - [`State::apply`]`(&Event)` folds one event; it is total and deterministic, and replay is `apply` alone;
//! - [`State::recover`] names the effects that a freshly replayed state owes the world.
//!
//! The order of calls is always the same: `decide`, `apply` each event of the step at once (the state runs ahead
//! of the journal), append the events, and only when they are durable release the effects. If the append fails
//! or its outcome is unknown the state is dropped and replayed, never patched.
//!
//! A state has two parts. The *journalled* part is changed by `apply` only and is equal byte for byte after a
//! replay ([`Run::digest`] proves it). The *volatile* part (lease deadlines, the timer index) is derived and is
//! rebuilt by a replay with one full lease for every holder.

mod budget;
mod command;
mod decide;
mod event;
mod failure;
mod graph;
mod id;
mod input;
mod invariant;
mod json;
mod limits;
mod name;
mod plan;
mod queue;
mod record;
mod requirement;
mod restored;
mod resume;
mod retry;
mod run;
pub mod sabotage;
mod schedule;
mod schema;
mod state;
mod task;
mod timer;
mod trace;

#[cfg(test)]
mod tests;

pub use budget::{AMOUNT_MAX, Budget, Cost, Ledger, ParseAmountError, ToppedUp};
pub use command::{Command, Effect, EffectStatus, Rejected, Speaker, Step, StopReason};
pub use decide::decide;
pub use event::{
    AttemptFailed, AttemptLost, BudgetToppedUp, DecodeError, Event, EventKind, FORMAT, LossReason, PagesForgotten,
    RunEnded, RunOutcome, RunPaused, RunResumed, RunSubmitted, RunsArchived, SEQ_MAX, TaskAccepted, TaskCompleted,
    TaskResumed, TasksCancelled, TasksSkipped, Then, WallTimeSpent,
};
pub use failure::{Failure, FailureClass};
pub use graph::{Edge, EdgeKind, Graph, GraphFault, TaskSpec, Timeouts};
pub use id::{InstanceId, Millis, ParseIdError, Priority, RunId, TaskIndex, TaskRef, Token};
pub use input::{Input, Part};
pub use invariant::{Breach, History, Invariant, check_history, check_owed, check_replay, check_snapshot, check_step};
pub use json::{Json, Payload};
pub use limits::GraphLimits;
pub use name::closest;
pub use plan::CheckedGraph;
pub use queue::{Lane, Ready, ReadyQueue};
pub use record::{
    Answer, ApprovalAnswered, Child, ChildSpec, ChildrenSubmitted, Contract, Decision, Effect as StepEffect,
    EffectBegun, EffectDecided, EffectState, EffectUnknown, Entry, Note, Noted, OnCycle, Record, SignalReceived,
    StepRecorded, TaskFailed, TaskParked, TaskProgressed, UndoBegun, UndoSpec, Wait, WaitBegun, WaitElapsed,
    WaitsWithdrawn,
};
pub use requirement::{Amount, ParseRequirementError, Requirement, Requirements, Traits};
pub use restored::RunRestored;
pub use retry::Retry;
pub use run::Run;
pub use schedule::{
    Blueprint, CATCH_UP_MAX, CatchUp, Coming, Difference, FINISHED_MAX, FiredBy, Missed, ON_TIME_MAX, Overlap, Replace,
    SCHEDULES_MAX, ScheduleCommand, ScheduleEvent, ScheduleFired, SchedulePaused, ScheduleQueued, ScheduleRejected,
    ScheduleRemoved, ScheduleResumed, ScheduleSet, ScheduleSkipped, ScheduleState, Schedules, SkipReason, Timing, Turn,
};
pub use state::{Alive, Limits, State};
pub use task::{Counts, EditedInput, FailedAttempt, Parent, Status, Task, TaskState};
pub use timer::{Timer, TimerKind};
pub use trace::{ParseTraceError, TraceParent};
