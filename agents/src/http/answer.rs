//! What a server answers, as the output of a task or as its failure.

use super::ask::Ask;
use super::date;
use super::settings::HttpSettings;
use super::trouble::{sending, shown};
use callboard::{Error, Json, Result};
use reqwest::header::{CONTENT_TYPE, DATE, HeaderMap, HeaderName, RETRY_AFTER};
use reqwest::{Response, StatusCode, Url};
use serde::Serialize;
use std::collections::BTreeMap;
use std::time::Duration;

/// A server may ask to be left alone for so long; more is cut.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(60 * 60);
/// Bytes of a failed answer that are read for its message.
const SAID_BYTES_MAX: usize = 1 << 10;

#[derive(Serialize)]
struct Output {
    status: u16,
    headers: BTreeMap<String, String>,
    body: Json,
}

/// The output, if the status is one of an answer.
pub(super) async fn answer(ask: &Ask, response: Response, settings: &HttpSettings) -> Result<Json> {
    let status = response.status();
    let is_answer = status.is_success() || status == StatusCode::NOT_MODIFIED;
    if !is_answer && !settings.accept.contains(&status.as_u16()) {
        return Err(failure(&ask.url, response).await);
    }
    let kept = settings.response_headers.iter();
    let headers = kept.filter_map(|name| Some((name.clone(), header(response.headers(), name)?))).collect();
    let is_json = is_json(response.headers());
    let content = match read(&ask.url, response, settings.response_bytes_max).await? {
        Read::All(content) => content,
        Read::Begin(_) => {
            let max = settings.response_bytes_max;
            return Err(Error::terminal(format!(
                "the answer of {} has more than response_max, {max} bytes",
                shown(&ask.url)
            )));
        }
    };
    let body = body(&ask.url, content, is_json)?;
    Ok(Json::of(&Output { status: status.as_u16(), headers, body })?)
}

fn header(headers: &HeaderMap, name: &str) -> Option<String> {
    let values: Vec<_> = headers.get_all(name).iter().map(|value| String::from_utf8_lossy(value.as_bytes())).collect();
    (!values.is_empty()).then(|| values.join(", "))
}

/// `application/json`, or anything that ends with `+json` (RFC 6839).
fn is_json(headers: &HeaderMap) -> bool {
    let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    kind == "application/json" || kind.ends_with("+json")
}

fn body(url: &Url, content: Vec<u8>, is_json: bool) -> Result<Json> {
    if content.is_empty() {
        return Ok(Json::null());
    }
    let bytes = content.len();
    let text = String::from_utf8(content).map_err(|_| {
        Error::terminal(format!("the answer of {} is neither JSON nor UTF-8 text, but {bytes} bytes", shown(url)))
    })?;
    match is_json {
        false => Ok(Json::of(&text)?),
        true => Json::parse(text).map_err(|error| {
            Error::terminal(format!("the answer of {} says that it is JSON, and is not: {error}", shown(url)))
        }),
    }
}

enum Read {
    All(Vec<u8>),
    Begin(Vec<u8>),
}

async fn read(url: &Url, mut response: Response, bytes_max: usize) -> Result<Read> {
    let mut content = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| sending(url, error))? {
        let room = bytes_max - content.len();
        content.extend_from_slice(&chunk[..chunk.len().min(room)]);
        if chunk.len() > room {
            return Ok(Read::Begin(content));
        }
    }
    Ok(Read::All(content))
}

async fn failure(url: &Url, response: Response) -> Error {
    let status = response.status();
    let after = retry_after(response.headers());
    let said = match read(url, response, SAID_BYTES_MAX).await {
        Ok(Read::All(said) | Read::Begin(said)) => said,
        Err(_) => Vec::new(),
    };
    let said = String::from_utf8_lossy(&said);
    let message = match said.trim() {
        "" => format!("{} answered {status}", shown(url)),
        said => format!("{} answered {status}: {said}", shown(url)),
    };
    match status {
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => match after {
            Some(after) => Error::retry_after(after, message),
            None => Error::retryable(message),
        },
        StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_EARLY => Error::retryable(message),
        status if status.is_server_error() => Error::retryable(message),
        _ => Error::terminal(message),
    }
}

/// Seconds, or a date; a date is measured from that of the answer, so that no clock has to agree with another.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
    let after = text(RETRY_AFTER)?;
    let seconds = after.parse().ok().or_else(|| {
        let (until, now) = (date::seconds(after)?, date::seconds(text(DATE)?)?);
        u64::try_from((until - now).max(0)).ok()
    })?;
    Some(Duration::from_secs(seconds).min(RETRY_AFTER_MAX))
}
