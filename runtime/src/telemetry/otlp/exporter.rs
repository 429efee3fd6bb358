//! What is between a span that has ended and its receiver.

use super::key;
use opentelemetry::Context;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{Span, SpanData, SpanProcessor};
use std::future::poll_fn;
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::runtime::Handle;

/// Lets through what is to be sent: an activation only when it is known how it ended. One that is not is told by the owner
/// of its partition, who finds it lost, or by nobody, if its holder was one no more.
#[derive(Debug)]
pub(super) struct OnlyEnded<P>(pub(super) P);

impl<P: SpanProcessor> SpanProcessor for OnlyEnded<P> {
    fn on_start(&self, span: &mut Span, context: &Context) {
        self.0.on_start(span, context);
    }

    fn on_end(&self, mut span: SpanData) {
        let has = |key: &str| span.attributes.iter().any(|attribute| attribute.key.as_str() == key);
        if has(key::ACTIVATION) && !has(key::OUTCOME) {
            return;
        }
        span.attributes.retain(|attribute| attribute.key.as_str() != key::TRACE);
        self.0.on_end(span);
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.0.force_flush()
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.0.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.0.set_resource(resource);
    }
}

/// Sends spans, and says once that they are not taken and once that they are again: nothing waits for them.
///
/// Batches are made on a thread of their own, without a runtime, which HTTP needs: they are sent within this one.
#[derive(Debug)]
pub(super) struct Exporter<E> {
    to: E,
    runtime: Handle,
    /// Spans that were lost since the last one was taken.
    lost: AtomicU64,
}

impl<E> Exporter<E> {
    pub(super) fn new(to: E, runtime: Handle) -> Self {
        Self { to, runtime, lost: AtomicU64::new(0) }
    }
}

impl<E: opentelemetry_sdk::trace::SpanExporter> opentelemetry_sdk::trace::SpanExporter for Exporter<E> {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let spans = batch.len() as u64;
        let mut sent = pin!(self.to.export(batch));
        let within = poll_fn(|context| {
            let _entered = self.runtime.enter();
            sent.as_mut().poll(context)
        });
        match within.await {
            Ok(()) => {
                let lost = self.lost.swap(0, Ordering::Relaxed);
                if lost > 0 {
                    tracing::info!(lost, "traces are taken again");
                }
            }
            Err(error) => {
                if self.lost.fetch_add(spans, Ordering::Relaxed) == 0 {
                    tracing::warn!(%error, spans, "traces are not taken: they are lost until they are, and nothing waits for them");
                }
            }
        }
        Ok(())
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.to.shutdown_with_timeout(timeout)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.to.force_flush()
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.to.set_resource(resource);
    }
}
