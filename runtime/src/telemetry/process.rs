//! The log and the traces of a process, for its program to install.

use super::log::{Filter, Lines, Switch};
#[cfg(feature = "otlp")]
use super::otlp::{Sending, Where};
use super::tracer::Tracer;
#[cfg(feature = "otlp")]
use super::tracer::UNSAMPLED;
use crate::settings::{LogFormat, LogSettings};
use crate::{Error, ErrorKind, Result};
use std::fmt;
use std::io::{self, Write};
use std::sync::Arc;
#[cfg(feature = "otlp")]
use std::time::Duration;
use tracing::Subscriber;
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;

/// The log and the traces of a process; a handle, cheap to clone.
///
/// A library installs nothing of this unasked: the program says so once, and gives it to its
/// [`Builder`](crate::Builder::telemetry).
///
/// ```
/// # use callboard::prelude::*;
/// use callboard::{Settings, Telemetry};
///
/// # #[task(output = String)]
/// # struct Greet { name: String }
/// # #[tokio::main]
/// # async fn main() -> Result<()> {
/// let settings = Settings::default();
/// let telemetry = Telemetry::of(&settings.log).start()?; // as RUST_LOG and OTEL_* say
/// telemetry.install()?;
/// let board = Callboard::builder(settings).ephemeral().telemetry(&telemetry)
///     .task_fn(|_, t: Greet| async move { Ok(format!("Hello, {}.", t.name)) })
///     .start().await?;
/// # assert_eq!(board.call(Greet { name: "callboard".into() }).await?, "Hello, callboard.");
/// board.shutdown().await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Telemetry {
    format: LogFormat,
    switch: Switch,
    out: super::log::Out,
    #[cfg(feature = "otlp")]
    sending: Option<Arc<Sending>>,
}

/// The log and the traces of a process, before they begin.
#[must_use = "nothing begins before `.start()`"]
pub struct TelemetryBuilder {
    format: LogFormat,
    filter: String,
    out: super::log::Out,
    environment: bool,
    #[cfg(feature = "otlp")]
    endpoint: Option<String>,
    #[cfg(feature = "otlp")]
    ratio: Option<f64>,
}

/// Crates whose spans are no part of what is done for anybody: what carries the traces themselves, and what our ports stand on.
#[cfg(feature = "otlp")]
const UNTRACED: [&str; 15] = [
    "amq_protocol",
    "deadpool",
    "h2",
    "hyper",
    "hyper_util",
    "lapin",
    "opentelemetry",
    "opentelemetry_otlp",
    "opentelemetry_sdk",
    "ractor",
    "redis",
    "reqwest",
    "rustls",
    "tonic",
    "tower",
];

impl Telemetry {
    /// The log that the settings describe, on standard error, and the traces that the environment does.
    ///
    /// `RUST_LOG` comes before `log.filter`: whoever sets it means this one process. Traces go to where
    /// `OTEL_EXPORTER_OTLP_ENDPOINT` says, by OTLP over gRPC; without it, or without feature `otlp`, there are none, and
    /// that costs nothing.
    pub fn of(log: &LogSettings) -> TelemetryBuilder {
        TelemetryBuilder {
            format: log.format,
            filter: log.filter.clone(),
            out: Arc::new(|line| {
                // There is nowhere to tell that it can not be written.
                let _lost = io::stderr().lock().write_all(line.as_bytes());
            }),
            environment: true,
            #[cfg(feature = "otlp")]
            endpoint: None,
            #[cfg(feature = "otlp")]
            ratio: None,
        }
    }

    /// What writes the lines and sends the spans of `tracing`, for a program that puts its subscriber together itself. One
    /// subscriber takes it once, and as it is: a filter around it would take spans away from the other half.
    pub fn layer<S>(&self) -> Box<dyn Layer<S> + Send + Sync>
    where
        S: Subscriber + for<'a> LookupSpan<'a> + Send + Sync,
    {
        let lines = Lines { format: self.format, out: self.out.clone() }.with_filter(self.switch.clone()).boxed();
        #[cfg(feature = "otlp")]
        if let Some(sending) = &self.sending {
            return lines.and_then(spans(sending)).boxed();
        }
        lines
    }

    /// Installs it for the whole process.
    ///
    /// # Errors
    ///
    /// `Conflict` if the program has a subscriber already.
    pub fn install(&self) -> Result<()> {
        let subscriber = tracing_subscriber::registry().with(self.layer());
        let there = |error| Error::new(ErrorKind::Conflict, "the process has a log already").because(error);
        tracing::subscriber::set_global_default(subscriber).map_err(there)
    }

    /// Which lines are written, as it was said.
    pub fn filter(&self) -> String {
        self.switch.read().to_string()
    }

    /// How they are written.
    pub fn format(&self) -> LogFormat {
        self.format
    }

    /// Writes other lines from now on: `info`, or `warn,callboard=debug`. Until the process ends; the settings are as they
    /// were.
    ///
    /// # Errors
    ///
    /// `Invalid` for what is no filter.
    pub fn set_filter(&self, filter: &str) -> Result<()> {
        self.switch.set(read(filter)?);
        Ok(())
    }

    /// Sends the traces that have not been sent, and sends no more. Waits for that no longer than `limit`, and a little: a
    /// receiver that is away keeps no process.
    ///
    /// # Errors
    ///
    /// `Unavailable` if not all of them were taken in time.
    #[cfg(feature = "otlp")]
    pub async fn shutdown(&self, limit: Duration) -> Result<()> {
        let Some(sending) = self.sending.clone() else { return Ok(()) };
        // It blocks, and what it waits for may need this thread.
        let ending = tokio::task::spawn_blocking(move || sending.end(limit));
        match tokio::time::timeout(limit + LATE, ending).await {
            Ok(ended) => ended?,
            Err(_) => Err(Error::new(ErrorKind::Unavailable, format!("not all traces were sent within {limit:?}"))),
        }
    }

    /// Sends the traces that are there, without waiting for the next batch.
    ///
    /// # Errors
    ///
    /// `Unavailable` if that failed.
    #[cfg(feature = "otlp")]
    pub async fn flush(&self) -> Result<()> {
        let Some(sending) = self.sending.clone() else { return Ok(()) };
        tokio::task::spawn_blocking(move || sending.flush()).await?
    }

    pub(crate) fn tracer(&self) -> Tracer {
        Tracer {
            #[cfg(feature = "otlp")]
            to: self.sending.clone(),
        }
    }
}

/// How much later than its limit an end is given up.
#[cfg(feature = "otlp")]
const LATE: Duration = Duration::from_secs(1);

/// What makes spans of `tracing` spans of a trace. Lines of the log are not sent with them.
#[cfg(feature = "otlp")]
fn spans<S>(sending: &Sending) -> Box<dyn Layer<S> + Send + Sync>
where
    S: Subscriber + for<'a> LookupSpan<'a> + Send + Sync,
{
    use tracing_subscriber::filter::filter_fn;
    let wanted = filter_fn(|metadata| {
        metadata.is_span()
            && *metadata.level() <= tracing::Level::INFO
            && metadata.target() != UNSAMPLED
            && !metadata.target().starts_with("aws_")
            && !UNTRACED.contains(&metadata.target().split("::").next().unwrap_or_default())
    })
    .with_max_level_hint(tracing::level_filters::LevelFilter::INFO);
    tracing_opentelemetry::layer()
        .with_tracer(sending.tracer())
        .with_location(false)
        .with_threads(false)
        .with_target(false)
        .with_tracked_inactivity(false)
        .with_filter(wanted)
        .boxed()
}

fn read(filter: &str) -> Result<Filter> {
    filter.parse().map_err(|error: super::log::ParseFilterError| Error::new(ErrorKind::Invalid, error.to_string()))
}

impl TelemetryBuilder {
    /// Gives each line to `write`, with its line break, in the place of standard error. It is called on the thread that
    /// logs, which waits for it.
    pub fn log_to(mut self, write: impl Fn(&str) + Send + Sync + 'static) -> Self {
        self.out = Arc::new(write);
        self
    }

    /// Asks the environment for nothing: neither `RUST_LOG` nor `OTEL_*`.
    pub fn no_environment(mut self) -> Self {
        self.environment = false;
        self
    }

    /// Sends traces to this receiver, whatever the environment says: `http://HOST:PORT` over gRPC, and with a path, such as
    /// `http://HOST:PORT/v1/traces`, over HTTP (protobuf).
    #[cfg(feature = "otlp")]
    pub fn traces_to(mut self, endpoint: impl Into<String>) -> Self {
        self.endpoint = Some(endpoint.into());
        self
    }

    /// Records so many of all traces whose beginning is ours, 0 to 1, whatever the environment says. Of others the beginning
    /// decides.
    #[cfg(feature = "otlp")]
    pub fn ratio(mut self, ratio: f64) -> Self {
        self.ratio = Some(ratio);
        self
    }

    /// Begins. With traces it is called within a tokio runtime, which carries them.
    ///
    /// # Errors
    ///
    /// `Invalid` for what is no filter, and for what `OTEL_*` ask and can not be had.
    pub fn start(self) -> Result<Telemetry> {
        let asked = |name: &str| if self.environment { std::env::var(name).ok() } else { None };
        let filter = match asked("RUST_LOG").filter(|filter| !filter.trim().is_empty()) {
            Some(filter) => read(&filter).map_err(|error| Error::new(error.kind(), format!("RUST_LOG: {error}")))?,
            None => read(&self.filter)?,
        };
        #[cfg(feature = "otlp")]
        let sending = {
            let to = match self.endpoint.clone() {
                Some(endpoint) => Some(Where::to(endpoint, &asked)?),
                None => Where::read(&asked)?,
            };
            let to = match (to, self.ratio) {
                (Some(to), Some(ratio)) => Some(to.ratio(ratio)?),
                (to, _) => to,
            };
            to.map(Sending::start).transpose()?.map(Arc::new)
        };
        Ok(Telemetry {
            format: self.format,
            switch: Switch::new(filter),
            out: self.out,
            #[cfg(feature = "otlp")]
            sending,
        })
    }
}

impl fmt::Debug for Telemetry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Telemetry")
            .field("filter", &self.filter())
            .field("format", &self.format)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for TelemetryBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TelemetryBuilder")
            .field("filter", &self.filter)
            .field("format", &self.format)
            .finish_non_exhaustive()
    }
}
