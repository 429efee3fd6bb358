//! Walks of the documents. A writer is told of each increment, as a process is of each append.
use super::{Actor, Event, Scripted, Told};
use crate::model::{
    documents::{Action, Documents, Outcome, State},
    store::{Call, Name, Object},
};

impl Scripted for Documents {
    fn keep(&self) -> u8 {
        self.rules.keep
    }

    fn event(&self, action: &Action) -> Option<Event> {
        let (by, call) = match *action {
            Action::Writer(index, call) => (Actor::Process(index), call),
            Action::Reader(call) => (Actor::Reader, call),
            Action::Late(version, write) => {
                return Some(Event::Holds(Name::Version(version), Some(Object::Write(write))));
            }
            Action::Vanish => return None,
        };
        Some(if call == Call::GiveUp { Event::GivesUp(by) } else { Event::Call(by, call) })
    }

    fn open(&self, state: &State, name: Name) -> bool {
        matches!(name, Name::Version(version) if state.chain.prunable(version, self.rules))
    }

    fn any_sent(&self, state: &State, name: Name) -> Option<Object> {
        let Name::Version(version) = name else {
            return None;
        };
        state.chain.sent_for(version).next().map(Object::Write)
    }

    fn told(&self, before: &State, after: &State, by: Actor) -> Option<Told> {
        let Actor::Process(index) = by else {
            let ended = before.reader.is_some() && after.reader.is_none();
            return ended.then(|| Told::Read(self.increments_read(before)));
        };
        let (was, is) = (&before.writers[usize::from(index)], &after.writers[usize::from(index)]);
        let mut changed = was.outcomes.iter().zip(&is.outcomes).filter(|(was, is)| was != is);
        match changed.next()?.1 {
            Outcome::Open => None,
            Outcome::Ok => Some(Told::Appended),
            Outcome::Failed => Some(Told::Failed),
            Outcome::Unknown => Some(Told::Unknown),
        }
    }
}
