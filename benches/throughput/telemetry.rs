//! What telemetry costs: the same flights without it and with it in turns, each in a process of its own, because a recorder and a
//! subscriber are those of a whole process, for good. With it are metrics, which are read each second, the log at `info`, and,
//! with feature `otlp`, traces, of which one in a hundred is sent to a receiver in the process that asks.

use crate::fleet::{Fleet, Place};
use crate::measure::cpu;
use crate::web::get;
use crate::{Plan, fresh_folder, table::Report};
use callboard::prelude::*;
use callboard::{LogSettings, Telemetry};
use serde::{Deserialize, Serialize};
use std::env;
use std::net::SocketAddr;
use tokio::time::{Instant, interval};

/// Tells a process that it is one of these, and which.
const WITH: &str = "CALLBOARD_BENCH_TELEMETRY";
const IN_FLIGHT: usize = 256;
const TASKS: usize = 20_000;
/// Pairs for each repetition of the other rows: what is looked for is less than the noise of one pair.
const PAIRS: usize = 3;
/// As often as a Prometheus in a hurry asks.
const SCRAPED_EVERY: Duration = Duration::from_secs(1);

/// What a process has seen.
#[derive(Debug, Serialize, Deserialize)]
struct Seen {
    tasks_per_second: f64,
    cpu_us: f64,
}

/// One row: the median of the ratios of pairs, with to without.
pub(crate) async fn measure(plan: &Plan, report: &mut Report) -> Result<()> {
    #[cfg(feature = "otlp")]
    let receiver = receiver::Receiver::start()?;
    #[cfg(feature = "otlp")]
    let traced = ["OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_TRACES_SAMPLER", "OTEL_TRACES_SAMPLER_ARG"].into_iter().zip([
        &*receiver.endpoint,
        "parentbased_traceidratio",
        "0.01",
    ]);
    #[cfg(not(feature = "otlp"))]
    let traced = std::iter::empty::<(&str, &str)>();
    let (mut speed, mut cost) = (Vec::new(), Vec::new());
    for pair in 0..PAIRS * plan.repetitions {
        // Who is first has the colder disk.
        let is_first = pair % 2 == 0;
        let one = ask(plan, is_first, traced.clone()).await?;
        let other = ask(plan, !is_first, traced.clone()).await?;
        let (with, without) = if is_first { (one, other) } else { (other, one) };
        speed.push(with.tasks_per_second / without.tasks_per_second);
        cost.push(with.cpu_us / without.cpu_us);
    }
    report.telemetry(&mut speed, &mut cost);
    #[cfg(feature = "otlp")]
    report.note(&format!("spans that the receiver was sent: {}", receiver.spans()));
    Ok(())
}

async fn ask(plan: &Plan, with: bool, traced: impl Iterator<Item = (&str, &str)>) -> Result<Seen> {
    plan.part(std::iter::once((WITH, if with { "with" } else { "without" })).chain(traced)).await
}

/// Does its part, if this process is one of them.
pub(crate) async fn is_part(plan: &Plan) -> Result<bool> {
    let Ok(with) = env::var(WITH) else { return Ok(false) };
    let with = with == "with";
    let mut log = LogSettings::default();
    log.filter = "info".to_owned();
    let telemetry = with.then(|| Telemetry::of(&log).start()).transpose()?;
    telemetry.as_ref().map_or(Ok(()), Telemetry::install)?;
    let folder = fresh_folder(&plan.folder)?;
    let change = |builder: callboard::Builder| match &telemetry {
        Some(telemetry) => builder.metrics().telemetry(telemetry),
        None => builder,
    };
    let fleet = Fleet::start_with(Place::folder(1), folder.path(), change).await?;
    let address = fleet.board.serve().await?;
    let tasks = TASKS / plan.divisor;
    fleet.fly(0..1_000, IN_FLIGHT).await?;
    let (began, used) = (Instant::now(), cpu());
    let flown = tokio::select! {
        flown = fleet.fly(1_000..1_000 + tasks, IN_FLIGHT) => flown?,
        _ = scraped(address), if with => return Err(Error::terminal("nobody asks any more")),
    };
    let (took, used) = (began.elapsed(), cpu() - used);
    let seen =
        Seen { tasks_per_second: tasks as f64 / took.as_secs_f64(), cpu_us: used.as_secs_f64() * 1e6 / tasks as f64 };
    fleet.check(&flown.runs).await?;
    fleet.shutdown().await?;
    #[cfg(feature = "otlp")]
    if let Some(telemetry) = &telemetry {
        telemetry.shutdown(Duration::from_secs(5)).await?; // what was not sent yet is counted, too
    }
    println!("{}", serde_json::to_string(&seen)?);
    Ok(true)
}

#[cfg(feature = "otlp")]
mod receiver {
    //! A receiver of OTLP over gRPC that counts.

    use callboard::prelude::*;
    use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{TraceService, TraceServiceServer};
    use opentelemetry_proto::tonic::collector::trace::v1::{ExportTraceServiceRequest, ExportTraceServiceResponse};
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use tokio::task::JoinSet;
    use tonic::transport::Server;
    use tonic::transport::server::TcpIncoming;
    use tonic::{Request, Response, Status};

    pub(super) struct Receiver {
        pub(super) endpoint: String,
        spans: Spans,
        _server: JoinSet<()>,
    }

    #[derive(Clone, Default)]
    struct Spans(Arc<AtomicUsize>);

    #[tonic::async_trait]
    impl TraceService for Spans {
        async fn export(
            &self,
            request: Request<ExportTraceServiceRequest>,
        ) -> Result<Response<ExportTraceServiceResponse>, Status> {
            let all = request.into_inner().resource_spans;
            let spans =
                all.iter().flat_map(|of_resource| &of_resource.scope_spans).map(|scope| scope.spans.len()).sum();
            self.0.fetch_add(spans, Ordering::Relaxed);
            Ok(Response::new(ExportTraceServiceResponse::default()))
        }
    }

    impl Receiver {
        pub(super) fn start() -> Result<Self> {
            let incoming = TcpIncoming::bind(([127, 0, 0, 1], 0).into()).terminal()?;
            let endpoint = format!("http://{}", incoming.local_addr().terminal()?);
            let spans = Spans::default();
            let served = Server::builder().add_service(TraceServiceServer::new(spans.clone()));
            let mut server = JoinSet::new();
            server.spawn(async move { served.serve_with_incoming(incoming).await.expect("it serves") });
            Ok(Self { endpoint, spans, _server: server })
        }

        pub(super) fn spans(&self) -> usize {
            self.spans.0.load(Ordering::Relaxed)
        }
    }
}

async fn scraped(address: SocketAddr) -> Result<()> {
    let mut ticks = interval(SCRAPED_EVERY);
    loop {
        ticks.tick().await;
        let metrics = get(address, "/metrics").await?;
        assert!(metrics.contains("callboard_tasks_total"), "it counts");
    }
}
