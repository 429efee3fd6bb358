//! Which lines are written: a level for all, and others for what is named.

use std::fmt;
use std::str::FromStr;
use std::sync::{Arc, PoisonError, RwLock};
use tracing::subscriber::Interest;
use tracing::{Metadata, Subscriber};
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::{Context, Filter as LayerFilter};

/// A filter, as somebody wrote it: `info`, or `warn,callboard=debug`.
#[derive(Clone, Debug)]
pub(crate) struct Filter {
    text: String,
    targets: Targets,
}

/// What libraries write at most unless they are named: they log what they carry, payloads and passwords with it. The client of
/// RabbitMQ warns of each message that found no queue, with all of it, which is how a dead node is noticed; Amazon's
/// configuration warns of a machine that is not Amazon's.
const CAPS: [(&str, LevelFilter); 17] = [
    ("amq", LevelFilter::WARN),
    ("async_", LevelFilter::WARN),
    ("aws_", LevelFilter::WARN),
    ("aws_config", LevelFilter::ERROR),
    ("axum", LevelFilter::WARN),
    ("deadpool", LevelFilter::WARN),
    ("h2", LevelFilter::WARN),
    ("hyper", LevelFilter::WARN),
    ("lapin", LevelFilter::ERROR),
    ("opentelemetry", LevelFilter::WARN),
    // It says of each batch what we say once.
    ("opentelemetry-otlp", LevelFilter::ERROR),
    ("ractor", LevelFilter::WARN),
    ("redis", LevelFilter::WARN),
    ("reqwest", LevelFilter::WARN),
    ("rustls", LevelFilter::WARN),
    ("tonic", LevelFilter::WARN),
    ("tower", LevelFilter::WARN),
];

/// A text that is no filter, and why.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{seen:?} is no filter: {why}; write a level (off, error, warn, info, debug, trace), and TARGET=LEVEL for what differs, as warn,callboard=debug"
)]
pub(crate) struct ParseFilterError {
    seen: String,
    why: String,
}

impl FromStr for Filter {
    type Err = ParseFilterError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = |why: String| ParseFilterError { seen: text.chars().take(200).collect(), why };
        let mut all = LevelFilter::ERROR;
        let mut named: Vec<(&str, LevelFilter)> = Vec::new();
        let mut parts = text.split(',').map(str::trim).filter(|part| !part.is_empty()).peekable();
        if parts.peek().is_none() {
            return Err(wrong("it is empty".into()));
        }
        for part in parts {
            let (target, level) =
                part.split_once('=').map_or((None, part), |(target, level)| (Some(target.trim()), level));
            let level = level.trim();
            let no_level = || wrong(format!("{level:?} is no level"));
            // To `tracing` nothing at all is a level, too.
            let level = if level.is_empty() { Err(no_level()) } else { level.parse().map_err(|_| no_level()) }?;
            match target {
                None => all = level,
                Some(target) if target.is_empty() || target.contains(['[', ']', '{', '}', '"', ' ']) => {
                    return Err(wrong(format!("{target:?} is no target")));
                }
                Some(target) => named.push((target, level)),
            }
        }
        let is_named = |cap: &str| named.iter().any(|(target, _)| cap.starts_with(target));
        let capped = CAPS.into_iter().filter(|(cap, most)| all > *most && !is_named(cap));
        let targets = Targets::new().with_default(all).with_targets(capped).with_targets(named.iter().copied());
        Ok(Self { text: text.trim().to_owned(), targets })
    }
}

#[cfg(test)]
impl Filter {
    pub(super) fn would_enable(&self, target: &str, level: &tracing::Level) -> bool {
        self.targets.would_enable(target, level)
    }
}

impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// A filter that can be exchanged while it filters; a handle, cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Switch(Arc<RwLock<Filter>>);

impl Switch {
    pub(crate) fn new(filter: Filter) -> Self {
        Self(Arc::new(RwLock::new(filter)))
    }

    /// As it stands.
    pub(crate) fn read(&self) -> Filter {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// From now on this one.
    pub(crate) fn set(&self, filter: Filter) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = filter;
        // What each place in the code was told is remembered there.
        tracing::callsite::rebuild_interest_cache();
    }

    fn with<T>(&self, look: impl FnOnce(&Targets) -> T) -> T {
        look(&self.0.read().unwrap_or_else(PoisonError::into_inner).targets)
    }
}

/// A filter by target alone says `always` or `never` of each place in the code, so it is asked once for each, and again when
/// it changes.
impl<S: Subscriber> LayerFilter<S> for Switch {
    fn enabled(&self, metadata: &Metadata<'_>, context: &Context<'_, S>) -> bool {
        self.with(|targets| LayerFilter::<S>::enabled(targets, metadata, context))
    }

    fn callsite_enabled(&self, metadata: &'static Metadata<'static>) -> Interest {
        self.with(|targets| LayerFilter::<S>::callsite_enabled(targets, metadata))
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        self.with(LayerFilter::<S>::max_level_hint)
    }
}
