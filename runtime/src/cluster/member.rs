//! The member: an actor that says that its node is there, hears who else is, and carries out what the steward decides.
//!
//! A beat goes to the directory, which tells it to whoever asks; while the directory is away it goes over the bus, and so
//! does every change at once. What is known of the others comes back the same two ways. A beat carries all that the others
//! have to know: whether the node takes part, and which partitions it owns, with their epochs.

mod directory;
mod message;
mod outage;
mod strangers;

#[cfg(test)]
mod tests;

pub(crate) use message::{Member, Message};
pub(crate) use strangers::no_strangers;

use self::directory::{Hint, NODE, lease_name, told_and_listed};
use self::outage::Outage;
use self::strangers::Strangers;
use super::note::Note;
use super::routes::Routes;
use super::steward::{Act, Movement, Pace, Stage, Steward, Why};
use super::switchboard::Switchboard;
use super::view::{Beat, Heard, Hears, Standing, UNREACHABLE_MAX, Unreachable, View};
use crate::closing_time::ClosingTime;
use crate::dispatch::backlog::Backlog;
use crate::partition::door::Door;
use crate::port::directory::{Directory, Lease};
use crate::port::store::Store;
use crate::supervise::{self, ChildSpec, Failure, FailureKind, OnGiveUp, Policy};
use ractor::{Actor, ActorProcessingErr, ActorRef};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};
use uuid::Uuid;

/// Every which beat is heard by all.
const HEARD_EVERY: u64 = 8;
/// How long the directory is given to answer: it is soft, and nothing waits for it.
const ANSWER_MAX: Duration = Duration::from_secs(1);
/// How long a partition may take to make durable what it has decided before another node takes it.
const RELEASE_MAX: Duration = Duration::from_secs(5);

/// What a member works with.
#[derive(Clone)]
pub(crate) struct Surroundings {
    pub(crate) node: Arc<str>,
    pub(crate) namespace: Arc<str>,
    /// The identity of the name space in the store.
    pub(crate) home: Uuid,
    /// What it is when nothing is wrong: an owner, or a client.
    pub(crate) standing: Standing,
    pub(crate) heartbeat: Duration,
    pub(crate) life: Duration,
    pub(crate) pace: Pace,
    pub(crate) directory: Arc<dyn Directory>,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) switchboard: Switchboard,
    pub(crate) routes: Arc<Routes>,
    pub(crate) backlog: Arc<Backlog>,
    pub(crate) doors: Arc<[Arc<Door>]>,
    /// The partitions as children, by their numbers, and the tree in which those are that this node owns.
    pub(crate) specs: Arc<[ChildSpec]>,
    pub(crate) tree: supervise::Subtree,
    pub(crate) closing: ClosingTime,
    /// Counts the beats over all incarnations of the member: others take a lower number for old news.
    pub(crate) beats: Arc<AtomicU64>,
}

/// The member as a child of its node, and a handle to it. What it is made of is said before it starts.
pub(crate) fn member(around: Arc<OnceLock<Surroundings>>) -> (ChildSpec, Member) {
    let policy = Policy { on_give_up: OnGiveUp::StopTree, ..Policy::default() };
    let (spec, slot) = ChildSpec::actor("member", policy, move || (MemberActor, around.get().cloned()));
    (spec, Member(slot))
}

/// The type of the actor.
struct MemberActor;

/// The state of the actor.
struct Post {
    around: Surroundings,
    myself: ActorRef<Message>,
    view: View,
    steward: Steward,
    origin: Instant,
    number: u64,
    /// What the directory said last.
    hears: Hears,
    /// Whether it has ever answered, or others were listened to for a life.
    is_settled: bool,
    outage: Outage,
    /// Since when the store has not answered.
    store: Trust,
    is_leaving: bool,
    /// What the last beat said.
    last_said: Option<Said>,
    tasks: JoinSet<()>,
    is_listing: bool,
    /// Whether the directory is being told what is not true any more.
    is_outdated: bool,
    /// The leases that the directory has forgotten.
    forgotten: BTreeSet<u16>,
    strangers: Strangers,
}

/// What of a beat others have to know at once when it changes.
type Said = (Standing, BTreeMap<u16, u64>, BTreeSet<u16>);

fn said(beat: &Beat) -> Said {
    (beat.standing, beat.owns.clone(), beat.refuses.clone())
}

/// Whether a port can be relied on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trust {
    Works,
    Away,
}

impl Actor for MemberActor {
    type Msg = Message;
    type State = Post;
    type Arguments = Option<Surroundings>;

    async fn pre_start(
        &self,
        myself: ActorRef<Message>,
        around: Option<Surroundings>,
    ) -> Result<Post, ActorProcessingErr> {
        let around = around.ok_or_else(unmade)?;
        around.switchboard.is_up().await; // or the first beat is said to nobody
        let steward = Steward::new(around.node.clone(), around.doors.len() as u16, around.pace);
        let mut tasks = JoinSet::new();
        let (ticks, period) = (myself.clone(), around.heartbeat);
        tasks.spawn(async move {
            while ticks.cast(Message::Beat).is_ok() {
                sleep(period).await;
            }
        });
        let (closes, closing) = (myself.clone(), around.closing.clone());
        tasks.spawn(async move {
            closing.begun().await;
            let _ended = closes.cast(Message::Closing);
        });
        Ok(Post {
            view: View::new(around.life),
            steward,
            origin: Instant::now(),
            number: 0,
            hears: Hears::Yes,
            is_settled: false,
            outage: Outage::new(around.life, around.heartbeat),
            store: Trust::Works,
            is_leaving: around.closing.has_begun(),
            last_said: None,
            tasks,
            is_listing: false,
            is_outdated: false,
            forgotten: BTreeSet::new(),
            strangers: Strangers::default(),
            myself,
            around,
        })
    }

    async fn handle(&self, _: ActorRef<Message>, message: Message, post: &mut Post) -> Result<(), ActorProcessingErr> {
        while post.tasks.try_join_next().is_some() {}
        post.take(message);
        Ok(())
    }

    /// Says goodbye: what is not heard of expires.
    async fn post_stop(&self, _: ActorRef<Message>, post: &mut Post) -> Result<(), ActorProcessingErr> {
        post.next_number();
        let gone = Beat { standing: Standing::Gone, owns: BTreeMap::new(), ..post.beat() };
        post.around.switchboard.beat(gone);
        let removal = post.around.directory.remove(NODE, &post.around.node);
        let _expires = timeout(ANSWER_MAX, removal).await;
        Ok(())
    }
}

impl Post {
    fn now(&self) -> Duration {
        self.origin.elapsed()
    }

    fn next_number(&mut self) {
        self.number = self.around.beats.fetch_add(1, Ordering::Relaxed) + 1;
    }

    fn take(&mut self, message: Message) {
        let now = self.now();
        match message {
            Message::Beat => self.on_beat(now),
            Message::Heard(beat) => {
                if beat.node == self.around.node || self.strangers.are_joined_by(&beat, self.around.home) {
                    return;
                }
                let node = beat.node.clone();
                match self.view.heard(beat, now) {
                    Heard::Newcomer => {
                        // So that it knows of us before our next beat.
                        self.say(Loudness::Heard);
                        self.act(now);
                    }
                    Heard::News => self.act(now),
                    Heard::SameAgain | Heard::Old => {}
                }
                if self.view.has_died(&node, now) {
                    self.is_dead(node);
                }
            }
            Message::Listed(listed) => self.listed(listed, now),
            Message::CameRound => self.outage.came_round(now),
            Message::Reached(node) => self.view.reached(&node),
            Message::Unreachable(node) => self.unreachable(node, now),
            Message::Suspected(node) => {
                if node != self.around.node && self.view.lives(&node, now) {
                    self.view.suspected(&node, now);
                    self.around.switchboard.tell(&node, Note::Ping);
                }
            }
            Message::NotThere(node, partition) => {
                // Until it says again that it has it.
                let is_it = self.view.map(now).get(&partition).is_some_and(|(_, owner)| *owner == node);
                if is_it && self.around.routes.set(partition, None) {
                    self.around.switchboard.moved(partition, None);
                }
            }
            Message::Leased(partition, holder) => self.leased(partition, holder, now),
            Message::Began { partition, epoch } => {
                self.steward.began(partition, epoch, now);
                self.around.switchboard.here(partition);
                for node in self.view.dead(now).cloned().collect::<Vec<_>>() {
                    self.free_holders(usize::from(partition), &node);
                }
                self.act(now);
                self.say_if_changed();
            }
            Message::Failed { partition, failure } => {
                match failure.map(|failure| failure.kind) {
                    // What no other try would mend.
                    Some(FailureKind::Corrupt | FailureKind::Invalid | FailureKind::Denied | FailureKind::NotFound) => {
                        tracing::error!(node = %self.around.node, partition, "this node can not serve the partition");
                        self.steward.refuse(partition, now);
                    }
                    None => self.steward.panicked(partition, now),
                    Some(FailureKind::Fenced) if self.steward.tenure_of(partition) == Some(Stage::Serving) => {
                        self.steward.fenced(partition, now);
                    }
                    Some(_) => self.steward.failed(partition, now),
                }
                self.look_again_in(self.steward.rests_until(partition).saturating_sub(now));
                self.say_if_changed();
            }
            Message::AllEnded => {
                for partition in self.steward.under_way() {
                    self.steward.failed(partition, now);
                    self.look_again_in(self.steward.rests_until(partition).saturating_sub(now));
                }
                self.say_if_changed();
            }
            Message::Released(partition) => {
                self.steward.ended(partition);
                self.act(now);
                self.say_if_changed();
            }
            Message::StoreAnswers(answer) => {
                match answer {
                    Ok(()) if self.store == Trust::Away => {
                        self.store = Trust::Works;
                        self.steward.store_is_back();
                    }
                    Ok(()) => {}
                    Err(error) => {
                        tracing::warn!(node = %self.around.node, error, "the store does not answer this node")
                    }
                }
                self.act(now);
            }
            Message::Look => self.act(now),
            Message::Closing => {
                self.is_leaving = true;
                self.around.backlog.close_all();
                self.act(now);
                self.say_if_changed();
            }
            Message::Ask(reply) => {
                let known = std::iter::once(self.beat()).chain(self.view.living(now).cloned());
                let _gone = reply.send(known.collect());
            }
        }
    }

    /// Where this node stands at present.
    fn standing(&self, now: Duration) -> Standing {
        if self.around.standing == Standing::Client {
            return Standing::Client;
        }
        if self.is_leaving {
            return Standing::Leaving;
        }
        if !self.outage.is_deaf(now) && self.store == Trust::Works { Standing::Owner } else { Standing::Unfit }
    }

    fn movement(&self, now: Duration) -> Movement {
        match self.hears {
            _ if !self.is_settled || self.outage.is_unsettled(now) => Movement::Unsettled,
            _ if self.outage.may_be_of_all(now) => Movement::Held,
            Hears::Yes => Movement::Free,
            Hears::No => Movement::Frozen,
        }
    }

    fn beat(&self) -> Beat {
        let now = self.now();
        Beat {
            node: self.around.node.clone(),
            number: self.number,
            standing: self.standing(now),
            owns: self.steward.owns(),
            refuses: self.steward.refuses().clone(),
            up_ms: now.as_millis() as u64,
            hears_directory: self.hears,
            home: self.around.home,
        }
    }

    fn on_beat(&mut self, now: Duration) {
        self.view.forget(now);
        self.look_at_the_doors(now);
        self.look_after_the_store();
        for node in self.around.backlog.lenders() {
            if self.view.has_died(&node, now) {
                self.is_dead(node);
            }
        }
        if now >= self.around.life {
            self.is_settled = true; // whoever is there has been heard by now, if anybody can be heard
        }
        let some_are_deaf = self.view.living(now).any(|beat| beat.hears_directory == Hears::No);
        // A newcomer is heard by all, and answered; now and then everybody is, so that who hears nothing is deaf.
        let is_to_be_heard = self.number.is_multiple_of(HEARD_EVERY) || self.hears == Hears::No || some_are_deaf;
        let loudness = if is_to_be_heard { Loudness::Heard } else { Loudness::Read };
        self.say(loudness);
        self.around.switchboard.tell(&self.around.node, Note::Loop);
        self.look_for_the_next(now);
        self.act(now);
        self.around.backlog.refresh_loans();
    }

    /// Believes what is there rather than what it was told: what is said to a member while it starts again is lost.
    fn look_at_the_doors(&mut self, now: Duration) {
        for (partition, door) in (0..).zip(self.around.doors.iter()) {
            let epoch = door.slot.current().and_then(|_| door.health.epoch());
            match (self.steward.tenure_of(partition), epoch) {
                (None | Some(Stage::Beginning), Some(epoch)) => self.steward.began(partition, epoch, now),
                (Some(Stage::Serving), None) if door.health.epoch().is_none() => self.steward.failed(partition, now),
                _ => {}
            }
        }
    }

    /// Tells the directory, and asks it about the others; tells everybody over the bus if that is needed.
    fn say(&mut self, loudness: Loudness) {
        self.next_number();
        let beat = self.beat();
        self.last_said = Some(said(&beat));
        if loudness == Loudness::Heard {
            self.around.switchboard.beat(beat.clone());
        }
        if self.is_listing {
            // It has not answered yet, and might hear of two beats in the wrong order.
            self.is_outdated = true;
            return;
        }
        let Some(value) = super::note::json(&beat) else { return };
        let hint = |partition| if self.forgotten.contains(&partition) { Hint::Forgotten } else { Hint::Known };
        let leases: Vec<(u16, Hint)> = beat.owns.keys().map(|partition| (*partition, hint(*partition))).collect();
        self.is_listing = true;
        let (around, myself) = (self.around.clone(), self.myself.clone());
        self.tasks.spawn(async move {
            let listed = timeout(2 * ANSWER_MAX, told_and_listed(&around, value, &leases)).await;
            let listed = listed.unwrap_or_else(|_| Err(format!("no answer within {:?}", 2 * ANSWER_MAX)));
            let _ended = myself.cast(Message::Listed(listed));
        });
    }

    /// Says what has changed, at once and to everybody.
    fn say_if_changed(&mut self) {
        if self.last_said.as_ref() != Some(&said(&self.beat())) {
            self.say(Loudness::Heard);
        }
    }

    fn listed(&mut self, listed: Result<(Vec<Beat>, BTreeSet<u16>), String>, now: Duration) {
        self.is_listing = false;
        let before = self.hears;
        match listed {
            Ok((beats, forgotten)) => {
                self.forgotten = forgotten;
                self.hears = Hears::Yes;
                self.is_settled = true;
                let others = beats.into_iter().filter(|beat| {
                    beat.node != self.around.node && !self.strangers.are_joined_by(beat, self.around.home)
                });
                for beat in others {
                    let node = beat.node.clone();
                    if self.view.heard(beat, now) == Heard::Newcomer {
                        // The directory tells of the dead, too, for a while.
                        self.around.switchboard.tell(&node, Note::Ping);
                    }
                }
            }
            Err(error) => {
                self.hears = Hears::No;
                if before == Hears::Yes {
                    tracing::warn!(node = %self.around.node, error, "the directory does not answer: partitions stay where they are");
                }
            }
        }
        if before == Hears::No && self.hears == Hears::Yes {
            tracing::info!(node = %self.around.node, "the directory answers again");
        }
        if before != self.hears {
            self.say(Loudness::Heard);
        } else if std::mem::take(&mut self.is_outdated) {
            self.say(Loudness::Read);
        }
        self.act(now);
    }

    /// Sees to it that the death of each node is noticed by another one soon: the next by name, in a ring.
    fn look_for_the_next(&mut self, now: Duration) {
        let mut names: Vec<Arc<str>> = self.view.living(now).map(|beat| beat.node.clone()).collect();
        names.sort_unstable();
        let next = names.iter().find(|name| **name > self.around.node).or_else(|| names.first());
        if let Some(next) = next {
            self.around.switchboard.tell(next, Note::Ping);
        }
    }

    fn unreachable(&mut self, node: Arc<str>, now: Duration) {
        if node == self.around.node || !self.view.lives(&node, now) {
            return;
        }
        match self.view.unreachable(&node, now) {
            Unreachable::Dead => {
                tracing::warn!(%node, "a node is gone: nobody takes its messages");
                self.around.switchboard.tell_all(Note::Suspect { node: node.clone() });
                self.is_dead(node);
                self.act(now);
            }
            Unreachable::Perhaps => {
                let switchboard = self.around.switchboard.clone();
                self.tasks.spawn(async move {
                    sleep(UNREACHABLE_MAX).await;
                    switchboard.tell(&node, Note::Ping);
                });
            }
            Unreachable::Still => {}
        }
    }

    fn is_dead(&mut self, node: Arc<str>) {
        self.around.backlog.lender_is_gone(&node);
        (0..self.around.doors.len()).for_each(|partition| self.free_holders(partition, &node));
        self.around.switchboard.dead(node);
    }

    /// Tells a partition of this node that whoever held its tasks on a node is gone.
    fn free_holders(&self, partition: usize, node: &Arc<str>) {
        if let Some(actor) = self.around.doors.get(partition).and_then(|door| door.slot.current()) {
            let _ended = actor.cast(crate::partition::message::Message::NodeIsGone(node.clone()));
        }
    }

    /// Does what the steward says, and shows where the partitions are.
    fn act(&mut self, now: Duration) {
        self.outage.others(now, !self.view.owners(now).is_empty());
        let (standing, movement) = (self.standing(now), self.movement(now));
        for act in self.steward.acts(&self.view, now, standing, movement) {
            match act {
                Act::Claim(partition) => self.ask_for_lease(partition),
                Act::Release(partition, why) => self.release(partition, &why),
            }
        }
        self.show(now);
        self.say_if_changed();
    }

    fn show(&self, now: Duration) {
        for partition in self.steward.quarantined(&self.view, now) {
            let message = "no node can serve it: its journal can not be read, or it ends its owner again and again";
            let failure = Failure::new(FailureKind::Corrupt, message);
            self.around.doors[usize::from(partition)].health.quarantined(failure);
        }
        let map = self.view.map(now);
        let mine = self.steward.owns();
        for partition in 0..self.around.doors.len() as u16 {
            let elsewhere =
                map.get(&partition).filter(|(epoch, _)| mine.get(&partition).is_none_or(|mine| mine < epoch));
            let route = elsewhere.map(|(_, node)| node.clone());
            if self.around.routes.set(partition, route.clone()) {
                self.around.switchboard.moved(partition, route);
            }
        }
    }

    fn ask_for_lease(&mut self, partition: u16) {
        let (around, myself) = (self.around.clone(), self.myself.clone());
        self.tasks.spawn(async move {
            let (name, life) = (lease_name(partition), around.life);
            let lease = timeout(ANSWER_MAX, around.directory.acquire(&name, &around.node, life)).await;
            let holder = match lease {
                Ok(Ok(Lease::HeldBy(holder))) => Some(holder.into()),
                // It is a hint. Without one the journal decides alone, as it does in any case.
                Ok(Ok(Lease::Held | Lease::Free) | Err(_)) | Err(_) => None,
            };
            let _ended = myself.cast(Message::Leased(partition, holder));
        });
    }

    fn leased(&mut self, partition: u16, holder: Option<Arc<str>>, now: Duration) {
        match holder {
            Some(holder) if !self.view.has_died(&holder, now) => {
                tracing::debug!(partition, %holder, "somebody else means to claim the partition");
                self.steward.postponed(partition, now);
                self.look_again_in(self.around.pace.backoff_first);
            }
            _ => self.claim(partition),
        }
    }

    /// Has the steward asked again after a pause.
    fn look_again_in(&mut self, pause: Duration) {
        let myself = self.myself.clone();
        self.tasks.spawn(async move {
            sleep(pause).await;
            let _ended = myself.cast(Message::Look);
        });
    }

    fn claim(&mut self, partition: u16) {
        let spec = self.around.specs[usize::from(partition)].clone();
        let (tree, myself) = (self.around.tree.clone(), self.myself.clone());
        self.tasks.spawn(async move {
            let added = match tree.current() {
                Some(tree) => tree.add(spec).await.is_ok(),
                None => false,
            };
            if !added {
                let failure = Some(Failure::new(FailureKind::Unavailable, "the node stops"));
                let _ended = myself.cast(Message::Failed { partition, failure });
            }
        });
    }

    fn release(&mut self, partition: u16, why: &Why) {
        tracing::info!(node = %self.around.node, partition, ?why, "partition given up");
        let limit = match why {
            Why::HandedTo(_) | Why::Leaving => RELEASE_MAX,
            // What is not durable can not become so.
            Why::Deposed(_) | Why::Unfit => Duration::from_millis(500),
        };
        let (around, myself) = (self.around.clone(), self.myself.clone());
        let name = self.around.specs[usize::from(partition)].name().clone();
        self.tasks.spawn(async move {
            if let Some(tree) = around.tree.current() {
                let _ending = tree.remove(&name, limit).await;
            }
            let lease = lease_name(partition);
            let _expires = timeout(ANSWER_MAX, around.directory.release(&lease, &around.node)).await;
            let _ended = myself.cast(Message::Released(partition));
        });
    }

    /// A node that the store has not answered for a life lets others have its partitions.
    fn look_after_the_store(&mut self) {
        let is_stuck =
            |door: &Arc<Door>| door.health.stuck().is_some_and(|stuck| stuck.since.elapsed() >= self.around.life);
        if self.store == Trust::Works && self.around.doors.iter().any(is_stuck) {
            tracing::warn!(node = %self.around.node, "the store does not answer this node: others take its partitions");
            self.store = Trust::Away;
        }
        if self.store == Trust::Away {
            let (around, myself) = (self.around.clone(), self.myself.clone());
            self.tasks.spawn(async move {
                let name = format!("{}/root", around.namespace);
                let answer = timeout(2 * ANSWER_MAX, around.store.get(&name)).await;
                let answer = match answer {
                    Ok(Ok(_)) => Ok(()),
                    Ok(Err(error)) => Err(error.to_string()),
                    Err(_) => Err(format!("no answer within {:?}", 2 * ANSWER_MAX)),
                };
                let _ended = myself.cast(Message::StoreAnswers(answer));
            });
        }
    }
}

/// How far a beat is heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Loudness {
    /// By whoever asks the directory.
    Read,
    /// By everybody, at once.
    Heard,
}

/// It was started before it was said what it is made of.
fn unmade() -> Failure {
    Failure::new(FailureKind::Invalid, "it is not said what it is made of")
}
