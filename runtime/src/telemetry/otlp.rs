//! Spans on their way to a receiver of OTLP.

mod environment;
mod exporter;
mod ids;

use environment::Transport;
pub(crate) use environment::Where;

use super::convention as key;
use super::convention::Operation;
use super::tracer::{Begun, Came, Named, Told, Tracer, now, of_activation, of_hop};
use crate::{Error, ErrorKind, Result};
use callboard_core::{Millis, Run, RunOutcome, TaskIndex, TaskRef, Token, TraceParent};
use exporter::{Exporter, OnlyEnded};
use ids::{Derived, with_ids};
use opentelemetry::trace::{
    Link, Span as _, SpanBuilder, SpanContext, SpanId, SpanKind, Status, TraceContextExt, TraceFlags, TraceId,
    TraceState, TracerProvider as _,
};
use opentelemetry::{Context, KeyValue};
use opentelemetry_otlp::{ExporterBuildError, Protocol, SpanExporter, WithExportConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{
    BatchSpanProcessor, Sampler, SamplingDecision, SdkTracer, SdkTracerProvider, ShouldSample,
};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::runtime::Handle;
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt;

/// The broker between nodes: the only one that there is an adapter for.
const SYSTEM: &str = "rabbitmq";

/// What sends spans.
#[derive(Debug)]
pub(crate) struct Sending {
    provider: SdkTracerProvider,
    tracer: SdkTracer,
    sampler: Sampler,
}

/// What speaks to a receiver; of one whose address is not given, the environment says it.
fn exporter(transport: Transport, endpoint: Option<&str>) -> Result<SpanExporter, ExporterBuildError> {
    match transport {
        Transport::Grpc => {
            let builder = SpanExporter::builder().with_tonic();
            endpoint.into_iter().fold(builder, WithExportConfig::with_endpoint).build()
        }
        Transport::Http => {
            let builder = SpanExporter::builder().with_http().with_protocol(Protocol::HttpBinary);
            endpoint.into_iter().fold(builder, WithExportConfig::with_endpoint).build()
        }
    }
}

impl Sending {
    /// Sends to `to`, in batches and behind everybody's back: what the receiver does not take is lost, and a queue that is
    /// full takes no more.
    ///
    /// # Errors
    ///
    /// `Invalid` if the address is none, or if there is no tokio runtime to carry them.
    pub(crate) fn start(to: Where) -> Result<Self> {
        let runtime = Handle::try_current().map_err(|_| {
            let message = "a tokio runtime carries traces: start them within one, as in an async main";
            Error::new(ErrorKind::Invalid, message)
        })?;
        let Where { endpoint, transport, sampler, service } = to;
        let exporter = exporter(transport, endpoint.as_deref()).map_err(|error| {
            let error = Error::new(ErrorKind::Invalid, "traces can not be sent").because(error);
            endpoint.iter().fold(error, |error, endpoint| error.because(format!("the receiver is {endpoint:?}")))
        })?;
        let resource = Resource::builder();
        let resource = service.into_iter().fold(resource, |resource, service| resource.with_service_name(service));
        let version = KeyValue::new("service.version", env!("CARGO_PKG_VERSION"));
        let batches = BatchSpanProcessor::builder(Exporter::new(exporter, runtime)).build();
        let provider = SdkTracerProvider::builder()
            .with_span_processor(OnlyEnded(batches))
            .with_sampler(sampler.clone())
            .with_id_generator(Derived::default())
            .with_resource(resource.with_attribute(version).build())
            .build();
        Ok(Self { tracer: provider.tracer("callboard"), provider, sampler })
    }

    /// The same for spans of `tracing`.
    pub(crate) fn tracer(&self) -> SdkTracer {
        self.tracer.clone()
    }

    /// Whether a trace is recorded of which nobody has decided.
    pub(super) fn samples(&self, trace: u128) -> bool {
        let none = Context::new();
        let decided = self.sampler.should_sample(Some(&none), TraceId::from(trace), "", &SpanKind::Internal, &[], &[]);
        decided.decision == SamplingDecision::RecordAndSample
    }

    /// Sends what is there, waiting no longer than `limit`. Blocks.
    ///
    /// # Errors
    ///
    /// `Unavailable` if not all of it was taken in time.
    pub(crate) fn end(&self, limit: Duration) -> Result<()> {
        let cut = |error| Error::new(ErrorKind::Unavailable, "not all traces were sent").because(error);
        self.provider.shutdown_with_timeout(limit).map_err(cut)
    }

    /// Sends what is there. Blocks.
    pub(crate) fn flush(&self) -> Result<()> {
        let cut = |error| Error::new(ErrorKind::Unavailable, "not all traces were sent").because(error);
        self.provider.force_flush().map_err(cut)
    }

    pub(super) fn tell(&self, tracer: &Tracer, told: &Told<'_>) {
        match *told {
            Told::Ended { run, outcome, at, partition, node } => self.ended(tracer, run, outcome, at, partition, node),
            Told::Lost { run, task, token, holder, since, at, partition } => {
                let Some((parent, spec)) = parent_and_spec(tracer, run, task) else { return };
                let task = TaskRef { run: run.id, task };
                let mut attributes = of_task(task, token, &spec.name, &spec.capability);
                attributes.extend([
                    KeyValue::new(key::GEN_AI_AGENT, holder.agent().to_owned()),
                    KeyValue::new(key::INSTANCE, holder.to_string()),
                    KeyValue::new(key::NODE, holder.node().to_owned()),
                    KeyValue::new(key::PARTITION, i64::from(partition)),
                    KeyValue::new(key::OUTCOME, "lost"),
                    KeyValue::new(key::GEN_AI_OPERATION, Operation::Agent.as_str()),
                ]);
                let builder = SpanBuilder::from_name(Named(Operation::Agent, holder.agent()).to_string())
                    .with_start_time(moment(since))
                    .with_links(links(task, token, parent, Came::Inside))
                    .with_attributes(attributes);
                self.span(None, of_activation(task, token), remote(parent), builder, moment(at));
            }
            Told::Failed { run, task, token, class, outcome, at } => {
                let Some((parent, spec)) = parent_and_spec(tracer, run, task) else { return };
                let task = TaskRef { run: run.id, task };
                let parent = token.map_or(parent, |token| TraceParent { span: of_activation(task, token), ..parent });
                let mut attributes = vec![
                    KeyValue::new(key::RUN, run.id.to_string()),
                    KeyValue::new(key::TASK, task.to_string()),
                    KeyValue::new(key::NAME, spec.name.clone()),
                    KeyValue::new(key::CAPABILITY, spec.capability.to_string()),
                    KeyValue::new(key::OUTCOME, outcome),
                    KeyValue::new(key::ERROR, class),
                    KeyValue::new(key::MESSAGING_TYPE, Operation::Settle.as_str()),
                    KeyValue::new(key::MESSAGING_CONVERSATION, run.id.to_string()),
                ];
                attributes.extend(token.map(|token| KeyValue::new(key::ATTEMPT, i64::from(token.attempt))));
                let builder = SpanBuilder::from_name(Named(Operation::Settle, &spec.capability).to_string())
                    .with_start_time(moment(at))
                    .with_attributes(attributes);
                self.failed(None, builder, remote(parent), moment(at));
            }
            Told::Sent { task, token, parent, queue, message, since } => {
                let attributes = vec![
                    KeyValue::new(key::RUN, task.run.to_string()),
                    KeyValue::new(key::TASK, task.to_string()),
                    KeyValue::new(key::MESSAGING_SYSTEM, SYSTEM),
                    KeyValue::new(key::MESSAGING_TYPE, Operation::Send.as_str()),
                    KeyValue::new(key::MESSAGING_OPERATION, "dispatch"),
                    KeyValue::new(key::MESSAGING_DESTINATION, queue.to_owned()),
                    KeyValue::new(key::MESSAGING_MESSAGE, message.to_owned()),
                    KeyValue::new(key::MESSAGING_CONVERSATION, task.run.to_string()),
                ];
                let builder = SpanBuilder::from_name(Named(Operation::Send, queue).to_string())
                    .with_kind(SpanKind::Producer)
                    .with_start_time(since)
                    .with_attributes(attributes);
                self.span(None, of_hop(task, token), remote(parent), builder, now());
            }
        }
    }

    fn ended(&self, tracer: &Tracer, run: &Run, outcome: &'static str, at: Millis, partition: u16, node: &str) {
        let Some(root) = tracer.of_run(run.id, run.trace).filter(|root| root.is_sampled()) else { return };
        let mut attributes = vec![
            KeyValue::new(key::GEN_AI_OPERATION, Operation::Workflow.as_str()),
            KeyValue::new(key::GEN_AI_WORKFLOW, run.name.to_string()),
            KeyValue::new(key::RUN, run.id.to_string()),
            KeyValue::new(key::TASKS, run.tasks.len() as i64),
            KeyValue::new(key::PARTITION, i64::from(partition)),
            KeyValue::new(key::NODE, node.to_owned()),
            KeyValue::new(key::OUTCOME, outcome),
        ];
        attributes.extend(run.tenant.as_ref().map(|tenant| KeyValue::new(key::TENANT, tenant.to_string())));
        // One that was opened again has ended before, and its first life is the parent of the next.
        let again = run.reopened_at;
        let (id, since) = match again {
            None => (Some(root.span), run.submitted_at),
            Some(since) => (None, since),
        };
        let (trace, parent) = match (again, run.trace) {
            (Some(_), _) => (None, remote(root)),
            (None, Some(given)) => (None, remote(given)),
            (None, None) => (Some(root.trace), Context::new()),
        };
        let builder = SpanBuilder::from_name(Named(Operation::Workflow, &run.name).to_string())
            .with_start_time(moment(since))
            .with_attributes(attributes);
        if outcome == RunOutcome::Failed.as_str() {
            let failures = run.tasks.iter().filter(|task| task.status().is_without_result());
            let class = failures.filter_map(|task| task.failures.last()).map(|last| last.failure.class.as_str()).next();
            let mut builder = builder;
            builder
                .attributes
                .iter_mut()
                .for_each(|all| all.push(KeyValue::new(key::ERROR, class.unwrap_or("timeout"))));
            self.failed(id.map(|id| (trace, id)), builder, parent, moment(at));
        } else if let Some(id) = id {
            self.span(trace, id, parent, builder, moment(at));
        } else {
            builder.start_with_context(&self.tracer, &parent).end_with_timestamp(moment(at));
        }
    }

    fn span(&self, trace: Option<u128>, id: u64, parent: Context, builder: SpanBuilder, end: SystemTime) {
        let mut span = with_ids(trace, id, || builder.start_with_context(&self.tracer, &parent));
        span.end_with_timestamp(end);
    }

    fn failed(&self, ids: Option<(Option<u128>, u64)>, builder: SpanBuilder, parent: Context, end: SystemTime) {
        let begin = || builder.start_with_context(&self.tracer, &parent);
        let mut span = match ids {
            Some((trace, id)) => with_ids(trace, id, begin),
            None => begin(),
        };
        span.set_status(Status::error(""));
        span.end_with_timestamp(end);
    }
}

/// What a task hangs on, and what its author wrote, if it is recorded.
fn parent_and_spec<'a>(
    tracer: &Tracer,
    run: &'a Run,
    task: TaskIndex,
) -> Option<(TraceParent, &'a callboard_core::TaskSpec)> {
    let parent = tracer.parent_of(run, task).filter(|parent| parent.is_sampled())?;
    Some((parent, &run.task(task)?.spec))
}

/// Gives the span of an activation that is recorded its place in the trace, its id and its name.
pub(super) fn begin(span: &Span, begun: &Begun<'_>, parent: TraceParent) {
    if span.is_disabled() || span.set_parent(remote(parent)).is_err() {
        return; // nobody sends spans of `tracing`: the program has not installed the layer
    }
    let (task, token) = (begun.speaker.task, begun.speaker.token);
    span.record("otel.name", tracing::field::display(Named(Operation::Agent, begun.speaker.holder.agent())));
    for attribute in [
        KeyValue::new(key::GEN_AI_OPERATION, Operation::Agent.as_str()),
        KeyValue::new(key::GEN_AI_AGENT, begun.speaker.holder.agent().to_owned()),
        KeyValue::new(key::INSTANCE, begun.speaker.holder.to_string()),
        KeyValue::new(key::NAME, begun.name.to_owned()),
        KeyValue::new(key::CAPABILITY, begun.capability.to_owned()),
    ] {
        span.set_attribute(attribute.key, attribute.value);
    }
    links(task, token, parent, begun.came).into_iter().for_each(|link| span.add_link(link.span_context));
    // Begins it, which is when it gets its id.
    let _begun = with_ids(None, of_activation(task, token), || span.context());
}

fn of_task(task: TaskRef, token: Token, name: &str, capability: &str) -> Vec<KeyValue> {
    vec![
        KeyValue::new(key::RUN, task.run.to_string()),
        KeyValue::new(key::TASK, task.to_string()),
        KeyValue::new(key::NAME, name.to_owned()),
        KeyValue::new(key::CAPABILITY, capability.to_owned()),
        KeyValue::new(key::ATTEMPT, i64::from(token.attempt)),
        KeyValue::new(key::ACTIVATION, i64::from(token.activation)),
    ]
}

/// What an activation follows: the activation before it, or the first of the attempt before it, and the way to it.
fn links(task: TaskRef, token: Token, trace: TraceParent, came: Came) -> Vec<Link> {
    let before = match token {
        Token { attempt, activation: 2.. } => Some(Token { attempt, activation: token.activation - 1 }),
        Token { attempt: 2.., .. } => Some(Token { attempt: token.attempt - 1, activation: 1 }),
        _ => None,
    };
    let before = before.map(|before| of_activation(task, before));
    let hop = (came == Came::Over).then(|| of_hop(task, token));
    let link = |span| Link::with_context(span_context(TraceParent { span, ..trace }));
    before.into_iter().chain(hop).map(link).collect()
}

/// The span that is current in the program, for a run that is submitted within it.
pub(crate) fn current() -> Option<TraceParent> {
    let current = Context::current();
    let span = current.span();
    let at = span.span_context();
    let (trace, id) = (u128::from_be_bytes(at.trace_id().to_bytes()), u64::from_be_bytes(at.span_id().to_bytes()));
    TraceParent::new(trace, id, at.is_sampled())
}

fn span_context(at: TraceParent) -> SpanContext {
    let flags = TraceFlags::default().with_sampled(at.is_sampled());
    SpanContext::new(TraceId::from(at.trace), SpanId::from(at.span), flags, true, TraceState::NONE)
}

pub(super) fn remote(at: TraceParent) -> Context {
    Context::new().with_remote_span_context(span_context(at))
}

fn moment(Millis(at): Millis) -> SystemTime {
    UNIX_EPOCH + Duration::from_millis(u64::try_from(at).unwrap_or(0))
}
