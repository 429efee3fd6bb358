//! What a partition does about schedules: it fires what is due, and carries out what is wished.

use super::message::{NewSchedule, Reply, Room, ScheduleWish};
use super::tenant::Tenant;
use crate::schedule::ScheduleInfo;
use crate::schedule::moments::Moments;
use callboard_core::{
    Command, Millis, Rejected, RunId, ScheduleCommand, ScheduleRejected, ScheduleSet, ScheduleState, Turn,
};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// Schedules looked at in one turn; the rest comes in the next.
const FIRINGS_A_TURN: usize = 100;
/// Schedules told in one piece.
const SCHEDULES_A_PIECE: usize = 1_000;
/// When a schedule that could start nothing is looked at again: because the partition is full, or because nobody here can
/// make sense of it.
const FULL_FOR: Duration = Duration::from_secs(5);
const FAULTY_FOR: Duration = Duration::from_secs(3_600);

/// What keeps schedules from starting what is due. Volatile.
pub(super) type Troubles = BTreeMap<Arc<str>, Arc<str>>;

impl Tenant {
    /// Deals with the schedules that have come due, unless the journal does not keep up: nobody would be held back by what
    /// they add to memory meanwhile. They come due again with every turn.
    pub(super) fn fire_schedules(&mut self, now: Millis) {
        for _ in 0..FIRINGS_A_TURN {
            if self.pending.is_backed_up() {
                return;
            }
            let Some(name) = self.state.pop_schedule(now) else { return };
            let Some(command) = self.state.schedules().get(&name).map(|schedule| self.turn_of(schedule)) else {
                continue;
            };
            let trouble: Option<(Arc<str>, Duration)> = match command {
                Ok(None) => None,
                Ok(Some(command)) => match self.step(Command::Schedule(command)) {
                    Ok(()) => None,
                    Err(full @ Rejected::Full { .. }) => Some((full.to_string().into(), FULL_FOR)),
                    Err(rejected) => Some((rejected.to_string().into(), FAULTY_FOR)),
                },
                Err(why) => Some((why.into(), FAULTY_FOR)),
            };
            match trouble {
                None => drop(self.troubles.remove(&name)),
                Some((reason, wait)) => {
                    let partition = self.around.number;
                    tracing::warn!(partition, schedule = %name, %reason, "a schedule can not start what is due");
                    self.state.put_off(&name, self.now().after(wait));
                    self.troubles.insert(name, reason);
                }
            }
        }
    }

    /// What a schedule asks for that has come due.
    fn turn_of(&self, schedule: &ScheduleState) -> Result<Option<ScheduleCommand>, String> {
        let (name, now) = (schedule.set.name.clone(), self.now());
        let run = |due| RunId::of_schedule(&self.around.namespace, schedule, due, self.around.home());
        match schedule.turn() {
            None => Ok(None),
            Some(Turn::Unqueue(due)) => Ok(Some(ScheduleCommand::Unqueue { name, due, run: run(due) })),
            Some(Turn::Due(seen)) => {
                let moments = Moments::of(&schedule.set.timing)?;
                let after = |moment| moments.after(schedule.set_at, moment);
                schedule.coming(seen, now, run(seen), after).map(ScheduleCommand::Come).map(Some)
            }
        }
    }

    pub(super) fn schedule(&mut self, name: Arc<str>, wish: ScheduleWish, room: Room, reply: Reply) {
        // Its moments are counted from when it was set. With the clock read twice the first might be counted from a
        // millisecond before, and the one behind it would come a millisecond later.
        let now = self.now();
        let command = match wish {
            ScheduleWish::Set(new) => Self::new_schedule(now, name.clone(), *new),
            ScheduleWish::Pause(reason) => Ok(ScheduleCommand::Pause { name: name.clone(), reason }),
            ScheduleWish::Resume => Ok(ScheduleCommand::Resume { name: name.clone() }),
            ScheduleWish::Remove => Ok(ScheduleCommand::Remove { name: name.clone() }),
            ScheduleWish::FireNow(run) => Ok(ScheduleCommand::FireNow { name: name.clone(), run }),
        };
        let faulty = |reason: String| ScheduleRejected::Faulty { name: name.clone(), reason: reason.into() }.into();
        let result = command.map_err(faulty).and_then(|command| self.step_at(now, Command::Schedule(command)));
        if self.state.schedules().get(&name).is_none() {
            self.troubles.remove(&name);
        }
        self.answer(reply, result, Some(room));
    }

    fn new_schedule(now: Millis, name: Arc<str>, new: NewSchedule) -> Result<ScheduleCommand, String> {
        let NewSchedule { timing, overlap, catch_up, graph, replace } = new;
        let next = Moments::of(&timing)?.first(now)?;
        let set = ScheduleSet { name, timing, overlap, catch_up, next, graph: graph.into() };
        Ok(ScheduleCommand::Set { set, replace })
    }

    pub(super) fn schedule_info(&self, name: &str) -> Option<ScheduleInfo> {
        self.state.schedules().get(name).map(|schedule| self.told(schedule))
    }

    /// Some schedules by name, and the last of them if there are more.
    pub(super) fn schedule_infos(&self, after: Option<&str>) -> (Vec<ScheduleInfo>, Option<Arc<str>>) {
        let mut all = self.state.schedules().iter_after(after);
        let some: Vec<ScheduleInfo> =
            all.by_ref().take(SCHEDULES_A_PIECE).map(|schedule| self.told(schedule)).collect();
        let next = some.last().map(|last| last.name.clone()).filter(|_| all.next().is_some());
        (some, next)
    }

    fn told(&self, schedule: &ScheduleState) -> ScheduleInfo {
        ScheduleInfo::of(schedule, self.troubles.get(&schedule.set.name).cloned())
    }
}
