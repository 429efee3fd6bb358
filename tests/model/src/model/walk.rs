//! The gets of a walk at one slot, for claims (J3) and readers (J9).
//!
//! A slot is only ever written when the one before it is durable. So a free slot with something behind it was written
//! since it was read, or was collected, or is lost: it is read once more.
use super::store::{Call, Name, Object, Position, Rules, Slots};

/// Which get of a slot comes next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Look {
    /// Of the slot itself.
    #[default]
    First,
    /// It is free: of the slot behind it.
    Behind,
    /// Something is behind it: of the slot itself again.
    Again,
}

/// What a walk knows of a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// It holds this.
    Object(Object),
    /// Not enough yet.
    Look(Look),
    /// It is free, and so is the one behind it.
    Free,
    /// It is free, and the one behind it is not.
    Hole,
}

impl Look {
    fn slot(self, at: Position) -> Position {
        if self == Self::Behind { at.next() } else { at }
    }

    /// The get, with all that it may show.
    pub fn calls(self, at: Position, slots: &Slots, rules: Rules, out: &mut Vec<Call>) {
        let slot = self.slot(at);
        out.extend(rules.all_answers.then_some(Call::Lost));
        out.extend(slots.shows(slot).map(|found| Call::Get { name: Name::Slot(slot), found }));
    }

    /// Takes what the get has shown.
    pub fn take(self, at: Position, found: Option<Object>, slots: &mut Slots, rules: Rules) -> Found {
        slots.seen(self.slot(at), found, rules);
        match (self, found) {
            (Self::First | Self::Again, Some(object)) => Found::Object(object),
            (Self::First, None) => Found::Look(Self::Behind),
            (Self::Behind, Some(_)) => Found::Look(Self::Again),
            (Self::Behind, None) => Found::Free,
            (Self::Again, None) => Found::Hole,
        }
    }
}
