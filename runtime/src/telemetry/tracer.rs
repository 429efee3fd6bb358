//! The traces of a node: which spans there are, and how they are found again.
//!
//! The ids of spans are derived: that of a run from the run, that of an activation from its task and token. So whoever
//! names a parent needs not have seen it, whoever takes a partition over goes on with the same trace, and nothing of it is
//! journalled but a trace that was given from outside. If none was, the trace is derived from the run as well; whether it is
//! recorded is decided by its id, so that every node decides alike.
//!
//! - The span of a **run** is told by the owner of its partition when it has ended.
//! - That of an **activation** is told by its instance when it has ended there. It is a span of `tracing`, so that what the
//!   handler traces becomes its children. Of one that was lost with its holder the owner tells, under the same id.
//! - That of a **hop** is told by the node that sends a task to another one.

use super::convention as key;
use super::convention::Operation;
#[cfg(feature = "otlp")]
use super::otlp::Sending;
use callboard_core::{InstanceId, Millis, Run, RunId, Speaker, TaskIndex, TaskRef, Token, TraceParent};
use std::fmt;
#[cfg(feature = "otlp")]
use std::sync::Arc;
use std::time::SystemTime;
use tracing::field::{Empty, display};
use tracing::{Instrument, Span};

/// Where the spans of a node go.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tracer {
    #[cfg(feature = "otlp")]
    pub(super) to: Option<Arc<Sending>>,
}

/// An activation that begins.
#[cfg_attr(not(feature = "otlp"), expect(dead_code, reason = "a line of the log says less"))]
pub(crate) struct Begun<'a> {
    pub(crate) speaker: &'a Speaker,
    pub(crate) name: &'a str,
    pub(crate) capability: &'a str,
    pub(crate) partition: u16,
    /// The span that has asked for it.
    pub(crate) parent: Option<TraceParent>,
    pub(crate) came: Came,
}

/// How a task came to its instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Came {
    /// Within the node.
    Inside,
    /// From another one.
    Over,
}

/// What has happened and is told as a span.
#[derive(Debug)]
#[cfg_attr(not(feature = "otlp"), expect(dead_code, reason = "nobody is told"))]
pub(crate) enum Told<'a> {
    /// A run has ended.
    Ended { run: &'a Run, outcome: &'static str, at: Millis, partition: u16, node: &'a str },
    /// An activation was lost with its holder.
    Lost {
        run: &'a Run,
        task: TaskIndex,
        token: Token,
        holder: &'a InstanceId,
        since: Millis,
        at: Millis,
        partition: u16,
    },
    /// A task has failed for good, for a reason of this class.
    Failed {
        run: &'a Run,
        task: TaskIndex,
        token: Option<Token>,
        class: &'static str,
        outcome: &'static str,
        at: Millis,
    },
    /// A task was sent to another node.
    Sent { task: TaskRef, token: Token, parent: TraceParent, queue: &'a str, message: &'a str, since: SystemTime },
}

/// How an activation has ended where it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Completed,
    Failed,
    Panicked,
    Parked,
    Cancelled,
    TimedOut,
    Released,
}

impl Outcome {
    /// The word for it.
    #[cfg(feature = "otlp")]
    const fn as_str(self) -> &'static str {
        match self {
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Panicked => "panicked",
            Self::Parked => "parked",
            Self::Cancelled => "cancelled",
            Self::TimedOut => "timed_out",
            Self::Released => "released",
        }
    }
}

impl Tracer {
    /// The span of a run; `None` if nobody traces it.
    pub(crate) fn of_run(&self, run: RunId, given: Option<TraceParent>) -> Option<TraceParent> {
        match given {
            Some(given) => Some(TraceParent { span: of_run(run).1, ..given }),
            None => self.derived(run),
        }
    }

    /// That of a run to which no trace was given.
    fn derived(&self, run: RunId) -> Option<TraceParent> {
        #[cfg(feature = "otlp")]
        if let Some(to) = &self.to {
            let (trace, span) = of_run(run);
            return TraceParent::new(trace, span, to.samples(trace));
        }
        let _off = run;
        None
    }

    /// The span that has asked for a task: an activation of the task above it, or the run.
    pub(crate) fn parent_of(&self, run: &Run, task: TaskIndex) -> Option<TraceParent> {
        let root = self.of_run(run.id, run.trace)?;
        let above = run.task(task).and_then(|task| task.parent.as_ref());
        let span = above.map(|above| of_activation(TaskRef { run: run.id, task: above.task }, above.token));
        Some(span.map_or(root, |span| TraceParent { span, ..root }))
    }

    /// What is around an activation, for the instance that performs it. What is logged within it says of which run and task it
    /// is. Its span is sent only if it was told how it [`ended`](Self::ended).
    pub(crate) fn begin(&self, begun: &Begun<'_>) -> Around {
        let Speaker { task, token, holder } = begun.speaker;
        let parent = begun.parent.or_else(|| self.derived(task.run));
        #[cfg(feature = "otlp")]
        if let (Some(_), Some(parent)) = (&self.to, parent) {
            return match parent.is_sampled() {
                true => {
                    let span = context(*task, *token, begun.partition, holder.node(), Some(parent));
                    super::otlp::begin(&span, begun, parent);
                    Around { span, hangs_on: None }
                }
                false => {
                    let span = unsampled(*task, *token, begun.partition, holder.node(), parent);
                    Around { span, hangs_on: Some(super::otlp::remote(parent)) }
                }
            };
        }
        Around {
            span: context(*task, *token, begun.partition, holder.node(), parent),
            #[cfg(feature = "otlp")]
            hangs_on: None,
        }
    }

    /// Notes how the activation has ended in whose span this is called. The log has it in lines of its own.
    pub(crate) fn ended(&self, outcome: Outcome) {
        #[cfg(feature = "otlp")]
        if self.to.is_some() {
            Span::current().record(key::OUTCOME, outcome.as_str());
        }
        let _off = outcome;
    }

    /// Tells something, if it is traced.
    pub(crate) fn tell(&self, told: &Told<'_>) {
        #[cfg(feature = "otlp")]
        if let Some(to) = &self.to {
            to.tell(self, told);
        }
        let _off = told;
    }
}

/// What is around the work on a task.
pub(crate) struct Around {
    span: Span,
    /// Of what is not recorded there is no span for who sends traces: that is most of it. What the handler traces hangs on
    /// this instead, and is not recorded either.
    #[cfg(feature = "otlp")]
    hangs_on: Option<opentelemetry::Context>,
}

impl Around {
    /// Does the work.
    pub(crate) async fn perform<F: Future>(self, work: F) -> F::Output {
        #[cfg(feature = "otlp")]
        if let Some(hangs_on) = self.hangs_on {
            use opentelemetry::trace::FutureExt;
            return work.with_context(hangs_on).instrument(self.span).await;
        }
        work.instrument(self.span).await
    }
}

/// Spans with this target are for the log alone.
#[cfg(feature = "otlp")]
pub(super) const UNSAMPLED: &str = "callboard::unsampled";

/// As severe as an error, so that every line that is written has it.
macro_rules! activation {
    ($target:expr, $task:expr, $token:expr, $partition:expr, $node:expr) => {
        tracing::error_span!(
            target: $target,
            "activation",
            { key::RUN } = %$task.run,
            { key::TASK } = %$task,
            { key::ATTEMPT } = $token.attempt,
            { key::ACTIVATION } = $token.activation,
            { key::PARTITION } = $partition,
            { key::NODE } = $node,
            { key::TRACE } = Empty,
            { key::OUTCOME } = Empty,
            otel.name = Empty,
        )
    };
}

/// What is said of all that belongs to an activation.
pub(crate) fn context(task: TaskRef, token: Token, partition: u16, node: &str, trace: Option<TraceParent>) -> Span {
    of_trace(activation!(module_path!(), task, token, partition, node), trace)
}

/// The same of one that is not recorded.
#[cfg(feature = "otlp")]
fn unsampled(task: TaskRef, token: Token, partition: u16, node: &str, trace: TraceParent) -> Span {
    of_trace(activation!(UNSAMPLED, task, token, partition, node), Some(trace))
}

fn of_trace(span: Span, trace: Option<TraceParent>) -> Span {
    if let Some(trace) = trace.filter(|_| !span.is_disabled()) {
        span.record(key::TRACE, display(format_args!("{:032x}", trace.trace)));
    }
    span
}

/// A call of a handler whose code runs now.
pub(crate) fn call(operation: Operation, call: &str) -> Span {
    let span = tracing::info_span!(
        "call",
        { key::CALL } = call,
        { key::GEN_AI_OPERATION } = Empty,
        { key::GEN_AI_TOOL } = Empty,
        otel.name = %Named(operation, call),
    );
    if operation == Operation::Tool {
        span.record(key::GEN_AI_OPERATION, operation.as_str());
        span.record(key::GEN_AI_TOOL, plain(call));
    }
    span
}

/// The name of a span.
pub(super) struct Named<'a>(pub(super) Operation, pub(super) &'a str);

impl fmt::Display for Named<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = if matches!(self.0, Operation::Step | Operation::Tool) { plain(self.1) } else { self.1 };
        write!(f, "{} {what}", self.0.as_str())
    }
}

/// The key of a durable call without the kind and the occurrence, which would make a name of its own of each.
fn plain(call: &str) -> &str {
    let call = call.rsplit('/').next().unwrap_or(call);
    let call = call.split_once(':').map_or(call, |(_, name)| name);
    call.split_once('#').map_or(call, |(name, _)| name)
}

/// What time it is, as the spans of others have it.
#[expect(clippy::disallowed_methods, reason = "a span is for people: nothing is decided by it")]
pub(crate) fn now() -> SystemTime {
    SystemTime::now()
}

/// The span that is current in the program, for a run that is submitted within it.
#[cfg(not(feature = "otlp"))]
pub(crate) fn current() -> Option<TraceParent> {
    None
}

#[cfg(feature = "otlp")]
pub(crate) use super::otlp::current;

/// The trace of a run to which none was given, and the span of any run.
pub(super) fn of_run(run: RunId) -> (u128, u64) {
    let mut hasher = blake3::Hasher::new_derive_key("callboard 2026 trace of a run");
    hasher.update(run.as_bytes());
    let bytes = hasher.finalize();
    let mut trace = [0; 16];
    trace.copy_from_slice(&bytes.as_bytes()[..16]);
    // A sampler looks at the low half, in which the id of a run is not spread evenly: hence the hash.
    (u128::from_be_bytes(trace).max(1), span_id(&bytes.as_bytes()[16..24]))
}

/// The span of an activation.
pub(super) fn of_activation(task: TaskRef, token: Token) -> u64 {
    of_task("callboard 2026 span of an activation", task, token)
}

/// The span of the way to another node.
#[cfg(feature = "otlp")]
pub(super) fn of_hop(task: TaskRef, token: Token) -> u64 {
    of_task("callboard 2026 span of a hop", task, token)
}

fn of_task(purpose: &'static str, task: TaskRef, token: Token) -> u64 {
    let mut hasher = blake3::Hasher::new_derive_key(purpose);
    hasher.update(task.run.as_bytes());
    for number in [task.task.0, token.attempt, token.activation] {
        hasher.update(&number.to_le_bytes());
    }
    span_id(&hasher.finalize().as_bytes()[..8])
}

/// Never zero, which names nothing.
fn span_id(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0, |id, byte| id << 8 | u64::from(*byte)).max(1)
}
