//! Requests that are under way to other nodes, until they are answered.

use super::request_envelope;
use super::serve::Verdict;
use crate::partition::wire::Back;
use crate::port::bus::Envelope;
use bytes::Bytes;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// After how long a call is sent again, at first and at most: some wait for as long as a run takes.
const AGAIN: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(15));

/// A request under way.
struct Call {
    to: Arc<str>,
    partition: u16,
    envelope: Envelope,
    back: Back,
    sent: Instant,
    pause: Duration,
    /// Whether it may have been heard.
    reach: Reach,
}

/// Whether a node may have heard a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reach {
    /// It is on its way, or was.
    Perhaps,
    /// It found nobody.
    Nobody,
}

/// All of them, by their numbers.
#[derive(Default)]
pub(super) struct Calls {
    last: u64,
    under_way: BTreeMap<u64, Call>,
}

/// What is to be sent: to whom, the number of the call, and the call.
type Sending = (Arc<str>, u64, Envelope);

impl Calls {
    pub(super) fn begin(&mut self, to: Arc<str>, partition: u16, request: Bytes, back: Back, node: &str) -> Sending {
        self.last += 1;
        let envelope = request_envelope(node, self.last, partition, request);
        let sending = (to.clone(), self.last, envelope.clone());
        let call = Call { to, partition, envelope, back, sent: Instant::now(), pause: AGAIN.0, reach: Reach::Nobody };
        self.under_way.insert(self.last, call);
        sending
    }

    /// Its caller hears that there is no answer.
    pub(super) fn drop(&mut self, number: u64) {
        self.under_way.remove(&number);
    }

    /// An answer has come: whose call it was, if somebody still waits for it.
    pub(super) fn answered(&mut self, number: u64, verdict: Verdict, body: &[u8]) -> Option<(Arc<str>, u16)> {
        let Call { to, partition, back, .. } = self.under_way.remove(&number)?;
        if verdict == Verdict::Answered
            && let Err(error) = back.answer(body)
        {
            tracing::warn!(node = %to, partition, %error, "an answer can not be read");
        }
        Some((to, partition))
    }

    /// It may have been heard.
    pub(super) fn delivered(&mut self, number: u64) {
        if let Some(call) = self.under_way.get_mut(&number) {
            call.reach = Reach::Perhaps;
        }
    }

    /// There was nobody to hear it. If that was so each time it goes to the next owner, and its caller does not notice.
    pub(super) fn undelivered(&mut self, number: u64) {
        if self.under_way.get(&number).is_some_and(|call| call.reach == Reach::Perhaps) {
            self.under_way.remove(&number);
        }
    }

    /// Another node owns the partition now, or none. The old owner's answers would come too late, if ever: those who wait
    /// for one are told that there is none. What nobody has heard goes to the new owner.
    pub(super) fn moved(&mut self, partition: u16, to: Option<&Arc<str>>) -> Vec<Sending> {
        let now = Instant::now();
        let mut again = Vec::new();
        self.under_way.retain(|number, call| {
            if call.partition != partition || to == Some(&call.to) {
                return true;
            }
            match to {
                // It is not known yet whose it is.
                None => call.reach == Reach::Nobody,
                Some(_) if call.reach == Reach::Perhaps => false,
                Some(to) => {
                    (call.to, call.sent) = (to.clone(), now);
                    again.push((to.clone(), *number, call.envelope.clone()));
                    true
                }
            }
        });
        again
    }

    /// A node is dead: whoever waits for its answer is told that there is none.
    pub(super) fn dead(&mut self, node: &str) {
        self.under_way.retain(|_, call| *call.to != *node || call.reach == Reach::Nobody);
    }

    /// The partition is in this process now: what nobody has heard is asked again there.
    pub(super) fn here(&mut self, partition: u16) {
        self.under_way.retain(|_, call| call.partition != partition);
    }

    /// Calls for whose answers nobody waits any more, by node; they are no longer under way.
    pub(super) fn forgotten(&mut self) -> BTreeMap<Arc<str>, Vec<String>> {
        let mut forgotten: BTreeMap<Arc<str>, Vec<String>> = BTreeMap::new();
        self.under_way.retain(|_, call| {
            let is_closed = call.back.is_closed();
            if is_closed {
                forgotten.entry(call.to.clone()).or_default().push(call.envelope.head.id.clone());
            }
            !is_closed
        });
        forgotten
    }

    /// Calls that are to be sent again.
    pub(super) fn due(&mut self, now: Instant) -> Vec<Sending> {
        let late = self.under_way.iter_mut().filter(|(_, call)| now.duration_since(call.sent) >= call.pause);
        let again = late.map(|(number, call)| {
            call.sent = now;
            call.pause = (2 * call.pause).min(AGAIN.1);
            (call.to.clone(), *number, call.envelope.clone())
        });
        again.collect()
    }
}

/// The number of a call of this node, by its id.
pub(super) fn number(node: &str, id: &str) -> Option<u64> {
    id.strip_prefix(node)?.strip_prefix(':')?.parse().ok()
}
