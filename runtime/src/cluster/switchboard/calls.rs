//! Requests that are under way to other nodes, until they are answered.

use super::request_envelope;
use super::serve::{MAILROOM, Verdict};
use crate::message::wire::Caller;
use crate::partition::wire::Back;
use crate::port::bus::Envelope;
use bytes::Bytes;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::time::Instant;

/// After how long a call is sent again, at first and at most: some wait for as long as a run takes.
const AGAIN: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(15));

/// A request under way.
struct Call {
    to: Arc<str>,
    meant: Meant,
    envelope: Envelope,
    sent: Instant,
    pause: Duration,
    /// Whether it may have been heard.
    reach: Reach,
    /// How often it was given to the bus without an answer yet: each may be heard.
    unconfirmed: u32,
}

/// For whom a request is, and whom the answer.
enum Meant {
    /// For a partition, wherever that is.
    Partition { number: u16, back: Back },
    /// For the mailroom of this node and no other. Nobody waits after `until`.
    Mailroom { caller: Caller, until: Option<Instant> },
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
    /// Counts calls over all incarnations of the switchboard: whoever carries one out knows it again by its number.
    last: Arc<AtomicU64>,
    under_way: BTreeMap<u64, Call>,
}

/// What is to be sent: to whom, the number of the call, and the call.
type Sending = (Arc<str>, u64, Envelope);

impl Call {
    fn is_for_partition(&self, partition: u16) -> bool {
        matches!(self.meant, Meant::Partition { number, .. } if number == partition)
    }

    /// Whether nobody has heard it, for certain.
    fn is_unheard(&self) -> bool {
        self.reach == Reach::Nobody && self.unconfirmed == 0
    }

    /// Is sent again, and after this pause once more.
    fn again(&mut self, number: u64, now: Instant, pause: Duration) -> Sending {
        (self.sent, self.pause) = (now, pause);
        self.unconfirmed += 1;
        (self.to.clone(), number, self.envelope.clone())
    }

    /// Says that there is no answer, and none will come.
    fn end(self) {
        let is_unheard = self.is_unheard();
        match self.meant {
            Meant::Mailroom { caller, .. } if is_unheard => caller.unheard(),
            Meant::Mailroom { .. } | Meant::Partition { .. } => {} // the end of the way back says that
        }
    }
}

impl Calls {
    pub(super) fn numbered_by(last: Arc<AtomicU64>) -> Self {
        Self { last, ..Self::default() }
    }

    pub(super) fn begin(&mut self, to: Arc<str>, partition: u16, request: Bytes, back: Back, node: &str) -> Sending {
        let meant = Meant::Partition { number: partition, back };
        self.add(to, meant, partition.to_string(), request, node)
    }

    pub(super) fn begin_mail(
        &mut self,
        to: Arc<str>,
        request: Bytes,
        until: Option<Instant>,
        caller: Caller,
        node: &str,
    ) -> Sending {
        self.add(to, Meant::Mailroom { caller, until }, MAILROOM.to_owned(), request, node)
    }

    fn add(&mut self, to: Arc<str>, meant: Meant, subject: String, request: Bytes, node: &str) -> Sending {
        let number = self.last.fetch_add(1, Ordering::Relaxed) + 1;
        let envelope = request_envelope(node, number, subject, request);
        let sending = (to.clone(), number, envelope.clone());
        let (sent, pause) = (Instant::now(), AGAIN.0);
        let call = Call { to, meant, envelope, sent, pause, reach: Reach::Nobody, unconfirmed: 1 };
        self.under_way.insert(number, call);
        sending
    }

    /// An answer has come: whose call it was, if somebody still waits for it and it was for a partition.
    pub(super) fn answered(&mut self, number: u64, verdict: Verdict, body: &[u8]) -> Option<(Arc<str>, u16)> {
        let Call { to, meant, .. } = self.under_way.remove(&number)?;
        let (read, partition) = match (meant, verdict) {
            (Meant::Partition { number, back }, Verdict::Answered) => (back.answer(body), Some(number)),
            (Meant::Partition { number, .. }, _) => (Ok(()), Some(number)),
            (Meant::Mailroom { caller, .. }, Verdict::Answered) => (caller.answer(body), None),
            (Meant::Mailroom { caller, .. }, Verdict::Unreadable) => {
                caller.unreadable();
                (Ok(()), None)
            }
            (Meant::Mailroom { .. }, Verdict::NotHere | Verdict::NoAnswer) => (Ok(()), None),
        };
        if let Err(error) = read {
            tracing::warn!(node = %to, partition, %error, "an answer can not be read");
        }
        partition.map(|partition| (to, partition))
    }

    /// It may have been heard.
    pub(super) fn delivered(&mut self, number: u64) {
        if let Some(call) = self.confirmed(number) {
            call.reach = Reach::Perhaps;
        }
    }

    /// The bus did not take it, which costs nobody anything. It is sent again when calls are looked at next.
    pub(super) fn not_sent(&mut self, number: u64) {
        if let Some(call) = self.confirmed(number).filter(|call| call.unconfirmed == 0) {
            call.pause = Duration::ZERO;
        }
    }

    /// There was nobody to hear it: its node is back soon, or dead. If it was so each time it goes to the next owner of its
    /// partition, and its caller does not notice; there is no next owner of a mailroom.
    pub(super) fn undelivered(&mut self, number: u64) {
        let Some(call) = self.confirmed(number) else { return };
        call.pause = AGAIN.0;
        let goes_on = match &call.meant {
            Meant::Partition { .. } => true,
            Meant::Mailroom { .. } => call.reach == Reach::Nobody && call.unconfirmed > 0,
        };
        if !goes_on && let Some(call) = self.under_way.remove(&number) {
            call.end();
        }
    }

    /// The queue of the node is full: whoever calls tries again, after a pause. Where it may have been heard before, the answer
    /// is waited for.
    pub(super) fn full(&mut self, number: u64) {
        let Some(call) = self.confirmed(number) else { return };
        let waits = matches!(call.meant, Meant::Mailroom { .. }) && !call.is_unheard();
        if !waits && let Some(call) = self.under_way.remove(&number) {
            call.end();
        }
    }

    /// The bus has said what became of one sending of a call.
    fn confirmed(&mut self, number: u64) -> Option<&mut Call> {
        let call = self.under_way.get_mut(&number)?;
        call.unconfirmed = call.unconfirmed.saturating_sub(1);
        Some(call)
    }

    /// Another node owns the partition now, or none. The old owner's answers would come too late, if ever: those who wait
    /// for one are told that there is none. What nobody has heard goes to the new owner.
    pub(super) fn moved(&mut self, partition: u16, to: Option<&Arc<str>>) -> Vec<Sending> {
        let now = Instant::now();
        let mut again = Vec::new();
        self.under_way.retain(|number, call| {
            if !call.is_for_partition(partition) || to == Some(&call.to) {
                return true;
            }
            match to {
                // It is not known yet whose it is.
                None => call.reach == Reach::Nobody,
                Some(_) if call.reach == Reach::Perhaps => false,
                Some(to) => {
                    call.to = to.clone();
                    again.push(call.again(*number, now, AGAIN.0));
                    true
                }
            }
        });
        again
    }

    /// A node is dead: whoever waits for its answer is told that there is none.
    pub(super) fn dead(&mut self, node: &str) {
        let is_over = |call: &Call| match call.meant {
            Meant::Partition { .. } => call.reach == Reach::Perhaps,
            Meant::Mailroom { .. } => true,
        };
        self.under_way.extract_if(.., |_, call| *call.to == *node && is_over(call)).for_each(|(_, call)| call.end());
    }

    /// The partition is in this process now: what nobody has heard is asked again there.
    pub(super) fn here(&mut self, partition: u16) {
        self.under_way.retain(|_, call| !call.is_for_partition(partition));
    }

    /// Calls for whose answers nobody waits any more, by node; they are no longer under way.
    pub(super) fn forgotten(&mut self, now: Instant) -> BTreeMap<Arc<str>, Vec<String>> {
        let mut forgotten: BTreeMap<Arc<str>, Vec<String>> = BTreeMap::new();
        let is_over = |call: &Call| match &call.meant {
            Meant::Partition { back, .. } => back.is_closed(),
            Meant::Mailroom { caller, until } => caller.is_closed() || until.is_some_and(|until| until <= now),
        };
        for (_, call) in self.under_way.extract_if(.., |_, call| is_over(call)) {
            forgotten.entry(call.to.clone()).or_default().push(call.envelope.head.id.clone());
            call.end();
        }
        forgotten
    }

    /// Calls that are to be sent again, for there was no answer for so long.
    pub(super) fn due(&mut self, now: Instant) -> Vec<Sending> {
        let late = self.under_way.iter_mut().filter(|(_, call)| now.duration_since(call.sent) >= call.pause);
        late.map(|(number, call)| call.again(*number, now, (2 * call.pause).clamp(AGAIN.0, AGAIN.1))).collect()
    }

    /// Calls to a node, or to all, that are to be sent again: they or their answers may be lost.
    ///
    /// What a mailroom may have heard is given up when its node has no queue. So it waits until that node says that it has one.
    pub(super) fn again(&mut self, to: Option<&str>) -> Vec<Sending> {
        let now = Instant::now();
        let is_meant = |call: &Call| match to {
            Some(to) => *call.to == *to,
            None => matches!(call.meant, Meant::Partition { .. }) || call.is_unheard(),
        };
        let again = self.under_way.iter_mut().filter(|(_, call)| is_meant(call));
        again.map(|(number, call)| call.again(*number, now, AGAIN.0)).collect()
    }
}

/// The number of a call of this node, by its id.
pub(super) fn number(node: &str, id: &str) -> Option<u64> {
    id.strip_prefix(node)?.strip_prefix(':')?.parse().ok()
}
