//! A workflow in the body of a request.

use super::App;
use super::asked::{media_type, whole};
use super::code::Code;
use super::problem::Problem;
use crate::workflow::Workflow;
use axum::extract::{FromRequest, Request};

/// A workflow: JSON, YAML or TOML, as the content type says.
pub(super) struct Document(pub(super) Workflow);

impl FromRequest<App> for Document {
    type Rejection = Problem;

    async fn from_request(request: Request, app: &App) -> Result<Self, Problem> {
        let read = match media_type(request.headers()).as_deref() {
            Some("application/json") => Workflow::from_json,
            Some("application/yaml" | "application/x-yaml" | "text/yaml") => Workflow::from_yaml,
            Some("application/toml") => Workflow::from_toml,
            other => {
                let seen = other.unwrap_or("nothing");
                let detail =
                    format!("a workflow is application/json, application/yaml or application/toml, not {seen}");
                return Err(Problem::new(Code::MediaType, detail));
            }
        };
        let body = whole(request.into_body(), app.http.body_bytes_max).await?;
        let text = std::str::from_utf8(&body)
            .map_err(|error| Problem::new(Code::Workflow, format!("the workflow document is no UTF-8: {error}")))?;
        read(text).map(Self).map_err(Problem::of_workflow)
    }
}
