//! The courier: brings tasks that are handed out to the queue of their agent.
//!
//! It is where an input becomes one text, large outputs fetched from the store, so that no partition waits for that.
//! What it can not deliver is offered again by the partition, which hears of no acceptance.

use super::backlog::Grant;
use crate::cluster::switchboard::desk_address;
use crate::journal::payload::{self, Payloads};
use crate::port::bus::{Bus, Envelope, QueueName};
use crate::supervise::Slot;
use crate::telemetry::Tracer;
use crate::telemetry::tracer::{Told, context, now};
use crate::{Error, ErrorKind, Result};
use bytes::Bytes;
use callboard_core::{Part, Payload, Ready, TraceParent};
use futures::future::BoxFuture;
use ractor::{Actor, ActorProcessingErr, ActorRef};
use std::sync::Arc;
use tokio::task::JoinSet;

/// A task on its way to an instance.
#[derive(Debug)]
pub(crate) struct Dispatch {
    /// The task, and the slot that waits for it: free again if the task is not delivered.
    pub(crate) grant: Grant,
    pub(crate) name: String,
    pub(crate) input: Vec<Part>,
    /// The span that has asked for it, if it is traced.
    pub(crate) trace: Option<TraceParent>,
    /// The partition that hands it out.
    pub(crate) partition: u16,
}

/// The type of a dispatch on the bus.
pub(crate) const DISPATCH: &str = "callboard.task.dispatch.v1";

/// A handle to the courier.
#[derive(Clone, Debug)]
pub(crate) struct Courier(Slot<Dispatch>);

impl Courier {
    pub(crate) fn new(slot: Slot<Dispatch>) -> Self {
        Self(slot)
    }

    /// Sends a dispatch on its way. If the courier is down it is lost, and offered again in time.
    pub(crate) fn send(&self, dispatch: Dispatch) {
        if let Some(courier) = self.0.current() {
            let _down = courier.cast(dispatch);
        }
    }
}

/// What the courier works with.
#[derive(Clone)]
pub(crate) struct Route {
    pub(crate) node: Arc<str>,
    /// The bus of this process, where the queues of its agents are.
    pub(crate) bus: Arc<dyn Bus>,
    /// The bus that the nodes share, if there is one.
    pub(crate) shared: Option<Arc<dyn Bus>>,
    pub(crate) payloads: Payloads,
    pub(crate) tracer: Tracer,
}

/// The type of the actor.
pub(crate) struct CourierActor;

/// The state of the actor.
pub(crate) struct Rounds {
    route: Route,
    /// Deliveries that wait for the store or the bus.
    slow: JoinSet<()>,
}

/// Slow deliveries under way at once; beyond, the courier itself waits.
const SLOW_MAX: usize = 64;

impl Actor for CourierActor {
    type Msg = Dispatch;
    type State = Rounds;
    type Arguments = Route;

    async fn pre_start(&self, _: ActorRef<Dispatch>, route: Route) -> Result<Rounds, ActorProcessingErr> {
        Ok(Rounds { route, slow: JoinSet::new() })
    }

    async fn handle(
        &self,
        _: ActorRef<Dispatch>,
        dispatch: Dispatch,
        rounds: &mut Rounds,
    ) -> Result<(), ActorProcessingErr> {
        while rounds.slow.try_join_next().is_some() {}
        if dispatch.input.iter().any(|part| matches!(part, Part::Value(Payload::Stored { .. }))) {
            if rounds.slow.len() >= SLOW_MAX {
                let _done = rounds.slow.join_next().await;
            }
            let route = rounds.route.clone();
            rounds.slow.spawn(async move { route.deliver(dispatch).await });
        } else {
            rounds.route.deliver(dispatch).await;
        }
        Ok(())
    }
}

impl Route {
    async fn deliver(&self, dispatch: Dispatch) {
        let (task, token) = (dispatch.grant.ready.task, dispatch.grant.ready.token);
        let (partition, trace) = (dispatch.partition, dispatch.trace);
        if let Err(error) = self.try_deliver(dispatch).await {
            let _of = context(task, token, partition, &self.node, trace).entered();
            tracing::warn!(%task, error, "the task could not be handed out yet");
        }
    }

    async fn try_deliver(&self, dispatch: Dispatch) -> Result<(), String> {
        let Dispatch { grant, name, input, trace, partition: _ } = dispatch;
        let Ready { task, token, capability, .. } = &grant.ready;
        let body = self.assemble(&input).await?;
        let (bus, queue) = match (&grant.desk.home, &self.shared) {
            (Some(home), Some(shared)) => (shared, QueueName::node(&home.node)),
            _ => (&self.bus, QueueName::agent_tasks(&grant.desk.agent)),
        };
        let queue = queue.map_err(|error| error.to_string())?;
        let id = format!("{task}.{token}");
        let envelope = Envelope::new(id, DISPATCH, &*self.node, body).with(|head| {
            head.subject = Some(name);
            head.task = Some(task.to_string());
            head.capability = Some(capability.clone());
            head.attempt = Some(token.attempt);
            head.activation = Some(token.activation);
            head.trace_parent = trace.map(|trace| trace.to_string());
            head.ticket = grant.ticket.as_ref().map(ToString::to_string);
            head.tenant = grant.tenant.as_deref().map(ToOwned::to_owned);
            head.to = grant.desk.home.as_ref().map(|home| desk_address(&grant.desk.agent, home.desk));
        });
        let hop = trace.filter(|trace| grant.desk.home.is_some() && trace.is_sampled());
        let hop = hop.map(|parent| (parent, queue.to_string(), envelope.head.clone(), now()));
        let published = bus.publish(&queue, envelope).await;
        if let Some((parent, queue, head, since)) = hop.filter(|_| published.is_ok()) {
            let (queue, message) = (&*queue, &*head.id);
            self.tracer.tell(&Told::Sent { task: *task, token: *token, parent, queue, message, since });
        }
        if grant.desk.home.is_some() && published.is_err() {
            grant.failed();
        }
        if published.is_ok() || grant.desk.home.is_some() {
            grant.used(); // a slot of a node that does not take the task is worth nothing to the next task either
        }
        published.map_err(|error| error.to_string())
    }

    /// The input as one JSON text.
    async fn assemble(&self, input: &[Part]) -> Result<Bytes, String> {
        let mut body = Vec::new();
        for part in input {
            match part {
                Part::Text(text) => body.extend_from_slice(text.as_bytes()),
                Part::Value(payload) => {
                    body.extend_from_slice(&fetch(&self.payloads, payload).await.map_err(|error| format!("{error:#}"))?)
                }
            }
        }
        Ok(body.into())
    }
}

/// The bytes of a payload, wherever it is.
///
/// # Errors
///
/// `Unavailable` if the store can not be read, `Corrupt` if what it holds is not what was stored or is gone.
pub(crate) fn fetch<'a>(payloads: &'a Payloads, payload: &'a Payload) -> BoxFuture<'a, Result<Bytes>> {
    Box::pin(async move {
        match payload {
            Payload::Json(json) => Ok(Bytes::copy_from_slice(json.as_str().as_bytes())),
            Payload::Stored { hash, .. } => {
                let corrupt = || Error::new(ErrorKind::Corrupt, format!("not the hash of a payload: {hash:?}"));
                let digest = hash.parse().map_err(|_| corrupt())?;
                payloads.get(digest).await.map_err(|error| {
                    let kind = match &error {
                        payload::Error::Corrupt(_) | payload::Error::Missing { .. } => ErrorKind::Corrupt,
                        payload::Error::Refused { .. } | payload::Error::Unknown { .. } => ErrorKind::Unavailable,
                    };
                    Error::new(kind, "a stored payload can not be read").caused_by(&error)
                })
            }
        }
    })
}
