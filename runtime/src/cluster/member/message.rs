//! What is said to a member.

use super::super::view::Beat;
use crate::supervise::{Failure, Slot};
use std::collections::BTreeSet;
use std::sync::Arc;
use tokio::sync::oneshot;

/// A handle to the member of a node.
#[derive(Clone, Debug)]
pub(crate) struct Member(pub(super) Slot<Message>);

/// What is said to a member.
#[derive(Debug)]
pub(crate) enum Message {
    /// Time has passed.
    Beat,
    /// Somebody was heard of over the bus.
    Heard(Beat),
    /// What the directory says.
    Listed(Result<(Vec<Beat>, BTreeSet<u16>), String>),
    /// A message of our own has come round.
    CameRound,
    /// A message to a node was delivered.
    Reached(Arc<str>),
    /// A message to a node found no queue.
    Unreachable(Arc<str>),
    /// Another node could not reach this one.
    Suspected(Arc<str>),
    /// A node does not have the partition that it was taken to have.
    NotThere(Arc<str>, u16),
    /// A partition may be claimed, as far as the directory knows, or is being claimed by somebody else.
    Leased(u16, Option<Arc<str>>),
    /// A tenure of this node has begun.
    Began { partition: u16, epoch: u64 },
    /// A claim has come to nothing, or a tenure was cut short.
    Failed { partition: u16, failure: Option<Failure> },
    /// Every tenure of this node was cut short, and every claim: their supervisor has ended.
    AllEnded,
    /// A tenure has ended as it was asked to.
    Released(u16),
    /// Something may be due that was put off.
    Look,
    /// Whether the store answers, after it had not.
    StoreAnswers(Result<(), String>),
    /// The node stops.
    Closing,
    /// Who lives, this node first, and who owns what.
    Ask(oneshot::Sender<Vec<Beat>>),
}

impl Member {
    fn say(&self, message: Message) {
        if let Some(actor) = self.0.current() {
            let _down = actor.cast(message);
        }
    }

    pub(in crate::cluster) fn heard(&self, beat: Beat) {
        self.say(Message::Heard(beat));
    }

    pub(in crate::cluster) fn came_round(&self) {
        self.say(Message::CameRound);
    }

    pub(in crate::cluster) fn reached(&self, node: Arc<str>) {
        self.say(Message::Reached(node));
    }

    pub(in crate::cluster) fn unreachable(&self, node: Arc<str>) {
        self.say(Message::Unreachable(node));
    }

    pub(in crate::cluster) fn suspect(&self, node: Arc<str>) {
        self.say(Message::Suspected(node));
    }

    pub(in crate::cluster) fn not_there(&self, node: Arc<str>, partition: u16) {
        self.say(Message::NotThere(node, partition));
    }

    /// Waits until it hears what is said to it, or will not any more: it may run before its handle finds it.
    pub(crate) async fn is_up(&self) {
        let _gone = self.0.wait().await;
    }

    /// A tenure of this node has begun.
    pub(crate) fn began(&self, partition: u16, epoch: u64) {
        self.say(Message::Began { partition, epoch });
    }

    /// A claim has come to nothing, or a tenure was cut short.
    pub(crate) fn failed(&self, partition: u16, failure: Option<Failure>) {
        self.say(Message::Failed { partition, failure });
    }

    /// Every tenure of this node was cut short, and every claim.
    pub(crate) fn all_ended(&self) {
        self.say(Message::AllEnded);
    }

    /// Who lives, and who owns what; `None` when the node has ended, or the member ends before it answers.
    pub(crate) async fn known(&self) -> Option<Vec<Beat>> {
        let (reply, answer) = oneshot::channel();
        let _down = self.0.wait().await.ok()?.cast(Message::Ask(reply));
        answer.await.ok()
    }
}
