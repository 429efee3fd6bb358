//! Which request goes where.

use super::code::Code;
use super::problem::Problem;
use super::{
    App, agents, breakers, budget, control, events, health, limits, locks, log, metrics, past, queues, runs, state,
    stop, tasks, visitor,
};
use axum::Router;
use axum::extract::{Request, State};
use axum::http::{Method, Uri};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get, post};

pub(super) fn router(app: App) -> Router {
    Router::new()
        .route("/v1/runs", get(runs::list).post(runs::submit))
        .route("/v1/runs/{run}", get(runs::show))
        .route("/v1/runs/{run}/tasks", get(tasks::list))
        .route("/v1/runs/{run}/tasks/{task}", get(tasks::show))
        .route("/v1/runs/{run}/tasks/{task}/retry", post(tasks::retry))
        .route("/v1/runs/{run}/tasks/{task}/cancel", post(tasks::cancel))
        .route("/v1/runs/{run}/tasks/{task}/decide", post(tasks::decide))
        .route("/v1/runs/{run}/time", get(past::times))
        .route("/v1/runs/{run}/diff/{other}", get(past::diff))
        .route("/v1/runs/{run}/events", get(events::events))
        .route("/v1/runs/{run}/budget", get(budget::show).post(budget::top_up))
        .route("/v1/runs/{run}/cancel", post(control::cancel))
        .route("/v1/runs/{run}/pause", post(control::pause))
        .route("/v1/runs/{run}/resume", post(control::resume))
        .route("/v1/runs/{run}/signal", post(control::signal))
        .route("/v1/runs/{run}/approve", post(control::approve))
        .route("/v1/runs/{run}/reject", post(control::reject))
        .route("/v1/tasks", get(tasks::all))
        .route("/v1/queues", get(queues::list))
        .route("/v1/queues/dead", get(queues::dead))
        .route("/v1/agents", get(agents::list))
        .route("/v1/agents/{id}", get(agents::show))
        .route("/v1/breakers", get(breakers::list))
        .route("/v1/breakers/{name}", get(breakers::show))
        .route("/v1/breakers/{name}/open", post(breakers::open))
        .route("/v1/breakers/{name}/close", post(breakers::close))
        .route("/v1/breakers/{name}/reset", post(breakers::reset))
        .route("/v1/limits", get(limits::list))
        .route("/v1/state", get(state::list))
        .route("/v1/state/{key}", get(state::show).put(state::put).delete(state::delete))
        .route("/v1/state/{key}/history", get(state::history))
        .route("/v1/state/{key}/rollback", post(state::roll_back))
        .route("/v1/state/{key}/{*rest}", any(state::in_parts))
        .route("/v1/locks", get(locks::list))
        .route("/v1/log", get(log::show).put(log::put))
        .route("/metrics", get(metrics::metrics))
        .route("/v1/stop", post(stop::stop))
        .route("/healthz", get(health::healthz))
        .route("/readyz", get(health::readyz))
        .fallback(nowhere)
        .method_not_allowed_fallback(otherwise)
        .layer(middleware::from_fn_with_state(app.clone(), in_time))
        .layer(middleware::from_fn_with_state(app.clone(), visitor::admit))
        .with_state(app)
}

async fn nowhere(uri: Uri) -> Problem {
    Problem::new(Code::NotFound, format!("there is nothing at {}", uri.path())).next("GET /v1/runs")
}

async fn otherwise(method: Method, uri: Uri) -> Problem {
    Problem::new(Code::Usage, format!("{method} is no way to ask for {}", uri.path()))
}

/// Answers within the limit of a request. The body of the answer may take longer: a stream does.
async fn in_time(State(app): State<App>, request: Request, next: Next) -> Response {
    let limit = app.http.request_timeout;
    match tokio::time::timeout(limit, next.run(request)).await {
        Ok(response) => response,
        Err(_) => Problem::new(Code::Unknown, format!("there was no answer within {limit:?}")).into_response(),
    }
}
