//! How what is traced and logged is named: all keys and all names of spans.
//!
//! They follow OpenTelemetry, whose conventions for messaging and for generative AI still move: a new version of them
//! changes this file and no other. Ours begin with `callboard.`; a log line has them in a [short](short) form.

/// The run.
pub(crate) const RUN: &str = "callboard.run.id";
/// How many tasks a run has come to have.
pub(crate) const TASKS: &str = "callboard.run.tasks";
/// The task, as `<run>/<index>`.
pub(crate) const TASK: &str = "callboard.task.id";
/// What its author calls the task.
pub(crate) const NAME: &str = "callboard.task.name";
/// What the task asks for.
pub(crate) const CAPABILITY: &str = "callboard.capability";
/// On whose behalf a run runs.
pub(crate) const TENANT: &str = "callboard.tenant";
/// The attempt at the task, from 1.
pub(crate) const ATTEMPT: &str = "callboard.attempt";
/// The hand-out of the attempt, from 1.
pub(crate) const ACTIVATION: &str = "callboard.activation";
/// Who performs it.
pub(crate) const INSTANCE: &str = "callboard.instance";
/// The partition to which the run belongs.
pub(crate) const PARTITION: &str = "callboard.partition";
/// The node on which it is.
pub(crate) const NODE: &str = "callboard.node";
/// The key of a durable call, or the name of what is guarded.
pub(crate) const CALL: &str = "callboard.call";
/// How it ended.
pub(crate) const OUTCOME: &str = "callboard.outcome";
/// The trace, in lines of the log; in a trace every span has it anyway.
pub(crate) const TRACE: &str = "callboard.trace.id";

/// What finally failed, by its class; never on what a retry may heal.
pub(crate) const ERROR: &str = "error.type";

/// What is done, of what generative AI does.
pub(crate) const GEN_AI_OPERATION: &str = "gen_ai.operation.name";
/// The agent.
pub(crate) const GEN_AI_AGENT: &str = "gen_ai.agent.name";
/// The workflow.
pub(crate) const GEN_AI_WORKFLOW: &str = "gen_ai.workflow.name";
/// The tool.
pub(crate) const GEN_AI_TOOL: &str = "gen_ai.tool.name";

/// The broker.
pub(crate) const MESSAGING_SYSTEM: &str = "messaging.system";
/// What is done with a message, in one of the words that all brokers share.
pub(crate) const MESSAGING_TYPE: &str = "messaging.operation.type";
/// The same in a word of its own.
pub(crate) const MESSAGING_OPERATION: &str = "messaging.operation.name";
/// The queue.
pub(crate) const MESSAGING_DESTINATION: &str = "messaging.destination.name";
/// The message.
pub(crate) const MESSAGING_MESSAGE: &str = "messaging.message.id";
/// What the message is a part of: the run.
pub(crate) const MESSAGING_CONVERSATION: &str = "messaging.message.conversation_id";

/// What is done. With what it is done to it is the name of a span.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    /// A run.
    Workflow,
    /// An activation.
    Agent,
    /// An effect.
    Tool,
    /// A step.
    Step,
    /// What a breaker guards.
    Guard,
    /// A message to another node.
    Send,
    /// A task that has failed for good.
    Settle,
}

impl Operation {
    /// The word for it.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Workflow => "invoke_workflow",
            Self::Agent => "invoke_agent",
            Self::Tool => "execute_tool",
            Self::Step => "step",
            Self::Guard => "guard",
            Self::Send => "send",
            Self::Settle => "settle",
        }
    }
}

/// The key as a log line has it: ours without their beginning, others as they are.
pub(crate) fn short(key: &'static str) -> &'static str {
    match key {
        RUN => "run",
        TASK => "task",
        NAME => "name",
        TRACE => "trace_id",
        key => key.strip_prefix("callboard.").unwrap_or(key),
    }
}
