//! What a breaker decides: no clock, no lock, no actor.

use super::cluster::Told;
use super::info::Published;
use super::rules::BreakerRules;
use callboard_core::sabotage::{self, Sabotage};
use failsafe::failure_policy::{FailurePolicy, consecutive_failures};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// How a call went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Heard {
    /// Well.
    Well,
    /// It failed, with these words.
    Failed(Arc<str>),
    /// It was slow, or cut short because it took too long; `trips` if so many of the last ones were that it is enough.
    Slow { trips: bool },
    /// Nobody knows: it was dropped.
    Dropped,
}

/// Where a breaker stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// Lets everything through.
    Closed,
    /// Lets nothing through, until then; until somebody says otherwise, without a moment.
    Open { until: Option<Instant> },
    /// Lets one call through, the probe.
    HalfOpen { since: Instant },
    /// The probe went well: lets more and more through.
    Ramping { since: Instant },
}

impl State {
    /// The more, the less goes.
    fn care(self) -> u8 {
        match self {
            Self::Closed => 0,
            Self::Ramping { .. } => 1,
            Self::HalfOpen { .. } | Self::Open { until: Some(_) } => 2,
            Self::Open { until: None } => 3,
        }
    }
}

/// Steps of a ramp. Each lets twice as many through as the one before it: 1, 2, 4, ... 512.
const STEPS: u32 = 10;
/// How long a probe may take to begin before another is let through in its place.
const PROBE_MAX: Duration = Duration::from_secs(10);
/// How often a probe that is under way is looked at, and others hear that it is.
const PROBE_SIGN: Duration = Duration::from_secs(5);

/// A breaker.
pub(super) struct Machine {
    rules: BreakerRules,
    counting: Box<dyn FailurePolicy + Send>,
    pub(super) state: State,
    /// Counts the changes of state.
    pub(super) generation: u64,
    /// Why it is in this state.
    pub(super) reason: Arc<str>,
    /// Whether a person has put it there.
    pub(super) is_by_hand: bool,
    /// When a half-open one is looked at.
    look_at: Instant,
    /// The step of a ramp that was let through last.
    climbed: u32,
}

impl Machine {
    pub(super) fn new(rules: BreakerRules) -> Self {
        let counting = counting(&rules);
        let look_at = Instant::now();
        let (state, is_by_hand) = (State::Closed, false);
        Self { rules, counting, state, generation: 0, reason: "".into(), is_by_hand, look_at, climbed: 0 }
    }

    /// Goes on where an earlier incarnation of its actor was.
    pub(super) fn goes_on(&mut self, published: &Published) {
        let Published { state, generation, reason, is_by_hand, .. } = published.clone();
        (self.state, self.generation, self.reason, self.is_by_hand) = (state, generation, reason, is_by_hand);
        if let State::HalfOpen { since } = state {
            self.look_at = since + PROBE_MAX;
        }
    }

    /// Hears how a call went that began in `generation`; true if that changes the state.
    pub(super) fn hear(&mut self, now: Instant, generation: u64, heard: Heard) -> bool {
        if generation != self.generation {
            return false;
        }
        match (self.state, heard) {
            (State::Open { .. }, _) => false,
            (State::HalfOpen { .. }, Heard::Well) => {
                self.counting.revived();
                let next = match self.rules.ramp.is_zero() || sabotage::is(Sabotage::ReleaseAllAtOnce) {
                    true => State::Closed,
                    false => State::Ramping { since: now },
                };
                self.go(next, "the probe went well".into())
            }
            (State::HalfOpen { .. }, Heard::Failed(why)) => self.open(now, format!("the probe failed: {why}").into()),
            (State::HalfOpen { .. }, Heard::Slow { .. }) => self.open(now, "the probe was slow, or cut short".into()),
            (State::HalfOpen { .. }, Heard::Dropped) => {
                self.go(State::HalfOpen { since: now }, "the probe was given up".into())
            }
            (State::Closed | State::Ramping { .. }, Heard::Well) => {
                self.counting.record_success();
                false
            }
            (State::Closed | State::Ramping { .. }, Heard::Failed(why)) => {
                self.counting.mark_dead_on_failure().is_some() && {
                    let many = self.rules.failures;
                    self.open(now, format!("{many} failures in a row, the last: {why}").into())
                }
            }
            (State::Closed | State::Ramping { .. }, Heard::Slow { trips: true }) => {
                let BreakerRules { slow_percent, slow_calls, .. } = self.rules;
                self.open(now, format!("{slow_percent} % of the last {slow_calls} calls were slow").into())
            }
            (State::Closed | State::Ramping { .. }, Heard::Slow { trips: false } | Heard::Dropped) => false,
        }
    }

    /// When there is something to do, if nothing is heard before.
    pub(super) fn due(&self) -> Option<Instant> {
        match self.state {
            State::Closed => None,
            State::Open { until } => until,
            State::HalfOpen { .. } => Some(self.look_at),
            State::Ramping { since } => Some(since + self.step() * (self.climbed + 1)),
        }
    }

    /// The time for the probe has come.
    pub(super) fn probe(&mut self, now: Instant) {
        self.go(State::HalfOpen { since: now }, self.reason.clone());
    }

    /// Nobody here has come for the probe: it is somebody else's turn.
    pub(super) fn pass_on(&mut self, now: Instant) {
        self.go(State::Open { until: Some(now) }, self.reason.clone());
    }

    /// Looks again so soon whether the probe has begun.
    pub(super) fn look_in(&mut self, now: Instant, soon: Duration) {
        self.look_at = now + soon;
    }

    /// Another probe, for one that has not begun.
    pub(super) fn probe_again(&mut self, now: Instant) {
        self.go(State::HalfOpen { since: now }, "the probe did not begin".into());
    }

    /// The probe is under way: it is given as long as the breaker was open. True if that is over, and it is open again.
    pub(super) fn keeps_probing(&mut self, now: Instant) -> bool {
        let State::HalfOpen { since } = self.state else { return false };
        let until = since + self.rules.open.max(PROBE_MAX);
        self.look_at = until.min(now + PROBE_SIGN);
        until <= now && self.open(now, "the probe has not ended".into())
    }

    /// A call has begun here that another node has let through as the probe of this generation; false if that is over.
    pub(super) fn begun(&mut self, now: Instant, generation: u64) -> bool {
        match self.state {
            _ if generation < self.generation => return false,
            State::HalfOpen { .. } if generation == self.generation => return true, // its actor has come after it
            State::Open { until: None } | State::Closed | State::Ramping { .. } if generation == self.generation => {
                return false;
            }
            _ => {}
        }
        (self.state, self.generation, self.is_by_hand) = (State::HalfOpen { since: now }, generation, false);
        self.look_at = now + PROBE_SIGN;
        true
    }

    /// Opens for so long from now on, because somebody else has the probe.
    pub(super) fn wait(&mut self, until: Instant) {
        self.state = State::Open { until: Some(until) };
    }

    /// Somebody else has the probe, still.
    pub(super) fn waits_on(&mut self, until: Instant) {
        if let State::Open { until: Some(_) } = self.state {
            self.wait(until);
        }
    }

    /// A step of the ramp: how many more may go now; `None` when it is over, and closed now.
    pub(super) fn climb(&mut self, now: Instant) -> Option<u32> {
        let State::Ramping { since } = self.state else { return None };
        let steps = self.steps_by(since, now);
        self.climbed = steps;
        if steps < STEPS {
            return Some(1 << steps);
        }
        self.go(State::Closed, "the ramp is over".into());
        None
    }

    fn step(&self) -> Duration {
        self.rules.ramp / STEPS
    }

    fn steps_by(&self, since: Instant, now: Instant) -> u32 {
        let passed = now.saturating_duration_since(since).as_nanos();
        u32::try_from(passed / self.step().as_nanos().max(1)).unwrap_or(STEPS).min(STEPS)
    }

    /// A person says where it is to stand.
    pub(super) fn by_hand(&mut self, state: State, reason: Arc<str>) {
        self.put(state, self.generation + 1, reason, true);
    }

    /// Another node says where it stands.
    pub(super) fn takes(&mut self, told: Told, now: Instant) {
        self.put(told.state(now), told.generation, told.reason, told.is_by_hand);
    }

    fn put(&mut self, state: State, generation: u64, reason: Arc<str>, is_by_hand: bool) {
        if !matches!(state, State::Open { .. }) {
            self.counting = counting(&self.rules);
        }
        (self.state, self.generation, self.reason, self.is_by_hand) = (state, generation, reason, is_by_hand);
    }

    /// Whether what another node says counts, which has made a change of the same generation: a person's does, and of two
    /// alike the more careful one.
    pub(super) fn yields_to(&self, told: &Told, now: Instant) -> bool {
        (told.is_by_hand, told.state(now).care()) > (self.is_by_hand, self.state.care())
    }

    /// Whether what it has said counts although another node has answered that there were more changes, of which this one
    /// knows nothing: what a person wants does, and calls that have failed outweigh that there was no news.
    pub(super) fn stands_by(&mut self, told: &Told, now: Instant) -> bool {
        let is_shut = matches!(self.state, State::Open { .. });
        let stands = self.is_by_hand || is_shut && told.state(now).care() < self.state.care();
        if stands {
            self.generation = told.generation + 1;
        }
        stands
    }

    fn open(&mut self, now: Instant, reason: Arc<str>) -> bool {
        self.counting = counting(&self.rules);
        self.go(State::Open { until: Some(now + self.rules.open) }, reason)
    }

    fn go(&mut self, state: State, reason: Arc<str>) -> bool {
        if let State::HalfOpen { since } = state {
            self.look_at = since + PROBE_MAX;
        }
        self.generation += 1;
        (self.state, self.reason, self.is_by_hand) = (state, reason, false);
        true
    }
}

/// Counts failures in a row. For how long it is open then is our clock's business: failsafe's own follows no test.
fn counting(rules: &BreakerRules) -> Box<dyn FailurePolicy + Send> {
    Box::new(consecutive_failures(rules.failures, failsafe::backoff::constant(rules.open)))
}
