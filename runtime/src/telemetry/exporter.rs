//! What is counted, in the format of Prometheus: the recorder that a node installs when it is asked to, and what it takes.
//!
//! A process has one recorder. Whatever the program has installed itself before the first node stays, and is told everything;
//! then there is nothing here to be rendered.

use super::{Kind, METRICS};
use crate::supervise::{ChildSpec, Policy};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use ractor::{Actor, ActorProcessingErr, ActorRef};
use std::sync::OnceLock;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::sleep;

/// How often samples are put into their histograms; until then each takes memory.
const UPKEEP: Duration = Duration::from_secs(5);

/// What renders, where the recorder of this process is ours. Tried once: who has come first stays.
static OURS: OnceLock<Option<PrometheusHandle>> = OnceLock::new();

/// Sees to it that there is a recorder: ours, unless there is one.
pub(crate) fn install() {
    OURS.get_or_init(|| {
        let recorder = with_bounds(PrometheusBuilder::new())?.build_recorder();
        let handle = recorder.handle();
        metrics::set_global_recorder(recorder).ok()?;
        Some(handle)
    });
}

/// Without bounds a histogram would be a summary, of which those of several nodes can not be added up.
fn with_bounds(builder: PrometheusBuilder) -> Option<PrometheusBuilder> {
    METRICS.iter().try_fold(builder, |builder, metric| match metric.kind {
        Kind::Histogram(bounds) => builder.set_buckets_for_metric(Matcher::Full(metric.name.to_owned()), bounds).ok(),
        Kind::Counter | Kind::Gauge => Some(builder),
    })
}

/// What renders, if it is ours.
pub(crate) fn installed() -> Option<&'static PrometheusHandle> {
    OURS.get().and_then(Option::as_ref)
}

/// What looks after the recorder, as a child of a node; none where it is not ours.
pub(crate) fn upkeep() -> Option<ChildSpec> {
    let handle = installed()?;
    let (spec, _nobody_asks_it) = ChildSpec::actor("metrics", Policy::default(), move || (Upkeep, handle.clone()));
    Some(spec)
}

/// The type of the actor.
struct Upkeep;

impl Actor for Upkeep {
    type Msg = ();
    type State = JoinSet<()>;
    type Arguments = PrometheusHandle;

    async fn pre_start(&self, _: ActorRef<()>, handle: PrometheusHandle) -> Result<JoinSet<()>, ActorProcessingErr> {
        let mut rounds = JoinSet::new();
        rounds.spawn(async move {
            loop {
                sleep(UPKEEP).await;
                handle.run_upkeep();
            }
        });
        Ok(rounds)
    }
}
