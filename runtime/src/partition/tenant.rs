//! The state of a partition's actor: what is decided, what is durable, and what waits in between.

use super::actor::uncommitted;
use super::batch::{Answer, Batch, Pending, Told};
use super::closing::Closing;
use super::feed::Readers;
use super::follow::Followers;
use super::history::{History, Line};
use super::message::{Message, Refusal, Reply, Room};
use super::proof::{Proof, Since};
use super::schedules::Troubles;
use super::snapshot::Snapshots;
use super::tally::{Tally, measured};
use super::tenure::{Surroundings, Tenure};
use super::watch::Watchers;
use super::writer::{Housekeeper, Joined, Writer};
use crate::dispatch::backlog::Grant;
use crate::dispatch::courier::Dispatch;
use crate::journal::append::{Mark, Outcome};
use crate::limit::Held;
use crate::supervise;
use crate::telemetry::tracer::context;
use bytes::Bytes;
use callboard_core::sabotage::{self, Sabotage};
use callboard_core::{
    Breach, Command, Effect, EventKind, Failure, FailureClass, Invariant, Json, Millis, Part, Ready, Rejected, RunId,
    State, TaskIndex, TaskRef, TaskState, Token, check_owed, check_step, decide,
};
use ractor::ActorRef;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;

/// How long an event that nobody waits for may ride in memory before it is appended by itself.
pub(crate) const RIDE_MAX: Duration = Duration::from_millis(100);
/// How long a task that was handed out may be without a holder before it is offered again.
const ACCEPT_MAX: Duration = Duration::from_secs(6);
/// How long a new owner waits before it hands out what the last one may have handed out.
const SPEAK_UP: Duration = Duration::from_millis(300);
/// How often tasks that were handed out and have no holder are looked at.
const HANDED_OUT_EVERY: Duration = Duration::from_secs(1);
/// Timers decided in one turn; the rest comes due in the next.
const TIMERS_A_TURN: usize = 1_000;

/// A task on its way to an instance.
pub(super) struct HandedOut {
    pub(super) token: Token,
    /// Until when it is expected to be accepted.
    until: Millis,
    /// Why its agent was chosen, if there was a choice.
    pub(super) chosen: Option<Arc<str>>,
    /// To which node, if not to this one.
    node: Option<Arc<str>>,
}

/// The state of the actor.
pub(crate) struct Tenant {
    pub(super) myself: ActorRef<Message>,
    pub(super) around: Surroundings,
    pub(super) epoch: u64,
    pub(super) state: State,
    pub(super) history: History,
    pub(super) pending: Pending,
    pub(super) in_flight: Option<Batch>,
    /// Whether this owner is known to serve still.
    pub(super) proof: Proof,
    /// The last event that is durable.
    pub(super) durable: u64,
    pub(super) watchers: Watchers,
    pub(super) readers: Readers,
    pub(super) followers: Followers,
    pub(super) closing: Closing,
    pub(super) snapshots: Snapshots,
    tally: Tally,
    /// What a replayed state owed the world, and from when on that is done.
    owed: Option<(Instant, Vec<Effect>)>,
    /// Tasks that were handed out and have no holder yet, and until when that is to be expected.
    pub(super) handed_out: BTreeMap<TaskRef, HandedOut>,
    /// What tasks that were handed out have taken of limits: free when their attempts end, or this tenure does.
    held: BTreeMap<TaskRef, Vec<Arc<Held>>>,
    /// What keeps schedules from starting what is due.
    pub(super) troubles: Troubles,
    /// Nodes that may still hold tasks, if that is known: a holder elsewhere is gone.
    nodes: Option<Vec<Arc<str>>>,
    /// When the pending events are appended at the latest, if nobody waits for them.
    ride_until: Option<Instant>,
    writer: Option<Writer>,
    pub(super) housekeeper: Housekeeper,
    wake: watch::Sender<Instant>,
    /// Whether the ticker waits to hear of the next moment.
    ticked: bool,
    _ticker: Joined<()>,
}

impl Tenant {
    pub(super) fn new(myself: ActorRef<Message>, tenure: Tenure) -> Self {
        let (wake, ticker) = start_ticker(myself.clone(), tenure.surroundings.tuning.sleep_max);
        let around = tenure.surroundings;
        let meters = around.meters.clone();
        if let Some(at) = tenure.snapshot_at {
            meters.snapshot(around.number, at);
        }
        let period = around.tuning.collect_every;
        let mut closing = Closing::new(tenure.archive, around.clock.now());
        let housekeeper = Housekeeper::start(tenure.keeper, myself.clone(), period);
        // What was replayed is durable.
        housekeeper.first_page().store(closing.first_page(&tenure.state), Relaxed);
        Self {
            epoch: tenure.appender.last().position().epoch,
            durable: tenure.state.seq(),
            closing,
            proof: Proof::new(tenure.state.limits().lease, tenure.nodes.is_some()),
            state: tenure.state,
            history: tenure.history,
            pending: Pending::default(),
            in_flight: None,
            watchers: Watchers::new(around.tuning.watchers_max),
            readers: Readers::default(),
            followers: Followers::default(),
            snapshots: Snapshots::after(tenure.tail),
            tally: Tally::new(&around),
            owed: None,
            handed_out: BTreeMap::new(),
            held: BTreeMap::new(),
            troubles: Troubles::new(),
            nodes: tenure.nodes,
            ride_until: None,
            writer: Some(Writer::start(tenure.appender, meters, myself.clone())),
            housekeeper,
            wake,
            ticked: false,
            _ticker: ticker,
            myself,
            around,
        }
    }

    /// Pays what a replayed state owes: frees what dead nodes hold, offers what is ready.
    pub(super) fn recover(&mut self) {
        self.tally.begun(&self.state);
        self.around.backlog.sweep();
        self.adopt();
        let now = self.now();
        let mut effects = self.state.recover(now);
        self.around.breaches.report(Some(self.around.number), check_owed(&self.state, now, &effects));
        if sabotage::is(Sabotage::DispatchForgottenAtTakeover) {
            effects.clear();
        }
        if self.nodes.is_some() {
            self.release(effects, self.durable); // all of it follows from what is durable
        } else {
            // Who has accepted one of these tasks just before the last owner died has a moment to say so.
            self.owed = Some((Instant::now() + SPEAK_UP, effects));
        }
        while let Some(nodes) = self.nodes.clone() {
            let before = self.state.seq();
            let _never_refused = self.step(Command::KeepHolders(nodes));
            if self.state.seq() == before {
                return;
            }
        }
    }

    /// Counts what others may still be at: a limit is one of all tenures.
    fn adopt(&mut self) {
        if !self.around.limits.has_capabilities() {
            return;
        }
        for run in self.state.runs() {
            let tasks = (0..).map(TaskIndex).map_while(|index| Some((index, run.task(index)?)));
            for (task, running) in tasks.filter(|(_, task)| matches!(task.state, TaskState::Running { .. })) {
                let held = self.around.backlog.adopt(&running.spec.capability, run.tenant.as_ref());
                if let Some(held) = held {
                    self.held.insert(TaskRef { run: run.id, task }, vec![held]);
                }
            }
        }
    }

    pub(super) fn now(&self) -> Millis {
        self.around.clock.now().max(self.state.at())
    }

    /// Decides a command, applies its events, and sees to it that they are appended soon.
    pub(super) fn step(&mut self, command: Command) -> Result<(), Rejected> {
        self.step_at(self.now(), command)
    }

    /// The same for a command that was worked out for this moment: its events are to say no later one.
    pub(super) fn step_at(&mut self, now: Millis, command: Command) -> Result<(), Rejected> {
        let before = self.state.seq();
        self.decide_at(now, command)?;
        if self.state.seq() != before {
            self.pending.open_last().awaited = true;
        }
        Ok(())
    }

    /// Decides a command and applies its events; they ride with the next batch that somebody waits for.
    pub(super) fn decide(&mut self, command: Command) -> Result<(), Rejected> {
        self.decide_at(self.now(), command)
    }

    fn decide_at(&mut self, now: Millis, command: Command) -> Result<(), Rejected> {
        let said = said(&command);
        let step = decide(&self.state, now, command).inspect_err(|rejected| self.rejected(rejected, said))?;
        self.around.breaches.report(Some(self.around.number), check_step(&self.state, now, &step));
        if step.events.is_empty() {
            self.hold_back(step.effects);
            return Ok(());
        }
        let batch = self.pending.open();
        for event in step.events {
            let from = batch.lines.len();
            tracing::trace!(seq = event.seq, run = ?event.run, kind = event.kind.name(), "decided");
            event.encode(&mut batch.lines);
            match (event.run, &event.kind) {
                (Some(_), EventKind::RunRestored(_)) => {} // its lines came with the command
                (Some(run), _) => {
                    let bytes = Bytes::copy_from_slice(&batch.lines[from..]);
                    self.history.push(run, Line { seq: event.seq, bytes });
                }
                (None, EventKind::RunsArchived(archived)) => {
                    for run in &archived.runs {
                        self.snapshots.leaves(*run, &self.history);
                        self.history.forget(*run);
                    }
                }
                (None, _) => {}
            }
            batch.measured.extend(measured(&self.state, &event));
            self.state.apply(&event);
            if let EventKind::PagesForgotten(_) = event.kind {
                self.closing.forgotten(&self.state);
            }
            if let Some(run) = event.run {
                if !self.held.is_empty() {
                    free(&mut self.held, run, &event.kind);
                }
                batch.news.extend(self.state.take_news(run).into_iter().map(|task| TaskRef { run, task }));
            }
            batch.events.push(event);
        }
        if self.ride_until.is_none() {
            self.ride_until = Some(Instant::now() + RIDE_MAX);
        }
        if sabotage::is(Sabotage::EffectsBeforeDurable) {
            self.release(step.effects, self.state.seq());
        } else {
            batch.effects.extend(step.effects);
        }
        Ok(())
    }

    /// The last batch that is not durable, if there is one: what is told now may rest on it.
    fn tail(&mut self) -> Option<&mut Batch> {
        if self.pending.is_durable() { self.in_flight.as_mut() } else { Some(self.pending.open_last()) }
    }

    fn hold_back(&mut self, effects: Vec<Effect>) {
        match self.tail() {
            Some(batch) => batch.effects.extend(effects),
            None => self.release(effects, self.state.seq()),
        }
    }

    /// Answers when everything that the answer rests on is durable, and nobody serves in our place.
    pub(super) fn answer(&mut self, reply: Reply, result: Result<(), Rejected>, room: Option<Room>) {
        let is_not_there = matches!(result, Err(Rejected::NoRun(_) | Rejected::NoTask(_)));
        let since = if is_not_there { self.proof.afterwards() } else { Since::Shortly };
        match self.tail() {
            Some(batch) if sabotage::is(Sabotage::AckBeforeAppend) => {
                batch.awaited = true;
                let _gone = reply.send(result.map_err(Refusal::from));
            }
            Some(batch) => {
                batch.answers.push(Answer { reply, result, since, _room: room });
                batch.awaited = true;
            }
            None => self.proof.vouch(since, reply, result.map_err(Refusal::from)),
        }
    }

    /// Tells a holder that its task is its own: what it holds is durable then, and nobody serves in our place.
    pub(super) fn vouch(&mut self, reply: Reply) {
        match self.tail() {
            Some(batch) => {
                batch.vouched.push(reply);
                batch.awaited = true;
            }
            None => self.proof.vouch(Since::Shortly, reply, Ok(())),
        }
    }

    /// Tells something when everything that it rests on is durable.
    pub(super) fn tell(&mut self, what: impl FnOnce() + Send + 'static) {
        match self.tail() {
            Some(batch) => {
                batch.told.push(Told(Box::new(what)));
                batch.awaited = true;
            }
            None => what(),
        }
    }

    /// Tells that something is not there, when that is durable and nobody serves in our place: a successor may have it.
    pub(super) fn tell_surely(&mut self, what: impl FnOnce() + Send + 'static) {
        let (since, told) = (self.proof.afterwards(), Told(Box::new(what)));
        match self.tail() {
            Some(batch) => {
                batch.not_there.push((since, told));
                batch.awaited = true;
            }
            None => self.proof.tell(since, told),
        }
    }

    /// What is done after every message: timers, the next batch, the next wake-up.
    pub(super) fn turn(&mut self) {
        let now = self.now();
        for _ in 0..TIMERS_A_TURN {
            let Some(timer) = self.state.pop_due(now) else { break };
            let _stale = self.step(Command::Due(timer));
        }
        self.fire_schedules(now);
        let rides_out = self.ride_until.is_some_and(|until| until <= Instant::now());
        if self.in_flight.is_none() && (rides_out || self.pending.is_awaited()) {
            self.append_next();
        }
        if self.in_flight.is_none()
            && self.proof.is_due()
            && let Some(writer) = &self.writer
        {
            writer.look();
        }
        self.rearm();
    }

    fn append_next(&mut self) {
        let mut batch = self.pending.take();
        self.ride_until = None;
        let (lines, count) = (Bytes::from(std::mem::take(&mut batch.lines)), batch.events.len() as u32);
        self.snapshots.count(u64::from(count), lines.len() as u64);
        if self.pending.is_durable() {
            self.snapshots.begin_if_due(&self.around.tuning, &self.state, &self.history);
        } else {
            self.ride_until = Some(Instant::now()); // the next batch goes as soon as this one is there
        }
        let counters = &self.around.counters;
        counters.commits.fetch_add(1, Relaxed);
        counters.events.fetch_add(u64::from(count), Relaxed);
        counters.bytes.fetch_add(lines.len() as u64, Relaxed);
        counters.awaited.fetch_add(u64::from(batch.awaited), Relaxed);
        if let Some(writer) = &self.writer {
            self.proof.sent();
            writer.append(lines, count);
        }
        self.in_flight = Some(batch);
    }

    /// Lets out what waited for a batch that is durable now.
    pub(super) fn committed(&mut self, mut batch: Batch, mark: Mark) {
        self.durable = batch.events.last().map_or(self.durable, |event| event.seq);
        self.tally.committed(&self.state, &batch.events, std::mem::take(&mut batch.measured));
        self.release(std::mem::take(&mut batch.effects), self.durable);
        for Answer { reply, result, since, _room } in std::mem::take(&mut batch.answers) {
            match since {
                // It is durable, and so it was for this owner to say.
                Since::Shortly => drop(reply.send(result.map_err(Refusal::from))),
                Since::Put(_) => self.proof.vouch(since, reply, result.map_err(Refusal::from)),
            }
        }
        let vouched = std::mem::take(&mut batch.vouched);
        vouched.into_iter().for_each(|reply| self.proof.vouch(Since::Shortly, reply, Ok(())));
        std::mem::take(&mut batch.not_there).into_iter().for_each(|(since, told)| self.proof.tell(since, told));
        std::mem::take(&mut batch.told).into_iter().for_each(|Told(tell)| tell());
        self.followers.released(&self.state, self.durable, &batch.events, std::mem::take(&mut batch.news));
        self.watchers.released(&batch, self.durable, &self.state, &self.history, &self.pending);
        self.readers.released(&mut self.history, self.durable);
        self.close_if_due();
        self.snapshots.write_if_begun(mark, &self.housekeeper, &self.history, &self.state);
    }

    /// Does what follows from the events up to that one.
    fn release(&mut self, effects: Vec<Effect>, follows_from: u64) {
        if follows_from > self.durable && !effects.is_empty() {
            let what = format!("what follows from event {follows_from} is done, and {} is durable", self.durable);
            self.around.breaches.report(Some(self.around.number), [Breach::new(Invariant::DoneWhenDurable, what)]);
        }
        let mut offers = Vec::new();
        for effect in effects {
            match effect {
                Effect::Offer(ready) => offers.push(self.with_tenant(ready)),
                Effect::Withdraw { run } => {
                    offers.retain(|(ready, _): &(Ready, _)| ready.task.run != run);
                    self.around.backlog.withdraw(run);
                }
                Effect::Stop { speaker, reason } => self.around.stop(speaker, reason),
                Effect::Ended { run, outcome } => tracing::debug!(%run, outcome = outcome.as_str(), "run ended"),
            }
        }
        if !offers.is_empty() {
            self.around.backlog.offer(offers, &self.myself);
        }
    }

    /// A task that is offered, with the tenant of its run.
    fn with_tenant(&self, ready: Ready) -> (Ready, Option<Arc<str>>) {
        let tenant = self.state.run(ready.task.run).and_then(|run| run.tenant.clone());
        (ready, tenant)
    }

    /// Hands a task to whichever instance takes it first, if it still waits for one; else its slot is free again.
    pub(super) fn hand_out(&mut self, mut grant: Grant) {
        if let Some((name, input)) = self.take_out(&grant.ready) {
            let of = grant.ready.task;
            let trace = self.state.run(of.run).and_then(|run| self.around.tracer.parent_of(run, of.task));
            if !grant.held.is_empty() {
                self.held.insert(grant.ready.task, std::mem::take(&mut grant.held));
            }
            let until = self.now().after(ACCEPT_MAX);
            let node = grant.desk.home.as_ref().map(|home| home.node.clone());
            let handed_out = HandedOut { token: grant.ready.token, until, chosen: grant.chosen.clone(), node };
            self.handed_out.insert(grant.ready.task, handed_out);
            let partition = self.around.number;
            self.around.courier.send(Dispatch { grant, name, input, trace, partition });
        }
    }

    /// The name and the input of a task, if it still waits for this hand-out.
    fn take_out(&mut self, ready: &Ready) -> Option<(String, Vec<Part>)> {
        let run = self.state.run(ready.task.run).filter(|run| run.quarantined.is_none() && run.paused.is_none())?;
        let task = run.task(ready.task.task)?;
        let waits = task.token == ready.token && matches!(task.state, TaskState::Ready { .. });
        let is_out = self.handed_out.get(&ready.task).is_some_and(|out| out.token == ready.token);
        let input = run.input(ready.task.task).filter(|_| waits && !is_out)?;
        let bytes = input.iter().map(part_bytes).fold(0, u64::saturating_add);
        let limit = self.around.input_bytes_max;
        if bytes > limit {
            let message = format!("its input takes {bytes} bytes with the outputs in place, more than {limit}");
            let failure = Failure::new(FailureClass::Terminal, message);
            let _stale = self.step(Command::Refuse(ready.task, ready.token, failure));
            return None;
        }
        Some((task.spec.name.clone(), input))
    }

    pub(super) fn tick(&mut self) {
        self.ticked = true;
        if let Some((_, effects)) = self.owed.take_if(|(from, _)| *from <= Instant::now()) {
            self.release(effects, self.durable);
        }
        self.offer_again();
        self.snapshots.go_on(&self.history, &self.state);
        self.close_if_due();
        self.forget_if_due();
    }

    fn close_if_due(&mut self) {
        let now = self.now();
        self.closing.close_if_due(now, &self.around.tuning, &self.state, &self.history, self.durable, &self.myself);
    }

    /// Forgets the pages of the archive that have been kept for long enough. Their objects go when that is durable, and late.
    fn forget_if_due(&mut self) {
        let (now, history_kept) = (self.now(), self.around.tuning.history_kept);
        let Some(kept) = self.closing.kept_if_due(now, history_kept, &self.state) else { return };
        if self.decide(Command::ForgetPages { kept }).is_ok() {
            let (page, first) = (self.closing.first_page(&self.state), self.housekeeper.first_page());
            tracing::info!(partition = self.around.number, epoch = self.epoch, first = page, "history forgotten");
            self.tell(move || {
                first.fetch_max(page, Relaxed);
            });
        }
    }

    /// Offers again what was handed out and has found no holder: the message may be lost with whoever had it.
    fn offer_again(&mut self) {
        let now = self.now();
        let late: Vec<(TaskRef, Token)> =
            self.handed_out.iter().filter(|(_, out)| out.until <= now).map(|(task, out)| (*task, out.token)).collect();
        for (task, token) in late {
            let trace = self.state.run(task.run).and_then(|run| self.around.tracer.of_run(run.id, run.trace));
            context(task, token, self.around.number, &self.around.node, trace)
                .in_scope(|| tracing::warn!(%task, %token, "no instance has accepted the task; it is offered again"));
            self.not_delivered(task, token);
        }
    }

    /// Offers a task once more that was handed out and is held by nobody.
    pub(super) fn not_delivered(&mut self, task: TaskRef, token: Token) {
        if self.handed_out.get(&task).is_none_or(|out| out.token != token) {
            return;
        }
        self.handed_out.remove(&task);
        self.held.remove(&task);
        let run = self.state.run(task.run).filter(|run| run.paused.is_none());
        let ready = run.and_then(|run| run.ready(task.task));
        if let Some(ready) = ready.filter(|ready| ready.token == token) {
            self.around.backlog.offer([self.with_tenant(ready)], &self.myself);
        }
    }

    /// Offers again what was on its way to a node, or to any other than this: it may be lost. Where it is not, whoever comes
    /// second is sent away.
    pub(super) fn offer_again_from(&mut self, node: Option<&str>) {
        let is_there = |out: &HandedOut| out.node.is_some() && (node.is_none() || out.node.as_deref() == node);
        let there = self.handed_out.iter().filter(|(_, out)| is_there(out));
        let there: Vec<(TaskRef, Token)> = there.map(|(task, out)| (*task, out.token)).collect();
        there.into_iter().for_each(|(task, token)| self.not_delivered(task, token));
    }

    /// Frees what instances of a dead node hold, so many at a time, and offers again what was on its way to them.
    pub(super) fn node_is_gone(&mut self, node: Arc<str>) {
        self.offer_again_from(Some(&*node));
        let before = self.state.seq();
        let _never_refused = self.step(Command::LoseHolders(node.clone()));
        if self.state.seq() != before {
            let _ended = self.myself.cast(Message::NodeIsGone(node));
        }
    }

    /// There is a reason to look whether this owner serves still.
    pub(super) fn doubted(&mut self) {
        self.proof.doubt();
    }

    pub(super) fn snapshotted(&mut self, result: Result<(), String>) {
        let as_of = self.snapshots.done();
        match result {
            Ok(()) => {
                self.around.meters.snapshot(self.around.number, as_of);
                tracing::info!(partition = self.around.number, epoch = self.epoch, "snapshot written");
            }
            Err(error) => {
                tracing::warn!(partition = self.around.number, epoch = self.epoch, %error, "no snapshot was written");
                self.proof.doubt();
            }
        }
    }

    pub(super) fn archived(&mut self, runs: Vec<(RunId, u64)>, page: Result<Json, String>) {
        self.closing.done();
        match page {
            Ok(page) => {
                // What was opened again while the page was written goes on a later page, as it will have ended then.
                let is_whole = |(run, last): &(RunId, u64)| {
                    self.history.last(*run) == *last && self.state.run(*run).is_some_and(|run| run.ended.is_some())
                };
                let runs: Vec<RunId> = runs.into_iter().filter(is_whole).map(|(run, _)| run).collect();
                if !runs.is_empty() {
                    let _open = self.step(Command::Archive { runs, page });
                }
            }
            Err(error) => {
                let partition = self.around.number;
                tracing::warn!(partition, %error, "ended runs could not be archived and stay in memory");
            }
        }
    }

    /// Counts who has spoken of a task that is another's.
    pub(super) fn rejected(&self, rejected: &Rejected, said: &'static str) {
        if matches!(rejected, Rejected::Fenced { .. }) {
            self.around.meters.fenced(said);
        }
    }

    fn rearm(&mut self) {
        let now = Instant::now();
        // What is due and was left alone waits for the journal, and would only be left alone again.
        let waits = |due: &Millis| *due <= self.now() && self.pending.is_backed_up();
        let timer = self.state.next_due().filter(|due| !waits(due)).map(|due| now + due.since(self.now()));
        let slice = self.snapshots.is_writing_slices().then(|| now + Duration::from_millis(2));
        let ride = self.ride_until.filter(|_| self.in_flight.is_none());
        // What is on its way to an instance may be lost with whoever carries it, and nobody tells.
        let hall = (!self.handed_out.is_empty()).then(|| now + HANDED_OUT_EVERY);
        let owed = self.owed.as_ref().map(|(from, _)| *from);
        let look = self.proof.next().filter(|_| self.in_flight.is_none());
        let all = [timer, ride, slice, hall, owed, look].into_iter().flatten();
        let next = all.fold(now + self.around.tuning.sleep_max, Instant::min);
        // A moment that has passed is left alone: its tick is on the way.
        let ticked = std::mem::take(&mut self.ticked);
        self.wake.send_if_modified(|wake| {
            let sooner = ticked || next < *wake;
            if sooner {
                *wake = next;
            }
            sooner
        });
    }

    /// Makes durable what has been decided, as far as the store lets it, and tells those who wait.
    ///
    /// # Errors
    ///
    /// `Unknown` when the store has not let it in time. Whoever waits hears nothing then, which means the same.
    pub(super) async fn finish(&mut self) -> Result<(), supervise::Failure> {
        let Some(writer) = self.writer.take() else { return Ok(()) };
        let mut batches: Vec<Batch> = self.in_flight.take().into_iter().collect();
        let mut jobs = Vec::new();
        while !self.pending.is_durable() {
            let mut batch = self.pending.take();
            if !batch.events.is_empty() {
                jobs.push((Bytes::from(std::mem::take(&mut batch.lines)), batch.events.len() as u32));
                batches.push(batch);
            }
        }
        let outcomes = tokio::select! {
            biased;
            outcomes = writer.finish(jobs) => outcomes,
            () = self.around.closing.commits_are_over() => {
                let message = format!("of {} last batches not all were committed in time", batches.len());
                return Err(supervise::Failure::new(supervise::FailureKind::Unknown, message));
            }
        };
        // If an outcome was lost with the mailbox, whoever waits hears nothing, which means unknown.
        if outcomes.len() == batches.len() {
            for (batch, outcome) in batches.into_iter().zip(outcomes) {
                match outcome {
                    Outcome::Committed(mark) => self.committed(batch, mark),
                    other => batch.refuse(&uncommitted(other).0),
                }
            }
        }
        Ok(())
    }
}

/// In one word, what whoever works on a task says of it.
fn said(command: &Command) -> &'static str {
    match command {
        Command::Accept(..) => "accept",
        Command::Complete(..) => "complete",
        Command::Fail(..) => "fail",
        Command::Lose(..) => "lose",
        Command::Note(..) => "note",
        _ => "other",
    }
}

/// Frees what tasks had of limits whose attempts have ended.
fn free(all: &mut BTreeMap<TaskRef, Vec<Arc<Held>>>, run: RunId, kind: &EventKind) {
    let mut free = |task| all.remove(&TaskRef { run, task }).into_iter().flatten();
    match kind {
        EventKind::TaskCompleted(it) => drop(free(it.task)),
        EventKind::AttemptFailed(it) => drop(free(it.task)),
        EventKind::TaskFailed(it) => drop(free(it.task)),
        EventKind::TaskParked(it) => drop(free(it.task)),
        EventKind::AttemptLost(it) => free(it.task).for_each(|held| held.lost()),
        EventKind::TasksCancelled(it) => it.tasks.iter().for_each(|task| drop(free(*task))),
        EventKind::TasksSkipped(it) => it.tasks.iter().for_each(|task| drop(free(*task))),
        EventKind::RunEnded(_) => all.retain(|task, _| task.run != run),
        _ => {}
    }
}

fn part_bytes(part: &Part) -> u64 {
    match part {
        Part::Text(text) => text.len() as u64,
        Part::Value(payload) => payload.len(),
    }
}

/// Starts the task that says when time has passed.
fn start_ticker(partition: ActorRef<Message>, sleep_max: Duration) -> (watch::Sender<Instant>, Joined<()>) {
    let (wake, mut next) = watch::channel(Instant::now() + sleep_max);
    let task = Joined::spawn(async move {
        loop {
            let until = *next.borrow_and_update();
            tokio::select! {
                () = tokio::time::sleep_until(until) => {
                    if partition.cast(Message::Tick).is_err() {
                        return;
                    }
                    // The partition sets the next moment when it has taken the tick.
                    if next.changed().await.is_err() {
                        return;
                    }
                }
                changed = next.changed() => if changed.is_err() { return },
            }
        }
    });
    (wake, task)
}
