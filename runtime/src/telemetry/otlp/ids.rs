//! The ids of spans: those that are derived, and random ones for all others.

use opentelemetry::trace::{SpanId, TraceId};
use opentelemetry_sdk::trace::{IdGenerator, RandomIdGenerator};
use std::cell::Cell;

thread_local! {
    /// What the next span of this thread is to be called, and its trace, if it begins one.
    static NEXT: Cell<(Option<TraceId>, Option<SpanId>)> = const { Cell::new((None, None)) };
}

/// Begins a span with this id, and with this trace if it has no parent. What `begin` begins beside it has random ids.
pub(super) fn with_ids<T>(trace: Option<u128>, span: u64, begin: impl FnOnce() -> T) -> T {
    NEXT.set((trace.map(TraceId::from), Some(SpanId::from(span))));
    let begun = begin();
    NEXT.set((None, None));
    begun
}

/// Takes the ids that [`with_ids`] says, once, and random ones otherwise.
#[derive(Debug, Default)]
pub(super) struct Derived(RandomIdGenerator);

impl IdGenerator for Derived {
    fn new_trace_id(&self) -> TraceId {
        let (trace, span) = NEXT.get();
        NEXT.set((None, span));
        trace.unwrap_or_else(|| self.0.new_trace_id())
    }

    fn new_span_id(&self) -> SpanId {
        let (trace, span) = NEXT.get();
        NEXT.set((trace, None));
        span.unwrap_or_else(|| self.0.new_span_id())
    }
}
