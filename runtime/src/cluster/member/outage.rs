//! A bus that does not bring a node its own messages: is it away for this node alone, or for all?
//!
//! If others go on, the node is cut off, and they are to have its partitions. If nobody goes on, the broker is away, and
//! whoever happens to hear itself first when that is back would be given everything, only to share it out again: so for one
//! life everything stays where it is. Pure.

use std::time::Duration;

#[cfg(test)]
mod tests;

/// What a node knows of that.
#[derive(Debug)]
pub(super) struct Outage {
    life: Duration,
    heartbeat: Duration,
    /// When a message of its own last came round.
    came_round: Duration,
    /// Since when others take part.
    others_since: Option<Duration>,
    /// Until when too little is known of the others, who were as deaf.
    unsettled_until: Duration,
}

impl Outage {
    /// A node that starts now is not deaf yet.
    pub(super) fn new(life: Duration, heartbeat: Duration) -> Self {
        Self { life, heartbeat, came_round: Duration::ZERO, others_since: None, unsettled_until: Duration::ZERO }
    }

    /// A message of its own came round.
    pub(super) fn came_round(&mut self, now: Duration) {
        if self.is_deaf(now) && !self.others_go_on(now) {
            // Each says that it is there with its next beat.
            self.unsettled_until = now + 2 * self.heartbeat;
        }
        self.came_round = now;
    }

    /// Whether some other node takes part, as far as is known.
    pub(super) fn others(&mut self, now: Duration, take_part: bool) {
        self.others_since = if take_part { self.others_since.or(Some(now)) } else { None };
    }

    /// Whether nothing of its own has come round for a life.
    pub(super) fn is_deaf(&self, now: Duration) -> bool {
        now.saturating_sub(self.came_round) >= self.life
    }

    /// Whether it is deaf, and nothing shows that others are not: it keeps what it has.
    ///
    /// They may be as deaf, and find that out with their next beat; and say so, to be read with the one after that.
    pub(super) fn may_be_of_all(&self, now: Duration) -> bool {
        let deaf_for = now.saturating_sub(self.came_round).saturating_sub(self.life);
        self.is_deaf(now) && (deaf_for < 2 * self.heartbeat || !self.others_go_on(now))
    }

    /// Whether others have been there long enough to be given anything.
    fn others_go_on(&self, now: Duration) -> bool {
        self.others_since.is_some_and(|since| now.saturating_sub(since) >= self.life)
    }

    /// Whether the others have not had the time to say that they are there.
    pub(super) fn is_unsettled(&self, now: Duration) -> bool {
        now < self.unsettled_until
    }
}
