//! The actor: one message at a time, no waiting.

use super::control::Retry;
use super::message::{Message, Page, Progress, Refusal, Reply, Say, Target, Verdict};
use super::tenant::Tenant;
use super::tenure::Tenure;
use super::watch;
use crate::journal::append::{Outcome, Standing};
use crate::journal::archive::Summary;
use crate::supervise::{Failure, FailureKind};
use callboard_core::{Alive, Command, Rejected, RunId, Speaker, Status};
use ractor::{Actor, ActorProcessingErr, ActorRef};
use tokio::sync::oneshot;
use tokio::time::Instant;

/// The type of the actor.
pub(crate) struct Partition;

impl Actor for Partition {
    type Msg = Message;
    type State = Tenant;
    type Arguments = Tenure;

    async fn pre_start(&self, myself: ActorRef<Message>, tenure: Tenure) -> Result<Tenant, ActorProcessingErr> {
        let mut tenant = Tenant::new(myself, tenure);
        if !tenant.around.is_frozen {
            tenant.recover();
            tenant.turn();
        }
        Ok(tenant)
    }

    async fn handle(
        &self,
        _: ActorRef<Message>,
        message: Message,
        tenant: &mut Tenant,
    ) -> Result<(), ActorProcessingErr> {
        match message {
            // Time does not pass there.
            Message::Tick if tenant.around.is_frozen => {}
            message => tenant.take(message)?,
        }
        if !tenant.around.is_frozen {
            tenant.turn();
        }
        Ok(())
    }

    /// A drained partition makes durable what it has decided, and answers.
    async fn post_stop(&self, _: ActorRef<Message>, tenant: &mut Tenant) -> Result<(), ActorProcessingErr> {
        Ok(tenant.finish().await?)
    }
}

impl Tenant {
    fn take(&mut self, message: Message) -> Result<(), Failure> {
        match message {
            Message::Submit { run, graph, key, checked, room, reply } => {
                let pages = self.pages_to_check(run, checked);
                if pages.is_empty() {
                    let result = self.step(Command::Submit { run, graph, key });
                    self.answer(reply, result, Some(room));
                } else {
                    drop(reply.send(Err(Refusal::Elsewhere(pages))));
                }
            }
            Message::Speak { speaker, say, reply } => self.speak(speaker, say, reply),
            Message::Heartbeat { speaker, alive, reply } => self.heartbeat(speaker, alive, reply),
            Message::Follow { speaker, after, when, reply } => {
                self.followers.follow(&self.state, self.durable, (speaker, after, when), reply);
            }
            Message::Answer { run, answer, room, reply } => self.answered(run, answer, room, reply),
            Message::Control { run, wish, reply } => self.control(run, wish, reply),
            Message::Retry { task, token, input, comeback, room, reply } => {
                self.retry(Retry { task, token, input }, comeback, room, reply);
            }
            Message::Ask(question) => self.asked(question),
            Message::Await { run, target, reply } => self.wait_for(run, target, reply),
            Message::Events { run, after, reply } => self.read(run, after, reply),
            Message::Feed { after, since, when, reply } => self.feed(after, since, when, reply),
            Message::Progress { run, reply } => {
                let _gone = reply.send(self.progress(run));
            }
            Message::HandOut(grant) => self.hand_out(grant),
            Message::NotDelivered(task, token) => self.not_delivered(task, token),
            Message::NodeIsGone(node) => self.node_is_gone(node),
            Message::Missed { by } => self.offer_again_from(by.as_deref()),
            Message::Appended(outcome) => self.appended(outcome)?,
            Message::Looked(asked_at, standing) => self.looked(asked_at, standing)?,
            Message::Doubted => self.doubted(),
            Message::Snapshotted(result) => self.snapshotted(result),
            Message::Archived { runs, page } => self.archived(runs, page),
            Message::Tick => self.tick(),
            Message::Schedule { name, wish, room, reply } => self.schedule(name, wish, room, reply),
        }
        Ok(())
    }

    /// The pages that may hold a run that is not in memory, if there are any behind the last that the asker has `checked`.
    pub(super) fn pages_to_check(&mut self, run: RunId, checked: u64) -> Vec<Summary> {
        if checked == u64::MAX || self.state.run(run).is_some() {
            return Vec::new();
        }
        // Pages are added at one end and forgotten at the other, and no number is given twice.
        let pages = self.closing.pages_that_may_hold(run, &self.state);
        if pages.last().is_some_and(|last| last.page > checked) { pages } else { Vec::new() }
    }

    fn speak(&mut self, speaker: Speaker, say: Say, reply: Reply) {
        let command = match say {
            Say::Accept => return self.accept(speaker, reply),
            Say::Complete(output) => Command::Complete(speaker, output),
            Say::Fail(failure) => Command::Fail(speaker, failure),
            Say::Lose(reason) => Command::Lose(speaker, reason),
            Say::Note(note) => return self.note(speaker, note, reply),
        };
        let result = self.step(command);
        self.answer(reply, result, None);
    }

    /// Decided and answered in memory: whoever would learn too late that it was not durable is fenced by its token.
    fn accept(&mut self, speaker: Speaker, reply: Reply) {
        let _gone = reply.send(self.accepted(speaker).map_err(Refusal::from));
    }

    fn accepted(&mut self, speaker: Speaker) -> Result<(), Rejected> {
        let task = speaker.task;
        let out = self.handed_out.get(&task).filter(|out| out.token == speaker.token);
        let chosen = out.and_then(|out| out.chosen.clone());
        let result = self.decide(Command::Accept(speaker, chosen));
        // In a paused run it is not accepted and will be offered anew.
        if matches!(result, Ok(()) | Err(Rejected::Paused { .. })) {
            self.handed_out.remove(&task);
        }
        result
    }

    /// Whoever extends the lease of a task that nobody holds has accepted it in an earlier tenure, and that was not durable
    /// yet: it is the first to speak up, and has the task still.
    fn heartbeat(&mut self, speaker: Speaker, alive: Alive, reply: Reply) {
        let mut result = self.state.heartbeat(self.now(), &speaker, alive);
        if let Err(rejected) = &result {
            self.rejected(rejected, "heartbeat");
        }
        if result.is_ok() && self.state.is_ready(speaker.task) {
            result = self.accepted(speaker);
        }
        match result {
            Ok(()) => self.vouch(reply),
            Err(rejected) => drop(reply.send(Err(rejected.into()))),
        }
    }

    fn wait_for(&mut self, id: RunId, target: Target, reply: oneshot::Sender<Verdict>) {
        let Some(run) = self.state.run(id) else {
            let elsewhere = Verdict::Elsewhere(self.closing.pages_that_may_hold(id, &self.state));
            return self.tell_surely(move || drop(reply.send(elsewhere)));
        };
        let Some(watched) = watch::watched(run, &target) else {
            return drop(reply.send(Verdict::NoTask));
        };
        match watch::verdict(run, watched) {
            Some(verdict) if watch::is_durable(id, watched, self.in_flight.as_ref(), &self.pending) => {
                drop(reply.send(verdict));
            }
            _ => self.watchers.wait_for_end(id, watched, reply),
        }
    }

    fn read(&mut self, id: RunId, after: u64, reply: oneshot::Sender<Page>) {
        if self.state.run(id).is_none() {
            let elsewhere = Page::Elsewhere(self.closing.pages_that_may_hold(id, &self.state));
            return self.tell_surely(move || drop(reply.send(elsewhere)));
        }
        match watch::page(&self.history, &self.state, id, after, self.durable) {
            Some(page) => {
                let _gone = reply.send(page);
            }
            None => self.watchers.wait_for_events(id, after, reply),
        }
    }

    fn progress(&self, id: RunId) -> Option<Progress> {
        let run = self.state.run(id)?;
        let of = |status| run.counts().of(status);
        Some(Progress {
            tasks: run.tasks.len(),
            completed: of(Status::Completed),
            ended_otherwise: run.tasks.len() - run.open() - of(Status::Completed),
            running: of(Status::Running),
        })
    }

    /// Releases what the batch in flight held back, or stops: whatever is not durable then is dropped with the actor.
    fn appended(&mut self, outcome: Outcome) -> Result<(), Failure> {
        let Some(batch) = self.in_flight.take() else { return Ok(()) };
        match outcome {
            Outcome::Committed(mark) => {
                self.proof.committed();
                self.committed(batch, mark);
                Ok(())
            }
            other => {
                let (refusal, failure) = uncommitted(other);
                batch.refuse(&refusal);
                Err(self.starts_again(failure))
            }
        }
    }

    /// Somebody wanted to know whether this owner serves still.
    fn looked(&mut self, asked_at: Instant, standing: Standing) -> Result<(), Failure> {
        if standing == Standing::Deposed {
            let message = "a newer owner has sealed the journal".to_owned();
            return Err(self.starts_again(Failure::new(FailureKind::Fenced, message)));
        }
        self.proof.looked(asked_at, standing == Standing::Serving);
        Ok(())
    }

    /// Tells those whose events were not even tried that they did not happen.
    fn starts_again(&mut self, failure: Failure) -> Failure {
        let never_tried = Refusal::Unavailable(format!("the partition starts again: {}", failure.message));
        std::mem::take(&mut self.pending).refuse(&never_tried);
        self.proof.refuse(&never_tried);
        failure
    }
}

/// What an append that did not commit means for those who wait, and for the supervisor.
///
/// # Panics
///
/// For one that did.
pub(super) fn uncommitted(outcome: Outcome) -> (Refusal, Failure) {
    match outcome {
        Outcome::Committed(mark) => unreachable!("the batch at {} is committed", mark.position()),
        Outcome::Failed { at } => {
            let message = format!("a newer owner has sealed slot {at}; the batch did not happen");
            (Refusal::Unavailable(message.clone()), Failure::new(FailureKind::Fenced, message))
        }
        Outcome::Unknown { at, reason } => {
            let message = format!("whether the batch at {at} is in the journal is unknown: {reason}");
            (Refusal::Unknown(message.clone()), Failure::new(FailureKind::Unknown, message))
        }
        Outcome::Refused(refusal) => {
            let message = refusal.to_string();
            (Refusal::Unavailable(message.clone()), Failure::new(FailureKind::Unavailable, message))
        }
    }
}
