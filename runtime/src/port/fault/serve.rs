//! One operation of a port, and how it is spoiled.

use futures::FutureExt;
use futures::future::BoxFuture;

use super::{Drawn, Fault, Faults, Kind, Up, Waiting, pause};

/// One operation of a port as the caller wants it.
pub(crate) struct Call<'a, O, T, E> {
    pub(crate) operation: O,
    pub(crate) name: &'a str,
    /// What is answered when nothing has been done.
    pub(crate) as_if: T,
    /// Nothing happens before it is polled.
    pub(crate) effect: BoxFuture<'static, Result<T, E>>,
    /// The same effect once more, where the operation can be duplicated.
    pub(crate) again: Option<BoxFuture<'static, Result<T, E>>>,
}

/// Errors that say that there is no answer.
pub(crate) trait Unanswered: Send + 'static {
    /// Nothing was done and nothing will be.
    fn refused(reason: String) -> Self;

    /// The operation may or may not have taken effect.
    fn unclear(reason: String) -> Self;
}

impl<O: Kind> Faults<O> {
    /// Turns an operation away that came while the connection was cut.
    pub(crate) fn turn_away<T, E: Unanswered>(&self, operation: O, name: &str) -> Result<T, E> {
        self.count(Fault::Cut, 1);
        Err(E::refused(format!("the connection is cut ({operation:?} {name})")))
    }

    /// Does what was drawn for an operation that began on the connection `up`.
    pub(crate) async fn serve<T: Send + 'static, E: Unanswered>(
        &self,
        up: &Up,
        drawn: Drawn<Fault>,
        call: Call<'_, O, T, E>,
    ) -> Result<T, E> {
        let (operation, name) = (call.operation, call.name);
        self.held_back().release_due(drawn.number).await;
        let work = async {
            pause(drawn.request_delay).await;
            let answer = self.spoil(&drawn, call).await;
            pause(drawn.answer_delay).await;
            answer
        };
        let answer = up.guard(work).await.unwrap_or_else(|| {
            self.count(Fault::Cut, 1);
            Err(E::unclear(format!("the connection was cut ({operation:?} {name})")))
        });
        if drawn.fault != Fault::Reorder {
            self.held_back().release_overtaken(operation, name).await;
        }
        answer
    }

    async fn spoil<T: Send + 'static, E: Unanswered>(
        &self,
        drawn: &Drawn<Fault>,
        call: Call<'_, O, T, E>,
    ) -> Result<T, E> {
        let Call { operation, name, as_if, effect, again } = call;
        let unclear = |what: &str| Err(E::unclear(format!("{what} ({operation:?} {name})")));
        match drawn.fault {
            // By now a cut has ended this operation, and a wipe is over.
            Fault::Pass | Fault::Cut | Fault::Wipe => effect.await,
            Fault::Refuse => Err(E::refused(format!("by order of the test ({operation:?} {name})"))),
            Fault::LoseRequest => unclear("the request may be lost"),
            Fault::LoseAnswer => {
                let _ = effect.await;
                unclear("the answer was lost")
            }
            Fault::Late => {
                self.held_back().hold(operation, name, drawn.due, Waiting::Effect(effect.map(drop).boxed()));
                unclear("the request is late")
            }
            Fault::Hang => {
                self.held_back().hold_caller(operation, name).await;
                effect.await
            }
            Fault::Slow(delay) => {
                pause(delay).await;
                effect.await
            }
            Fault::Forget => Ok(as_if),
            Fault::Duplicate => {
                let answer = effect.await;
                if let Some(again) = again {
                    let _ = again.await;
                }
                answer
            }
            Fault::Reorder => {
                self.held_back().hold(operation, name, drawn.due, Waiting::Overtaken(effect.map(drop).boxed()));
                Ok(as_if)
            }
        }
    }
}
