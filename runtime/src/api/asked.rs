//! What a request asks for: parameters and bodies, read with our own words for what is wrong with them.

use super::App;
use super::code::Code;
use super::problem::Problem;
use crate::{Error, Result};
use axum::body::Body;
use axum::extract::{FromRequest, FromRequestParts, Query, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use bytes::Bytes;
use callboard_core::Json;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde::de::DeserializeOwned;
use std::fmt::Display;
use std::str::FromStr;

/// How much a page holds unless somebody says otherwise, and at most.
const LIMIT: usize = 100;
const LIMIT_MAX: usize = 1_000;

/// The parameters behind the question mark.
pub(super) struct Asked<T>(pub(super) T);

impl<T: DeserializeOwned> FromRequestParts<App> for Asked<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self, Problem> {
        let query = Query::try_from_uri(&parts.uri);
        query.map(|Query(asked)| Self(asked)).map_err(|error| Problem::new(Code::Usage, error.body_text()))
    }
}

/// A body in JSON; none says the default.
pub(super) struct Told<T>(pub(super) T);

impl<T: DeserializeOwned + Default> FromRequest<App> for Told<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, app: &App) -> Result<Self, Problem> {
        let body = said(request, app).await?;
        if body.is_empty() {
            return Ok(Self(T::default()));
        }
        serde_json::from_slice(&body).map(Self).map_err(unreadable)
    }
}

/// A body that is one JSON value, kept as it is written.
pub(super) struct Given(pub(super) Json);

impl FromRequest<App> for Given {
    type Rejection = Problem;

    async fn from_request(request: Request, app: &App) -> Result<Self, Problem> {
        let body = said(request, app).await?;
        let text = std::str::from_utf8(&body).map_err(unreadable)?;
        Json::parse(text).map(Self).map_err(unreadable)
    }
}

/// A whole body, which says that it is JSON, or is empty.
async fn said(request: Request, app: &App) -> Result<Bytes, Problem> {
    let kind = media_type(request.headers());
    let body = whole(request.into_body(), app.http.body_bytes_max).await?;
    if !body.is_empty() && kind.as_deref() != Some("application/json") {
        return Err(Problem::new(Code::MediaType, format!("{kind:?} is not \"application/json\"")));
    }
    Ok(body)
}

fn unreadable(error: impl Display) -> Problem {
    Problem::new(Code::Usage, format!("the body can not be read: {error}"))
}

/// How many there are on a page, if it is said.
pub(super) fn page_of(limit: Option<usize>) -> Result<usize, Problem> {
    match limit.unwrap_or(LIMIT) {
        limit @ 1..=LIMIT_MAX => Ok(limit),
        limit => Err(Problem::new(Code::Usage, format!("the limit of a page is 1 to {LIMIT_MAX}, not {limit}"))),
    }
}

/// The media type of a body, without its parameters.
pub(super) fn media_type(headers: &HeaderMap) -> Option<String> {
    let kind = headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
    Some(kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase())
}

/// A whole body, if it is within the limit.
pub(super) async fn whole(body: Body, bytes_max: usize) -> Result<Bytes, Problem> {
    match Limited::new(body, bytes_max).collect().await {
        Ok(body) => Ok(body.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => {
            let detail = format!("the body is longer than {bytes_max} bytes (http.body_bytes_max)");
            Err(Problem::new(Code::TooLarge, detail))
        }
        Err(error) => Err(Problem::new(Code::Usage, format!("the body ended early: {error}"))),
    }
}

/// A part of a path or a parameter.
pub(super) fn read<T: FromStr>(text: &str) -> Result<T, Problem>
where
    T::Err: Into<Error>,
{
    text.parse().map_err(|error: T::Err| error.into().of_kind(crate::ErrorKind::Invalid).into())
}

/// Several of a kind, separated by commas.
pub(super) fn several<T>(text: Option<&str>, what: &str, known: &[(&str, T)]) -> Result<Vec<T>, Problem>
where
    T: Copy,
{
    let words = text.unwrap_or_default().split(',').filter(|word| !word.is_empty());
    let one = |word: &str| {
        let found = known.iter().find(|(name, _)| *name == word).map(|(_, value)| *value);
        found.ok_or_else(|| {
            let names: Vec<&str> = known.iter().map(|(name, _)| *name).collect();
            Problem::new(Code::Usage, format!("{what} is one of {}, not {word:?}", names.join(", ")))
        })
    };
    words.map(one).collect()
}
