//! An instance: an actor that takes one task after the other from the queue of its agent.
//!
//! It keeps the agent's value outside the future that it polls, so that a task can be stopped and the agent kept. A
//! panic of the handler is a failed attempt; then the instance ends, and its supervisor makes another.

use super::Ctx;
use super::context::Assignment;
use super::erased::{Factory, Perform};
use super::results::{Ended, Results, keep_lease};
use crate::breaker::{Breaker, Breakers, Heard, Pass};
use crate::clock::Clock;
use crate::closing_time::ClosingTime;
use crate::dispatch::backlog::Backlog;
use crate::dispatch::courier::DISPATCH;
use crate::dispatch::seat::{Seat, Work};
use crate::durable::driver::{Driven, Driver};
use crate::durable::trap::{BEGIN, END, Sight, Spot, Trap};
use crate::journal::payload::Payloads;
use crate::limit::Limits;
use crate::message::{Home, Mailroom, MessageCtx, Place, Turn, Voice, take_turn};
use crate::partition::handle::{Partitions, Unheard};
use crate::partition::message::Say;
use crate::port::bus::{Bus, Consumer, Delivery, QueueName};
use crate::state::Documents;
use crate::stops::Stops;
use crate::supervise::{Failure as Stop, FailureKind};
use crate::telemetry::Tracer;
use crate::telemetry::tracer::{Around, Begun, Came};
use bytes::Bytes;
use callboard_core::{Entry, InstanceId, Speaker, StopReason, Token};
use futures::FutureExt;
use futures::future::BoxFuture;
use ractor::{Actor, ActorProcessingErr, ActorRef};
use std::num::{NonZeroU16, NonZeroUsize};
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep_until};

/// What every instance of a node works with.
#[derive(Clone)]
pub(crate) struct Floor {
    pub(crate) partitions: Partitions,
    pub(crate) bus: Arc<dyn Bus>,
    pub(crate) backlog: Arc<Backlog>,
    pub(crate) breakers: Breakers,
    pub(crate) limits: Limits,
    pub(crate) stops: Arc<Stops>,
    pub(crate) payloads: Payloads,
    pub(crate) documents: Documents,
    /// Outputs above this many bytes are stored by the hash of their content; 64 KiB by default.
    pub(crate) inline_bytes_max: usize,
    /// Outputs above this many bytes are refused; 16 MiB by default.
    pub(crate) payload_bytes_max: usize,
    /// Outputs with more levels are refused; 127 by default.
    pub(crate) payload_depth_max: usize,
    /// How long a task is its holder's after that was last heard of; 6 s by default.
    pub(crate) lease: Duration,
    pub(crate) mailroom: Arc<Mailroom>,
    pub(crate) home: Home,
    pub(crate) clock: Clock,
    /// How long a handler that waits for what is durable keeps its instance; 1 s by default.
    pub(crate) park_after: Duration,
    /// How long a handler whose task was cancelled may clean up; 5 s by default.
    pub(crate) cleanup: Duration,
    /// Where a test has an instance die.
    pub(crate) trap: Option<Arc<dyn Trap>>,
    pub(crate) tracer: Tracer,
}

impl Floor {
    /// How often a holder extends its lease.
    pub(super) fn heartbeat(&self) -> Duration {
        self.lease / 3
    }

    /// How long after it has asked for its lease a holder may begin something. The owner was known to serve a third of a
    /// lease before at the earliest; what is left is for clocks of other speeds.
    pub(super) fn ours_for(&self) -> Duration {
        self.lease / 2
    }

    /// Whether a test has the instance die here.
    pub(crate) fn crosses(&self, speaker: &Speaker, capability: &str, key: &str, spot: Spot) -> bool {
        self.trap.as_ref().is_some_and(|trap| trap.springs(capability, speaker, key, spot))
    }

    fn saw(&self, speaker: &Speaker, capability: &str, what: Sight<'_>) {
        if let Some(trap) = &self.trap {
            trap.saw(capability, speaker, what);
        }
    }
}

/// What one instance is made of.
#[derive(Clone)]
pub(crate) struct Role {
    pub(crate) floor: Floor,
    pub(crate) id: InstanceId,
    pub(crate) agent: Arc<str>,
    /// Which of the instances of its agent it is, from 1.
    pub(crate) number: usize,
    pub(crate) factory: Factory,
    /// That of its agent.
    pub(crate) breaker: Arc<Breaker>,
    /// When to take no more tasks, and until when to finish the one at hand.
    pub(crate) closing: ClosingTime,
}

/// Messages that may wait in the queue of an agent: the backlog grants no more than there are free slots.
const QUEUE_MAX: NonZeroUsize = NonZeroUsize::new(100_000).unwrap();
/// After this long a dispatch is acknowledged although its task still runs; the lease alone watches from then on.
const UNACKED_MAX: Duration = Duration::from_secs(60);
/// The type of the actor.
pub(crate) struct Instance;

/// The only message: do what comes next.
#[derive(Debug)]
pub(crate) struct Next;

/// The state of the actor.
pub(crate) struct Performer {
    role: Role,
    agent: Box<dyn Perform>,
    consumer: Consumer,
    /// Its place at the desk of its agent, until it leaves.
    seat: Option<Seat>,
    /// Where its messages wait.
    place: Arc<Place>,
    /// What its agent has in hands with a message.
    ctx: MessageCtx,
    /// What is looked for first.
    first: First,
    results: Results,
}

/// What there is to do.
enum Job {
    Task(Delivery),
    Messages,
    /// The node closes, or the agent is being removed.
    Close,
    BusEnded,
    /// The handler of a message has panicked.
    Stop(Stop),
}

/// What is done first when a task and messages wait: tasks and messages take turns.
#[derive(Clone, Copy)]
enum First {
    Task,
    Messages,
}

impl Actor for Instance {
    type Msg = Next;
    type State = Performer;
    type Arguments = Role;

    async fn pre_start(&self, myself: ActorRef<Next>, role: Role) -> Result<Performer, ActorProcessingErr> {
        let mut agent = (role.factory)();
        if let Err(error) = agent.warm_up().await {
            return Err(Stop::new(FailureKind::Unavailable, format!("it did not warm up: {error:#}")).into());
        }
        let consumer = consume(&role).await?;
        let place = role.floor.mailroom.open(&role.agent, role.number);
        let ctx = MessageCtx::new(voice(&role, &place));
        let seat = Some(Seat::take(&role.floor.backlog, &role.agent));
        myself.cast(Next)?;
        let mut results = Results::new(role.floor.clone());
        // Who was here before and has died said nothing of what it had in hand. Nobody is to take that up as if nothing had
        // been done of it, not even we, who go by the same name.
        role.floor.stops.left_by(&role.id).into_iter().for_each(|speaker| results.lost(speaker));
        Ok(Performer { role, agent, consumer, seat, place, ctx, first: First::Messages, results })
    }

    async fn handle(
        &self,
        myself: ActorRef<Next>,
        _: Next,
        performer: &mut Performer,
    ) -> Result<(), ActorProcessingErr> {
        let done = match performer.next().await {
            Job::Task(delivery) => performer.task(delivery).await,
            Job::Close | Job::Messages => return Ok(()), // nothing more to do: the mailbox is empty, and drained
            Job::BusEnded => Err(Stop::new(FailureKind::Unavailable, "the bus has ended the consumer")),
            Job::Stop(stop) => Err(stop),
        };
        done?;
        // An instance that is being drained takes no more messages. That is its end, and no failure: its results are
        // still to be heard.
        let _draining = myself.cast(Next);
        Ok(())
    }

    async fn post_stop(&self, _: ActorRef<Next>, performer: &mut Performer) -> Result<(), ActorProcessingErr> {
        let (left, closing) = (performer.results.len(), performer.role.closing.clone());
        tokio::select! {
            biased;
            () = performer.leave() => Ok(()),
            () = closing.commits_are_over() => {
                let message = format!("of {left} results not all have reached the journal in time");
                Err(Stop::new(FailureKind::Unknown, message).into())
            }
        }
    }
}

fn voice(role: &Role, place: &Arc<Place>) -> Voice {
    Voice::new(role.floor.mailroom.clone(), role.floor.home.clone(), place.clone())
}

async fn consume(role: &Role) -> Result<Consumer, Stop> {
    let invalid = |error: &dyn std::fmt::Display| Stop::new(FailureKind::Invalid, error.to_string());
    let queue = QueueName::agent_tasks(&role.agent).map_err(|error| invalid(&error))?;
    let away = |error: crate::port::bus::Error| Stop::new(FailureKind::Unavailable, error.to_string());
    role.floor.bus.declare(&queue, QUEUE_MAX).await.map_err(away)?;
    role.floor.bus.consume(&queue, NonZeroU16::MIN).await.map_err(away)
}

impl Performer {
    /// Takes no more messages, waits until every result has been heard, and lets the agent put away what it has.
    async fn leave(&mut self) {
        self.role.floor.mailroom.close(&self.place);
        self.results.all_heard().await;
        self.agent.wind_down().await;
    }

    /// The next task, or why there is none; handles the messages that come before it. Tasks and messages take turns, so
    /// that neither waits for long behind the other.
    async fn next(&mut self) -> Job {
        let closing = self.role.closing.clone();
        let mut closed = pin!(closing.begun());
        loop {
            // The wait for a task ends before a message is handled: a task that was meant for this instance goes to
            // another one that is idle.
            let task = async { self.consumer.next().await.map_or(Job::BusEnded, Job::Task) };
            let messages = async {
                self.place.has_some().await;
                Job::Messages
            };
            let job = match self.first {
                First::Task => tokio::select! {
                    biased;
                    () = &mut closed => Job::Close,
                    job = task => job,
                    job = messages => job,
                },
                First::Messages => tokio::select! {
                    biased;
                    () = &mut closed => Job::Close,
                    job = messages => job,
                    job = task => job,
                },
            };
            match job {
                Job::Messages => {
                    if let Err(stop) = self.messages().await {
                        return Job::Stop(stop);
                    }
                }
                job => return job,
            }
        }
    }

    /// Performs a task, and sees to it that its slot is free again.
    async fn task(&mut self, delivery: Delivery) -> Result<(), Stop> {
        self.first = First::Messages;
        let closing = self.role.closing.clone();
        let work = self.seat.as_ref().map(|seat| seat.begin(delivery.redelivered));
        tokio::select! {
            biased;
            taken = self.take(delivery, work.as_ref()) => {
                if taken.is_err() {
                    self.seat = None;
                }
                taken
            }
            () = closing.commits_are_over() => {
                self.seat = None;
                Err(Stop::new(FailureKind::Unknown, "the partition was not heard of in time"))
            }
        }
    }

    /// Handles a few messages. Fails only when the instance must end with them.
    async fn messages(&mut self) -> Result<(), Stop> {
        self.first = First::Task;
        let mut turn = pin!(take_turn(&mut *self.agent, &self.ctx, &self.place, &self.role.closing));
        // Most turns are over at once. In a longer one its slot is taken, so that tasks go to others.
        let (turn, _busy) = match futures::poll!(&mut turn) {
            Poll::Ready(turn) => (turn, None),
            Poll::Pending => {
                let busy = self.seat.as_ref().map(Seat::occupy);
                (turn.await, busy)
            }
        };
        match turn {
            Turn::Over | Turn::Closing => Ok(()),
            Turn::Panicked => {
                self.seat = None;
                let closing = self.role.closing.clone();
                tokio::select! {
                    biased;
                    () = self.results.all_heard() => {}
                    () = closing.commits_are_over() => {}
                }
                Err(Stop::new(FailureKind::Conflict, "the handler of a message panicked"))
            }
        }
    }

    /// Performs one delivery to its end. Fails only when the instance must end with it.
    async fn take(&mut self, delivery: Delivery, work: Option<&Work>) -> Result<(), Stop> {
        let Some(speaker) = speaker(&delivery, &self.role.id) else {
            tracing::warn!(envelope = ?delivery.envelope.head, "a message that is no dispatch was dropped");
            let _gone = delivery.ack().await;
            return Ok(());
        };
        let activation = self.activation(&speaker, &delivery);
        activation.perform(self.perform(delivery, speaker, work)).await
    }

    /// What is traced of the work on a delivery, and logged with every line.
    fn activation(&self, speaker: &Speaker, delivery: &Delivery) -> Around {
        let (floor, head) = (&self.role.floor, &*delivery.envelope.head);
        floor.tracer.begin(&Begun {
            speaker,
            name: head.subject.as_deref().unwrap_or_default(),
            capability: head.capability.as_deref().unwrap_or_default(),
            partition: u16::try_from(floor.partitions.number_of(speaker.task.run)).unwrap_or(u16::MAX),
            parent: head.trace_parent.as_deref().and_then(|parent| parent.parse().ok()),
            came: if head.source == speaker.holder.node() { Came::Inside } else { Came::Over },
        })
    }

    async fn perform(&mut self, delivery: Delivery, speaker: Speaker, work: Option<&Work>) -> Result<(), Stop> {
        if self.results.has(&speaker) {
            tracing::debug!(task = %speaker.task, token = %speaker.token, "the task was delivered again");
            let _gone = delivery.ack().await;
            return Ok(());
        }
        // From now on it can be stopped: a cancellation may follow the acceptance before we hear of that.
        let stop = self.role.floor.stops.running(&speaker);
        if let Err(unheard) = self.role.floor.partitions.speak(&speaker, Say::Accept).await {
            self.role.floor.stops.ended(&speaker);
            tracing::debug!(task = %speaker.task, %unheard, "the task was not accepted");
            let _gone = delivery.ack().await;
            return Ok(());
        }
        let body = delivery.envelope.body.clone();
        let name = delivery.envelope.head.subject.clone().unwrap_or_default();
        let capability = delivery.envelope.head.capability.clone().unwrap_or_default();
        let loan = self.place.lend();
        let (clock, trap) = (self.role.floor.clock.clone(), self.role.floor.trap.clone());
        let ticket = delivery.envelope.head.ticket.as_deref().and_then(|ticket| ticket.parse().ok());
        let tenant = delivery.envelope.head.tenant.as_deref().map(Into::into);
        let assignment = Assignment { speaker: speaker.clone(), name, capability, tenant, ticket };
        let floor = &self.role.floor;
        let gates = (floor.breakers.clone(), Some(floor.limits.clone()), Some(floor.documents.clone()));
        let voice = voice(&self.role, &self.place);
        let ctx = Ctx::new(assignment, gates, voice, loan.inbox(), clock, trap);
        // That it is ours is known when our acceptance is durable, which a task without steps does not wait for.
        ctx.calls().is_ours(Instant::now());
        tracing::trace!(task = %speaker.task, token = %speaker.token, holder = %speaker.holder, "the task begins");
        self.role.floor.saw(&speaker, ctx.capability(), Sight::Begins);
        let (ended, delivery) = match self.role.floor.recorded(&speaker).await {
            Ok(record) => self.run(&ctx, &speaker, &body, record, delivery, stop).await,
            Err(unheard) => {
                tracing::warn!(task = %speaker.task, token = %speaker.token, %unheard, "the holder was fenced");
                (Ended::Stopped(None), Some(delivery))
            }
        };
        ctx.calls().end();
        drop(loan);
        self.role.floor.saw(&speaker, ctx.capability(), ended.sight());
        let dies = match &ended {
            Ended::Panicked(_) => Some("the handler panicked"),
            Ended::Crashed => Some("a test has it die"),
            _ => None,
        };
        if let (Some(work), Some(completed)) = (work, ended.tells_of_the_agent()) {
            work.note(completed);
        }
        self.results.report(speaker, &ctx, ended).await;
        if let Some(delivery) = delivery {
            let _gone = delivery.ack().await;
        }
        let Some(reason) = dies else { return Ok(()) };
        // The instance ends with its agent, but what it has to say must be heard first.
        self.results.all_heard().await;
        Err(Stop::new(FailureKind::Conflict, reason))
    }

    /// Polls the handler, keeps its lease, and listens for a reason to stop.
    async fn run(
        &mut self,
        ctx: &Ctx,
        speaker: &Speaker,
        body: &Bytes,
        record: Vec<Entry>,
        delivery: Delivery,
        mut stop: oneshot::Receiver<StopReason>,
    ) -> (Ended, Option<Delivery>) {
        let floor = &self.role.floor;
        let Some(handler) = self.agent.perform(ctx, ctx.capability(), body) else {
            return (Ended::NotMine, Some(delivery));
        };
        if floor.crosses(speaker, ctx.capability(), BEGIN, Spot::Begun) {
            return (Ended::Crashed, Some(delivery));
        }
        let handler = AssertUnwindSafe(handler).catch_unwind().boxed();
        let calls = ctx.calls();
        let closing = &self.role.closing;
        let mut driver = Driver::new(floor, speaker, ctx.capability(), calls, handler, record, closing);
        let mut driven = Box::pin(driver.drive());
        let mut over = self.role.closing.handlers_are_over().boxed();
        let mut lease: BoxFuture<'_, Unheard> = keep_lease(floor, speaker, ctx).boxed();
        let mut delivery = Some(delivery);
        let ack_at = Instant::now() + UNACKED_MAX;
        let mut pass = self.role.breaker.begin();
        let mut slow_at = self.role.breaker.slow_after().map(|limit| Instant::now() + limit);
        let ended = loop {
            tokio::select! {
                biased;
                driven = &mut driven => break match driven {
                    Driven::Done(_) if floor.crosses(speaker, ctx.capability(), END, Spot::Unrecorded) => {
                        Ended::Crashed
                    }
                    Driven::Done(result) => Ended::Done(result),
                    Driven::Panicked(panic) => Ended::Panicked(panic_message(&*panic)),
                    Driven::Parked => Ended::Parked,
                    Driven::Crashed => Ended::Crashed,
                    Driven::Unheard(unheard) => fenced(speaker, &unheard, &mut stop).await,
                },
                reason = &mut stop => break Ended::Stopped(reason.ok()),
                unheard = &mut lease => break fenced(speaker, &unheard, &mut stop).await,
                () = &mut over => break Ended::TimeIsUp,
                () = sleep_until(slow_at.unwrap_or(ack_at)), if slow_at.is_some() => {
                    slow_at = None;
                    pass.iter_mut().for_each(Pass::is_slow);
                }
                () = sleep_until(ack_at), if delivery.is_some() => {
                    if let Some(delivery) = delivery.take() {
                        let _gone = delivery.ack().await;
                    }
                }
            }
        };
        drop(driven);
        if let Some(cut) = ended.cut() {
            calls.is_cut(cut);
        }
        // Who waits for a durable call hears there that the task was cancelled, and may clean up.
        let cleans_up = matches!(ended, Ended::Stopped(Some(StopReason::Cancelled))) && calls.cancel();
        // If not it is dropped, and first of all the calls that it waits for say whether one of them is to blame.
        let cleaning = cleans_up.then_some(driver);
        if let Some(pass) = pass {
            pass.ended(if calls.were_of_another() { Heard::Dropped } else { ended.heard() });
        }
        let Some(mut driver) = cleaning else { return (ended, delivery) };
        let limit = floor.cleanup;
        let cleaned = tokio::select! {
            biased;
            cleaned = tokio::time::timeout(limit, driver.clean_up()) => cleaned.is_ok(),
            () = &mut over => false,
        };
        if !cleaned {
            tracing::warn!(task = %speaker.task, ?limit, "the handler of a cancelled task did not clean up in time");
        }
        (ended, delivery)
    }
}

/// How long one who was fenced waits to hear why, in case that is on its way.
const WHY_MAX: Duration = Duration::from_secs(1);

/// The end of one whose words did not count. If its task was cancelled it is told that, too, and may clean up.
async fn fenced(speaker: &Speaker, unheard: &Unheard, stop: &mut oneshot::Receiver<StopReason>) -> Ended {
    let reason = tokio::time::timeout(WHY_MAX, stop).await.ok().and_then(Result::ok);
    tracing::warn!(task = %speaker.task, token = %speaker.token, %unheard, ?reason, "the holder was fenced");
    Ended::Stopped(reason)
}

/// Who speaks for a delivery; `None` if it is no dispatch.
fn speaker(delivery: &Delivery, holder: &InstanceId) -> Option<Speaker> {
    let head = &delivery.envelope.head;
    if head.kind != DISPATCH {
        return None;
    }
    let task = head.task.as_deref()?.parse().ok()?;
    Some(Speaker {
        task,
        token: Token { attempt: head.attempt?, activation: head.activation? },
        holder: holder.clone(),
    })
}

fn panic_message(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "no message".to_owned())
}
