//! The events of a run: a page of what has happened, or a stream that goes on with what will.

use super::asked::{Asked, page_of, read};
use super::code::Code;
use super::problem::Problem;
use super::view::{EventView, PageView};
use super::{App, closed};
use crate::run::Run;
use crate::run_event::Position;
use crate::{Error, RunEvent};
use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderName, header};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use callboard_core::RunId;
use futures::{Stream, StreamExt};
use serde::Deserialize;
use std::convert::Infallible;
use tokio::sync::OwnedSemaphorePermit;

/// Which events.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Which {
    limit: Option<usize>,
    after: Option<String>,
}

pub(super) async fn events(
    State(app): State<App>,
    Path(run): Path<String>,
    Asked(which): Asked<Which>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let run = app.board()?.run(read::<RunId>(&run)?);
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    // A browser that takes up a stream says where it was in a header.
    let after = text(HeaderName::from_static("last-event-id")).map(str::to_owned).or(which.after);
    let after: Position = after.as_deref().map_or(Ok(Position::START), read)?;
    if text(header::ACCEPT).is_some_and(|accepted| accepted.contains("text/event-stream")) {
        return Ok(stream(&app, &run, after).await?.into_response());
    }
    let (events, next) = run.events_so_far(after, page_of(which.limit)?).await?;
    Ok(Json(PageView::<EventView>::new(&events, next)).into_response())
}

/// All events behind a position, from now until the run ends or the server does.
async fn stream(
    app: &App,
    run: &Run,
    after: Position,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>> + use<>>, Problem> {
    let full =
        |_| Problem::new(Code::TooManyStreams, "as many clients follow events as may (half of http.connections_max)");
    let permit = app.streams.clone().try_acquire_owned().map_err(full)?;
    // Whether it is there is worth a status.
    run.info().await?;
    let events =
        run.events_after(after).map(move |event| told(&event, &permit)).take_until(closed(app.closing.clone()));
    Ok(Sse::new(events).keep_alive(KeepAlive::default()))
}

/// An event as a stream has it. It shows the permit, so that this lives as long as the stream.
fn told(event: &RunEvent, _: &OwnedSemaphorePermit) -> Result<Event, Infallible> {
    let view = EventView::from(event);
    let data = serde_json::to_string(&view).unwrap_or_else(|error| format!("{:?}", Error::from(error).message()));
    Ok(Event::default().id(view.position()).event(view.kind()).data(data))
}
