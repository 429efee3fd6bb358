//! The actor: keeps the directory informed.

use super::profile::{AgentInfo, AgentState};
use crate::dispatch::backlog::Backlog;
use crate::port::directory::{Directory, Error, check_names};
use crate::supervise::{ChildSpec, OnGiveUp, Policy, Slot};
use crate::{Error as PublicError, ErrorKind, Result};
use bytes::Bytes;
use futures::StreamExt;
use futures::future::BoxFuture;
use ractor::{Actor, ActorProcessingErr, ActorRef, MessagingErr};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};

/// How long the directory is given to hear of everything, or to answer. It is soft, so nothing waits longer for it.
const ANSWER_MAX: Duration = Duration::from_secs(2);
/// Registrations that are told at once.
const TOLD_AT_ONCE: usize = 32;

/// The kind of a registration by agent.
const AGENT: &str = "agent";

/// The kind of a registration by capability.
pub(super) fn capability_kind(capability: &str) -> String {
    format!("capability:{capability}")
}

/// What the registry works with.
#[derive(Clone)]
pub(crate) struct Surroundings {
    pub(crate) node: Arc<str>,
    pub(crate) directory: Arc<dyn Directory>,
    pub(crate) backlog: Arc<Backlog>,
    /// How often a registration is renewed.
    pub(crate) heartbeat: Duration,
    /// How long a registration lives without that.
    pub(crate) life: Duration,
}

/// A handle to the registry.
#[derive(Clone)]
pub(crate) struct Registry {
    pub(super) around: Surroundings,
    slot: Slot<Message>,
    /// What the directory has said of agents of other nodes, by kind, and when.
    heard: Arc<Mutex<BTreeMap<String, Heard>>>,
}

/// Agents of other nodes, as the directory has listed them.
#[derive(Clone)]
struct Heard {
    at: Instant,
    agents: Arc<[AgentInfo]>,
}

/// What is said to the registry.
#[derive(Debug)]
pub(crate) enum Message {
    /// The agents of this process have changed: tell the directory now, and answer then.
    Publish(oneshot::Sender<Result<(), Error>>),
    /// Time has passed.
    Heartbeat,
}

/// The registry as a child of its node, and a handle to it.
pub(crate) fn registry(around: Surroundings) -> (ChildSpec, Registry) {
    let policy = Policy { on_give_up: OnGiveUp::StopTree, ..Policy::default() };
    let given = around.clone();
    let (spec, slot) = ChildSpec::actor("registry", policy, move || (RegistryActor, given.clone()));
    (spec, Registry { around, slot, heard: Arc::default() })
}

impl Registry {
    /// Tells the directory what has changed. That it did not hear is no fault of the change, which holds for this
    /// process: it hears with the next heartbeat.
    pub(crate) async fn publish(&self) {
        let Some(actor) = self.slot.current() else { return };
        let (reply, answer) = oneshot::channel();
        drop(actor.cast(Message::Publish(reply)));
        // Others may be before it, each of whom may wait for as long.
        if let Ok(Err(error)) = timeout(ANSWER_MAX, answer).await.unwrap_or(Ok(Err(silent()))) {
            tracing::warn!(%error, "the directory has not heard of a change of agents; it is told again");
        }
    }

    /// Every agent that is known, or those that offer `capability`, and that are `wanted`, in no order. What other nodes have
    /// said may have been read a tenth of a heartbeat ago: it is as old as a heartbeat anyhow.
    pub(crate) async fn list(
        &self,
        capability: Option<&str>,
        wanted: impl Fn(&AgentInfo) -> bool,
    ) -> Result<Vec<AgentInfo>> {
        let others = self.others(capability).await?;
        let mut known: Vec<AgentInfo> = others.iter().filter(|info| wanted(info)).cloned().collect();
        for state in self.around.backlog.agents() {
            let info = info(&self.around.node, state);
            if capability.is_none_or(|capability| info.capability(capability).is_some()) && wanted(&info) {
                known.push(info);
            }
        }
        Ok(known)
    }

    /// Every agent of other nodes, as the directory lists them now.
    pub(crate) async fn others_now(&self) -> Result<Vec<AgentInfo>> {
        self.listed(AGENT).await
    }

    /// The agents of other nodes: those that were listed a moment ago, or those that the directory lists now.
    async fn others(&self, capability: Option<&str>) -> Result<Arc<[AgentInfo]>> {
        let kind = capability.map_or_else(|| AGENT.to_owned(), capability_kind);
        let is_fresh = |heard: &Heard| heard.at.elapsed() < self.around.heartbeat / 10;
        if let Some(heard) = self.heard().get(&kind).filter(|heard| is_fresh(heard)) {
            return Ok(heard.agents.clone());
        }
        let at = Instant::now();
        let agents: Arc<[AgentInfo]> = self.listed(&kind).await?.into();
        let mut heard = self.heard();
        heard.retain(|_, heard| is_fresh(heard));
        heard.insert(kind, Heard { at, agents: agents.clone() });
        Ok(agents)
    }

    fn heard(&self) -> MutexGuard<'_, BTreeMap<String, Heard>> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The agents of other nodes, as the directory lists them now.
    async fn listed(&self, kind: &str) -> Result<Vec<AgentInfo>> {
        let listed = timeout(ANSWER_MAX, self.around.directory.list(kind)).await.unwrap_or_else(|_| Err(silent()));
        // A directory that is away refuses, too.
        let kind_of_fault = if check_names(&[kind]).is_ok() { ErrorKind::Unavailable } else { ErrorKind::Invalid };
        let entries =
            listed.map_err(|error| PublicError::new(kind_of_fault, "the directory can not be read").because(error))?;
        let mut agents = Vec::new();
        for entry in entries {
            match serde_json::from_slice::<AgentInfo>(&entry.value) {
                Ok(info) if info.node != self.around.node => agents.push(info),
                Ok(_) => {} // this process is known better by its desks
                Err(error) => {
                    tracing::warn!(id = entry.id, %error, "a registration can not be read and is passed over")
                }
            }
        }
        Ok(agents)
    }
}

fn silent() -> Error {
    Error::Unclear { reason: format!("no answer within {ANSWER_MAX:?}") }
}

fn info(node: &Arc<str>, state: AgentState) -> AgentInfo {
    let AgentState { profile, capabilities, status, instances, running, health, breaker, trouble } = state;
    AgentInfo {
        id: profile.id.clone(),
        kind: profile.kind.clone(),
        node: node.clone(),
        description: profile.description.clone(),
        version: profile.version.clone(),
        capabilities,
        traits: profile.traits.clone(),
        status,
        instances,
        running,
        health,
        breaker,
        trouble,
    }
}

/// The type of the actor.
struct RegistryActor;

/// The state of the actor.
struct Told {
    around: Surroundings,
    /// What the directory may know, by kind and id.
    known: BTreeSet<(String, String)>,
    /// When it was last told.
    told_at: Instant,
    /// Tells when the next heartbeat is due. It begins when the last one is done, so that none pile up.
    ticker: JoinHandle<Result<(), MessagingErr<Message>>>,
}

impl Actor for RegistryActor {
    type Msg = Message;
    type State = Told;
    type Arguments = Surroundings;

    async fn pre_start(&self, myself: ActorRef<Message>, around: Surroundings) -> Result<Told, ActorProcessingErr> {
        let ticker = myself.send_after(around.heartbeat, || Message::Heartbeat);
        let mut told = Told { around, known: BTreeSet::new(), told_at: Instant::now(), ticker };
        if let Err(error) = told.publish().await {
            tracing::warn!(%error, "the directory has not heard of the agents yet; it is told again");
        }
        Ok(told)
    }

    async fn handle(
        &self,
        myself: ActorRef<Message>,
        message: Message,
        told: &mut Told,
    ) -> Result<(), ActorProcessingErr> {
        match message {
            Message::Publish(reply) => drop(reply.send(told.publish().await)),
            Message::Heartbeat => {
                // Somebody may have had it told while the heartbeat was under way.
                if told.told_at.elapsed() >= told.around.heartbeat / 2
                    && let Err(error) = told.publish().await
                {
                    tracing::warn!(%error, "the directory did not hear of the agents; it is told again");
                }
                told.ticker = myself.send_after(told.around.heartbeat, || Message::Heartbeat);
            }
        }
        Ok(())
    }

    async fn post_stop(&self, _: ActorRef<Message>, told: &mut Told) -> Result<(), ActorProcessingErr> {
        told.ticker.abort();
        let _aborted = (&mut told.ticker).await;
        // What is not removed expires.
        let known = std::mem::take(&mut told.known);
        let mut removals = Vec::new();
        known.iter().for_each(|(kind, id)| removals.push(told.around.directory.remove(kind, id)));
        let _expires = timeout(ANSWER_MAX, at_once(removals)).await;
        Ok(())
    }
}

impl Told {
    /// Registers every agent of this process, and removes what is no more; waits for a while at most.
    ///
    /// # Errors
    ///
    /// The first of them: one that can not be told keeps nobody else from being told.
    async fn publish(&mut self) -> Result<(), Error> {
        let result = timeout(ANSWER_MAX, self.tell()).await.unwrap_or_else(|_| Err(silent()));
        self.told_at = Instant::now();
        result
    }

    async fn tell(&mut self) -> Result<(), Error> {
        let Surroundings { node, directory, backlog, life, .. } = &self.around;
        let mut kinds: BTreeMap<String, Vec<(String, Bytes)>> = BTreeMap::new();
        for state in backlog.agents() {
            let info = info(node, state);
            let value: Bytes = serde_json::to_vec(&info)
                .map_err(|error| Error::Refused { reason: format!("{} has no JSON form: {error}", info.id) })?
                .into();
            let id = format!("{}:{node}", info.id);
            let offers = info.capabilities.iter().map(|capability| capability_kind(&capability.name));
            for kind in offers.chain([AGENT.to_owned()]) {
                kinds.entry(kind).or_default().push((id.clone(), value.clone()));
            }
        }
        let of_kind = |(kind, entries): (&String, &Vec<(String, Bytes)>)| -> Vec<(String, String)> {
            entries.iter().map(|(id, _)| (kind.clone(), id.clone())).collect()
        };
        let told: BTreeSet<(String, String)> = kinds.iter().flat_map(of_kind).collect();
        let gone: Vec<_> = self.known.difference(&told).cloned().collect();
        // Noted before it is told: what becomes of a put that is not answered is unknown.
        self.known.extend(told.iter().cloned());
        let puts = kinds.iter().map(|(kind, entries)| directory.put_all(kind, entries, *life)).collect();
        let removals = gone.iter().map(|(kind, id)| directory.remove(kind, id)).collect();
        let (put, removed) = (at_once(puts).await, at_once(removals).await);
        if removed.is_ok() {
            self.known = told;
        }
        put.and(removed)
    }
}

/// Does all of it, many at once, and fails with the first error.
async fn at_once(all: Vec<BoxFuture<'_, Result<(), Error>>>) -> Result<(), Error> {
    futures::stream::iter(all)
        .buffer_unordered(TOLD_AT_ONCE)
        .fold(Ok(()), |all, one| std::future::ready(all.and(one)))
        .await
}
