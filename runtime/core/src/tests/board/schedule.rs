//! Schedules in words.
//!
//! `schedule <name> every=.. | at=.. [overlap=..] [catch=..] [replace]: <task> ; ..` sets one; `at` counts from the start.
//! `hold <name> <why>` and `unhold <name>` pause and resume it, `fire <name>` fires it now, `unschedule <name>` removes it,
//! `schedules` shows all. Whatever lets time pass fires what has come due. A run is named after its schedule and number.

use super::{Board, START, duration, option, spec};
use crate::{
    CatchUp, Command, FiredBy, Graph, Millis, Overlap, Replace, RunId, ScheduleCommand, ScheduleEvent,
    ScheduleRejected, ScheduleSet, ScheduleState, SkipReason, Timing, Turn,
};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// The shell's part: the first moment of a schedule behind another.
fn after(timing: &Timing, set_at: Millis, moment: Millis) -> Option<Millis> {
    match timing {
        Timing::At(at) => (*at > moment).then_some(*at),
        Timing::AfterMs(ms) => Some(set_at.after(Duration::from_millis(*ms))).filter(|at| *at > moment),
        Timing::EveryMs(ms) => {
            let period = *ms as i64;
            Some(Millis(moment.0 + period - (moment.0 - set_at.0).rem_euclid(period)))
        }
        Timing::Cron { .. } => panic!("the machine's tests know no cron"),
    }
}

impl Board {
    pub(super) fn schedule(&mut self, verb: &str, rest: &str) -> String {
        let words: Vec<&str> = rest.split_whitespace().collect();
        let name = || Arc::from(words[0]);
        let command = match verb {
            "schedule" => self.set(rest),
            "unschedule" => ScheduleCommand::Remove { name: name() },
            "hold" => ScheduleCommand::Pause { name: name(), reason: words[1..].join(" ").into() },
            "unhold" => ScheduleCommand::Resume { name: name() },
            "fire" => ScheduleCommand::FireNow { name: name(), run: self.next_run(words[0], self.now) },
            _ => return self.schedules(),
        };
        let said = self.put(Command::Schedule(command));
        let fired = self.fire_schedules();
        [said].into_iter().chain(fired).filter(|said| !said.is_empty()).collect::<Vec<_>>().join(", ")
    }

    fn set(&self, rest: &str) -> ScheduleCommand {
        let (head, tasks) = rest.split_once(':').unwrap();
        let head: Vec<&str> = head.split_whitespace().collect();
        let word = |key, default| format!("{:?}", option(&head, key).unwrap_or(default));
        let graph = Graph {
            name: "test".into(),
            tasks: tasks.split(';').map(|task| Arc::new(spec(task))).collect(),
            timeout_ms: None,
            budget: None,
            tenant: None,
            labels: BTreeMap::new(),
            trace: None,
        };
        let timing = match (option(&head, "at="), option(&head, "every=")) {
            (Some(at), None) => Timing::At(START.after(duration(at))),
            (None, Some(every)) => Timing::EveryMs(duration(every).as_millis() as u64),
            _ => panic!("a schedule is at= or every="),
        };
        let overlap: Overlap = serde_json::from_str(&word("overlap=", "skip")).unwrap();
        let catch_up: CatchUp = serde_json::from_str(&word("catch=", "last")).unwrap();
        let next = if let Timing::At(at) = timing { Some(at) } else { after(&timing, self.now, self.now) };
        let graph = graph.check(&self.state.limits.graph).unwrap().into();
        let set = ScheduleSet { name: head[0].into(), timing, overlap, catch_up, next, graph };
        let replace = if head.contains(&"replace") { Replace::Yes } else { Replace::No };
        ScheduleCommand::Set { set, replace }
    }

    fn next_run(&self, name: &str, due: Millis) -> RunId {
        let schedule = self.state.schedules().get(name);
        schedule.map_or(super::name_id(name), |schedule| RunId::of_schedule("tests", schedule, due, (0, 1)))
    }

    /// What the shell does whenever time may have passed.
    pub(super) fn fire_schedules(&mut self) -> Vec<String> {
        let mut said = Vec::new();
        while let Some(name) = self.state.pop_schedule(self.now) {
            let schedule: &ScheduleState = self.state.schedules().get(&name).unwrap();
            let (now, set_at, timing) = (self.now.max(self.state.at()), schedule.set_at, &schedule.set.timing);
            let command = match schedule.turn().expect("what is due asks for something") {
                Turn::Unqueue(due) => {
                    ScheduleCommand::Unqueue { name: name.clone(), due, run: self.next_run(&name, due) }
                }
                Turn::Due(seen) => {
                    let run = self.next_run(&name, seen);
                    let next = |moment| Ok::<_, ()>(after(timing, set_at, moment));
                    ScheduleCommand::Come(schedule.coming(seen, now, run, next).unwrap())
                }
            };
            said.push(self.put(Command::Schedule(command)));
        }
        said
    }

    fn schedules(&self) -> String {
        let all = self.state.schedules().iter_after(None).map(|schedule| {
            let moment = |at: Option<Millis>| at.map_or("never".into(), |at| self.moment(at));
            let queued = schedule.queued.map_or(String::new(), |at| format!(" queued={}", self.moment(at)));
            let paused = schedule.paused.as_ref().map_or(String::new(), |reason| format!(" paused ({reason})"));
            let finished = if schedule.finished_at.is_some() { " finished" } else { "" };
            format!(
                "{} next={}{queued} open={} fired={} overlapped={} missed={}{paused}{finished}",
                schedule.set.name,
                moment(schedule.next),
                schedule.open.len(),
                schedule.fired,
                schedule.overlapped,
                schedule.missed
            )
        });
        all.collect::<Vec<_>>().join(", ")
    }

    pub(super) fn schedule_event(&mut self, event: &ScheduleEvent) -> (Vec<String>, String) {
        let next = |at: Option<Millis>| at.map_or(" next never".into(), |at| format!(" next {}", self.moment(at)));
        let (more, said) = match event {
            ScheduleEvent::Set(e) => ("", format!("set {}{}", e.name, next(e.next))),
            ScheduleEvent::Fired(e) => {
                let due = self.moment(e.due);
                let (more, said) = match e.by {
                    FiredBy::Time => (" time", format!("fired {} of {due}{}", e.name, next(e.next))),
                    FiredBy::Queue => (" queue", format!("fired {} of {due} from the queue", e.name)),
                    FiredBy::Hand => (" hand", format!("fired {} by hand", e.name)),
                };
                let number = self.state.schedules().get(&e.name).unwrap().fired + 1;
                self.last = format!("{}{number}", e.name);
                self.names.insert(e.run, self.last.clone());
                self.ids.insert(self.last.clone(), e.run);
                (more, said)
            }
            ScheduleEvent::Queued(e) => ("", format!("queued {} of {}{}", e.name, self.moment(e.due), next(e.next))),
            ScheduleEvent::Skipped(e) => {
                let (more, why) = match e.reason {
                    SkipReason::Overlap => (" overlap", "overlap"),
                    SkipReason::Missed => (" missed", "missed"),
                };
                let count = format!("{}{}", e.count, if e.more { " and more" } else { "" });
                let last = self.moment(e.last);
                (more, format!("skipped {} {count} until {last} ({why}){}", e.name, next(e.next)))
            }
            ScheduleEvent::Paused(e) => ("", format!("held {} ({})", e.name, e.reason)),
            ScheduleEvent::Resumed(e) => ("", format!("unheld {}", e.name)),
            ScheduleEvent::Removed(e) => ("", format!("unscheduled {}", e.name)),
        };
        (vec![format!("{}{more}", event.name())], said)
    }
}

pub(super) fn rejection(rejected: &ScheduleRejected) -> (&'static str, String) {
    match rejected {
        ScheduleRejected::NotFound(_) => ("no_schedule", String::new()),
        ScheduleRejected::Conflict { differs, .. } => ("schedule_conflict", format!(" {differs}")),
        ScheduleRejected::Full { limit } => ("schedules_full", format!(" limit={limit}")),
        ScheduleRejected::Busy { .. } => ("busy", String::new()),
        ScheduleRejected::Faulty { reason, .. } => ("faulty", format!(" {reason}")),
    }
}
