//! What must hold at every step, named, and what a verdict may claim.
use super::{
    register::Verdict,
    store::{Answer, Call, Chain, Object},
};

/// A property that was found broken. It stays in the state, so that the search stops at it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Violation {
    /// An ok increment counts once, a failed one never, an unknown one at most once.
    Count,
    /// Every conclusion of R2 to R7 agrees with the versions that were the newest.
    Conclusion,
    /// Every version follows the one before it, and none that was told *Moved* is among them.
    Chain,
    /// What was acknowledged is in the log of a fresh reader.
    Acknowledged,
    /// What was reported as failed is not in the log.
    Failed,
    /// No batch is in the log twice.
    Repeated,
    /// The log only grows.
    Shrunk,
    /// The state of a serving owner is a prefix of the log.
    Serving,
    /// At most one owner serves in an epoch.
    TwoOwners,
    /// Nothing acknowledged in an earlier epoch is missing when serving starts.
    Start,
    /// Neither the epoch nor the snapshot's position goes back.
    Back,
    /// A fresh reader returns a prefix of the log with all that was acknowledged before it began.
    Reader,
    /// Nobody sees a log whose records do not follow each other in a manifest that stands (J10).
    Alarm,
}

impl Violation {
    /// The property, in words.
    pub fn name(self) -> &'static str {
        match self {
            Self::Count => "ok counts once, failed never, unknown at most once",
            Self::Conclusion => "every conclusion about the register is true",
            Self::Chain => "every version follows the one before it",
            Self::Acknowledged => "what was acknowledged is in the log",
            Self::Failed => "what failed is not in the log",
            Self::Repeated => "nothing is in the log twice",
            Self::Shrunk => "the log only grows",
            Self::Serving => "a serving owner's state is a prefix of the log",
            Self::TwoOwners => "one serving owner per epoch",
            Self::Start => "serving starts with all that was acknowledged before",
            Self::Back => "neither epoch nor snapshot goes back",
            Self::Reader => "a reader sees all that was acknowledged before it began",
            Self::Alarm => "no false alarm",
        }
    }
}

/// The violations found so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Violations(u16);

impl Violations {
    /// Adds one.
    pub fn set(&mut self, violation: Violation) {
        self.0 |= 1 << violation as u16;
    }

    /// Whether this one was found.
    pub fn has(self, violation: Violation) -> bool {
        self.0 & 1 << violation as u16 != 0
    }
}

/// Whether a verdict about `write` at `version` is false.
pub fn contradicts(chain: &Chain, version: u8, write: u8, verdict: Verdict) -> bool {
    match verdict {
        Verdict::Advanced | Verdict::Superseded => chain.history(version) != write,
        Verdict::Moved => chain.holds(write),
        Verdict::Unknown => false,
    }
}

/// A call in one line.
pub fn readable(call: &Call) -> String {
    let shown = |object: &Option<Object>| object.map_or("nothing".into(), |object| format!("{object:?}"));
    match call {
        Call::List { last: 0 } => "list shows nothing".into(),
        Call::List { last } => format!("list ends in {last}"),
        Call::Get { name, found } => format!("get {name:?} shows {}", shown(found)),
        Call::Create { name, object, answer } => {
            let answer = match answer {
                Answer::Created => "takes effect",
                Answer::Exists => "is answered exists",
                Answer::Unclear => "is unclear",
            };
            format!("create {name:?} with {object:?} {answer}")
        }
        Call::Lost => "the answer is lost".into(),
        Call::GiveUp => "gives up".into(),
    }
}
