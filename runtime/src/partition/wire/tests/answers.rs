//! Every kind of answer.

use super::samples::{Bits, every, maybe, run_statuses};
use crate::partition::message::{Page, Refusal, Verdict};
use crate::partition::question::ArchivePage;
use crate::query::{
    ApprovalId, EffectId, FailedAttempt, OpenApproval, PendingItem, Place, RunInfo, RunStatus, RunTask, TaskInfo,
    UnknownEffect,
};
use crate::query::{Cause, Why};
use crate::schedule::{ScheduleInfo, ScheduleStatus};
use crate::{BudgetInfo, BudgetWait, TopUpInfo};
use bytes::Bytes;
use callboard_core::{
    CatchUp, Counts, Entry, Millis, Noted, Overlap, Priority, Rejected, RunId, Status, TaskIndex, Token,
};
use std::collections::BTreeSet;
use uuid::Uuid;

impl Bits {
    /// What a command comes to.
    pub(super) fn done(&self) -> Vec<Result<(), Refusal>> {
        self.refusals().into_iter().map(Err).chain([Ok(())]).collect()
    }

    pub(super) fn records(&self) -> Vec<Result<Vec<Entry>, Refusal>> {
        let (seq, at, key, child) = (self.number, self.at(), self.arc(), self.index());
        let mut noted = vec![Noted::Unknown, Noted::NotDone, Noted::Waits];
        noted.extend([Noted::Reserved(self.cost()), Noted::Charged(self.cost())]);
        noted.extend(maybe(key.clone()).map(|hash| Noted::Submitted { child, hash }));
        noted.extend(Self::contracts().map(Noted::Begun));
        noted.extend(Self::contracts().map(|contract| Noted::BegunBehind(contract, 7)));
        noted.extend(self.payloads().into_iter().map(Noted::Value));
        noted.extend(self.failures().into_iter().map(Noted::Failed));
        let noted =
            every!(noted, Noted: Submitted Begun BegunBehind Unknown NotDone Waits Reserved Charged Value Failed);
        let entries = noted.into_iter().map(|what| Entry { seq, at, key: key.clone(), what }).collect();
        vec![Ok(entries), Ok(Vec::new()), Err(Refusal::Rejected(Rejected::News(self.task())))]
    }

    pub(super) fn verdicts(&self) -> Vec<Verdict> {
        let mut all = vec![
            Verdict::NoTask,
            Verdict::Quarantined(self.arc()),
            Verdict::Full(self.size()),
            Verdict::Elsewhere(self.summaries()),
        ];
        all.extend(self.payloads().into_iter().map(Verdict::Output));
        all.extend(self.outcomes().map(Verdict::Run));
        all.extend([true, false].map(|cancelled| Verdict::TaskFailed {
            task: self.text.clone(),
            cancelled,
            failure: self.failure(),
        }));
        every!(all, Verdict: Output TaskFailed Run NoTask Quarantined Full Elsewhere)
    }

    pub(super) fn pages(&self) -> Vec<Page> {
        let any = Bytes::from(format!("{}\n", self.json));
        let mut lines: Vec<Bytes> = self.past().lines.into_iter().map(|line| line.bytes).collect();
        lines.push(any);
        let all = vec![
            Page::Lines(lines),
            Page::Lines(Vec::new()),
            Page::End,
            Page::Full(self.size()),
            Page::Elsewhere(self.summaries()),
        ];
        every!(all, Page: Lines End Full Elsewhere)
    }

    pub(super) fn progress(&self) -> [Option<crate::Progress>; 2] {
        let (tasks, completed) = (self.size(), self.size() / 2);
        maybe(crate::Progress { tasks, completed, ended_otherwise: 1, running: 2 })
    }

    fn budget_info(&self) -> BudgetInfo {
        let (amount, cost) = (self.budget(), self.cost());
        let wait = BudgetWait { task: self.text.clone(), call: self.arc(), cost: cost.into() };
        let top_up = TopUpInfo { at: self.at(), amount: amount.into(), by: Some(self.arc()) };
        BudgetInfo {
            limit: amount.into(),
            spent: cost.into(),
            reserved: cost.into(),
            left: amount.into(),
            overshoot: cost.into(),
            wall_spent: true,
            waiting: self.size(),
            first_waiting: vec![wait],
            top_ups: vec![TopUpInfo { by: None, ..top_up.clone() }, top_up],
        }
    }

    pub(super) fn run_infos(&self) -> Vec<RunInfo> {
        let counts: Counts = serde_json::from_value(serde_json::json!({ "dead": self.small(), "ready": 1 })).unwrap();
        let info = |status| RunInfo {
            id: self.run(),
            workflow: self.arc(),
            key: Some(self.arc()),
            tenant: Some(self.arc()),
            labels: [(self.text.clone(), self.text.clone())].into(),
            status,
            reason: Some(self.arc()),
            submitted_at: self.at(),
            reopened_at: Some(self.at()),
            ended_at: Some(self.at()),
            counts,
            budget: Some(self.budget_info()),
        };
        let bare = RunInfo {
            key: None,
            tenant: None,
            reason: None,
            reopened_at: None,
            ended_at: None,
            budget: None,
            ..info(RunStatus::Running)
        };
        run_statuses().into_iter().map(info).chain([bare]).collect()
    }

    pub(super) fn task_infos(&self) -> Vec<TaskInfo> {
        let full = |status| TaskInfo {
            index: self.index(),
            name: self.text.clone(),
            capability: self.arc(),
            status,
            priority: Priority::Critical,
            attempt: self.small(),
            holder: Some(self.speaker().holder),
            not_before: Some(self.at()),
            ended_at: Some(self.at()),
            losses: self.small(),
            failures: vec![FailedAttempt { attempt: self.small(), at: self.at(), error: self.text.clone() }],
            is_edited: true,
            why: Why::of(vec![Cause::Paused { reason: self.arc() }]),
            parent: Some(self.index()),
            undoes: Some(self.index()),
            progress: Some(self.json.clone()),
            reason: Some(self.text.clone()),
        };
        let bare = TaskInfo {
            holder: None,
            not_before: None,
            ended_at: None,
            failures: Vec::new(),
            is_edited: false,
            why: None,
            parent: None,
            undoes: None,
            progress: None,
            reason: None,
            ..full(Status::Blocked)
        };
        Status::ALL.into_iter().map(full).chain([bare]).collect()
    }

    pub(super) fn placed<T>(&self, items: Vec<T>) -> Vec<(Place, T)> {
        self.places().into_iter().cycle().zip(items).collect()
    }

    pub(super) fn nexts(&self) -> [Option<Place>; 2] {
        maybe(self.place())
    }

    pub(super) fn letters(&self) -> Vec<RunTask> {
        let letter = |task| RunTask { run: self.run(), workflow: self.arc(), task };
        self.task_infos().into_iter().map(letter).collect()
    }

    pub(super) fn pending(&self) -> Vec<PendingItem> {
        let (run, task, workflow) = (self.run(), self.index(), self.arc());
        let mut all = Vec::new();
        for until in maybe(self.at()) {
            let id = ApprovalId { run, task, number: self.small() };
            let (task, prompt) = (self.text.clone(), self.arc());
            all.push(PendingItem::Approval(OpenApproval { id, workflow: workflow.clone(), task, prompt, until }));
        }
        for contract in Self::contracts() {
            all.push(PendingItem::Effect(UnknownEffect {
                id: EffectId { run, task, call: self.arc() },
                workflow: workflow.clone(),
                task: self.text.clone(),
                contract: contract.as_str(),
                begun_at: self.at(),
                reason: self.text.clone(),
            }));
        }
        every!(all, PendingItem: Approval Effect)
    }

    pub(super) fn archive_pages(&self) -> Vec<ArchivePage> {
        let again = vec![Uuid::from_u128(self.id)];
        let page = ArchivePage { page: self.number, newest_ms: self.moment, again };
        vec![page.clone(), ArchivePage { again: Vec::new(), ..page }]
    }

    pub(super) fn in_memory(&self) -> (Vec<RunId>, Millis) {
        (vec![self.run()], self.at())
    }

    pub(super) fn found(&self) -> [Option<(TaskIndex, Token)>; 2] {
        maybe((self.index(), self.token()))
    }

    pub(super) fn schedule_infos(&self) -> Vec<ScheduleInfo> {
        let statuses = [ScheduleStatus::Active, ScheduleStatus::Paused, ScheduleStatus::Finished];
        let statuses = every!(statuses, ScheduleStatus: Active Paused Finished);
        let full = |status| ScheduleInfo {
            name: self.arc(),
            when: self.text.clone(),
            zone: Some(self.arc()),
            workflow: self.arc(),
            overlap: Overlap::CancelPrevious,
            catch_up: CatchUp::All,
            status,
            reason: Some(self.arc()),
            set_at: self.at(),
            next_due: Some(self.at()),
            last_due: Some(self.at()),
            last_run: Some(self.run()),
            open_runs: vec![self.run()],
            queued: Some(self.at()),
            fired: self.number,
            overlapped: self.number,
            missed: self.number,
            trouble: Some(self.arc()),
        };
        let bare = ScheduleInfo {
            zone: None,
            reason: None,
            next_due: None,
            last_due: None,
            last_run: None,
            open_runs: Vec::new(),
            queued: None,
            trouble: None,
            ..full(ScheduleStatus::Active)
        };
        statuses.into_iter().map(full).chain([bare]).collect()
    }
}
