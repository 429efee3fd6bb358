//! The actor that hears how calls went and decides where breakers stand.

use super::cluster::{PROBE_OF_OTHERS, Told, ToldState};
use super::gate::Way;
use super::machine::{Heard, Machine, State};
use super::named::{Breaker, Breakers, Subject};
use crate::cluster::Switchboard;
use crate::cluster::note::Note;
use crate::dispatch::backlog::Backlog;
use crate::port::directory::{Directory, Lease};
use crate::supervise::{ChildSpec, OnGiveUp, Policy, Reminder};
use callboard_core::{Breach, Invariant};
use ractor::{Actor, ActorProcessingErr, ActorRef};
use std::cmp::Ordering as Cmp;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

/// What the actor works with.
#[derive(Clone)]
pub(crate) struct Surroundings {
    pub(crate) node: Arc<str>,
    pub(crate) breakers: Breakers,
    pub(crate) backlog: Arc<Backlog>,
    /// The other nodes, if there are any.
    pub(crate) others: Option<Others>,
}

/// How the breakers of a cluster come to one another.
#[derive(Clone)]
pub(crate) struct Others {
    pub(crate) switchboard: Switchboard,
    pub(crate) directory: Arc<dyn Directory>,
}

/// What is said to the actor.
#[derive(Debug)]
pub(crate) enum Order {
    /// How a call went that began in this generation.
    Heard { name: Arc<str>, generation: u64, heard: Heard },
    /// Somebody says where one is to stand.
    Put { name: Arc<str>, by_hand: ByHand, by: Arc<str>, reply: oneshot::Sender<()> },
    /// The probe of this generation, which another node has let through, has begun here.
    Begun { name: Arc<str>, generation: u64 },
    /// A node says where one stands, or the directory does.
    Told { from: Option<Arc<str>>, told: Told },
    /// Whether this node has the probe of this generation.
    Lease { name: Arc<str>, generation: u64, is_ours: bool },
    /// Time has passed.
    Tick,
}

/// What may be done to a breaker by hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ByHand {
    /// Open, until it is closed or reset.
    Open,
    /// Closed, on its ramp.
    Close,
    /// As if it were new.
    Reset,
}

/// How long the directory may take to say who has the probe.
const LEASE_MAX: Duration = Duration::from_secs(1);
/// How soon one that nobody wants is looked at again, or one whose probe somebody else has.
const LOOK_AGAIN: Duration = Duration::from_millis(250);
/// How long a probe is kept for somebody when nobody waits in the backlog of this node.
const NOBODY_WAITS: Duration = Duration::from_secs(2);
/// How long the directory knows of one that somebody has opened by hand.
const BY_HAND: Duration = Duration::from_secs(86_400);
/// The kind of a breaker in the directory.
const BREAKER: &str = "breaker";

/// The actor as a child of its node, which hears of the calls through `breakers` from now on.
pub(crate) fn breakers(around: Surroundings) -> ChildSpec {
    let policy = Policy { on_give_up: OnGiveUp::StopTree, ..Policy::default() };
    let given = around.clone();
    let (spec, slot) = ChildSpec::actor("breakers", policy, move || (BreakersActor, given.clone()));
    around.breakers.heard_by(slot);
    spec
}

/// The type of the actor.
struct BreakersActor;

/// The state of the actor.
struct Board {
    around: Surroundings,
    myself: ActorRef<Order>,
    machines: BTreeMap<Arc<str>, (Arc<Breaker>, Machine)>,
    /// Talks with the directory.
    tasks: JoinSet<()>,
    reminder: Reminder,
}

impl Actor for BreakersActor {
    type Msg = Order;
    type State = Board;
    type Arguments = Surroundings;

    async fn pre_start(&self, myself: ActorRef<Order>, around: Surroundings) -> Result<Board, ActorProcessingErr> {
        let mut board =
            Board { around, myself, machines: BTreeMap::new(), tasks: JoinSet::new(), reminder: Reminder::default() };
        for breaker in board.around.breakers.all() {
            let (_, machine) = board.machine(&breaker);
            if machine.state != State::Closed {
                board.publish(&breaker.name, News::Old);
            }
        }
        board.ask_the_others();
        board.arm();
        Ok(board)
    }

    async fn handle(&self, _: ActorRef<Order>, order: Order, board: &mut Board) -> Result<(), ActorProcessingErr> {
        while board.tasks.try_join_next().is_some() {}
        board.take(order);
        board.arm();
        Ok(())
    }
}

impl Board {
    fn take(&mut self, order: Order) {
        let now = Instant::now();
        match order {
            Order::Heard { name, generation, heard } => {
                let Some((breaker, machine)) = self.find(&name) else { return };
                let before = machine.state;
                if machine.hear(now, generation, heard) {
                    let at_once = matches!((before, machine.state), (State::HalfOpen { .. }, State::Closed));
                    if at_once && !breaker.rules.ramp.is_zero() {
                        let what = format!("breaker {name:?} was closed by its probe, with all that wait");
                        let breach = Breach { invariant: Invariant::ReleasedOnARamp, run: None, task: None, what };
                        breaker.breaches.report(None, [breach]);
                    }
                    self.publish(&name, News::Ours);
                }
            }
            Order::Put { name, by_hand, by, reply } => {
                if let Some((breaker, machine)) = self.find(&name) {
                    let state = match by_hand {
                        ByHand::Open => State::Open { until: None },
                        ByHand::Close if breaker.rules.ramp.is_zero() => State::Closed,
                        ByHand::Close => State::Ramping { since: now },
                        ByHand::Reset => State::Closed,
                    };
                    let done = match by_hand {
                        ByHand::Open => "opened",
                        ByHand::Close => "closed",
                        ByHand::Reset => "reset",
                    };
                    machine.by_hand(state, format!("{done} by {by}").into());
                    self.publish(&name, News::Ours);
                }
                let _gone = reply.send(());
            }
            Order::Begun { name, generation } => {
                let Some((breaker, machine)) = self.find(&name) else { return };
                if machine.begun(now, generation) {
                    breaker.gate.is_probed(generation);
                    self.publish(&name, News::Ours);
                }
            }
            Order::Told { from, told } => self.told(from, told, now),
            Order::Lease { name, generation, is_ours } => {
                let Some((breaker, machine)) = self.find(&name) else { return };
                if machine.generation != generation || !matches!(machine.state, State::Open { until: Some(_) }) {
                    return;
                }
                if is_ours {
                    machine.probe(now);
                    if breaker.gate.waiting() == 0 {
                        // Only somebody who could not be parked has asked for it, and may be gone.
                        machine.look_in(now, NOBODY_WAITS);
                    }
                    self.publish(&name, News::Ours);
                } else {
                    machine.wait(now + LOOK_AGAIN);
                }
            }
            Order::Tick => self.tick(now),
        }
    }

    /// The machine of a breaker that is still there.
    fn find(&mut self, name: &Arc<str>) -> Option<(&Arc<Breaker>, &mut Machine)> {
        let breaker = self.around.breakers.find(name)?;
        Some(self.machine(&breaker))
    }

    fn machine(&mut self, breaker: &Arc<Breaker>) -> (&Arc<Breaker>, &mut Machine) {
        let new = || {
            let mut machine = Machine::new(breaker.rules.clone());
            machine.goes_on(&breaker.lock());
            // A probe that has begun while there was no actor.
            if let Some(generation) = breaker.gate.probed_in() {
                machine.begun(Instant::now(), generation);
            }
            (breaker.clone(), machine)
        };
        let (known, machine) = self.machines.entry(breaker.name.clone()).or_insert_with(new);
        if !Arc::ptr_eq(known, breaker) {
            (*known, *machine) = new(); // an agent that has come back under its id
        }
        (known, machine)
    }

    fn told(&mut self, from: Option<Arc<str>>, told: Told, now: Instant) {
        let breakers = self.around.breakers.clone();
        let Ok(breaker) = breakers.dependency(&told.name) else { return };
        let (name, is_answer) = (breaker.name.clone(), told.answers.is_some());
        let (_, machine) = self.machine(&breaker);
        let had_the_probe = matches!(machine.state, State::HalfOpen { .. });
        let takes = match told.generation.cmp(&machine.generation) {
            Cmp::Greater if told.answers == Some(machine.generation) && machine.stands_by(&told, now) => {
                return self.publish(&name, News::Said);
            }
            Cmp::Greater => true,
            Cmp::Equal => machine.yields_to(&told, now),
            Cmp::Less => false,
        };
        if takes {
            machine.takes(told, now);
            self.publish(&name, News::Theirs);
            if had_the_probe {
                self.release(&name);
            }
        } else if told.generation == machine.generation {
            match (machine.state, told.state) {
                (State::HalfOpen { .. }, ToldState::Probing) => breaker.gate.is_probed_elsewhere(told.generation),
                (_, ToldState::HalfOpen | ToldState::Probing) => machine.waits_on(now + PROBE_OF_OTHERS),
                _ => {}
            }
        } else if let (Some(from), false) = (from, is_answer) {
            // That one has missed something.
            let answer = Told { answers: Some(told.generation), ..Told::of(&breaker, machine, now) };
            if let Some(others) = &self.around.others {
                others.switchboard.tell(&from, Note::Breaker(answer));
            }
        }
    }

    fn tick(&mut self, now: Instant) {
        self.reminder.has_told();
        let breakers = self.around.breakers.clone();
        self.machines
            .retain(|name, (breaker, _)| breakers.find(name).is_some_and(|found| Arc::ptr_eq(&found, breaker)));
        let due = |(_, machine): &(Arc<Breaker>, Machine)| machine.due().is_some_and(|due| due <= now);
        let due: Vec<Arc<str>> = self.machines.iter().filter(|(_, of)| due(of)).map(|(name, _)| name.clone()).collect();
        for name in due {
            let Some((breaker, machine)) = self.machines.get_mut(&name) else { continue };
            match machine.state {
                State::Closed => {}
                State::Open { .. } => match &self.around.others {
                    Some(others) if breaker.subject == Subject::Dependency => {
                        machine.wait(now + LOOK_AGAIN);
                        if breaker.gate.take_wanted() {
                            let (directory, node, myself) =
                                (others.directory.clone(), self.around.node.clone(), self.myself.clone());
                            let generation = machine.generation;
                            machine.wait(now + LEASE_MAX + LOOK_AGAIN);
                            self.tasks.spawn(async move {
                                let is_ours = has_probe(&*directory, &name, &node).await;
                                let _ended = myself.cast(Order::Lease { name, generation, is_ours });
                            });
                        }
                    }
                    _ => {
                        machine.probe(now);
                        self.publish(&name, News::Ours);
                    }
                },
                State::HalfOpen { .. } if !breaker.gate.shut_before_probe() => {
                    if machine.keeps_probing(now) {
                        self.publish(&name, News::Ours);
                    } else {
                        self.say(&name);
                    }
                }
                // The tasks that wait may be those of another node.
                State::HalfOpen { .. }
                    if self.around.others.is_some()
                        && breaker.subject == Subject::Dependency
                        && breaker.gate.waiting() == 0 =>
                {
                    machine.pass_on(now);
                    self.publish(&name, News::Ours);
                }
                State::HalfOpen { .. } => {
                    machine.probe_again(now);
                    self.publish(&name, News::Ours);
                }
                State::Ramping { .. } => match machine.climb(now) {
                    Some(left) => {
                        let breaker = breaker.clone();
                        breaker.gate.allow(left);
                        self.let_through(&breaker, Some(left));
                    }
                    None => self.publish(&name, News::Ours),
                },
            }
        }
    }

    /// Makes known where a breaker stands.
    fn publish(&mut self, name: &Arc<str>, news: News) {
        let now = Instant::now();
        let Some((breaker, machine)) = self.machines.get_mut(name) else { return };
        let (state, generation, reason) = (machine.state, machine.generation, machine.reason.clone());
        let (way, left) = match state {
            State::Closed => (Way::Free, None),
            State::Open { .. } => (Way::Shut, Some(0)),
            // The probe goes on.
            State::HalfOpen { .. } if breaker.gate.probed_in() == Some(generation) => (Way::Probing, Some(0)),
            State::HalfOpen { .. } => (Way::One, Some(1)),
            State::Ramping { .. } => (Way::Some, machine.climb(now)),
        };
        let is_by_hand = machine.is_by_hand;
        let breaker = breaker.clone();
        let seen = state.as_seen();
        let is_news = {
            let mut published = breaker.lock();
            // A port is tried every second: that is no news until it goes well.
            let was_shut = published.state != State::Closed;
            let is_news = breaker.subject != Subject::Port || !was_shut || state == State::Closed;
            let since = if published.state.as_seen() == seen { published.since } else { now };
            *published = super::info::Published { state, generation, reason: reason.clone(), is_by_hand, since };
            is_news
        };
        if !matches!(state, State::HalfOpen { .. }) {
            breaker.is_decided();
        }
        // Behind what was made known of it: whoever is let through is looked at by that.
        if way != Way::Probing {
            breaker.gate.set(generation, way, left.unwrap_or(u32::MAX));
        }
        match news {
            News::Old | News::Said => {}
            News::Ours | News::Theirs => {
                if is_news {
                    tracing::warn!(breaker = %name, state = seen.as_str(), generation, %reason, "the breaker has changed");
                } else {
                    tracing::debug!(breaker = %name, state = seen.as_str(), generation, %reason, "the breaker is tried");
                }
                crate::telemetry::breaker_is(name, seen);
                self.around.breakers.has_changed(&breaker, now);
            }
        }
        self.let_through(&breaker, left);
        if matches!(news, News::Ours | News::Said) {
            self.say(name);
        }
    }

    /// Tells the backlog that more may go, or nothing.
    fn let_through(&self, breaker: &Arc<Breaker>, left: Option<u32>) {
        match &breaker.subject {
            Subject::Agent(agent) => self.around.backlog.allow(agent, left),
            Subject::Dependency => self.around.backlog.lets_through(&breaker.name),
            // Nothing is parked there.
            Subject::Port => {}
        }
        breaker.changed.notify_waiters();
    }

    /// Tells the other nodes where a breaker stands, and the directory, for those who come later. As long as the probe is
    /// under way it is said again and again, and the lease is kept.
    fn say(&mut self, name: &Arc<str>) {
        let Some(others) = self.around.others.clone() else { return };
        let Some((breaker, machine)) = self.machines.get(name) else { return };
        if breaker.subject != Subject::Dependency {
            return;
        }
        let now = Instant::now();
        let told = Told::of(breaker, machine, now);
        others.switchboard.tell_all(Note::Breaker(told.clone()));
        let (name, node) = (name.clone(), self.around.node.clone());
        let has_probe = matches!(machine.state, State::HalfOpen { .. });
        // As long as it is so, and a little longer: then it is said again, or nobody needs it.
        let kept = match machine.state {
            State::Closed => None,
            State::Open { until: Some(until) } => Some(until.saturating_duration_since(now) + PROBE_OF_OTHERS),
            State::Open { until: None } => Some(BY_HAND),
            State::HalfOpen { .. } => Some(PROBE_OF_OTHERS),
            State::Ramping { .. } => Some(breaker.rules.ramp + PROBE_OF_OTHERS),
        };
        self.tasks.spawn(async move {
            let soft = async {
                if has_probe {
                    let _ours = others.directory.acquire(&lease(&name), &node, PROBE_OF_OTHERS).await;
                } else {
                    let _ours = others.directory.release(&lease(&name), &node).await;
                }
                let _soft = match (kept, serde_json::to_vec(&told)) {
                    (Some(kept), Ok(json)) => others.directory.put(BREAKER, &name, json.into(), kept).await,
                    _ => others.directory.remove(BREAKER, &name).await,
                };
            };
            let _away = timeout(LEASE_MAX, soft).await;
        });
    }

    /// Gives back the probe, which another node has made.
    fn release(&mut self, name: &Arc<str>) {
        let Some(others) = self.around.others.clone() else { return };
        let (name, node) = (name.clone(), self.around.node.clone());
        self.tasks.spawn(async move {
            let _away = timeout(LEASE_MAX, others.directory.release(&lease(&name), &node)).await;
        });
    }

    /// Asks the directory where the breakers of others stand.
    fn ask_the_others(&mut self) {
        let Some(others) = self.around.others.clone() else { return };
        let myself = self.myself.clone();
        self.tasks.spawn(async move {
            let Ok(Ok(entries)) = timeout(LEASE_MAX, others.directory.list(BREAKER)).await else { return };
            for told in entries.iter().filter_map(|entry| serde_json::from_slice(&entry.value).ok()) {
                let _ended = myself.cast(Order::Told { from: None, told });
            }
        });
    }

    /// Sees to it that the next moment is not missed.
    fn arm(&mut self) {
        let next = self.machines.values().filter_map(|(_, machine)| machine.due()).min();
        self.reminder.set(next, &self.myself, Order::Tick);
    }
}

/// What is made known.
#[derive(Clone, Copy)]
enum News {
    /// A change that was made here: all nodes are told.
    Ours,
    /// One that another node has made.
    Theirs,
    /// Where it stood when the actor before this one died.
    Old,
    /// What was said before, in a later generation: all nodes are told.
    Said,
}

fn lease(name: &str) -> String {
    format!("{BREAKER}:{name}")
}

/// Whether this node has the probe. Without a directory each node has its own: better one each than none.
async fn has_probe(directory: &dyn Directory, name: &str, node: &str) -> bool {
    let lease = lease(name);
    match timeout(LEASE_MAX, directory.acquire(&lease, node, PROBE_OF_OTHERS)).await {
        Ok(Ok(Lease::HeldBy(_))) => false,
        Ok(Ok(Lease::Held | Lease::Free) | Err(_)) | Err(_) => true,
    }
}
