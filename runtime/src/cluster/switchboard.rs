//! The switchboard: an actor through which everything goes that a node says to other nodes, and hears from them.
//!
//! What is meant for one node goes to the queue of that node, which is its own and vanishes with it: so a message to a
//! dead node is unroutable, and its sender knows at once. A request to a partition, or to the mailroom of a node, is sent
//! again with the same id until it is answered, and carried out once by whoever hears it, so a bus that loses, repeats or
//! reorders changes nothing but the time. If the owner of a partition ends without an answer, or another takes its place, the caller hears nothing, exactly as from an
//! actor of its own node: it asks again or says that the outcome is unknown. A mailroom belongs to its node, so what is for
//! it goes nowhere else; its caller hears whether anybody may have heard it.
//!
//! A queue that is gone, as all are when a broker starts again, takes with it what was in it. So a node whose queue is back
//! tells all that it may have missed something, and takes the same of them: what is under way is sent again at once.
//!
//! Nothing here is durable, and nothing needs to be: a message is taken off its queue when it has been heard, because
//! whoever has sent it repeats it until it is answered.

mod calls;
mod serve;

#[cfg(test)]
mod tests;

use super::member::Member;
use super::note::{ANSWER, Heard, Note, REQUEST, json, read};
use super::view::Beat;
use crate::breaker::Breakers;
use crate::dispatch::backlog::Backlog;
use crate::message::Mailroom;
use crate::message::wire::Caller;
use crate::partition::door::Door;
use crate::partition::message::Message;
use crate::partition::wire::{Back, Request};
use crate::port::bus::{self, Bus, Envelope, QueueName};
use crate::stops::Stops;
use crate::supervise::{ChildSpec, Failure, FailureKind, OnGiveUp, Policy, Slot};
use crate::telemetry;
use callboard_core::Token;
use callboard_core::sabotage::{self, Sabotage};
use calls::Calls;
use ractor::{Actor, ActorProcessingErr, ActorRef};
use serve::Served;
use std::num::{NonZeroU16, NonZeroUsize};
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

/// Messages that wait in a node's queue at most.
const QUEUE_MAX: NonZeroUsize = NonZeroUsize::new(100_000).unwrap();
/// Messages that a node has taken and not looked at.
const PREFETCH: NonZeroU16 = NonZeroU16::new(1_000).unwrap();
/// Publishes that are not confirmed yet, at most.
const UNCONFIRMED_MAX: usize = 256;
/// How long a node that ends waits for what it has said to be taken.
const LAST_WORDS_MAX: Duration = Duration::from_secs(1);
/// How often calls are looked at that have no answer.
const TICK: Duration = Duration::from_millis(500);
/// The pause before a queue that was lost is declared again, doubled up to the second of these.
const AGAIN: (Duration, Duration) = (Duration::from_millis(50), Duration::from_millis(250));
/// How much later than the queue of this node those of others may be back, after a broker was away: they connect with a
/// pause of a second at most, and declare after another quarter. Until then nobody is dead who has none.
const BACK_WITHIN: Duration = Duration::from_secs(2);

/// Lives of a node after which one that has heard nothing that is said to all is deaf: each says something to all with every
/// eighth beat, this one too, and a life is two beats at least.
const SILENT_LIVES: u32 = 5;

/// What a switchboard works with.
#[derive(Clone)]
pub(crate) struct Surroundings {
    pub(crate) node: Arc<str>,
    /// How long a node that is not heard of is taken to be alive.
    pub(crate) life: Duration,
    /// The bus that the nodes share.
    pub(crate) bus: Arc<dyn Bus>,
    /// The bus of this process, where the queues of its agents are.
    pub(crate) inside: Arc<dyn Bus>,
    pub(crate) doors: Arc<[Arc<Door>]>,
    pub(crate) stops: Arc<Stops>,
    pub(crate) backlog: Arc<Backlog>,
    pub(crate) breakers: Breakers,
    pub(crate) mailroom: Arc<Mailroom>,
    pub(crate) member: Member,
    /// Numbers the calls of this node.
    pub(crate) calls: Arc<AtomicU64>,
}

/// A handle to the switchboard of a node.
#[derive(Clone, Debug)]
pub(crate) struct Switchboard(Slot<Order>);

/// What a switchboard is told.
#[derive(Debug)]
pub(crate) enum Order {
    /// Send a request, and bring back its answer.
    Call { to: Arc<str>, partition: u16, request: bytes::Bytes, back: Back },
    /// Send a request to the mailroom of a node, and bring back its answer if it comes in time.
    Mail { to: Arc<str>, request: bytes::Bytes, until: Option<Instant>, caller: Caller },
    /// Tell one node.
    Tell { to: Arc<str>, note: Note },
    /// Tell all nodes.
    TellAll(Note),
    /// Tell all nodes how this one stands.
    Beat(Box<Beat>),
    /// Something has come.
    Heard { envelope: Envelope, _room: OwnedSemaphorePermit },
    /// A publish has come to this.
    Sent { sent: Sent, result: Result<(), bus::Error> },
    /// A request of another node has come to this.
    Served(Box<Served>),
    /// A partition has another owner, or none: calls that are under way to anybody else are not answered any more.
    Moved { partition: u16, to: Option<Arc<str>> },
    /// A partition is in this process now.
    Here(u16),
    /// A node is dead.
    Dead(Arc<str>),
    /// Have the backlog look soon at what it is to ask others for.
    Look(Duration),
    /// The queue of this node is lost, or back.
    Queue(Queue),
    /// What others have said to this node lately may be lost.
    Missed,
    /// Time has passed.
    Tick,
}

/// How the queue of this node is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Queue {
    /// It was never lost.
    Kept,
    Lost,
    Back(Instant),
}

impl Queue {
    /// Whether another node that has no queue is gone, and not only late to be back.
    fn is_settled(self) -> bool {
        match self {
            Self::Kept => true,
            Self::Lost => false,
            Self::Back(at) => at.elapsed() >= BACK_WITHIN,
        }
    }
}

/// What was sent to a node.
#[derive(Clone, Debug)]
pub(crate) enum Sent {
    /// The call with this number.
    Call { to: Arc<str>, number: u64 },
    /// Something that nobody waits for. What it was, if it matters that it comes there.
    Other { to: Arc<str>, note: Option<Note> },
    /// To everybody.
    All,
    /// To everybody, that this node may have missed something.
    Missed,
}

/// The switchboard as a child of its node, and a handle to it. What it is made of is said before it starts.
pub(crate) fn switchboard(around: Arc<OnceLock<Surroundings>>) -> (ChildSpec, Switchboard) {
    let policy = Policy { on_give_up: OnGiveUp::StopTree, ..Policy::default() };
    let (spec, slot) = ChildSpec::actor("switchboard", policy, move || (SwitchboardActor, around.get().cloned()));
    (spec, Switchboard(slot))
}

impl Switchboard {
    /// Sends a message to the partition of another node, and gives its caller the answer. What never leaves its process is
    /// dropped: nobody sends such a thing.
    pub(crate) fn call(&self, to: &Arc<str>, partition: u16, message: Message) {
        if let Ok((request, back)) = message.split() {
            self.request(to, partition, &request, back);
        }
    }

    /// Sends a request to the partition of another node, and gives its caller the answer.
    pub(crate) fn request(&self, to: &Arc<str>, partition: u16, request: &Request, back: Back) {
        // Written by whoever calls, so that the switchboard has no work with it.
        if let Some(request) = json(request) {
            self.order(Order::Call { to: to.clone(), partition, request, back });
        }
    }

    /// Waits until it takes orders, or will not any more.
    pub(super) async fn is_up(&self) {
        let _gone = self.0.wait().await;
    }

    /// Sends a request to the mailroom of another node, and gives its caller the answer, if one comes until then.
    pub(crate) fn mail(&self, to: &Arc<str>, request: bytes::Bytes, until: Option<Instant>, caller: Caller) {
        match self.0.current() {
            Some(actor) => drop(actor.cast(Order::Mail { to: to.clone(), request, until, caller })),
            None => caller.unheard(),
        }
    }

    /// Tells one node, if it is there.
    pub(crate) fn tell(&self, to: &Arc<str>, note: Note) {
        self.order(Order::Tell { to: to.clone(), note });
    }

    /// Tells all nodes.
    pub(crate) fn tell_all(&self, note: Note) {
        self.order(Order::TellAll(note));
    }

    /// Has the backlog look at what it is to ask others for, after a while.
    pub(crate) fn look_in(&self, pause: Duration) {
        self.order(Order::Look(pause));
    }

    pub(super) fn beat(&self, beat: Beat) {
        self.order(Order::Beat(Box::new(beat)));
    }

    pub(super) fn moved(&self, partition: u16, to: Option<Arc<str>>) {
        self.order(Order::Moved { partition, to });
    }

    pub(super) fn here(&self, partition: u16) {
        self.order(Order::Here(partition));
    }

    pub(super) fn dead(&self, node: Arc<str>) {
        self.order(Order::Dead(node));
    }

    /// Without a switchboard it is lost, as it may be on the bus.
    fn order(&self, order: Order) {
        if let Some(actor) = self.0.current() {
            let _down = actor.cast(order);
        }
    }
}

/// The type of the actor.
struct SwitchboardActor;

/// The state of the actor.
struct Desk {
    around: Surroundings,
    myself: ActorRef<Order>,
    calls: Calls,
    served: serve::Log,
    /// Requests of others, the two listeners, the ticker.
    tasks: JoinSet<()>,
    /// Publishes that are not confirmed yet.
    sending: JoinSet<()>,
    unconfirmed: Arc<Semaphore>,
    /// Numbers what is sent.
    number: u64,
    queue: Queue,
    /// Whether the others do not know yet that this node may have missed something.
    is_to_say_missed: bool,
    /// What the bus has refused of slots that are lent and given back: they would be idle until the loan ends.
    unsaid: Vec<(Arc<str>, Note)>,
}

impl Actor for SwitchboardActor {
    type Msg = Order;
    type State = Desk;
    type Arguments = Option<Surroundings>;

    async fn pre_start(
        &self,
        myself: ActorRef<Order>,
        around: Option<Surroundings>,
    ) -> Result<Desk, ActorProcessingErr> {
        let around = around.ok_or_else(unmade)?;
        let mut tasks = JoinSet::new();
        let room = Arc::new(Semaphore::new(PREFETCH.get().into()));
        tasks.spawn(consume(around.clone(), myself.clone(), room.clone()));
        tasks.spawn(listen(around.clone(), myself.clone(), room));
        let ticks = myself.clone();
        tasks.spawn(async move {
            loop {
                sleep(TICK).await;
                if ticks.cast(Order::Tick).is_err() {
                    return;
                }
            }
        });
        let calls = Calls::numbered_by(around.calls.clone());
        Ok(Desk {
            around,
            myself,
            calls,
            served: serve::Log::default(),
            tasks,
            sending: JoinSet::new(),
            unconfirmed: Arc::new(Semaphore::new(UNCONFIRMED_MAX)),
            number: 0,
            queue: Queue::Kept,
            is_to_say_missed: false,
            unsaid: Vec::new(),
        })
    }

    async fn handle(&self, _: ActorRef<Order>, order: Order, desk: &mut Desk) -> Result<(), ActorProcessingErr> {
        while desk.tasks.try_join_next().is_some() || desk.sending.try_join_next().is_some() {}
        desk.take(order);
        Ok(())
    }

    /// What was said last is on its way when the node ends: that it goes.
    async fn post_stop(&self, _: ActorRef<Order>, desk: &mut Desk) -> Result<(), ActorProcessingErr> {
        let _cut_short = timeout(LAST_WORDS_MAX, async { while desk.sending.join_next().await.is_some() {} }).await;
        Ok(())
    }
}

/// Takes what comes to the queue of this node, for as long as the switchboard is there. A consumer that brings nothing any
/// more, although nobody says that it has ended, is given up: brokers lose some.
async fn consume(around: Surroundings, desk: ActorRef<Order>, room: Arc<Semaphore>) {
    let Ok(queue) = QueueName::node(&around.node) else { return };
    let (mut pause, mut is_first) = (AGAIN.0, true);
    loop {
        match around.bus.consume_own(&queue, QUEUE_MAX, PREFETCH).await {
            Ok(mut consumer) => {
                pause = AGAIN.0;
                if !std::mem::take(&mut is_first) {
                    let _ended = desk.cast(Order::Queue(Queue::Back(Instant::now())));
                    let _ended = desk.cast(Order::Missed);
                }
                loop {
                    // The node sends itself a message with every beat.
                    let Ok(delivery) = timeout(noticed_after(around.life), consumer.next()).await else {
                        deaf(&around.node, "queue", around.life);
                        break;
                    };
                    let Some(delivery) = delivery else {
                        tracing::warn!(node = %around.node, "the queue of the node is gone; it is declared again");
                        break;
                    };
                    let Ok(_room) = room.clone().acquire_owned().await else { return };
                    let envelope = delivery.envelope.clone();
                    if desk.cast(Order::Heard { envelope, _room }).is_err() {
                        return;
                    }
                    let _gone = delivery.ack().await;
                }
                let _ended = desk.cast(Order::Queue(Queue::Lost));
            }
            Err(error) if pause == AGAIN.0 => {
                tracing::warn!(node = %around.node, %error, "the queue of the node could not be declared; it is tried again");
            }
            Err(error) => tracing::debug!(node = %around.node, %error, "the queue of the node could not be declared"),
        }
        sleep(pause).await;
        pause = (2 * pause).min(AGAIN.1);
    }
}

/// Takes what is said to all nodes. Each says something now and then, this one too.
async fn listen(around: Surroundings, desk: ActorRef<Order>, room: Arc<Semaphore>) {
    let (mut pause, mut is_first) = (AGAIN.0, true);
    loop {
        if let Ok(mut subscription) = around.bus.subscribe().await {
            pause = AGAIN.0;
            if !std::mem::take(&mut is_first) {
                let _ended = desk.cast(Order::Missed);
            }
            loop {
                let limit = noticed_after(SILENT_LIVES * around.life);
                let Ok(envelope) = timeout(limit, subscription.next()).await else {
                    deaf(&around.node, "broadcasts", limit);
                    break;
                };
                let Some(envelope) = envelope else { break };
                let Ok(_room) = room.clone().acquire_owned().await else { return };
                if desk.cast(Order::Heard { envelope, _room }).is_err() {
                    return;
                }
            }
        }
        sleep(pause).await;
        pause = (2 * pause).min(AGAIN.1);
    }
}

/// How long nothing may come before a consumer is given up.
fn noticed_after(limit: Duration) -> Duration {
    if sabotage::is(Sabotage::DeafConsumer) { Duration::MAX } else { limit }
}

/// Says that nothing has come for so long that something must have: what the node says to itself has not come round, while
/// the bus says that all is well.
fn deaf(node: &str, ear: &'static str, silent: Duration) {
    telemetry::count(telemetry::DEAF, "ear", ear);
    tracing::warn!(
        node,
        ear,
        ?silent,
        "the bus brings nothing any more, not even what this node says to itself; its consumer is made anew"
    );
}

impl Desk {
    fn take(&mut self, order: Order) {
        match order {
            Order::Call { to, partition, request, back } => {
                let call = self.calls.begin(to, partition, request, back, &self.around.node);
                self.send_call(call);
            }
            Order::Mail { to, request, until, caller } => {
                let call = self.calls.begin_mail(to, request, until, caller, &self.around.node);
                self.send_call(call);
            }
            Order::Tell { to, note } => self.tell(to, &note),
            Order::TellAll(note) => {
                let id = self.next_id();
                if let Some(envelope) = note.envelope(id, &self.around.node) {
                    self.broadcast(Sent::All, envelope);
                }
            }
            Order::Beat(beat) => {
                let id = self.next_id();
                if let Some(body) = json(&beat) {
                    self.broadcast(Sent::All, Envelope::new(id, super::note::BEAT, &*self.around.node, body));
                }
            }
            Order::Heard { envelope, .. } => self.heard(envelope),
            Order::Sent { sent, result } => self.sent(sent, result),
            Order::Served(served) => self.was_served(*served),
            Order::Moved { partition, to } => {
                for call in self.calls.moved(partition, to.as_ref()) {
                    self.send_call(call);
                }
            }
            Order::Here(partition) => self.calls.here(partition),
            Order::Dead(node) => {
                self.calls.dead(&node);
                self.served.dead(&node);
            }
            Order::Look(pause) => {
                let backlog = self.around.backlog.clone();
                self.tasks.spawn(async move {
                    sleep(pause).await;
                    backlog.look();
                });
            }
            Order::Queue(queue) => self.queue = queue,
            Order::Missed => {
                self.missed(None);
                self.say_missed();
            }
            Order::Tick => self.tick(),
        }
    }

    /// What was said to a node lately may be lost: calls, answers, tasks, what is wanted and lent. It is said again. Without a
    /// node it is this one that has missed something, and perhaps that others have.
    fn missed(&mut self, by: Option<&Arc<str>>) {
        for call in self.calls.again(by.map(|node| &**node)) {
            self.send_call(call);
        }
        self.around.backlog.missed(by);
        for actor in self.around.doors.iter().filter_map(|door| door.slot.current()) {
            let _ended = actor.cast(Message::Missed { by: by.cloned() });
        }
    }

    /// Says it to all; and to itself, to hear that it is heard before the next beat does.
    fn say_missed(&mut self) {
        self.tell(self.around.node.clone(), &Note::Loop);
        let id = self.next_id();
        if let Some(envelope) = Note::Missed.envelope(id, &self.around.node) {
            self.broadcast(Sent::Missed, envelope);
        }
    }

    fn next_id(&mut self) -> String {
        self.number += 1;
        format!("{}.{}", self.around.node, self.number)
    }

    fn tell(&mut self, to: Arc<str>, note: &Note) {
        let id = self.next_id();
        if let Some(envelope) = note.envelope(id, &self.around.node) {
            let note = matches!(note, Note::Lend(_) | Note::Return { .. }).then(|| note.clone());
            self.send(Sent::Other { to, note }, envelope);
        }
    }

    fn send_call(&mut self, (to, number, envelope): (Arc<str>, u64, Envelope)) {
        self.send(Sent::Call { to, number }, envelope);
    }

    fn send(&mut self, sent: Sent, envelope: Envelope) {
        let (bus, desk, unconfirmed) = (self.around.bus.clone(), self.myself.clone(), self.unconfirmed.clone());
        self.sending.spawn(async move {
            let (Sent::Call { to, .. } | Sent::Other { to, .. }) = &sent else { return };
            let Ok(queue) = QueueName::node(to) else { return };
            let Ok(_one_more) = unconfirmed.acquire_owned().await else { return };
            let result = bus.publish(&queue, envelope).await;
            let _ended = desk.cast(Order::Sent { sent, result });
        });
    }

    fn broadcast(&mut self, sent: Sent, envelope: Envelope) {
        let (bus, desk, unconfirmed) = (self.around.bus.clone(), self.myself.clone(), self.unconfirmed.clone());
        self.sending.spawn(async move {
            let Ok(_one_more) = unconfirmed.acquire_owned().await else { return };
            let result = bus.broadcast(envelope).await;
            let _ended = desk.cast(Order::Sent { sent, result });
        });
    }

    fn sent(&mut self, sent: Sent, result: Result<(), bus::Error>) {
        match (sent, result) {
            (Sent::Call { to, number }, Err(bus::Error::Unroutable { .. })) => {
                self.calls.undelivered(number);
                self.unreachable(to);
            }
            (Sent::Other { to, .. }, Err(bus::Error::Unroutable { .. })) => self.unreachable(to),
            (Sent::Other { to, note: Some(note) }, Err(bus::Error::Refused { .. })) => self.unsaid.push((to, note)),
            (Sent::Call { number, .. }, Err(bus::Error::Full { .. })) => self.calls.full(number),
            // It may be there: the call is repeated, as any that is not answered.
            (Sent::Call { number, .. }, Err(bus::Error::Unclear { .. } | bus::Error::Closed { .. }) | Ok(())) => {
                self.calls.delivered(number);
            }
            (Sent::Call { number, .. }, Err(bus::Error::Refused { .. })) => self.calls.not_sent(number),
            (Sent::Other { to, .. }, Ok(())) => self.around.member.reached(to),
            (Sent::Other { .. } | Sent::All, Err(error)) => tracing::debug!(%error, "the bus did not take a message"),
            // The queue is back before there is a connection to publish over: it is said with the next tick.
            (Sent::Missed, Err(_)) => self.is_to_say_missed = true,
            (Sent::All | Sent::Missed, Ok(())) => {}
        }
    }

    /// A node has no queue. Where this one has just lost its own there is nothing to be learned from that.
    fn unreachable(&self, node: Arc<str>) {
        if self.queue.is_settled() {
            self.around.member.unreachable(node);
        }
    }

    fn heard(&mut self, envelope: Envelope) {
        let head = &envelope.head;
        let from: Arc<str> = head.source.as_str().into();
        match read(head, &envelope.body) {
            Ok(Heard::Beat(beat)) => self.around.member.heard(beat),
            Ok(Heard::Note(note)) => self.noted(&from, note),
            Ok(Heard::Request) => self.serve(from, envelope),
            Ok(Heard::Answer) => self.answered(&envelope),
            Ok(Heard::Dispatch) => self.dispatched(&from, envelope),
            Err(error) => tracing::warn!(%from, kind = head.kind, error, "a message of another node can not be read"),
        }
    }

    fn noted(&mut self, from: &Arc<str>, note: Note) {
        match note {
            Note::Loop => self.around.member.came_round(),
            Note::Ping => {}
            Note::Suspect { node } => self.around.member.suspect(node),
            Note::Forget { calls } => calls.iter().for_each(|call| self.served.forget(from, call)),
            Note::Stop { speaker, reason } => self.around.stops.stop(&speaker, reason),
            Note::Want { lanes } if *from != self.around.node => self.around.backlog.wanted(from, lanes),
            Note::Want { .. } => {} // our own
            Note::Lend(lent) => self.around.backlog.borrow(from, lent),
            Note::Breaker(told) if *from != self.around.node => self.around.breakers.told(from, told),
            Note::Breaker(_) => {} // our own
            Note::Missed if *from != self.around.node => {
                self.around.member.reached(from.clone());
                self.missed(Some(from));
            }
            Note::Missed => {} // our own
            Note::Return { desk, slots, .. } => self.around.backlog.given_back(from, desk, slots),
            Note::NotTaken { task, token } => {
                let home = task.run.partition(self.around.doors.len() as u16);
                if let Some(actor) = self.around.doors.get(usize::from(home)).and_then(|door| door.slot.current()) {
                    let _ended = actor.cast(Message::NotDelivered(task, token));
                }
            }
        }
    }

    /// A task for an agent of this node: it goes to the queue of the agent, for a slot that was lent.
    fn dispatched(&mut self, from: &Arc<str>, envelope: Envelope) {
        let Some((agent, desk)) = envelope.head.to.as_deref().and_then(desk_of) else { return };
        if !self.around.backlog.loan_used(from, desk) {
            tracing::debug!(%from, agent, "a task came for an agent that is not there any more");
            if let Some(note) = not_taken(&envelope) {
                self.tell(from.clone(), &note);
            }
            return;
        }
        let Ok(queue) = QueueName::agent_tasks(agent) else { return };
        let (inside, backlog) = (self.around.inside.clone(), self.around.backlog.clone());
        self.tasks.spawn(async move {
            if let Err(error) = inside.publish(&queue, envelope).await {
                tracing::debug!(%error, "the queue of the agent is gone");
                backlog.free_slot(desk);
            }
        });
    }

    fn tick(&mut self) {
        let now = Instant::now();
        for (to, calls) in self.calls.forgotten(now) {
            self.tell(to, &Note::Forget { calls });
        }
        for call in self.calls.due(now) {
            self.send_call(call);
        }
        if std::mem::take(&mut self.is_to_say_missed) {
            self.say_missed();
        }
        for (to, note) in std::mem::take(&mut self.unsaid) {
            match note {
                Note::Lend(lent) => self.around.backlog.not_lent(&to, lent.desk, lent.slots),
                given_back => self.tell(to, &given_back),
            }
        }
        self.served.forget_old(now);
    }

    fn answered(&mut self, envelope: &Envelope) {
        let head = &envelope.head;
        let Some(number) = head.correlation_id.as_deref().and_then(|id| calls::number(&self.around.node, id)) else {
            return;
        };
        let verdict = serve::Verdict::of(head.subject.as_deref());
        if let Some((to, partition)) = self.calls.answered(number, verdict, &envelope.body)
            && verdict == serve::Verdict::NotHere
        {
            self.around.member.not_there(to, partition);
        }
    }
}

/// Tells the sender of a dispatch that nobody has it.
fn not_taken(dispatch: &Envelope) -> Option<Note> {
    let head = &dispatch.head;
    let token = Token { attempt: head.attempt?, activation: head.activation? };
    Some(Note::NotTaken { task: head.task.as_deref()?.parse().ok()?, token })
}

/// The agent and the number of the desk that a dispatch is for: `agent#number`.
fn desk_of(to: &str) -> Option<(&str, u64)> {
    let (agent, desk) = to.rsplit_once('#')?;
    Some((agent, desk.parse().ok()?))
}

/// Where a dispatch is for.
pub(crate) fn desk_address(agent: &str, desk: u64) -> String {
    format!("{agent}#{desk}")
}

fn request_envelope(node: &str, number: u64, subject: String, request: bytes::Bytes) -> Envelope {
    Envelope::new(format!("{node}:{number}"), REQUEST, node, request).with(|head| {
        head.subject = Some(subject);
        head.reply_to = QueueName::node(node).ok();
    })
}

fn answer_envelope(node: &str, call: &str, verdict: serve::Verdict, body: bytes::Bytes) -> Envelope {
    Envelope::new(format!("{call}:answer"), ANSWER, node, body).with(|head| {
        head.correlation_id = Some(call.to_owned());
        head.subject = Some(verdict.as_str().to_owned());
    })
}

/// It was started before it was said what it is made of.
fn unmade() -> Failure {
    Failure::new(FailureKind::Invalid, "it is not said what it is made of")
}
