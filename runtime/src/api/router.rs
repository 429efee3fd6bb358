//! Which request goes where: the one table of routes, with the role that each needs.

use super::code::Code;
use super::problem::Problem;
use super::route::{Header, Route};
use super::{
    App, agents, breakers, budget, control, events, health, limits, locks, log, metrics, openapi, past, queues, runs,
    state, stop, tasks, visitor,
};
use crate::settings::Role::{Admin, Operator};
use axum::Router;
use axum::extract::{Request, State};
use axum::http::{Method, Uri};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::any;

const SUBMITTED: &[Header] = &[
    Header { name: "idempotency-key", about: "under one key there is one run: submitted again, it is the same" },
    Header { name: "traceparent", about: "the trace that the run is a part of (W3C)" },
];
const EXPECTED: &[Header] = &[
    Header { name: "if-match", about: "the number of the version that this rests on, in quotes" },
    Header { name: "if-none-match", about: "`*`, if there is to be none" },
];
const VERSION: &[Header] =
    &[Header { name: "if-match", about: "the number of the version that this rests on, in quotes" }];
const LAST: &[Header] = &[Header { name: "last-event-id", about: "as `after`, from a browser that takes up a stream" }];

/// All routes. Who looks is a viewer; who changes what runs, an operator; who ends a node, or erases for good (which is a
/// parameter of `delete_state`, and looked at there), an admin.
pub(super) fn table() -> Vec<Route> {
    vec![
        Route::get("/v1/runs", "list_runs", "a page of runs, the latest first", runs::list),
        Route::post(Operator, "/v1/runs", "submit_run", "submits a workflow; durable when it answers", runs::submit)
            .statuses(&[201])
            .headers(SUBMITTED),
        Route::get("/v1/runs/{run}", "show_run", "how a run stands, or stood at an event", runs::show),
        Route::get("/v1/runs/{run}/tasks", "list_tasks_of_run", "a page of its tasks", tasks::list),
        Route::get(
            "/v1/runs/{run}/tasks/{task}",
            "show_task",
            "a task with its output, or why it does not run",
            tasks::show,
        ),
        Route::post(
            Operator,
            "/v1/runs/{run}/tasks/{task}/retry",
            "retry_task",
            "gives a task that has ended without a result another life",
            tasks::retry,
        ),
        Route::post(
            Operator,
            "/v1/runs/{run}/tasks/{task}/cancel",
            "cancel_task",
            "ends one task, and the run goes on",
            tasks::cancel,
        ),
        Route::post(
            Operator,
            "/v1/runs/{run}/tasks/{task}/decide",
            "decide_effect",
            "says whether an effect happened of which nobody knows",
            tasks::decide,
        ),
        Route::get("/v1/runs/{run}/time", "show_times", "where its time went", past::times),
        Route::get("/v1/runs/{run}/diff/{other}", "diff_runs", "in what the tasks of two runs differ", past::diff),
        Route::get(
            "/v1/runs/{run}/events",
            "list_events_of_run",
            "what has happened to a run; as a stream also what will",
            events::events,
        )
        .headers(LAST),
        Route::get("/v1/runs/{run}/budget", "show_budget", "what it may cost and has cost", budget::show),
        Route::post(Operator, "/v1/runs/{run}/budget", "top_up_budget", "adds to its budget", budget::top_up),
        Route::post(Operator, "/v1/runs/{run}/cancel", "cancel_run", "ends it", control::cancel),
        Route::post(Operator, "/v1/runs/{run}/pause", "pause_run", "starts no more of its tasks", control::pause),
        Route::post(Operator, "/v1/runs/{run}/resume", "resume_run", "starts its tasks again", control::resume),
        Route::post(
            Operator,
            "/v1/runs/{run}/signal",
            "signal_run",
            "gives it what a handler waits for",
            control::signal,
        ),
        Route::post(
            Operator,
            "/v1/runs/{run}/approve",
            "approve_run",
            "answers an approval with yes",
            control::approve,
        ),
        Route::post(Operator, "/v1/runs/{run}/reject", "reject_run", "answers an approval with no", control::reject),
        Route::get("/v1/tasks", "list_tasks", "a page of the tasks of all runs", tasks::all),
        Route::get(
            "/v1/events",
            "list_events",
            "what has happened to all runs; as a stream also what will",
            events::all,
        )
        .headers(LAST),
        Route::get("/v1/queues", "list_queues", "the tasks that wait for an agent of this node", queues::list),
        Route::get("/v1/queues/dead", "list_dead_letters", "the tasks that have failed for good", queues::dead),
        Route::get("/v1/agents", "list_agents", "the agents that are known", agents::list),
        Route::get("/v1/agents/{id}", "show_agent", "one of them", agents::show),
        Route::get("/v1/breakers", "list_breakers", "the circuit breakers of this node", breakers::list),
        Route::get("/v1/breakers/{name}", "show_breaker", "one of them", breakers::show),
        Route::post(Operator, "/v1/breakers/{name}/open", "open_breaker", "lets no call through", breakers::open),
        Route::post(Operator, "/v1/breakers/{name}/close", "close_breaker", "lets all calls through", breakers::close),
        Route::post(
            Operator,
            "/v1/breakers/{name}/reset",
            "reset_breaker",
            "leaves it to itself again",
            breakers::reset,
        ),
        Route::get("/v1/limits", "list_limits", "the limits of this node", limits::list),
        Route::get("/v1/state", "list_state", "a page of the keys of documents", state::list),
        Route::get("/v1/state/{key}", "show_state", "a document", state::show),
        Route::put(Operator, "/v1/state/{key}", "put_state", "writes the next version of a document", state::put)
            .statuses(&[200, 201])
            .headers(EXPECTED),
        Route::delete(Operator, "/v1/state/{key}", "delete_state", "deletes a document, or erases it", state::delete)
            .headers(VERSION),
        Route::get("/v1/state/{key}/history", "list_versions", "a page of its versions", state::history),
        Route::post(
            Operator,
            "/v1/state/{key}/rollback",
            "roll_back_state",
            "writes a version that says what an earlier one said",
            state::roll_back,
        )
        .headers(VERSION),
        Route::get("/v1/log", "show_log", "which lines the process writes, and how", log::show),
        Route::put(Admin, "/v1/log", "set_log", "says which lines the process writes from now on", log::put),
        Route::get("/v1/locks", "list_locks", "the locks that are held, by whom, and who waits", locks::list),
        Route::post(Admin, "/v1/stop", "stop_node", "ends this node at once, from its own machine", stop::stop),
        Route::get("/v1/openapi.json", "show_openapi", "this document", openapi::show),
        Route::get("/metrics", "show_metrics", "what is counted, as Prometheus reads it", metrics::metrics),
        Route::get("/healthz", "show_health", "whether the process lives", health::healthz).open(),
        Route::get("/readyz", "show_readiness", "whether it takes work, or why not", health::readyz).open(),
    ]
}

pub(super) fn router(app: App) -> Router {
    let routes = table().into_iter().map(|route| route.behind(&app.http.tokens, &app.audit));
    routes
        .fold(Router::new(), |router, (path, handler)| router.route(path, handler))
        // A hint for who has not escaped a key; nothing is there.
        .route("/v1/state/{key}/{*rest}", any(state::in_parts))
        .fallback(nowhere)
        .method_not_allowed_fallback(otherwise)
        .layer(middleware::from_fn_with_state(app.clone(), in_time))
        .layer(middleware::from_fn_with_state(app.clone(), visitor::admit))
        .with_state(app)
}

async fn nowhere(uri: Uri) -> Problem {
    Problem::new(Code::NotFound, format!("there is nothing at {}", uri.path())).next("GET /v1/openapi.json")
}

async fn otherwise(method: Method, uri: Uri) -> Problem {
    Problem::new(Code::Method, format!("{method} is no way to ask for {}", uri.path()))
}

/// Answers within the limit of a request. The body of the answer may take longer: a stream does.
async fn in_time(State(app): State<App>, request: Request, next: Next) -> Response {
    let limit = app.http.request_timeout;
    match tokio::time::timeout(limit, next.run(request)).await {
        Ok(response) => response,
        Err(_) => Problem::new(Code::Unknown, format!("there was no answer within {limit:?}")).into_response(),
    }
}
