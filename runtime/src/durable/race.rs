//! Races: the first of several durable calls wins, and the others are taken back.

#[cfg(test)]
mod tests;

use super::calls::Calls;
use crate::Ctx;
use std::future::{IntoFuture, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

/// Which of two came first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Either<A, B> {
    /// The first of the two.
    First(A),
    /// The second of the two.
    Second(B),
}

impl Ctx {
    /// Waits for whichever of two comes first, and takes the other back: its children are cancelled, its waits withdrawn.
    ///
    /// First is what was recorded first, so it is the same when the handler begins again. Dropping a durable call otherwise
    /// cancels nothing.
    pub fn race<A: IntoFuture, B: IntoFuture>(
        &self,
        first: A,
        second: B,
    ) -> impl Future<Output = Either<A::Output, B::Output>> + use<A, B>
    where
        A::Output: Unpin,
        B::Output: Unpin,
    {
        of_two(self.calls().clone(), first.into_future(), second.into_future())
    }

    /// Waits for whichever of many comes first, tells its number, and takes the others back, as [`race`](Self::race).
    /// Of none it waits for ever.
    pub fn race_all<F: Future, I: IntoIterator<Item = F>>(
        &self,
        futures: I,
    ) -> impl Future<Output = (usize, F::Output)> + use<F, I> {
        of_many(self.calls().clone(), futures.into_iter().collect())
    }
}

async fn of_two<A: Future, B: Future>(calls: Arc<Calls>, first: A, second: B) -> Either<A::Output, B::Output> {
    let (mut first, mut second) = (Lane::new(first), Lane::new(second));
    let won = poll_fn(|cx| {
        let (one, moment) = match first.poll(&calls, cx) {
            Poll::Ready(ended) => ended,
            Poll::Pending => return second.poll(&calls, cx).map(|(other, _)| Either::Second(other)),
        };
        match second.peek(&calls, cx) {
            Poll::Ready((other, earlier)) if earlier < moment => Poll::Ready(Either::Second(other)),
            _ => Poll::Ready(Either::First(one)),
        }
    })
    .await;
    calls.withdrawing((first, second));
    won
}

async fn of_many<F: Future>(calls: Arc<Calls>, futures: Vec<F>) -> (usize, F::Output) {
    let mut lanes: Vec<_> = futures.into_iter().map(Lane::new).collect();
    let won = poll_fn(|cx| {
        let mut best: Option<(usize, F::Output, u64)> = None;
        for (n, lane) in lanes.iter_mut().enumerate() {
            let polled = match best {
                None => lane.poll(&calls, cx),
                Some(_) => lane.peek(&calls, cx),
            };
            if let Poll::Ready((output, moment)) = polled
                && best.as_ref().is_none_or(|(_, _, earliest)| moment < *earliest)
            {
                best = Some((n, output, moment));
            }
        }
        best.map_or(Poll::Pending, |(n, output, _)| Poll::Ready((n, output)))
    })
    .await;
    calls.withdrawing(lanes);
    won
}

/// One that races. When several have what they wait for, because all of it was recorded before the handler came so far,
/// the first is the one that had it first.
struct Lane<F> {
    future: Pin<Box<F>>,
    /// The number of the last outcome that it was given.
    moment: u64,
}

impl<F: Future> Lane<F> {
    fn new(future: F) -> Self {
        Self { future: Box::pin(future), moment: 0 }
    }

    /// Polls it; tells what it comes to, and when it had all that it needed for that.
    fn poll(&mut self, calls: &Calls, cx: &mut Context<'_>) -> Poll<(F::Output, u64)> {
        let (polled, moment) = calls.consuming(|| self.future.as_mut().poll(cx));
        self.moment = self.moment.max(moment);
        polled.map(|output| (output, self.moment))
    }

    /// The same for one that has lost unless it has ended already: it begins nothing.
    fn peek(&mut self, calls: &Calls, cx: &mut Context<'_>) -> Poll<(F::Output, u64)> {
        let (polled, moment) = calls.peeking(|| self.future.as_mut().poll(cx));
        self.moment = self.moment.max(moment);
        polled.map(|output| (output, self.moment))
    }
}
