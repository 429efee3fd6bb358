//! Which nodes have which agents, as the directory says, or else the nodes themselves.

use super::address::Address;
use super::post::call;
use super::wire::{Outcome, Request};
use crate::cluster::{Member, Switchboard};
use crate::registry::Registry;
use futures::FutureExt;
use futures::future::{BoxFuture, Shared, WeakShared, join_all};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::{Instant, timeout};

/// How long it is believed what was heard, and that the directory does not answer.
const FRESH: Duration = Duration::from_secs(1);
/// How long the directory is given to answer: there are other ways, and messages wait.
const LIST_MAX: Duration = Duration::from_millis(500);
/// How long the nodes are given to say which agents they have.
const ROUND_MAX: Duration = Duration::from_secs(1);

/// Where the agents of other nodes are; cheap to clone.
///
/// It is soft: a node that does not have an agent says so, and one that is gone takes no message.
#[derive(Clone)]
pub(super) struct Whereabouts(Arc<Inner>);

struct Inner {
    node: Arc<str>,
    registry: Registry,
    member: Member,
    switchboard: Switchboard,
    cache: Mutex<Cache>,
}

#[derive(Default)]
struct Cache {
    known: Arc<Known>,
    /// When it was heard.
    heard: Option<Instant>,
    /// When the directory last did not answer.
    deaf: Option<Instant>,
    /// Looks that are under way: whoever wants one meanwhile waits for the same.
    listing: Option<Looking>,
    round: Option<Looking>,
}

/// A look that is under way, for as long as anybody waits for it. `None` if the directory does not answer.
type Look = Shared<BoxFuture<'static, Option<Arc<Known>>>>;
type Looking = WeakShared<BoxFuture<'static, Option<Arc<Known>>>>;

/// The agents of other nodes.
#[derive(Default)]
pub(super) struct Known(BTreeMap<Arc<str>, Hosts>);

/// The nodes that have an agent.
#[derive(Debug, Default)]
struct Hosts {
    /// Those that live, as far as is known.
    living: Vec<Arc<str>>,
    /// The others: dead, or not heard of yet.
    others: Vec<Arc<str>>,
    turn: AtomicUsize,
}

/// How good what is known must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Need {
    /// A second old at most, if it knows the agent.
    Recent,
    /// New: what was known did not lead to the agent.
    New,
}

impl Whereabouts {
    pub(super) fn new(node: Arc<str>, registry: Registry, member: Member, switchboard: Switchboard) -> Self {
        Self(Arc::new(Inner { node, registry, member, switchboard, cache: Mutex::default() }))
    }

    /// The names of the other nodes that live.
    pub(super) async fn others(&self) -> Vec<Arc<str>> {
        let known = self.0.member.known().await.unwrap_or_default();
        known.into_iter().map(|beat| beat.node).filter(|node| *node != self.0.node).collect()
    }

    /// What is known, in view of an agent that is wanted.
    pub(super) async fn of(&self, address: &Address<'_>, need: Need) -> Arc<Known> {
        let (known, is_fresh, is_deaf) = {
            let cache = self.lock();
            let within = |at: Option<Instant>| at.is_some_and(|at| at.elapsed() < FRESH);
            (cache.known.clone(), within(cache.heard), within(cache.deaf))
        };
        let knows = need == Need::Recent && known.0.contains_key(address.agent);
        if knows && (is_fresh || is_deaf) {
            return known;
        }
        if !is_deaf && let Some(listed) = self.look(|cache| &mut cache.listing, Self::list).await {
            return listed;
        }
        if knows {
            return known; // the directory is away
        }
        self.look(|cache| &mut cache.round, Self::ask_all).await.unwrap_or(known)
    }

    /// Joins a look that is under way, or begins one.
    fn look<F>(&self, of: impl Fn(&mut Cache) -> &mut Option<Looking>, begin: impl FnOnce(Self) -> F) -> Look
    where
        F: Future<Output = Option<Arc<Known>>> + Send + 'static,
    {
        let mut cache = self.lock();
        let looking = of(&mut cache);
        if let Some(look) = looking.as_ref().and_then(WeakShared::upgrade).filter(|look| look.peek().is_none()) {
            return look;
        }
        let look = begin(self.clone()).boxed().shared();
        *looking = look.downgrade();
        look
    }

    /// Reads the directory.
    async fn list(self) -> Option<Arc<Known>> {
        let (listed, living) = futures::join!(timeout(LIST_MAX, self.0.registry.others_now()), self.others());
        let Ok(Ok(listed)) = listed else {
            tracing::debug!("the directory does not say where the agents of other nodes are");
            self.lock().deaf = Some(Instant::now());
            return None;
        };
        let living = living.into_iter().collect();
        let mut known = Known::default();
        listed.into_iter().for_each(|agent| known.add(agent.id, agent.node, &living));
        Some(self.learn(known))
    }

    /// Asks every node that lives. Of one that does not answer in time holds what was known of it.
    async fn ask_all(self) -> Option<Arc<Known>> {
        let nodes = self.others().await;
        let until = Instant::now() + ROUND_MAX;
        let answers = join_all(nodes.iter().map(|node| async {
            match call(&self.0.switchboard, node, &Request::Agents, Some(until)).await {
                Ok(Outcome::Agents(agents)) => Some((node.clone(), agents)),
                Ok(_) | Err(_) => None,
            }
        }));
        let heard: BTreeMap<Arc<str>, Vec<Arc<str>>> = answers.await.into_iter().flatten().collect();
        let living = nodes.into_iter().collect();
        let before = self.lock().known.clone();
        let mut known = Known::default();
        for (agent, node) in before.all().filter(|(_, node)| !heard.contains_key(*node)) {
            known.add(agent.clone(), node.clone(), &living);
        }
        for (node, agents) in heard {
            agents.into_iter().for_each(|agent| known.add(agent, node.clone(), &living));
        }
        Some(self.learn(known))
    }

    fn learn(&self, known: Known) -> Arc<Known> {
        let mut cache = self.lock();
        for (agent, hosts) in &known.0 {
            let before = cache.known.0.get(agent).map_or(0, |hosts| hosts.turn.load(Ordering::Relaxed));
            hosts.turn.store(before, Ordering::Relaxed);
        }
        cache.known = Arc::new(known);
        cache.heard = Some(Instant::now());
        cache.known.clone()
    }

    fn lock(&self) -> MutexGuard<'_, Cache> {
        self.0.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    fn add(&mut self, agent: Arc<str>, node: Arc<str>, living: &BTreeSet<Arc<str>>) {
        let hosts = self.0.entry(agent).or_default();
        if living.contains(&node) { hosts.living.push(node) } else { hosts.others.push(node) }
    }

    fn all(&self) -> impl Iterator<Item = (&Arc<str>, &Arc<str>)> {
        self.0.iter().flat_map(|(agent, hosts)| hosts.living.iter().chain(&hosts.others).map(move |node| (agent, node)))
    }

    /// The ids of all agents.
    pub(super) fn agents(&self) -> Vec<Arc<str>> {
        self.0.keys().cloned().collect()
    }

    /// The nodes that have an agent, in the order in which they are to be tried: those that live take turns.
    pub(super) fn in_turn(&self, agent: &str) -> Vec<Arc<str>> {
        let Some(hosts) = self.0.get(agent) else { return Vec::new() };
        let mut nodes = hosts.living.clone();
        let turn = hosts.turn.fetch_add(1, Ordering::Relaxed);
        if !nodes.is_empty() {
            let by = turn % nodes.len();
            nodes.rotate_left(by);
        }
        nodes.extend(hosts.others.iter().cloned());
        nodes
    }
}

impl fmt::Debug for Whereabouts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Whereabouts").field("node", &self.0.node).finish_non_exhaustive()
    }
}
