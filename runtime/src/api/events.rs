//! The events of a run, and of all runs: a page of what has happened, or a stream that goes on with what will.

use super::asked::{Asked, page_of, read};
use super::code::Code;
use super::problem::Problem;
use super::route::PageOrStream;
use super::view::{EventView, FeedEventView, PageView};
use super::{App, closed};
use crate::run::{Events, Run};
use crate::run_event::Position;
use crate::{Error, FeedEvent, FeedPosition, FeedRequest, RunEvent};
use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderName, header};
use axum::response::sse::{Event, KeepAlive, Sse};
use callboard_core::RunId;
use futures::{Stream, StreamExt};
use schemars::JsonSchema;
use serde::Deserialize;
use std::convert::Infallible;
use tokio::sync::OwnedSemaphorePermit;

/// Which events.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Which {
    #[schemars(range(min = 1, max = 1000))]
    limit: Option<usize>,
    /// Events behind this position.
    after: Option<String>,
    /// Kinds of events, with commas between.
    r#type: Option<String>,
    /// The events of this task.
    task: Option<String>,
    /// How many times as fast what has happened is told again; a stream alone.
    speed: Option<f64>,
}

impl Which {
    /// Whether an event is one of those asked for, by its kind and its task.
    fn filter(&self) -> impl Fn(&RunEvent) -> bool + Send + use<> {
        let kinds: Vec<String> = self.r#type.iter().flat_map(|kinds| kinds.split(',')).map(str::to_owned).collect();
        let task = self.task.clone();
        move |event| {
            (kinds.is_empty() || kinds.iter().any(|kind| *kind == event.what.kind()))
                && task.as_ref().is_none_or(|task| event.task.as_deref() == Some(task))
        }
    }
}

pub(super) async fn events(
    State(app): State<App>,
    Path(run): Path<String>,
    Asked(which): Asked<Which>,
    headers: HeaderMap,
) -> Result<PageOrStream<PageView<EventView>>, Problem> {
    let (run, filter) = (app.board()?.run(read::<RunId>(&run)?), which.filter());
    let after = last_event(&headers).or(which.after);
    let after: Position = after.as_deref().map_or(Ok(Position::START), read)?;
    if wants_stream(&headers) {
        let events = match which.speed {
            Some(speed) => run.replay_after(after, speed)?,
            None => run.events_after(after),
        };
        return Ok(PageOrStream::of(stream(&app, &run, events, filter).await?));
    }
    if which.speed.is_some() {
        return Err(Problem::new(Code::Usage, "a replay is a stream: accept text/event-stream"));
    }
    let (events, next) = run.events_so_far(after, page_of(which.limit)?, filter).await?;
    Ok(PageOrStream::of(Json(PageView::<EventView>::new(&events, next))))
}

/// Those events that are wanted, until there are no more or the server ends.
async fn stream<F: Fn(&RunEvent) -> bool + Send + 'static>(
    app: &App,
    run: &Run,
    events: Events,
    filter: F,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>> + use<F>>, Problem> {
    let permit = place(app)?;
    // Whether it is there is worth a status.
    run.info().await?;
    let wanted = events.filter(move |event| std::future::ready(filter(event)));
    let events = wanted.map(move |event| told(&event, &permit)).take_until(closed(app.closing.clone()));
    Ok(Sse::new(events).keep_alive(KeepAlive::default()))
}

/// An event as a stream has it. It shows the permit, so that this lives as long as the stream.
fn told(event: &RunEvent, _: &OwnedSemaphorePermit) -> Result<Event, Infallible> {
    let view = EventView::from(event);
    let data = serde_json::to_string(&view).unwrap_or_else(|error| format!("{:?}", Error::from(error).message()));
    Ok(Event::default().id(view.position()).event(view.kind()).data(data))
}

/// Which events of all runs.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct WhichOfAll {
    #[schemars(range(min = 1, max = 1000))]
    limit: Option<usize>,
    /// Events behind this position, or behind `now`; as far back as they are kept without it.
    after: Option<String>,
    /// Kinds of events, with commas between.
    r#type: Option<String>,
    /// Events of runs of this workflow.
    workflow: Option<String>,
    /// Events of tasks that ask for this capability.
    capability: Option<String>,
    /// Events of this run.
    #[schemars(with = "Option<RunId>")]
    run: Option<String>,
}

/// The word for the position behind everything that has happened.
const NOW: &str = "now";

pub(super) async fn all(
    State(app): State<App>,
    Asked(which): Asked<WhichOfAll>,
    headers: HeaderMap,
) -> Result<PageOrStream<PageView<FeedEventView>>, Problem> {
    let limit = page_of(which.limit)?;
    let kinds = which.r#type.iter().flat_map(|kinds| kinds.split(',')).filter(|kind| !kind.is_empty());
    let mut request = kinds.fold(app.board()?.events(), FeedRequest::kind);
    if let Some(workflow) = which.workflow {
        request = request.workflow(workflow);
    }
    if let Some(capability) = which.capability {
        request = request.capability(capability);
    }
    if let Some(run) = which.run {
        request = request.run(read::<RunId>(&run)?);
    }
    match last_event(&headers).or(which.after).as_deref() {
        None => {}
        Some(NOW) => request = request.from_now(),
        Some(after) => request = request.after(read::<FeedPosition>(after)?),
    }
    if wants_stream(&headers) {
        return Ok(PageOrStream::of(stream_of_all(&app, request).await?));
    }
    let page = request.page(limit).await?;
    Ok(PageOrStream::of(Json(PageView::<FeedEventView>::new(&page.items, page.next))))
}

/// Events as they happen, until the server ends or they can not be read. Where the reader is is said at the beginning, and
/// where nothing of what has happened was wanted: an `id` by itself, which a client keeps and tells nobody.
async fn stream_of_all(
    app: &App,
    request: FeedRequest,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>> + use<>>, Problem> {
    let permit = place(app)?;
    let reader = request.open().await?;
    let begins = futures::stream::iter([Ok(Event::default().id(reader.position().to_string()))]);
    let pages = futures::stream::unfold((reader, permit), |(mut reader, permit)| async move {
        let events = match reader.next().await {
            Ok(events) => events,
            Err(error) => {
                tracing::debug!(error = format!("{error:#}"), "a stream of events ends");
                return None;
            }
        };
        let is_behind = events.last().is_none_or(|last| last.position != *reader.position());
        let mut told: Vec<Result<Event, Infallible>> = events.iter().map(|event| Ok(told_of_all(event))).collect();
        if is_behind {
            told.push(Ok(Event::default().id(reader.position().to_string())));
        }
        Some((futures::stream::iter(told), (reader, permit)))
    });
    let events = begins.chain(pages.flatten()).take_until(closed(app.closing.clone()));
    Ok(Sse::new(events).keep_alive(KeepAlive::default()))
}

fn told_of_all(event: &FeedEvent) -> Event {
    let view = FeedEventView::from(event);
    let data = serde_json::to_string(&view).unwrap_or_else(|error| format!("{:?}", Error::from(error).message()));
    Event::default().id(view.position()).event(view.kind()).data(data)
}

/// Where a browser was that takes up a stream.
fn last_event(headers: &HeaderMap) -> Option<String> {
    let last = headers.get(HeaderName::from_static("last-event-id"))?.to_str().ok()?;
    Some(last.to_owned()).filter(|last| !last.is_empty())
}

fn wants_stream(headers: &HeaderMap) -> bool {
    let accepted = headers.get(header::ACCEPT).and_then(|accepted| accepted.to_str().ok());
    accepted.is_some_and(|accepted| accepted.contains("text/event-stream"))
}

/// A place among those who follow events.
fn place(app: &App) -> Result<OwnedSemaphorePermit, Problem> {
    let full =
        |_| Problem::new(Code::TooManyStreams, "as many clients follow events as may (half of http.connections_max)");
    app.streams.clone().try_acquire_owned().map_err(full)
}
