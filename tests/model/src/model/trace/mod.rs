//! Random walks through the model, as scripts that the real journal is driven by.
//!
//! The model resolves deletes and late creates when somebody looks; a trace spells them out, so that whoever
//! plays it needs a map of names and no rules.
use stateright::Model;

use super::store::{Answer, Call, Name, Object};
use random::{Random, WATCH};

mod documents;
mod log;
mod random;

/// Who makes a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Actor {
    /// A process's claim and appends.
    Process(u8),
    /// A process's snapshots.
    Keeper(u8),
    /// The fresh reader.
    Reader,
}

/// What an actor is told by a step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Told {
    /// It owns the partition; the batches replayed, without ownership records.
    Claimed(Vec<u8>),
    /// It does not.
    NotClaimed,
    /// The append is durable.
    Appended,
    /// The append failed.
    Failed,
    /// The append is unknown.
    Unknown,
    /// The snapshot stands.
    Snapshotted,
    /// The manifest has moved, or may have.
    Deposed,
    /// The log, without ownership records.
    Read(Vec<u8>),
}

/// What happens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The name holds this from now on: a delete, a late create, or one after the other.
    Holds(Name, Option<Object>),
    /// The actor's next call is this, and is answered so.
    Call(Actor, Call),
    /// Every further call of the actor is unclear, until it is told something.
    GivesUp(Actor),
}

/// One step of a trace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// What happens.
    pub event: Event,
    /// What the actor is told by it.
    pub told: Option<Told>,
}

/// A script of store-level outcomes with what each actor is to be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trace {
    /// The seed it was drawn with.
    pub seed: u64,
    /// How many versions are kept.
    pub keep: u8,
    /// The steps.
    pub steps: Vec<Step>,
}

/// A model whose walks can be played.
pub trait Scripted: Model<State: Clone> {
    /// How many versions are kept.
    fn keep(&self) -> u8;

    /// What an action is for the store; none for one that only a broken rule allows.
    fn event(&self, action: &Self::Action) -> Option<Event>;

    /// Whether the name may have been deleted, and created again by whatever flies.
    fn open(&self, state: &Self::State, name: Name) -> bool;

    /// Anything that was sent to the name.
    fn any_sent(&self, state: &Self::State, name: Name) -> Option<Object>;

    /// What the actor is told by the step.
    fn told(&self, before: &Self::State, after: &Self::State, by: Actor) -> Option<Told>;
}

/// Draws the walk of `seed` through `model`, of at most `steps_max` of the model's steps.
pub fn trace<M: Scripted>(model: &M, seed: u64, steps_max: usize) -> Trace {
    let mut random = Random(seed);
    let mut states = model.init_states().into_iter();
    let mut steps = Vec::new();
    let Some(mut state) = states.next() else {
        return Trace { seed, keep: model.keep(), steps };
    };
    let mut asleep = 0;
    for step in 0..steps_max {
        if step % WATCH == 0 {
            asleep = random.next();
        }
        let mut actions = Vec::new();
        model.actions(&state, &mut actions);
        let events: Vec<_> = actions.iter().filter_map(|action| model.event(action)).collect();
        let Some(at) = random.pick(&events, asleep) else {
            break;
        };
        // A call that changes nothing is still a call.
        let next = model.next_state(&state, actions.swap_remove(at)).unwrap_or_else(|| state.clone());
        export(model, &state, &next, events[at].clone(), &mut steps);
        state = next;
    }
    Trace { seed, keep: model.keep(), steps }
}

fn export<M: Scripted>(model: &M, before: &M::State, after: &M::State, event: Event, steps: &mut Vec<Step>) {
    let told = match &event {
        Event::Call(by, call) => {
            if let Some((name, held)) = resolved(model, before, *call) {
                steps.push(Step { event: Event::Holds(name, held), told: None });
            }
            model.told(before, after, *by)
        }
        Event::GivesUp(by) => model.told(before, after, *by),
        Event::Holds(..) => None,
    };
    steps.push(Step { event, told });
}

/// What a name that may have been deleted must hold for the call to be answered so.
fn resolved<M: Scripted>(model: &M, before: &M::State, call: Call) -> Option<(Name, Option<Object>)> {
    let (Call::Get { name, .. } | Call::Create { name, .. }) = call else {
        return None;
    };
    if !model.open(before, name) {
        return None;
    }
    match call {
        Call::Get { found, .. } => Some((name, found)),
        Call::Create { answer: Answer::Created, .. } => Some((name, None)),
        Call::Create { answer: Answer::Exists, .. } => Some((name, model.any_sent(before, name))),
        _ => None,
    }
}
