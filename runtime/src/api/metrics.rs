//! What is counted, as Prometheus reads it.

use super::code::Code;
use super::problem::Problem;
use super::route::{Answer, Operation};
use crate::telemetry::exporter;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};

/// The version of the format is a part of its type.
const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// A text in that format.
pub(super) struct Metrics(String);

impl IntoResponse for Metrics {
    fn into_response(self) -> Response {
        ([(CONTENT_TYPE, TEXT)], self.0).into_response()
    }
}

impl Answer for Metrics {
    fn describe(operation: &mut Operation<'_>) {
        <&str as Answer>::describe(operation);
    }
}

/// Everything that this process has counted.
pub(super) async fn metrics() -> Result<Metrics, Problem> {
    let Some(handle) = exporter::installed() else {
        let detail =
            "there are no metrics here: the node was not asked for them, or the program has a recorder of its own";
        return Err(Problem::new(Code::NotFound, detail));
    };
    let text = tokio::task::spawn_blocking(|| handle.render()).await;
    let text = text.map_err(|_| Problem::new(Code::Internal, "the metrics could not be rendered"))?;
    Ok(Metrics(text))
}
