//! A recorded history, played to agents.

use super::history::{Attempt, Ended, History};
use super::runtime::Shared;
use crate::agent::context::Assignment;
use crate::breaches::Breaches;
use crate::breaker::{BreakerRules, Breakers};
use crate::durable::driver::Driven;
use crate::durable::playback::{Played, play_back};
use crate::message::{Home, Limits, Mailroom, Voice};
use crate::{Ctx, ErrorClass};
use callboard_core::FailureClass;
use futures::FutureExt;
use std::collections::BTreeMap;
use std::fmt;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

/// What came of playing a history to agents. See [`TestRuntime::replay`](super::TestRuntime::replay).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Replay {
    /// Each attempt at a task that has recorded anything and whose agent is no stub, in the order in which they ended; those
    /// that go on come last.
    pub tasks: Vec<Replayed>,
}

/// What came of playing one attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Replayed {
    /// The name of the task in its run.
    pub task: String,
    /// What it asked for.
    pub capability: String,
    /// Which attempt it was, from 1.
    pub attempt: u32,
    /// How many entries it has recorded.
    pub recorded: usize,
    /// How many of them, from the first on, the agent has followed.
    pub followed: usize,
    /// What was found.
    pub verdict: Verdict,
}

/// What was found when an attempt was played.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Verdict {
    /// The agent asks for everything that is recorded, and comes to the same end; or it waits where the history ends,
    /// and what it would ask for next is not recorded yet.
    Fine,
    /// It asks for something else under the key of a recorded call, or can not read what is recorded there: a run that is
    /// under way would fail.
    Diverged {
        /// The call.
        call: String,
        /// What it said.
        reason: String,
    },
    /// It asks for calls that are not recorded, where more is recorded: new code, or calls of another name. A run that is
    /// under way would make them, and with those under `unasked`, if they have other names now, make them again.
    Unrecorded {
        /// What it asks for, and waits for.
        calls: Vec<String>,
        /// What is recorded and was not asked for.
        unasked: Vec<String>,
    },
    /// It never asks for calls that are recorded, and comes to the same end without them. A run that is under way would go
    /// on without them.
    Unasked {
        /// What is recorded and was not asked for.
        calls: Vec<String>,
    },
    /// It comes to another end than the one that is recorded.
    EndedOtherwise {
        /// The recorded end.
        recorded: String,
        /// What it comes to now.
        now: String,
    },
    /// No agent of this runtime does such tasks.
    NoAgent,
}

impl Replay {
    /// Whether every attempt is fine.
    pub fn is_fine(&self) -> bool {
        self.tasks.iter().all(|task| task.verdict == Verdict::Fine)
    }
}

/// A line for each attempt.
impl fmt::Display for Replay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.tasks.iter().try_for_each(|task| writeln!(f, "{task}"))
    }
}

impl fmt::Display for Replayed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { task, attempt, recorded, followed, verdict, .. } = self;
        write!(f, "task {task:?}, attempt {attempt}: {followed} of {recorded} entries followed: {verdict}")
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fine => f.write_str("fine"),
            Self::Diverged { call, reason } => write!(f, "diverged at {call}: {reason}"),
            Self::Unrecorded { calls, unasked } if unasked.is_empty() => {
                write!(f, "it asks for {}, which is not recorded", calls.join(", "))
            }
            Self::Unrecorded { calls, unasked } => {
                let (calls, unasked) = (calls.join(", "), unasked.join(", "));
                write!(f, "it asks for {calls}, which is not recorded; {unasked} is recorded and was not asked for")
            }
            Self::Unasked { calls } => write!(f, "{} is recorded and was never asked for", calls.join(", ")),
            Self::EndedOtherwise { recorded, now } => write!(f, "recorded is {recorded}; now it {now}"),
            Self::NoAgent => f.write_str("no agent does such tasks"),
        }
    }
}

/// Plays every attempt of a history to the agents that are no stubs.
pub(super) async fn replay(shared: &Shared, history: &History) -> Replay {
    let mut tasks = Vec::new();
    for attempt in history.attempts() {
        if shared.is_stubbed(&attempt.capability) {
            continue;
        }
        let (followed, verdict) = play(shared, &attempt).await;
        tasks.push(Replayed {
            task: attempt.name,
            capability: attempt.capability.to_string(),
            attempt: attempt.speaker.token.attempt,
            recorded: attempt.entries.len(),
            followed,
            verdict,
        });
    }
    Replay { tasks }
}

async fn play(shared: &Shared, attempt: &Attempt) -> (usize, Verdict) {
    let does = |name: &Arc<str>| **name == *attempt.capability;
    let agent = shared.agents.iter().find(|pool| pool.capabilities.iter().any(|capability| does(&capability.name)));
    let Some(agent) = agent else { return (0, Verdict::NoAgent) };
    let mut agent = (agent.factory)();
    // Messages reach nobody. The board is that of the test.
    let mailroom = Arc::new(Mailroom::new("replay".into(), shared.clock.clone(), Limits::default()));
    let place = mailroom.open(&"replay".into(), 1);
    let (alive, home) = (shared.alive().await, Home::default());
    home.is(&alive.board.0);
    let voice = Voice::new(mailroom, home, place.clone());
    let loan = place.lend();
    let (name, capability) = (attempt.name.clone(), attempt.capability.clone());
    // Whatever was let through then is let through now.
    let breakers = Breakers::new(BreakerRules::default(), BTreeMap::new(), Breaches::default());
    let assignment = Assignment { speaker: attempt.speaker.clone(), name, capability, tenant: None, ticket: None };
    let ctx = Ctx::new(assignment, (breakers, None, None), voice, loan.inbox(), shared.clock.clone(), None);
    let Some(handler) = agent.perform(&ctx, &attempt.capability, &attempt.input) else { return (0, Verdict::NoAgent) };
    let handler = AssertUnwindSafe(handler).catch_unwind().boxed();
    let played = play_back(ctx.calls(), handler, &attempt.entries).await;
    ctx.calls().end();
    judged(attempt, played)
}

fn judged(attempt: &Attempt, played: Played) -> (usize, Verdict) {
    let Played { end, given, unrecorded, unmade } = played;
    let (followed, unasked) = unmade.unwrap_or((attempt.entries.len(), Vec::new()));
    let texts = |keys: Vec<Arc<str>>| keys.iter().map(ToString::to_string).collect::<Vec<String>>();
    if let Some(Driven::Done(Err(error))) = &end
        && error.class() == ErrorClass::Diverged
        && !matches!(&attempt.ended, Ended::Failed(failure) if failure.class == FailureClass::Diverged)
    {
        let at = given.saturating_sub(1);
        let call = attempt.entries.get(at).map_or_else(String::new, |entry| entry.key.to_string());
        return (followed.min(at), Verdict::Diverged { call, reason: format!("{error:#}") });
    }
    // Where the history ends what comes next is not recorded yet.
    let goes_on = matches!(attempt.ended, Ended::Open) && unasked.is_empty();
    if !unrecorded.is_empty() && !goes_on {
        return (followed, Verdict::Unrecorded { calls: texts(unrecorded), unasked: texts(unasked) });
    }
    let verdict = match (otherwise(&attempt.ended, &end), unasked.is_empty()) {
        (Some(otherwise), _) => otherwise,
        (None, false) => Verdict::Unasked { calls: texts(unasked) },
        (None, true) => Verdict::Fine,
    };
    (followed, verdict)
}

/// How the end differs from the one that is recorded, if it does.
fn otherwise(recorded: &Ended, end: &Option<Driven>) -> Option<Verdict> {
    let is_same = match (recorded, end) {
        (Ended::Completed(output), Some(Driven::Done(Ok(now)))) => value(output.as_str()) == value(now.as_str()),
        (Ended::Failed(failure), Some(Driven::Done(Err(error)))) => {
            let now = error.failure();
            (failure.class, &failure.message) == (now.class, &now.message)
        }
        (Ended::Failed(failure), Some(Driven::Panicked(_))) => failure.class == FailureClass::Panic,
        // The handler was stopped, or what it waited for besides its durable calls does not come here.
        (Ended::Failed(failure), None) => failure.class == FailureClass::Timeout,
        // The history ends before its end was recorded.
        (Ended::Open, _) => true,
        _ => false,
    };
    let in_words = |json: &str| format!("an end with {}", json.chars().take(VALUE_CHARS).collect::<String>());
    let recorded = match recorded {
        Ended::Completed(output) => in_words(output.as_str()),
        Ended::Failed(failure) => format!("the failure {failure}"),
        Ended::Open => "no end".to_owned(),
    };
    let now = match end {
        Some(Driven::Done(Ok(output))) => format!("comes to {}", in_words(output.as_str())),
        Some(Driven::Done(Err(error))) => format!("fails: {error:#}"),
        Some(Driven::Panicked(_)) => "panics".to_owned(),
        _ => "waits".to_owned(),
    };
    (!is_same).then_some(Verdict::EndedOtherwise { recorded, now })
}

/// So much of a value is told.
const VALUE_CHARS: usize = 500;

fn value(json: &str) -> Option<serde_json::Value> {
    serde_json::from_str(json).ok()
}
