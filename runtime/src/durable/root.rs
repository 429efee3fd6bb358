//! The waker with which a handler is polled: it tells whether anything but durable calls could wake the handler.

use futures::task::AtomicWaker;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

/// Wakes the driver of a handler.
#[derive(Debug)]
pub(crate) struct Root {
    waker: Waker,
    core: Arc<Core>,
}

#[derive(Debug)]
struct Core {
    woken: AtomicBool,
    driver: AtomicWaker,
}

impl Wake for Core {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.woken.store(true, Ordering::Release);
        self.driver.wake();
    }
}

impl Root {
    /// Woken: a handler is polled before it can wait for anything.
    pub(crate) fn new() -> Self {
        let core = Arc::new(Core { woken: AtomicBool::new(true), driver: AtomicWaker::new() });
        Self { waker: core.clone().into(), core }
    }

    pub(crate) fn waker(&self) -> &Waker {
        &self.waker
    }

    /// Whether the handler was woken since this was asked the last time.
    pub(crate) fn take_woken(&self) -> bool {
        self.core.woken.swap(false, Ordering::AcqRel)
    }

    /// Whether it was woken and nobody has taken that yet.
    pub(crate) fn is_woken(&self) -> bool {
        self.core.woken.load(Ordering::Acquire)
    }

    /// Waits until the handler is woken; the next [`take_woken`](Self::take_woken) says so, too.
    pub(crate) fn poll_woken(&self, cx: &Context<'_>) -> Poll<()> {
        self.core.driver.register(cx.waker());
        if self.is_woken() { Poll::Ready(()) } else { Poll::Pending }
    }

    /// Waits until the handler is woken, as [`poll_woken`](Self::poll_woken).
    pub(crate) async fn woken(&self) {
        std::future::poll_fn(|cx| self.poll_woken(cx)).await;
    }

    /// How many places keep this waker: whatever the handler waits for, and what wakers of its own are made of it.
    pub(crate) fn kept(&self) -> usize {
        Arc::strong_count(&self.core) - 2 // ours, and that of our waker
    }
}

#[cfg(test)]
mod tests {
    use super::Root;
    use std::future::Future;
    use std::pin::pin;
    use std::task::Context;

    #[test]
    fn a_foreign_future_is_seen_while_it_waits_and_no_longer() {
        let root = Root::new();
        assert!(root.take_woken(), "polled first");
        let (sender, receiver) = tokio::sync::oneshot::channel::<()>();
        {
            let mut waits = pin!(receiver);
            assert_eq!(root.kept(), 0);
            assert!(waits.as_mut().poll(&mut Context::from_waker(root.waker())).is_pending());
            assert_eq!((root.kept(), root.take_woken()), (1, false));
            sender.send(()).unwrap();
            assert!(root.take_woken() && !root.take_woken());
            assert!(waits.as_mut().poll(&mut Context::from_waker(root.waker())).is_ready());
        }
        assert_eq!(root.kept(), 0);
    }
}
