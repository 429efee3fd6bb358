//! Schedules of a simulation: what they start is started once, not early, and runs.

use crate::program::{Deeds, Op, Program};
use crate::random::Random;
use callboard::prelude::*;
use callboard::{ErrorKind, Overlap, Schedule, ScheduleInfo, ScheduleStatus};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::time::{sleep, timeout};

/// Longer than a node that answers at all takes to answer.
const PATIENCE: Duration = Duration::from_secs(8);

/// A schedule, and what becomes of it, whoever looks after it.
pub struct Timetable {
    name: String,
    period: Duration,
    overlap: Overlap,
    /// How long after it was set it is paused, for good.
    lasts: Duration,
    known: Mutex<Known>,
}

/// What those outside know.
#[derive(Clone, Debug, Default)]
struct Known {
    is_set: bool,
    is_paused: bool,
    is_done: bool,
    breaches: Vec<String>,
}

impl Timetable {
    /// A schedule, at random.
    pub fn draw(name: String, random: &mut Random) -> Self {
        Self {
            name,
            period: Duration::from_millis(200) + random.millis(1_000),
            overlap: *random.one_of(&[Overlap::Skip, Overlap::Queue, Overlap::Allow]),
            lasts: random.millis(5_000),
            known: Mutex::default(),
        }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether nobody needs to look after it any more.
    pub fn is_done(&self) -> bool {
        self.known().is_done
    }

    /// What of it is not as it should be.
    pub fn breaches(&self) -> Vec<String> {
        self.known().breaches.clone()
    }

    /// What is known of it, for somebody who wonders why it does not end.
    pub fn status(&self) -> String {
        format!("{}: {:?}", self.name, *self.known())
    }

    /// Looks after it through a node, for as long as that helps.
    pub async fn look_after(self: Arc<Self>, board: Callboard, deeds: Deeds) {
        while !self.known().is_set {
            let workflow = Workflow::new(&self.name);
            let _node = workflow.task(&self.name, Program::new(vec![Op::Step(1)])).losses(1_000);
            let schedule = Schedule::every(self.period).overlap(self.overlap);
            match timeout(PATIENCE, board.schedule(&*self.name, schedule, workflow).into_future()).await {
                Ok(Ok(_)) => self.known().is_set = true,
                Ok(Err(error)) if !matches!(error.kind(), ErrorKind::Unavailable | ErrorKind::Unknown) => {
                    return self.wrong(format!("it is refused: {error:#}"));
                }
                _ => sleep(Duration::from_millis(200)).await,
            }
        }
        sleep(self.lasts).await;
        let scheduled = board.scheduled(&*self.name);
        while !self.known().is_paused {
            match timeout(PATIENCE, scheduled.pause("enough")).await {
                Ok(Ok(())) => self.known().is_paused = true,
                _ => sleep(Duration::from_millis(200)).await,
            }
        }
        loop {
            if let Ok(Ok(info)) = timeout(PATIENCE, scheduled.info()).await
                && info.open_runs.is_empty()
            {
                return self.check(&info, &deeds);
            }
            sleep(Duration::from_millis(200)).await;
        }
    }

    fn wrong(&self, what: String) {
        let mut known = self.known();
        known.breaches.push(format!("{}: {what}", self.name));
        known.is_done = true;
    }

    /// When no run of it is open and no more will be started.
    fn check(&self, info: &ScheduleInfo, deeds: &Deeds) {
        if info.status != ScheduleStatus::Paused {
            return self.wrong(format!("it is {:?} after it was paused", info.status));
        }
        let Some(next) = info.next_due else { return self.wrong("it has no next moment".to_owned()) };
        let moments = next.since(info.set_at).as_millis() / self.period.as_millis();
        if u128::from(info.fired) > moments {
            return self.wrong(format!("it has started {} runs at {moments} moments", info.fired));
        }
        let performed = deeds.performed(&self.name);
        if performed as u64 != info.fired {
            return self.wrong(format!("it has started {} runs, and {performed} have run", info.fired));
        }
        self.known().is_done = true;
    }
}
