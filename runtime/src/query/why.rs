//! Why a task does not run: what is known of it, and the sentence that says so.

#[cfg(test)]
mod tests;

use super::info::TaskInfo;
use crate::breaker::BreakerState;
use crate::node::Node;
use crate::registry::AgentInfo;
use crate::{Budget, Cost};
use callboard_core::{Millis, Status, closest};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

/// Why a task neither runs nor has ended, as far as it is known. As text it is one sentence.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Why {
    causes: Vec<Cause>,
}

impl Why {
    /// What comes together, what matters most first; `None` if that is nothing.
    pub(crate) fn of(causes: Vec<Cause>) -> Option<Self> {
        (!causes.is_empty()).then_some(Self { causes })
    }

    /// What comes together, what matters most first.
    pub fn causes(&self) -> &[Cause] {
        &self.causes
    }
}

/// One thing that keeps a task from running. Times to come count from the moment of the answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Cause {
    /// It needs what has not completed.
    Needs {
        /// The first of those tasks, each with where it stands.
        tasks: Vec<(String, Status)>,
        /// How many more there are.
        more: usize,
    },
    /// It undoes an effect, and what came after that is undone first.
    UndoneLater,
    /// Its run starts nothing.
    Paused {
        /// By whom or why.
        reason: Arc<str>,
    },
    /// An attempt has failed, and the next one comes after a delay.
    Retry {
        /// Which retry, from 1.
        retry: u32,
        /// How many there are.
        of: u32,
        /// How long until it may start.
        left: Duration,
        /// Why the last attempt failed.
        error: String,
    },
    /// It may not start before a moment.
    Later {
        /// How long until then.
        left: Duration,
    },
    /// No agent offers what it asks for.
    NoAgent {
        /// What it asks for.
        capability: Arc<str>,
        /// The name that comes closest to it.
        closest: Option<String>,
    },
    /// Agents of other nodes offer what it asks for, and none of this node.
    OtherNodes {
        /// What it asks for.
        capability: Arc<str>,
        /// The first of them.
        agents: Vec<Elsewhere>,
        /// How many more there are.
        more: usize,
    },
    /// Agents offer what it asks for, and none is what it requires.
    Unmet {
        /// What it asks for.
        capability: Arc<str>,
        /// What the first of them lack.
        lacks: Vec<String>,
        /// How many more there are.
        more: usize,
    },
    /// The agents have no instance yet.
    NoInstance {
        /// Why not.
        trouble: Option<String>,
    },
    /// The slots of the agents are taken.
    Slots {
        /// How many are.
        taken: usize,
        /// How many there are.
        of: usize,
    },
    /// No slot is free here, and other nodes were asked for one.
    SlotsAsked,
    /// It was given a slot, and is on its way there.
    OnItsWay,
    /// So many of its kind come before it.
    Ahead {
        /// How many.
        tasks: usize,
        /// Whether there may be more than were counted.
        or_more: bool,
    },
    /// A breaker lets nothing through.
    Breaker {
        /// Its name.
        name: Arc<str>,
        /// Where it stands.
        state: BreakerState,
        /// How long until its probe, if it is open and not held open by hand.
        left: Option<Duration>,
        /// Why it stands there.
        reason: Arc<str>,
    },
    /// A limit is reached.
    Limit {
        /// Its name.
        name: Arc<str>,
        /// Whose share of it.
        tenant: Option<Arc<str>>,
        /// What was taken of how much.
        reached: String,
    },
    /// The budget of its run has no room for a call.
    Budget {
        /// What the call costs at most.
        cost: Cost,
        /// What the run may cost.
        limit: Budget,
        /// What it has cost.
        spent: Cost,
        /// What calls that are under way may cost.
        reserved: Cost,
        /// How many calls come before it.
        ahead: usize,
    },
    /// A person is to answer.
    Approval {
        /// Which of its approvals, from 1.
        number: u32,
        /// What is asked.
        prompt: Arc<str>,
        /// Since when.
        since: Millis,
        /// Until when, if not for ever.
        until: Option<Millis>,
    },
    /// A signal is to come.
    Signal {
        /// Its name.
        name: Arc<str>,
        /// Since when.
        since: Millis,
        /// Until when, if not for ever.
        until: Option<Millis>,
    },
    /// Other tasks are to come to a barrier.
    Barrier {
        /// Its name.
        name: Arc<str>,
        /// How many have to come.
        parties: u32,
        /// Since when.
        since: Millis,
        /// Until when, if not for ever.
        until: Option<Millis>,
    },
    /// It sleeps.
    Sleep {
        /// Until when.
        until: Millis,
    },
    /// Nobody knows whether an effect of it happened: somebody has to decide.
    Outcome {
        /// The call.
        call: Arc<str>,
        /// When it was begun.
        since: Millis,
        /// Why nobody knows.
        reason: Arc<str>,
    },
    /// A task that it has asked for has not ended.
    Child {
        /// Its name.
        task: String,
        /// Where it stands.
        status: Status,
    },
    /// Something of it is known to others only, who were not heard.
    NotKnown {
        /// What, and why not.
        what: String,
    },
}

/// An agent of another node, as the directory knows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Elsewhere {
    /// Its id.
    pub agent: Arc<str>,
    /// Its node.
    pub node: Arc<str>,
    /// How many of its slots are taken.
    pub taken: usize,
    /// How many it has.
    pub of: usize,
}

/// How many agents of other nodes are named.
const AGENTS_MAX: usize = 8;

/// Looks on other nodes for what tasks miss on the one that has answered: it knows its own agents only.
pub(crate) async fn look_around(node: &Node, tasks: impl Iterator<Item = &mut TaskInfo>) {
    if !node.backlog.has_others() {
        return;
    }
    let causes = tasks.filter_map(|task| task.why.as_mut()).map(|why| &mut why.causes);
    let mut missing: Vec<&mut Vec<Cause>> =
        causes.filter(|causes| matches!(causes.first(), Some(Cause::NoAgent { .. }))).collect();
    if missing.is_empty() {
        return;
    }
    match node.registry.list(None, |_| true).await {
        Ok(agents) => missing.iter_mut().filter_map(|causes| causes.first_mut()).for_each(|cause| cause.find(&agents)),
        Err(error) => {
            let what = format!("what agents of other nodes offer, because {error:#}");
            missing.iter_mut().for_each(|causes| causes.push(Cause::NotKnown { what: what.clone() }));
        }
    }
}

impl Cause {
    /// Of the agents of all nodes those that offer what no agent of the one offers that was asked.
    fn find(&mut self, agents: &[AgentInfo]) {
        let Self::NoAgent { capability, .. } = self else { return };
        let capability = capability.clone();
        let mut offering = agents.iter().filter(|agent| agent.capability(&capability).is_some()).peekable();
        if offering.peek().is_none() {
            let names = agents.iter().flat_map(|agent| &agent.capabilities).map(|offered| &*offered.name);
            let closest = closest(&capability, names).map(str::to_owned);
            *self = Self::NoAgent { capability, closest };
            return;
        }
        let all: Vec<Elsewhere> = offering
            .map(|agent| Elsewhere {
                agent: agent.id.clone(),
                node: agent.node.clone(),
                taken: agent.running,
                of: agent.instances,
            })
            .collect();
        let more = all.len().saturating_sub(AGENTS_MAX);
        *self = Self::OtherNodes { capability, agents: all.into_iter().take(AGENTS_MAX).collect(), more };
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, cause) in self.causes.iter().enumerate() {
            let behind = if n == 0 { "" } else { "; " };
            write!(f, "{behind}{cause}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Needs { tasks, more } => {
                let tasks: Vec<String> = tasks.iter().map(|(name, status)| format!("{name:?} ({status})")).collect();
                write!(f, "waits for {}{}", tasks.join(", "), and_more(*more))
            }
            Self::UndoneLater => f.write_str("waits until what came after it is undone"),
            Self::Paused { reason } => write!(f, "the run is paused: {reason}"),
            Self::Retry { retry, of, left, error } => write!(f, "retry {retry} of {of} in {left:.1?}, after: {error}"),
            Self::Later { left } => write!(f, "starts in {left:.1?}"),
            Self::NoAgent { capability, closest: None } => write!(f, "no agent offers {capability:?}"),
            Self::NoAgent { capability, closest: Some(closest) } => {
                write!(f, "no agent offers {capability:?}; the closest is {closest:?}")
            }
            Self::OtherNodes { capability, agents, more } => {
                let agents: Vec<String> = agents.iter().map(Elsewhere::to_string).collect();
                let more = and_more(*more);
                write!(f, "only agents of other nodes offer {capability:?}: {}{more}", agents.join(", "))
            }
            Self::Unmet { capability, lacks, more } => {
                let more = if *more > 0 { format!("; and {more} more") } else { String::new() };
                let lacks = lacks.join("; ");
                write!(f, "no agent that offers {capability:?} meets what the task requires: {lacks}{more}")
            }
            Self::NoInstance { trouble: None } => f.write_str("no instance runs yet"),
            Self::NoInstance { trouble: Some(trouble) } => write!(f, "no instance runs yet: {trouble}"),
            Self::Slots { taken, of } => write!(f, "{taken} of {of} slots are taken"),
            Self::SlotsAsked => f.write_str("no slot is free; other nodes have been asked for one"),
            Self::OnItsWay => f.write_str("is on its way to an agent"),
            Self::Ahead { tasks, or_more } => {
                let or_more = if *or_more { " or more" } else { "" };
                let are = if *tasks == 1 { "is" } else { "are" };
                write!(f, "{tasks}{or_more} of its kind {are} ahead of it")
            }
            Self::Breaker { name, state, left, reason } => {
                write!(f, "breaker {name:?} is ")?;
                match (state, left) {
                    (BreakerState::Closed, _) => f.write_str("closed")?,
                    (BreakerState::Open, Some(left)) => write!(f, "open for {left:.1?} more")?,
                    (BreakerState::Open, None) => f.write_str("held open by hand")?,
                    (BreakerState::HalfOpen, _) => f.write_str("half-open, and a probe is on its way")?,
                    (BreakerState::Ramping, _) => f.write_str("letting calls come back step by step")?,
                }
                if reason.is_empty() { Ok(()) } else { write!(f, ": {reason}") }
            }
            Self::Limit { name, tenant: None, reached } => write!(f, "limit {name:?} is reached: {reached}"),
            Self::Limit { name, tenant: Some(tenant), reached } => {
                write!(f, "limit {name:?} of tenant {tenant:?} is reached: {reached}")
            }
            Self::Budget { cost, limit, spent, reserved, ahead } => {
                write!(f, "the budget has no room for {cost}: {spent} spent")?;
                if *reserved != Cost::default() {
                    write!(f, " and {reserved} reserved")?;
                }
                write!(f, " of {limit}")?;
                match ahead {
                    0 => Ok(()),
                    1 => f.write_str("; 1 call is ahead of it"),
                    ahead => write!(f, "; {ahead} calls are ahead of it"),
                }
            }
            Self::Approval { number, prompt, since, until } => {
                write!(f, "waits for approval {number} {}: {prompt}", span(*since, *until))
            }
            Self::Signal { name, since, until } => write!(f, "waits for the signal {name:?} {}", span(*since, *until)),
            Self::Barrier { name, parties, since, until } => {
                write!(f, "waits for {parties} at the barrier {name:?} {}", span(*since, *until))
            }
            Self::Sleep { until } => write!(f, "sleeps until {}", moment(*until)),
            Self::Outcome { call, since, reason } => {
                let since = moment(*since);
                write!(f, "nobody knows whether {call} happened, begun {since}: {reason}; decide it")
            }
            Self::Child { task, status } => write!(f, "waits for task {task:?}, which is {status}"),
            Self::NotKnown { what } => write!(f, "not known: {what}"),
        }
    }
}

impl fmt::Display for Elsewhere {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { agent, node, taken, of } = self;
        write!(f, "{agent:?} on {node}, {taken} of {of} slots taken")
    }
}

fn and_more(more: usize) -> String {
    if more > 0 { format!(" and {more} more") } else { String::new() }
}

fn span(since: Millis, until: Option<Millis>) -> String {
    let until = until.map_or_else(String::new, |until| format!(" until {}", moment(until)));
    format!("since {}{until}", moment(since))
}

/// A moment as `2026-11-20T10:36:20Z`. What lies beyond the calendar is its end.
fn moment(at: Millis) -> String {
    const LAST_MS: u64 = 253_402_300_799_999;
    let since = Duration::from_millis(u64::try_from(at.0).unwrap_or(0).min(LAST_MS));
    humantime::format_rfc3339_seconds(UNIX_EPOCH + since).to_string()
}
