//! A handler and the waker by which it is polled.

use super::driver::{Driven, Handler};
use super::root::Root;
use std::task::{Context, Poll};
use tokio::time::Instant;

/// A handler that is polled by somebody.
pub(super) struct Polled<'a> {
    handler: Handler<'a>,
    pub(super) root: Root,
    /// Since when it has been at rest.
    pub(super) rests_since: Instant,
}

/// Polls in a row before others have their turn.
const POLLS_IN_A_ROW: usize = 64;

impl<'a> Polled<'a> {
    pub(super) fn new(handler: Handler<'a>) -> Self {
        Self { handler, root: Root::new(), rests_since: Instant::now() }
    }

    /// Polls the handler until it waits for something; its end, if it has come.
    pub(super) async fn rest(&mut self) -> Option<Driven> {
        let mut polls = 0;
        while self.root.take_woken() {
            match self.handler.as_mut().poll(&mut Context::from_waker(self.root.waker())) {
                Poll::Ready(Ok(result)) => return Some(Driven::Done(result)),
                Poll::Ready(Err(panic)) => return Some(Driven::Panicked(panic)),
                Poll::Pending => self.rests_since = Instant::now(),
            }
            polls += 1;
            if polls % POLLS_IN_A_ROW == 0 {
                tokio::task::yield_now().await;
            }
        }
        None
    }
}
