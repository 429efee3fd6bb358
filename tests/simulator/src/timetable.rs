//! Schedules of a simulation: what they start is started once, not early, and runs.

use crate::deeds::Deeds;
use crate::matter::{AGAIN, Findings, Matter, insisted};
use crate::program::{Op, Program};
use crate::random::Random;
use callboard::prelude::*;
use callboard::{Overlap, Schedule, ScheduleInfo, ScheduleStatus};
use futures::future::BoxFuture;
use futures::{FutureExt, TryFutureExt};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::time::sleep;

/// A schedule, and what becomes of it, whoever looks after it.
pub struct Timetable {
    name: String,
    period: Duration,
    overlap: Overlap,
    /// How long after it was set it is paused, for good.
    lasts: Duration,
    /// Whether it was set, and whether it was paused.
    is_set: AtomicBool,
    is_paused: AtomicBool,
    findings: Findings,
}

impl Timetable {
    /// A schedule, at random.
    pub fn draw(name: String, random: &mut Random) -> Self {
        Self {
            name,
            period: Duration::from_millis(200) + random.millis(1_000),
            overlap: *random.one_of(&[Overlap::Skip, Overlap::Queue, Overlap::Allow]),
            lasts: random.millis(5_000),
            is_set: AtomicBool::new(false),
            is_paused: AtomicBool::new(false),
            findings: Findings::default(),
        }
    }

    async fn attended(&self, board: Callboard, deeds: Deeds) -> Result<()> {
        if !self.is_set.load(Ordering::SeqCst) {
            insisted(|| self.set(&board)).await?;
            self.is_set.store(true, Ordering::SeqCst);
        }
        sleep(self.lasts).await;
        let scheduled = board.scheduled(&*self.name);
        if !self.is_paused.load(Ordering::SeqCst) {
            insisted(|| scheduled.pause("enough")).await?;
            self.is_paused.store(true, Ordering::SeqCst);
        }
        loop {
            let info = insisted(|| scheduled.info()).await?;
            // An owner that was deposed and does not know it yet says how it was when it was one. For ever it may not.
            if info.open_runs.is_empty() && info.status == ScheduleStatus::Paused {
                self.check(&info, &deeds);
                return Ok(());
            }
            sleep(AGAIN).await;
        }
    }

    fn set(&self, board: &Callboard) -> impl Future<Output = Result<()>> + use<> {
        let workflow = Workflow::new(&self.name);
        let _node = workflow.task(&self.name, Program::new(vec![Op::Step(1)])).losses(1_000);
        let schedule = Schedule::every(self.period).overlap(self.overlap);
        let set = board.schedule(&*self.name, schedule, workflow).into_future();
        set.map_ok(drop)
    }

    fn wrong(&self, what: String) {
        self.findings.breach(format!("{}: {what}", self.name));
    }

    /// When no run of it is open and no more will be started.
    fn check(&self, info: &ScheduleInfo, deeds: &Deeds) {
        let Some(next) = info.next_due else { return self.wrong("it has no next moment".to_owned()) };
        let moments = next.since(info.set_at).as_millis() / self.period.as_millis();
        if u128::from(info.fired) > moments {
            return self.wrong(format!("it has started {} runs at {moments} moments", info.fired));
        }
        let performed = deeds.performed(&self.name);
        if performed as u64 != info.fired {
            self.wrong(format!("it has started {} runs, and {performed} have run", info.fired));
        }
    }
}

impl Matter for Timetable {
    fn findings(&self) -> &Findings {
        &self.findings
    }

    fn status(&self) -> String {
        format!("{}: set {:?}, paused {:?}", self.name, self.is_set, self.is_paused)
    }

    fn look_after(self: Arc<Self>, board: Callboard, deeds: Deeds) -> BoxFuture<'static, ()> {
        async move {
            if let Err(error) = self.attended(board, deeds).await {
                self.wrong(format!("it is refused: {error:#}"));
            }
            self.findings.done();
        }
        .boxed()
    }
}
