//! Runs, tasks, events, documents and locks as JSON. What is said here is said on the command line as well, and stays.

mod document;
mod event;
mod lock;
mod past;
mod run;
mod task;

pub(super) use document::{DocumentView, KeyView, OutlineView};
pub(super) use event::{EventView, FeedEventView};
pub(super) use lock::LockView;
pub(super) use past::{DiffView, TimesView};
pub(super) use run::RunView;
pub(super) use task::{RunTaskView, TaskView};

use callboard_core::Millis;
use schemars::JsonSchema;
use serde::{Serialize, Serializer};
use std::fmt::Display;
use std::time::{Duration, UNIX_EPOCH};

/// Some of the answers, and what to ask for behind them.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "PageOf{T}")]
pub(super) struct PageView<T> {
    pub(super) items: Vec<T>,
    /// To be given as `after`; `null` if there is no more.
    pub(super) next: Option<String>,
}

impl<T> PageView<T> {
    pub(super) fn new(items: impl IntoIterator<Item = impl Into<T>>, next: Option<impl Display>) -> Self {
        Self { items: items.into_iter().map(Into::into).collect(), next: next.map(|next| next.to_string()) }
    }
}

/// A moment as `2026-11-20T10:36:20.125Z`.
#[derive(JsonSchema)]
#[schemars(inline)]
struct Moment(#[schemars(with = "String", extend("format" = "date-time"))] Millis);

impl Serialize for Moment {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let since = Duration::from_millis(u64::try_from(self.0.0).unwrap_or(0));
        serializer.collect_str(&humantime::format_rfc3339_millis(UNIX_EPOCH + since))
    }
}
