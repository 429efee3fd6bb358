//! The handling of a few messages by an agent, between tasks.

use super::inbox::Received;
use super::place::Place;
use super::{Message, MessageCtx, Reply, TURN_MAX};
use crate::Result;
use crate::closing_time::ClosingTime;
use futures::FutureExt;
use futures::future::BoxFuture;
use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

/// An agent of some type, as the receiver of messages.
pub(crate) trait Listen: Send {
    /// Handles one message. Nothing may panic before the future is polled.
    fn listen<'a>(&'a mut self, ctx: &'a MessageCtx, message: &'a Message) -> BoxFuture<'a, Result<Reply>>;
}

/// How a turn ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    /// No more messages wait, or so many were handled that it is time to look for a task.
    Over,
    /// A handler panicked: the agent is not to be used any more. The rest of the inbox is untouched.
    Panicked,
    /// The node closes: no more messages are to be handled.
    Closing,
}

/// Handles the messages that wait, up to [`TURN_MAX`].
pub(crate) async fn take_turn(
    agent: &mut dyn Listen,
    ctx: &MessageCtx,
    place: &Arc<Place>,
    closing: &ClosingTime,
) -> Turn {
    let (_busy, mut inbox) = (place.busy(), place.inbox());
    for _ in 0..TURN_MAX {
        if closing.has_begun() {
            return Turn::Closing;
        }
        let Some(received) = inbox.try_next() else { return Turn::Over };
        match handle(agent, ctx, received, closing).await {
            Turn::Over => tokio::task::coop::consume_budget().await, // short turns add up
            ended => return ended,
        }
    }
    // More may wait. Whoever brings the next task needs a turn of the thread, too.
    tokio::task::yield_now().await;
    Turn::Over
}

async fn handle(agent: &mut dyn Listen, ctx: &MessageCtx, received: Received, closing: &ClosingTime) -> Turn {
    let handled = tokio::select! {
        biased;
        handled = AssertUnwindSafe(agent.listen(ctx, received.message())).catch_unwind() => Some(handled),
        () = closing.handlers_are_over() => None,
    };
    match handled {
        Some(Ok(outcome)) => {
            received.settle(outcome);
            Turn::Over
        }
        Some(Err(panic)) => {
            received.panicked(&panic_text(&*panic));
            Turn::Panicked
        }
        None => {
            received.cut_short();
            Turn::Closing
        }
    }
}

fn panic_text(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "no message".to_owned())
}
