mod schedules;

use super::{Backlog, Grant};
use crate::dispatch::seat::{Seat, Work};
use crate::partition::message::Message;
use crate::registry::profile::{Capability, Profile};
use callboard_core::{Priority, Ready, Requirements, RunId, TaskIndex, TaskRef, Token};
use ractor::{Actor, ActorProcessingErr, ActorRef};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::mpsc;
use uuid::Uuid;

/// A partition that only collects what it is granted.
struct Collects;

impl Actor for Collects {
    type Msg = Message;
    type State = mpsc::UnboundedSender<Grant>;
    type Arguments = mpsc::UnboundedSender<Grant>;

    async fn pre_start(
        &self,
        _: ActorRef<Message>,
        to: mpsc::UnboundedSender<Grant>,
    ) -> Result<Self::State, ActorProcessingErr> {
        Ok(to)
    }

    async fn handle(&self, _: ActorRef<Message>, it: Message, to: &mut Self::State) -> Result<(), ActorProcessingErr> {
        if let Message::HandOut(grant) = it {
            to.send(grant)?;
        }
        Ok(())
    }
}

/// A backlog with one partition, and another that has ended.
struct Hall {
    backlog: Arc<Backlog>,
    partition: ActorRef<Message>,
    ended: ActorRef<Message>,
    grants: mpsc::UnboundedReceiver<Grant>,
}

async fn hall() -> Hall {
    let (to, grants) = mpsc::unbounded_channel();
    let (partition, _) = Actor::spawn(None, Collects, to.clone()).await.unwrap();
    let (ended, end) = Actor::spawn(None, Collects, to).await.unwrap();
    ended.stop(None);
    end.await.unwrap();
    Hall { backlog: Arc::default(), partition, ended, grants }
}

impl Hall {
    /// Opens the desk of an agent.
    fn open(&self, id: &str, capabilities: &[&str], labels: &[&str]) {
        let mut profile = Profile { id: id.into(), ..Profile::default() };
        profile.traits.labels = labels.iter().map(|label| ((*label).to_owned(), String::new())).collect();
        let capabilities = capabilities.iter().map(|name| Capability::new(*name)).collect();
        assert!(self.backlog.open(Arc::new(profile), capabilities));
    }

    fn sit(&self, id: &str) -> Seat {
        Seat::take(&self.backlog, &id.into())
    }

    fn offer(&self, tasks: impl IntoIterator<Item = Ready>) {
        self.backlog.offer(tasks.into_iter().map(of_nobody), &self.partition);
    }

    /// What has been granted by now.
    async fn granted(&mut self) -> Vec<Grant> {
        let mut granted = Vec::new();
        for _ in 0..8 {
            tokio::task::yield_now().await;
            granted.extend(std::iter::from_fn(|| self.grants.try_recv().ok()));
        }
        granted
    }

    /// Tasks that are out at each agent, as the backlog counts.
    fn out(&self, id: &str) -> usize {
        self.backlog.agents().iter().find(|agent| &*agent.profile.id == id).map_or(0, |agent| agent.running)
    }
}

/// A task of a run without a tenant.
fn of_nobody(ready: Ready) -> (Ready, Option<Arc<str>>) {
    (ready, None)
}

fn task(n: u16, capability: &str) -> Ready {
    Ready {
        task: TaskRef { run: run(u64::from(n % 4)), task: TaskIndex(u32::from(n)) },
        token: Token::FIRST,
        capability: capability.into(),
        requires: Requirements::default(),
        priority: Priority::default(),
        avoid: None,
        gate: None,
        share: None,
    }
}

fn run(n: u64) -> RunId {
    RunId::new(Uuid::from_u128(u128::from(n) + 1))
}

fn requires(texts: &[&str]) -> Requirements {
    texts.iter().map(|text| text.parse().unwrap()).collect::<Vec<_>>().into()
}

#[tokio::test(start_paused = true)]
async fn what_an_agent_leaves_behind_is_not_its_successors() {
    let mut hall = hall().await;
    hall.open("a", &["x"], &[]);
    let left = hall.sit("a");
    let second = hall.sit("a");
    hall.offer([task(1, "x"), task(2, "x")]);
    let mut old = hall.granted().await;
    assert_eq!(old.len(), 2);
    let work = left.begin(false);
    old.remove(0).used();
    hall.backlog.remove("a");
    hall.open("a", &["x"], &[]);
    let _seat = hall.sit("a");
    hall.offer([task(3, "x"), task(4, "x")]);
    let new = hall.granted().await;
    assert_eq!(new.len(), 1);
    drop(old); // a grant that never arrives
    assert_eq!((hall.granted().await.len(), hall.out("a")), (0, 1), "its slot has gone with its desk");
    drop(work); // a task that ends late
    assert_eq!((hall.granted().await.len(), hall.out("a")), (0, 1));
    drop((left, second)); // instances that were stuck
    drop(new);
    assert_eq!(hall.granted().await.len(), 1, "the seat of the new one is its own");
}

#[tokio::test(start_paused = true)]
async fn who_waits_for_an_agent_to_be_done_hears_that_it_is_gone() {
    let mut hall = hall().await;
    hall.open("a", &["x"], &[]);
    let _seat = hall.sit("a");
    hall.offer([task(1, "x")]);
    let granted = hall.granted().await;
    hall.backlog.close("a");
    let removes = async {
        tokio::task::yield_now().await;
        hall.backlog.remove("a");
    };
    let both = futures::future::join(hall.backlog.is_empty("a"), removes);
    tokio::time::timeout(Duration::from_secs(1), both).await.expect("it hears");
    drop(granted);
}

#[tokio::test(start_paused = true)]
async fn tasks_of_a_partition_that_has_ended_take_no_slot() {
    let mut hall = hall().await;
    hall.open("a", &["x", "y"], &[]);
    let _seat = hall.sit("a");
    hall.backlog.offer((0..100).map(|n| of_nobody(task(n, "x"))), &hall.ended);
    hall.offer([task(1, "y")]);
    let granted = hall.granted().await;
    assert_eq!((granted.len(), hall.out("a")), (1, 1));
    assert_eq!(hall.backlog.lanes(), []);
}

/// Two threads, so that a task of an ended partition is met while another is offered.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slot_that_comes_back_undelivered_goes_to_whoever_waits_by_then() {
    let mut hall = hall().await;
    hall.open("a", &["x", "y"], &[]);
    let _seat = hall.sit("a");
    let (backlog, ended) = (hall.backlog.clone(), hall.ended.clone());
    let done = Arc::new(AtomicBool::new(false));
    let is_done = done.clone();
    let disturbs = tokio::task::spawn_blocking(move || {
        while !is_done.load(Ordering::SeqCst) {
            backlog.offer([of_nobody(task(0, "x"))], &ended);
        }
    });
    for n in 0..3_000 {
        hall.offer([task(n, "y")]);
        let granted = tokio::time::timeout(Duration::from_secs(10), hall.grants.recv()).await;
        drop(granted.inspect_err(|_| done.store(true, Ordering::SeqCst)).expect("a slot is free").unwrap());
    }
    done.store(true, Ordering::SeqCst);
    disturbs.await.unwrap();
}

/// An agent as the model sees it.
struct Agent {
    capabilities: BTreeSet<&'static str>,
    labels: Vec<&'static str>,
    seats: Vec<Seat>,
    out: usize,
    is_open: bool,
    chosen_at: usize,
    life: usize,
}

impl Agent {
    fn may(&self, ready: &Ready) -> bool {
        let meets = ready.requires.iter().all(|it| self.labels.contains(&it.to_string().as_str()));
        self.is_open && self.capabilities.contains(&*ready.capability) && meets
    }

    fn is_free(&self) -> bool {
        self.out < self.seats.len()
    }
}

/// A task in somebody's hands, with the life of the agent that it was given to.
struct Held {
    agent: Arc<str>,
    life: usize,
    what: What,
}

enum What {
    Grant(#[expect(dead_code, reason = "it is dropped")] Grant),
    Work(#[expect(dead_code, reason = "it is dropped")] Work),
}

/// SplitMix64.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % bound as u64) as usize
    }

    fn percent(&mut self, chance: usize) -> bool {
        self.below(100) < chance
    }
}

struct Model {
    hall: Hall,
    random: Dice,
    agents: BTreeMap<Arc<str>, Agent>,
    waiting: Vec<Ready>,
    held: Vec<Held>,
    tasks: u16,
    /// Whether there are fewer tasks, so that several agents are free at a time.
    is_quiet: bool,
    turns: usize,
    /// How many have been given out in all.
    given: usize,
}

const CAPABILITIES: [&str; 3] = ["x", "y", "z"];
const LABELS: [&str; 2] = ["gpu", "eu"];
const AGENTS: [&str; 5] = ["a", "b", "c", "d", "e"];

impl Model {
    async fn new(seed: u64) -> Self {
        let (hall, random, is_quiet) = (hall().await, Dice(seed), seed % 2 == 1);
        let (agents, waiting, held) = (BTreeMap::new(), Vec::new(), Vec::new());
        Self { hall, random, agents, waiting, held, tasks: 0, is_quiet, turns: 0, given: 0 }
    }

    fn some<T: Copy>(&mut self, of: &[T], chance: usize) -> Vec<T> {
        of.iter().copied().filter(|_| self.random.percent(chance)).collect()
    }

    fn one<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.random.below(of.len())]
    }

    fn ready(&mut self) -> Ready {
        self.tasks += 1;
        let mut ready = task(self.tasks, self.one(&CAPABILITIES));
        ready.priority = self.one(&[Priority::Critical, Priority::High, Priority::Medium, Priority::Low]);
        ready.requires = requires(&self.some(&LABELS, 20));
        ready.avoid =
            self.random.percent(20).then(|| callboard_core::InstanceId::new("n", &format!("{}#1", self.one(&AGENTS))));
        ready
    }

    /// One thing that happens.
    fn happens(&mut self) {
        let id = self.one(&AGENTS);
        let what = self.random.below(100);
        match (what, self.agents.get_mut(id)) {
            (0..30, _) if !self.is_quiet || what < 12 => {
                let tasks: Vec<Ready> = (0..1 + self.random.below(3)).map(|_| self.ready()).collect();
                self.waiting.extend(tasks.iter().cloned());
                self.hall.offer(tasks);
            }
            (30..34, _) => {
                let ready = self.ready();
                if let Some(agent) = self.chosen(&ready).and_then(|id| self.agents.get_mut(&id)) {
                    self.turns += 1;
                    agent.chosen_at = self.turns; // it had its turn, although nothing came of it
                }
                self.hall.backlog.offer([of_nobody(ready)], &self.hall.ended);
                self.hall.backlog.sweep();
            }
            (34..36, _) => {
                let run = run(self.random.below(4) as u64);
                self.waiting.retain(|ready| ready.task.run != run);
                self.hall.backlog.withdraw(run);
            }
            (36..65, _) if !self.held.is_empty() => {
                let at = self.random.below(self.held.len());
                let held = self.held.swap_remove(at);
                if let Some(agent) = self.agents.get_mut(&held.agent).filter(|agent| agent.life == held.life) {
                    agent.out -= 1;
                }
                drop(held.what);
            }
            (65..80, Some(agent)) if agent.is_open => agent.seats.push(self.hall.sit(id)),
            (80..85, Some(agent)) => drop(agent.seats.pop()),
            (85..89, Some(agent)) => {
                agent.is_open = false;
                assert!(self.hall.backlog.close(id));
            }
            (89..92, Some(_)) => {
                self.hall.backlog.remove(id);
                self.agents.remove(id);
            }
            (92..96, Some(agent)) => {
                let capability = CAPABILITIES[what % 3];
                let gains = !agent.capabilities.remove(capability);
                if gains {
                    agent.capabilities.insert(capability);
                }
                self.hall.backlog.change(&id.into(), |offered| {
                    if gains {
                        offered.insert(capability.into(), Capability::new(capability));
                    } else {
                        offered.remove(capability);
                    }
                });
            }
            (_, None) => {
                let (capabilities, labels) = (self.some(&CAPABILITIES, 60), self.some(&LABELS, 50));
                self.hall.open(id, &capabilities, &labels);
                let (capabilities, seats) = (capabilities.into_iter().collect(), Vec::new());
                self.turns += 1;
                let agent =
                    Agent { capabilities, labels, seats, out: 0, is_open: true, chosen_at: 0, life: self.turns };
                self.agents.insert(id.into(), agent);
            }
            _ => {}
        }
    }

    /// The agent that a task goes to if it finds several free.
    fn chosen(&self, ready: &Ready) -> Option<Arc<str>> {
        let free = self.agents.iter().filter(|(_, agent)| agent.may(ready) && agent.is_free());
        let first = free.min_by_key(|(id, agent)| {
            let load = agent.out * 1_000_000 / agent.seats.len();
            (ready.avoid.as_ref().is_some_and(|failed| *failed.agent() == ***id), load, agent.chosen_at, agent.life)
        });
        first.map(|(id, _)| id.clone())
    }

    /// Takes what was granted, and holds each grant against the model.
    async fn takes(&mut self) {
        for grant in self.hall.granted().await {
            let at = self.waiting.iter().position(|ready| ready.task == grant.ready.task).expect("it waits");
            let ready = self.waiting.remove(at);
            let agent = &self.agents[&grant.desk.agent];
            assert!(agent.may(&ready) && agent.is_free(), "{ready:?} goes to {}", grant.desk.agent);
            let urgent = self.waiting.iter().find(|other| agent.may(other) && other.priority > ready.priority);
            assert_eq!(urgent, None, "it is more urgent than {ready:?}");
            assert_eq!(self.chosen(&ready).as_ref(), Some(&grant.desk.agent), "{ready:?}");
            self.turns += 1;
            self.given += 1;
            let agent = self.agents.get_mut(&grant.desk.agent).unwrap();
            (agent.out, agent.chosen_at) = (agent.out + 1, self.turns);
            let (id, life) = (grant.desk.agent.clone(), agent.life);
            let what = if self.random.percent(50) {
                grant.used();
                What::Work(agent.seats[0].begin(false))
            } else {
                What::Grant(grant)
            };
            self.held.push(Held { agent: id, life, what });
        }
    }

    fn nobody_waits_in_vain(&self) {
        for (id, agent) in self.agents.iter().filter(|(_, agent)| agent.is_free()) {
            assert_eq!(self.waiting.iter().find(|ready| agent.may(ready)), None, "{id} is free");
        }
        for agent in self.hall.backlog.agents() {
            let model = &self.agents[&agent.profile.id];
            assert_eq!((agent.instances, agent.running), (model.seats.len(), model.out), "{}", agent.profile.id);
        }
        let waiting: usize = self.hall.backlog.lanes().iter().map(|lane| lane.waiting).sum();
        assert_eq!((waiting, self.hall.backlog.agents().len()), (self.waiting.len(), self.agents.len()));
    }
}

#[tokio::test(start_paused = true)]
async fn agents_and_tasks_that_come_and_go_meet_as_in_a_naive_model() {
    let mut given = 0;
    for seed in 0..30 {
        let mut model = Model::new(seed).await;
        for _ in 0..400 {
            model.happens();
            model.takes().await;
            model.nobody_waits_in_vain();
        }
        given += model.given;
    }
    assert!(given > 1_000, "only {given} tasks were given out");
}

/// What it costs to offer a task, to have it granted and to free its slot: `cargo test --lib -- --ignored the_cost --nocapture`.
#[tokio::test]
#[ignore = "it measures"]
async fn the_cost_of_a_task_by_the_number_of_agents() {
    for labels in [&[][..], &["gpu"]] {
        for agents in [1, 10, 100, 1_000] {
            let mut hall = hall().await;
            let ids: Vec<String> = (0..agents).map(|n| format!("agent-{n}")).collect();
            ids.iter().for_each(|id| hall.open(id, &["x"], &["gpu"]));
            let _seats: Vec<Seat> = ids.iter().map(|id| hall.sit(id)).collect();
            let tasks = if cfg!(debug_assertions) { 2_000 } else { 100_000 };
            let mut took = Duration::ZERO;
            for n in 0..tasks {
                let ready = Ready { requires: requires(labels), ..task((n % 60_000) as u16, "x") };
                let begun = tokio::time::Instant::now();
                hall.offer([ready]);
                took += begun.elapsed();
                let grant = hall.grants.recv().await.unwrap();
                let begun = tokio::time::Instant::now();
                drop(grant);
                took += begun.elapsed();
            }
            println!("{agents:>5} agents, requires {labels:?}: {:?} a task", took / tasks);
        }
    }
}

#[test]
fn a_task_that_is_handed_out_of_turn_is_told() {
    use crate::dispatch::order;
    use callboard_core::{Invariant, ReadyQueue};
    let task = TaskRef { run: RunId::new(Uuid::nil()), task: TaskIndex(0) };
    let (capability, requires) = ("work".into(), Requirements::default());
    let (token, priority) = (Token::FIRST, Priority::Low);
    let ready = Ready { task, token, capability, requires, priority, avoid: None, gate: None, share: None };
    let queue = ReadyQueue::<()>::default();
    assert_eq!(order::breach(&queue, &ready, None), None);
    assert_eq!(order::breach(&queue, &ready, Some(Priority::Low)), None);
    let breach = order::breach(&queue, &ready, Some(Priority::High)).unwrap();
    assert_eq!(breach.invariant, Invariant::PriorityOrder);
}
