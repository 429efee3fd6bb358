//! What a task asks for, checked against what is allowed.

use super::settings::HttpSettings;
use bytes::Bytes;
use callboard::{Error, Json, Result};
use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Method, StatusCode, Url};
use serde::Deserialize;
use std::collections::BTreeMap;

/// The input of a task.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Asked {
    url: String,
    #[serde(default)]
    method: Option<String>,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    json: Option<Json>,
    text: Option<String>,
}

/// One request.
#[derive(Debug)]
pub(super) struct Ask {
    pub(super) url: Url,
    pub(super) method: Method,
    pub(super) headers: HeaderMap,
    pub(super) body: Option<Bytes>,
}

impl Asked {
    pub(super) fn parse(input: &Json) -> Result<Self> {
        let fault = |error| Error::terminal(format!("the input does not fit: {error}"));
        serde_json::from_str(input.as_str()).map_err(fault)
    }

    pub(super) fn check(self, settings: &HttpSettings) -> Result<Ask> {
        let url = Url::parse(&self.url).map_err(|error| Error::terminal(format!("url is none: {error}")))?;
        let method = method(self.method.as_deref().unwrap_or("GET"), settings)?;
        let mut headers = headers(&self.headers, settings)?;
        let (body, kind) = match (self.json, self.text) {
            (None, None) => (None, None),
            (Some(json), None) => (Some(json.as_str().to_owned()), Some("application/json")),
            (None, Some(text)) => (Some(text), Some("text/plain; charset=utf-8")),
            (Some(_), Some(_)) => return Err(Error::terminal("a request has json or text, not both")),
        };
        let (bytes, max) = (body.as_ref().map_or(0, String::len), settings.request_bytes_max);
        if bytes > max {
            return Err(Error::terminal(format!("the body has {bytes} bytes, more than request_max, {max} bytes")));
        }
        if let Some(kind) = kind {
            headers.entry(CONTENT_TYPE).or_insert(HeaderValue::from_static(kind));
        }
        let ask = Ask { url, method, headers, body: body.map(Bytes::from) };
        ask.has_no_user()?;
        Ok(ask)
    }
}

impl Ask {
    /// Goes on to another URL, as RFC 9110, section 15.4 says: what is not repeated becomes a `GET` without a body.
    pub(super) fn redirect(&mut self, status: StatusCode, to: Url, settings: &HttpSettings) -> Result<()> {
        let repeats = [StatusCode::TEMPORARY_REDIRECT, StatusCode::PERMANENT_REDIRECT].contains(&status);
        let stays = self.method == Method::GET || self.method == Method::HEAD;
        if !repeats && !stays {
            self.method = method("GET", settings)?;
            self.body = None;
            self.headers.remove(CONTENT_TYPE);
        }
        if to.origin() != self.url.origin() {
            // Another server learns the form of the request, and no more.
            let form = |name| Some((name, self.headers.get(name)?.clone()));
            let kept: Vec<_> = [ACCEPT, CONTENT_TYPE].iter().filter_map(form).collect();
            self.headers = kept.into_iter().map(|(name, value)| (name.clone(), value)).collect();
        }
        self.url = to;
        self.has_no_user()
    }

    fn has_no_user(&self) -> Result<()> {
        match self.url.username().is_empty() && self.url.password().is_none() {
            true => Ok(()),
            false => Err(Error::terminal("a url holds no user and no password")),
        }
    }
}

fn method(name: &str, settings: &HttpSettings) -> Result<Method> {
    let allowed = || settings.methods.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
    if !settings.methods.contains(name) {
        return Err(Error::terminal(format!("the method {name:?} is not allowed, only {}", allowed())));
    }
    Method::from_bytes(name.as_bytes()).map_err(|error| Error::terminal(error.to_string()))
}

fn headers(asked: &BTreeMap<String, String>, settings: &HttpSettings) -> Result<HeaderMap> {
    let mut headers = HeaderMap::new();
    for (name, value) in asked {
        let name = name.to_ascii_lowercase();
        if !settings.request_headers.contains(&name) {
            return Err(Error::terminal(format!("the header {name:?} is not allowed")));
        }
        let refuse = |_| Error::terminal(format!("the header {name:?} has characters that no header may have"));
        let value = HeaderValue::from_str(value).map_err(refuse)?;
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(|error| Error::terminal(error.to_string()))?;
        if headers.insert(name, value).is_some() {
            return Err(Error::terminal("a header is given twice"));
        }
    }
    Ok(headers)
}
