//! What is counted, as Prometheus reads it.

use super::code::Code;
use super::problem::Problem;
use crate::telemetry::exporter;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;

/// The version of the format is a part of its type.
const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Everything that this process has counted.
pub(super) async fn metrics() -> Result<impl IntoResponse, Problem> {
    let Some(handle) = exporter::installed() else {
        let detail =
            "there are no metrics here: the node was not asked for them, or the program has a recorder of its own";
        return Err(Problem::new(Code::NotFound, detail));
    };
    let text = tokio::task::spawn_blocking(|| handle.render()).await;
    let text = text.map_err(|_| Problem::new(Code::Internal, "the metrics could not be rendered"))?;
    Ok(([(CONTENT_TYPE, TEXT)], text))
}
