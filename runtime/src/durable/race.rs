//! Races: the first of several durable calls wins, and the others are taken back.

use crate::Ctx;
use std::future::{IntoFuture, poll_fn};
use std::pin::pin;
use std::task::Poll;

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
    /// Dropping a durable call otherwise cancels nothing.
    pub fn race<A: IntoFuture, B: IntoFuture>(
        &self,
        first: A,
        second: B,
    ) -> impl Future<Output = Either<A::Output, B::Output>> + use<A, B>
    where
        A::Output: Unpin,
        B::Output: Unpin,
    {
        let calls = self.calls().clone();
        let (first, second) = (first.into_future(), second.into_future());
        async move {
            let (mut first, mut second) = (Box::pin(first), Box::pin(second));
            let won = poll_fn(|cx| {
                if let Poll::Ready(output) = first.as_mut().poll(cx) {
                    return Poll::Ready(Either::First(output));
                }
                second.as_mut().poll(cx).map(Either::Second)
            })
            .await;
            calls.withdrawing((first, second));
            won
        }
    }

    /// Waits for whichever of many comes first, tells its number, and takes the others back, as [`race`](Self::race).
    /// Of none it waits for ever.
    pub fn race_all<F: Future, I: IntoIterator<Item = F>>(
        &self,
        futures: I,
    ) -> impl Future<Output = (usize, F::Output)> + use<F, I> {
        let calls = self.calls().clone();
        let mut futures: Vec<_> = futures.into_iter().map(Box::pin).collect();
        async move {
            let mut race = pin!(poll_fn(|cx| {
                for (n, future) in futures.iter_mut().enumerate() {
                    if let Poll::Ready(output) = future.as_mut().poll(cx) {
                        return Poll::Ready((n, output));
                    }
                }
                Poll::Pending
            }));
            let won = race.as_mut().await;
            calls.withdrawing(futures);
            won
        }
    }
}
