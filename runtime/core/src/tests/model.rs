//! A second, naive machine: what the design promises of runs, without events, indexes or counters.
//!
//! It is written from the promises and not from the code, and it looks at every task for every question. The property
//! tests put the same commands to both.

use super::durable::{Post, Purse, Record};
use crate::{FailureClass, InstanceId, LossReason, Millis, RunId, RunOutcome, Status, StopReason, TimerKind, Token};
use std::collections::{BTreeMap, BTreeSet};

const LEASE: i64 = 6_000;

/// One task of a graph, as the tests draw it.
#[derive(Clone, Debug)]
pub(super) struct Spec {
    pub(super) needs: BTreeSet<usize>,
    pub(super) retries: u32,
    pub(super) losses_max: u32,
    pub(super) start: Option<i64>,
    pub(super) attempt: Option<i64>,
    pub(super) beat: Option<i64>,
    pub(super) priority: u8,
}

#[derive(Clone, Debug)]
pub(super) struct Task {
    pub(super) spec: Spec,
    pub(super) name: String,
    /// The task that has asked for it, and in which call.
    pub(super) parent: Option<(usize, u8)>,
    pub(super) undoes: bool,
    pub(super) record: Record,
    pub(super) status: Status,
    /// Whether it waits at a gate, ready as it is.
    pub(super) gated: bool,
    pub(super) token: Token,
    pub(super) holder: Option<InstanceId>,
    pub(super) losses: u32,
    pub(super) first_attempt: u32,
    pub(super) edited: Option<u8>,
    pub(super) failures: usize,
    pub(super) cause: Option<usize>,
    pub(super) not_before: i64,
    pub(super) since: i64,
    pub(super) lease_until: i64,
    pub(super) heard_at: i64,
    /// Whether this hand-out has been offered.
    pub(super) offered: bool,
}

#[derive(Clone, Debug)]
pub(super) struct Run {
    pub(super) undoing: Option<RunOutcome>,
    pub(super) post: Post,
    pub(super) purse: Purse,
    pub(super) tasks: Vec<Task>,
    pub(super) ended: Option<RunOutcome>,
    pub(super) paused: bool,
    timeout: Option<i64>,
    deadline: Option<i64>,
    timed_out: bool,
    /// Somebody has cancelled what was still open, were it only what other tasks had asked for.
    cancelled: bool,
}

/// What a command comes to, in the model's words.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Released {
    pub(super) offers: BTreeSet<(RunId, usize, Token)>,
    pub(super) stops: Vec<(RunId, usize, Token, InstanceId, StopReason)>,
    pub(super) withdrawn: BTreeSet<RunId>,
    pub(super) ended: Vec<(RunId, RunOutcome)>,
}

/// Why nothing comes of it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum No {
    Run,
    Fenced,
    Ended,
    Open,
    Pages,
    Paused,
    NotResumable,
    Child,
    Undoing,
    News,
    Children,
    Cycle,
    Ambiguous,
    Answered,
    TaskEnded,
    NotUnknown,
    NotReserved,
    TopUp,
    WallTimeSpent,
}

type TimerKey = (i64, RunId, Option<usize>, TimerKind);

#[derive(Clone, Debug, Default)]
pub(super) struct Model {
    pub(super) runs: BTreeMap<RunId, Run>,
    pub(super) archived: BTreeMap<RunId, Run>,
    /// The numbers of the pages that are not forgotten, and of how many were written.
    pub(super) pages: (Vec<u64>, u64),
    /// The moment of the last event.
    pub(super) at: i64,
    pub(super) released: Released,
}

/// What somebody says of a task.
pub(super) struct Word<'a> {
    pub(super) run: RunId,
    pub(super) task: usize,
    pub(super) token: Token,
    pub(super) holder: &'a InstanceId,
}

impl Model {
    pub(super) fn submit(
        &mut self,
        now: i64,
        id: RunId,
        specs: &[Spec],
        timeout: Option<i64>,
        (calls, wall): (Option<u64>, Option<i64>),
    ) {
        if self.runs.contains_key(&id) {
            return;
        }
        self.at = self.at.max(now);
        let tasks = specs.iter().enumerate().map(|(index, spec)| Task::new(spec, format!("t{index}")));
        let deadline = timeout.map(|timeout| self.at + timeout);
        let (tasks, ended, post) = (tasks.collect(), None, Post::default());
        let run = Run {
            undoing: None,
            post,
            purse: Purse { calls, wall, submitted: self.at, ..Purse::default() },
            tasks,
            ended,
            paused: false,
            timeout,
            deadline,
            timed_out: false,
            cancelled: false,
        };
        self.runs.insert(id, run);
        self.settle(id);
    }

    /// Whether the word counts: it shows the present token, and nobody else holds the task.
    fn admit(&self, word: &Word<'_>) -> Result<(), No> {
        let task = &self.runs.get(&word.run).ok_or(No::Run)?.tasks[word.task];
        let free = task.status == Status::Ready;
        let held = task.status == Status::Running && task.holder.as_ref() == Some(word.holder);
        if task.token == word.token && (free || held) { Ok(()) } else { Err(No::Fenced) }
    }

    pub(super) fn accept(&mut self, now: i64, word: &Word<'_>) -> Result<(), No> {
        self.admit(word)?;
        let at = self.at.max(now);
        let run = self.runs.get_mut(&word.run).unwrap();
        let task = &mut run.tasks[word.task];
        if task.status == Status::Ready {
            if run.paused {
                return Err(No::Paused);
            }
            self.at = at;
            task.status = Status::Running;
            task.gated = false;
            task.holder = Some(word.holder.clone());
            (task.since, task.heard_at, task.lease_until) = (at, at, at + LEASE);
            task.record.held.values_mut().for_each(|held| held.1 = true);
        }
        Ok(())
    }

    pub(super) fn complete(&mut self, now: i64, word: &Word<'_>) -> Result<(), No> {
        if let Some(run) = self.runs.get(&word.run) {
            let task = &run.tasks[word.task];
            let same = task.token == word.token && task.holder.as_ref() == Some(word.holder);
            if task.status == Status::Completed && same {
                return Ok(());
            }
        }
        self.admit(word)?;
        self.at = self.at.max(now);
        let at = self.at;
        let run = self.runs.get_mut(&word.run).unwrap();
        run.tasks[word.task].holder = Some(word.holder.clone());
        run.finish(at, word.task, Status::Completed);
        run.let_go(at);
        self.settle(word.run);
        Ok(())
    }

    pub(super) fn fail(&mut self, now: i64, word: &Word<'_>, class: FailureClass) -> Result<(), No> {
        self.admit(word)?;
        self.failed(now, word.run, word.task, class);
        Ok(())
    }

    pub(super) fn refuse(&mut self, now: i64, word: &Word<'_>, class: FailureClass) -> Result<(), No> {
        let task = &self.runs.get(&word.run).ok_or(No::Run)?.tasks[word.task];
        if task.token != word.token || task.status != Status::Ready {
            return Err(No::Fenced);
        }
        self.failed(now, word.run, word.task, class);
        Ok(())
    }

    fn failed(&mut self, now: i64, run: RunId, task: usize, class: FailureClass) {
        self.at = self.at.max(now);
        let at = self.at;
        let of = self.runs.get_mut(&run).unwrap();
        let failed = &mut of.tasks[task];
        failed.failures += 1;
        let retryable = matches!(class, FailureClass::Retryable | FailureClass::Timeout | FailureClass::Panic);
        if retryable && failed.token.attempt - failed.first_attempt < failed.spec.retries {
            of.give_up_all(at, task, true);
            of.begin_anew(task);
            let failed = &mut of.tasks[task];
            failed.again(at, Token { attempt: failed.token.attempt + 1, activation: 1 });
        } else {
            of.finish(at, task, if retryable { Status::Dead } else { Status::Failed });
            of.let_go(at);
            self.spoil(run, task);
        }
        self.settle(run);
    }

    pub(super) fn lose(&mut self, now: i64, word: &Word<'_>, reason: LossReason) -> Result<(), No> {
        self.admit(word)?;
        self.lost(now, word.run, word.task, reason);
        Ok(())
    }

    fn lost(&mut self, now: i64, run: RunId, task: usize, reason: LossReason) {
        self.at = self.at.max(now);
        let at = self.at;
        let of = self.runs.get_mut(&run).unwrap();
        let lost = &mut of.tasks[task];
        lost.losses += u32::from(reason != LossReason::Released);
        if reason != LossReason::Released && lost.losses > lost.spec.losses_max {
            lost.failures += 1; // the chain of reasons says it
            of.finish(at, task, Status::Dead);
            of.let_go(at);
            self.spoil(run, task);
        } else {
            of.give_up_all(at, task, false);
            let lost = &mut of.tasks[task];
            lost.again(at, Token { activation: lost.token.activation + 1, ..lost.token });
        }
        self.settle(run);
    }

    pub(super) fn keep(&mut self, now: i64, nodes: &BTreeSet<&str>) {
        for id in self.runs.keys().copied().collect::<Vec<_>>() {
            for task in 0..self.runs[&id].tasks.len() {
                let gone = &self.runs[&id].tasks[task];
                let held = gone.status == Status::Running;
                if held && !nodes.contains(gone.holder.as_ref().unwrap().node()) {
                    self.lost(now, id, task, LossReason::Gone);
                }
            }
        }
    }

    pub(super) fn cancel(&mut self, now: i64, id: RunId) -> Result<(), No> {
        let run = self.runs.get(&id).ok_or(No::Run)?;
        if run.ended.is_some() {
            return Err(No::Ended);
        }
        if run.undoing.is_some() {
            return Err(No::Undoing);
        }
        self.end_all(now, id, StopReason::Cancelled);
        Ok(())
    }

    pub(super) fn cancel_task(&mut self, now: i64, word: &Word<'_>) -> Result<(), No> {
        let run = self.runs.get(&word.run).ok_or(No::Run)?;
        match &run.tasks[word.task] {
            _ if run.ended.is_some() => return Err(No::Ended),
            _ if run.undoing.is_some() => return Err(No::Undoing),
            task if task.status.is_ended() => return Err(No::TaskEnded),
            _ => {}
        }
        self.at = self.at.max(now);
        self.stop(word.run, word.task, StopReason::Cancelled);
        let (at, run) = (self.at, self.runs.get_mut(&word.run).unwrap());
        run.finish(at, word.task, Status::Cancelled);
        run.let_go(at);
        self.spoil(word.run, word.task);
        self.settle(word.run);
        Ok(())
    }

    /// An open run.
    fn open(&mut self, id: RunId) -> Result<&mut Run, No> {
        let run = self.runs.get_mut(&id).ok_or(No::Run)?;
        if run.ended.is_some() { Err(No::Ended) } else { Ok(run) }
    }

    pub(super) fn pause(&mut self, now: i64, id: RunId) -> Result<(), No> {
        let run = self.open(id)?;
        let pauses = std::mem::take(&mut run.purse.pauses);
        if !std::mem::replace(&mut run.paused, true) || pauses {
            self.at = self.at.max(now);
            self.released.withdrawn.insert(id);
        }
        Ok(())
    }

    pub(super) fn unpause(&mut self, now: i64, id: RunId) -> Result<(), No> {
        let at = self.at.max(now);
        let run = self.open(id)?;
        if run.paused && run.purse.wall_spent {
            return Err(No::WallTimeSpent);
        }
        self.go_on(at, id);
        Ok(())
    }

    pub(super) fn top_up(&mut self, now: i64, id: RunId, top_up: u16, calls: u64, wall: i64) -> Result<(), No> {
        let at = self.at.max(now);
        let run = self.runs.get_mut(&id).ok_or(No::Run)?;
        if run.purse.seen.contains(&top_up) {
            return Ok(());
        }
        if run.ended.is_some() {
            return Err(No::Ended);
        }
        let purse = &mut run.purse;
        let unlimited = (calls > 0 && purse.calls.is_none()) || (wall > 0 && purse.wall.is_none());
        if unlimited || (calls, wall) == (0, 0) {
            return Err(No::TopUp);
        }
        purse.seen.insert(top_up);
        purse.calls = purse.calls.map(|limit| limit + calls);
        purse.wall = purse.wall.map(|limit| limit + wall);
        self.at = at;
        if purse.wall_spent && purse.wall.is_some_and(|wall| purse.submitted + wall > at) {
            purse.wall_spent = false;
            if std::mem::take(&mut purse.pauses) {
                self.go_on(at, id);
            }
        }
        self.runs.get_mut(&id).unwrap().let_go(at);
        Ok(())
    }

    /// A run that is paused starts tasks again.
    fn go_on(&mut self, at: i64, id: RunId) {
        let run = self.runs.get_mut(&id).unwrap();
        if std::mem::replace(&mut run.paused, false) {
            let ready = run.tasks.iter_mut().enumerate().filter(|(_, task)| task.status == Status::Ready);
            let mut offers = BTreeSet::new();
            for (index, task) in ready {
                task.not_before = task.not_before.max(at);
                task.offered = task.token == Token::FIRST;
                offers.extend(task.offered.then_some((id, index, task.token)));
            }
            self.at = at;
            self.released.offers.append(&mut offers);
        }
    }

    pub(super) fn retry(&mut self, now: i64, word: &Word<'_>, edited: Option<u8>) -> Result<(), No> {
        let at = self.at.max(now);
        let run = self.runs.get_mut(&word.run).ok_or(No::Run)?;
        let task = &run.tasks[word.task];
        if word.token.attempt + 1 == task.first_attempt && (edited.is_none() || edited == task.edited) {
            return Ok(());
        }
        if task.token != word.token {
            return Err(No::Fenced);
        }
        if task.parent.is_some() {
            return Err(No::Child);
        }
        if run.undoing.is_some() && !task.undoes {
            return Err(No::Undoing);
        }
        let without = |task: &Task| task.status.is_ended() && task.status != Status::Completed;
        let resumable = without(task) && task.status != Status::Skipped;
        if !resumable || task.spec.needs.iter().any(|&need| without(&run.tasks[need])) {
            return Err(No::NotResumable);
        }
        let task = &mut run.tasks[word.task];
        task.token = Token { attempt: task.token.attempt + 1, activation: 1 };
        (task.first_attempt, task.losses, task.status, task.holder) = (task.token.attempt, 0, Status::Blocked, None);
        task.edited = edited.or(task.edited);
        run.begin_anew(word.task);
        // Again and again, whoever has no need left without a result.
        while let Some(freed) = run.tasks.iter().position(|task| {
            task.status == Status::Skipped
                && task.parent.is_none()
                && !task.spec.needs.iter().any(|&need| without(&run.tasks[need]))
        }) {
            (run.tasks[freed].status, run.tasks[freed].cause) = (Status::Blocked, None);
        }
        run.blame();
        if run.ended.take().is_some() {
            run.deadline = run.timeout.map(|timeout| at + timeout);
            (run.timed_out, run.cancelled) = (false, false);
        }
        self.at = at;
        self.settle(word.run);
        Ok(())
    }

    pub(super) fn restore(&mut self, now: i64, id: RunId) {
        if let (false, Some(run)) = (self.runs.contains_key(&id), self.archived.get(&id)) {
            self.runs.insert(id, run.clone());
            self.at = self.at.max(now);
        }
    }

    fn end_all(&mut self, now: i64, id: RunId, reason: StopReason) {
        self.at = self.at.max(now);
        for task in 0..self.runs[&id].tasks.len() {
            self.stop(id, task, reason);
            let at = self.at;
            let run = self.runs.get_mut(&id).unwrap();
            if !run.tasks[task].status.is_ended() {
                run.finish(at, task, Status::Cancelled);
            }
        }
        let run = self.runs.get_mut(&id).unwrap();
        (run.timed_out, run.cancelled) = (reason == StopReason::Timeout, reason == StopReason::Cancelled);
        self.settle(id);
    }

    pub(super) fn stop(&mut self, id: RunId, index: usize, reason: StopReason) {
        let task = &self.runs[&id].tasks[index];
        if task.status == Status::Running {
            let holder = task.holder.clone().unwrap();
            self.released.stops.push((id, index, task.token, holder, reason));
        }
    }

    pub(super) fn archive(&mut self, id: RunId) -> Result<(), No> {
        match self.runs.get(&id).ok_or(No::Run)?.ended {
            Some(_) => self.archived.extend(self.runs.remove_entry(&id)),
            None => return Err(No::Open),
        }
        self.pages.1 += 1;
        self.pages.0.push(self.pages.1);
        Ok(())
    }

    /// Some are forgotten, and some are left.
    pub(super) fn forget(&mut self, now: i64, kept: u64) -> Result<(), No> {
        let forgotten = self.pages.0.len() as i64 - kept as i64;
        if forgotten < 1 || kept < 1 {
            return Err(No::Pages);
        }
        self.at = self.at.max(now);
        self.pages.0.drain(..forgotten as usize);
        Ok(())
    }

    pub(super) fn beat(&mut self, now: i64, word: &Word<'_>, handler: bool) -> Result<(), No> {
        self.admit(word)?;
        let now = self.at.max(now);
        let task = &mut self.runs.get_mut(&word.run).unwrap().tasks[word.task];
        if task.status == Status::Running {
            task.lease_until = task.lease_until.max(now + LEASE);
            task.heard_at = if handler { task.heard_at.max(now) } else { task.heard_at };
        }
        Ok(())
    }

    pub(super) fn restart(&mut self, now: i64) {
        let now = self.at.max(now);
        for (id, run) in &mut self.runs {
            for (index, task) in run.tasks.iter_mut().enumerate() {
                if task.status == Status::Running {
                    (task.lease_until, task.heard_at) = (now + LEASE, now);
                }
                if task.status == Status::Ready && !run.paused {
                    task.offered = task.not_before <= now;
                    self.released.offers.extend(task.offered.then_some((*id, index, task.token)));
                }
            }
        }
    }

    /// Every timer that there is.
    fn timers(&self) -> BTreeSet<TimerKey> {
        let mut timers = BTreeSet::new();
        for (&id, run) in self.runs.iter().filter(|(_, run)| run.ended.is_none()) {
            if run.undoing.is_none() {
                timers.extend(run.deadline.map(|due| (due, id, None, TimerKind::Run)));
                let wall = run.purse.wall.filter(|_| !run.purse.wall_spent);
                timers.extend(wall.map(|wall| (run.purse.submitted + wall, id, None, TimerKind::Budget)));
            }
            for (index, task) in run.tasks.iter().enumerate() {
                let mut set = |due: i64, kind| timers.insert((due, id, Some(index), kind));
                if task.status == Status::Ready && !run.paused {
                    (!task.offered).then(|| set(task.not_before, TimerKind::Retry));
                    let start = task.spec.start.filter(|_| !task.record.any);
                    start.map(|limit| set(task.not_before + limit, TimerKind::Start));
                }
                if task.status == Status::Running {
                    set(task.lease_until, TimerKind::Lease);
                    task.spec.attempt.map(|limit| set(task.since + limit, TimerKind::Attempt));
                    task.spec.beat.map(|limit| set(task.heard_at + limit, TimerKind::Heartbeat));
                }
                let first = task.record.waits.values().filter_map(|wait| wait.until).min();
                first.map(|until| set(until, TimerKind::Wait));
            }
        }
        timers
    }

    pub(super) fn next_due(&self) -> Option<Millis> {
        self.timers().first().map(|timer| Millis(timer.0))
    }

    /// The first timer that is due.
    pub(super) fn due(&self, now: i64) -> Option<TimerKey> {
        self.timers().first().copied().filter(|timer| timer.0 <= now.max(self.at))
    }

    pub(super) fn fire(&mut self, now: i64, (_, id, index, kind): TimerKey) {
        let Some(index) = index else {
            return if kind == TimerKind::Budget {
                self.wall_spent(now, id)
            } else {
                self.end_all(now, id, StopReason::Timeout)
            };
        };
        match kind {
            TimerKind::Retry => {
                let task = &mut self.runs.get_mut(&id).unwrap().tasks[index];
                task.offered = true;
                self.released.offers.insert((id, index, task.token));
            }
            TimerKind::Start => self.failed(now, id, index, FailureClass::Terminal),
            TimerKind::Attempt | TimerKind::Heartbeat => {
                let silent = kind == TimerKind::Heartbeat;
                self.stop(id, index, if silent { StopReason::Silent } else { StopReason::Timeout });
                self.failed(now, id, index, FailureClass::Timeout);
            }
            TimerKind::Lease => {
                self.stop(id, index, StopReason::Lost);
                self.lost(now, id, index, LossReason::Lease);
            }
            TimerKind::Wait => self.elapse(now, id, index),
            TimerKind::Run | TimerKind::Budget => unreachable!("a timer of a run has no task"),
        }
    }

    fn wall_spent(&mut self, now: i64, id: RunId) {
        self.at = self.at.max(now);
        let run = self.runs.get_mut(&id).unwrap();
        run.purse.wall_spent = true;
        run.purse.pauses = !std::mem::replace(&mut run.paused, true);
        self.released.withdrawn.insert(id);
    }

    /// Draws all conclusions: what can run, what never will, whether the run has ended.
    pub(super) fn settle(&mut self, id: RunId) {
        let at = self.at;
        let run = self.runs.get_mut(&id).unwrap();
        loop {
            let before: Vec<Task> = run.tasks.clone();
            let turn = before.iter().position(|task| task.undoes && !task.status.is_ended());
            let blocked = |task: &&mut Task| task.status == Status::Blocked;
            for (index, task) in run.tasks.iter_mut().enumerate().filter(|(_, task)| blocked(task)) {
                let needs = || task.spec.needs.iter().map(|&need| (need, &before[need]));
                // What undoes something waits for nothing but its turn.
                let is_next = !task.undoes || turn == Some(index);
                if is_next && needs().all(|(_, need)| need.status == Status::Completed) {
                    task.status = Status::Ready;
                    task.not_before = at;
                    task.offered = !run.paused && task.is_first_hand_out();
                    self.released.offers.extend(task.offered.then_some((id, index, task.token)));
                }
            }
            if before.iter().map(|task| task.status).eq(run.tasks.iter().map(|task| task.status)) {
                break;
            }
        }
        if run.ended.is_none() && run.tasks.iter().all(|task| task.status.is_ended()) {
            // What another task has asked for decides nothing.
            let any = |statuses: &[Status]| {
                run.tasks.iter().any(|task| task.parent.is_none() && statuses.contains(&task.status))
            };
            let spoilt = |task: &Task| task.undoes && task.status != Status::Completed;
            let outcome = if let Some(outcome) = run.undoing {
                if run.tasks.iter().any(spoilt) { RunOutcome::Failed } else { outcome }
            } else if run.timed_out || any(&[Status::Failed, Status::Dead]) {
                RunOutcome::Failed
            } else if run.cancelled || any(&[Status::Cancelled]) {
                RunOutcome::Cancelled
            } else {
                RunOutcome::Completed
            };
            if outcome != RunOutcome::Completed && run.begin_undo(outcome) {
                self.released.withdrawn.insert(id);
                return self.settle(id);
            }
            run.ended = Some(outcome);
            run.paused = false;
            (run.purse.wall_spent, run.purse.pauses) = (false, false);
            if outcome != RunOutcome::Completed {
                self.released.withdrawn.insert(id);
            }
            self.released.ended.push((id, outcome));
        }
    }
}

impl Run {
    /// Finds another culprit for whoever is skipped because of a task that has another life.
    fn blame(&mut self) {
        let is_root = |task: &Task| matches!(task.status, Status::Failed | Status::Dead | Status::Cancelled);
        let roots: Vec<usize> = (0..self.tasks.len()).filter(|&task| is_root(&self.tasks[task])).collect();
        for index in 0..self.tasks.len() {
            let task = &self.tasks[index];
            if task.status == Status::Skipped && !is_root(&self.tasks[task.cause.unwrap()]) {
                let other = roots.iter().copied().find(|&root| self.leads(root, index));
                self.tasks[index].cause = other.or(self.tasks[index].cause);
            }
        }
    }

    /// Whether a skipped task can be led back to `root`.
    fn leads(&self, root: usize, to: usize) -> bool {
        let skipped = |need: usize| self.tasks[need].status == Status::Skipped;
        self.tasks[to].spec.needs.iter().any(|&need| need == root || (skipped(need) && self.leads(root, need)))
    }
}

impl Task {
    pub(super) fn new(spec: &Spec, name: String) -> Self {
        Self {
            spec: spec.clone(),
            name,
            parent: None,
            undoes: false,
            record: Record::default(),
            status: Status::Blocked,
            token: Token::FIRST,
            holder: None,
            losses: 0,
            first_attempt: 1,
            edited: None,
            failures: 0,
            cause: None,
            not_before: 0,
            since: 0,
            lease_until: 0,
            heard_at: 0,
            offered: false,
            gated: false,
        }
    }

    /// The status as it is shown: what waits at a gate counts as parked.
    pub(super) fn shown(&self) -> Status {
        if self.status == Status::Ready && self.gated { Status::Parked } else { self.status }
    }

    pub(super) fn again(&mut self, at: i64, token: Token) {
        self.status = Status::Ready;
        self.holder = None;
        self.token = token;
        self.not_before = at;
        self.offered = false;
        self.gated = false;
    }
}
