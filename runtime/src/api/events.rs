//! The events of a run: a page of what has happened, or a stream that goes on with what will.

use super::asked::{Asked, page_of, read};
use super::code::Code;
use super::problem::Problem;
use super::route::PageOrStream;
use super::view::{EventView, PageView, kind_of};
use super::{App, closed};
use crate::run::{Events, Run};
use crate::run_event::Position;
use crate::{Error, RunEvent};
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
            (kinds.is_empty() || kinds.iter().any(|kind| *kind == kind_of(&event.what)))
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
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    // A browser that takes up a stream says where it was in a header.
    let after = text(HeaderName::from_static("last-event-id")).map(str::to_owned).or(which.after);
    let after: Position = after.as_deref().map_or(Ok(Position::START), read)?;
    if text(header::ACCEPT).is_some_and(|accepted| accepted.contains("text/event-stream")) {
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
    let full =
        |_| Problem::new(Code::TooManyStreams, "as many clients follow events as may (half of http.connections_max)");
    let permit = app.streams.clone().try_acquire_owned().map_err(full)?;
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
