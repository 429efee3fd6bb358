//! The way to whoever owns a partition: an actor of this process, or another node.

use super::door::Door;
use super::message::Message;
use crate::cluster::{Route, Switchboard};
use crate::supervise::Gone;
use ractor::ActorRef;
use std::sync::Arc;

/// How a partition is reached that another node owns.
#[derive(Clone)]
pub(crate) struct Elsewhere {
    pub(crate) number: u16,
    pub(crate) route: Route,
    pub(crate) switchboard: Switchboard,
}

/// The way to the owner of a partition, at one moment.
#[derive(Clone)]
pub(crate) enum Way {
    /// It is here.
    Here(ActorRef<Message>),
    /// It is at this node.
    There(Arc<str>, u16, Switchboard),
}

impl Way {
    /// Sends a message. If it comes to nothing, whoever waits for the answer is told by the end of the way back.
    pub(crate) fn send(&self, message: Message) {
        match self {
            Self::Here(actor) => drop(actor.cast(message)),
            Self::There(node, partition, switchboard) => switchboard.call(node, *partition, message),
        }
    }
}

/// The way to the owner, as far as it is known.
pub(super) fn current(door: &Door, elsewhere: Option<&Elsewhere>) -> Option<Way> {
    if let Some(actor) = door.slot.current() {
        return Some(Way::Here(actor));
    }
    let Elsewhere { number, route, switchboard } = elsewhere?;
    let node = route.borrow().clone()?;
    Some(Way::There(node, *number, switchboard.clone()))
}

/// Waits until an owner is known. Cancel-safe.
///
/// # Errors
/// [`Gone`] when there will be none: the partition was given up, or the node has ended.
pub(super) async fn wait(door: &Door, elsewhere: Option<&Elsewhere>) -> Result<Way, Gone> {
    let Some(Elsewhere { number, route, switchboard }) = elsewhere else {
        return door.slot.wait().await.map(Way::Here);
    };
    let mut route = route.clone();
    tokio::select! {
        biased;
        here = door.slot.wait() => here.map(Way::Here),
        there = route.wait_for(Option::is_some) => match there {
            Ok(node) => node.clone().map(|node| Way::There(node, *number, switchboard.clone())).ok_or(Gone),
            Err(_closed) => Err(Gone),
        },
    }
}
