//! Documents: read, written, and what they said before. A key is one segment of a path: a slash in it is `%2F`.

use super::App;
use super::asked::{Asked, Given, Told, page_of};
use super::code::Code;
use super::problem::{Problem, Versions};
use super::view::{DocumentView, KeyView, OutlineView, PageView};
use super::visitor::Visitor;
use crate::settings::Role;
use crate::state::fits;
use crate::{Document, Error, Json as Value};
use axum::Json;
use axum::extract::{FromRequestParts, Path, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, StatusCode, Uri, header};
use schemars::JsonSchema;
use serde::Deserialize;
use std::ops::Bound;

/// Who writes, unless somebody says it.
const BY: &str = "api";

/// The key of a document, in a path.
pub(super) struct Key(String);

impl FromRequestParts<App> for Key {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let key = Path::from_request_parts(parts, app).await;
        key.map(|Path(key)| Self(key)).map_err(|error| Problem::new(Code::Usage, error.body_text()))
    }
}

/// Which keys.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Which {
    #[serde(default)]
    prefix: String,
    #[schemars(range(min = 1, max = 1000))]
    limit: Option<usize>,
    after: Option<String>,
}

pub(super) async fn list(
    State(app): State<App>,
    Asked(which): Asked<Which>,
) -> Result<Json<PageView<KeyView>>, Problem> {
    let limit = page_of(which.limit)?;
    let keys = app.board()?.0.documents.keys(&which.prefix).await?;
    let after = which.after.map_or(Bound::Unbounded, Bound::Excluded);
    let mut rest = keys.range((after, Bound::Unbounded)).map(|(key, version)| (key.clone(), *version));
    let page: Vec<_> = rest.by_ref().take(limit).collect();
    let next = rest.next().and_then(|_| page.last()).map(|(key, _)| key.clone());
    Ok(Json(PageView::new(page, next)))
}

/// Which version.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Shown {
    version: Option<u64>,
}

pub(super) async fn show(
    State(app): State<App>,
    Key(key): Key,
    Asked(shown): Asked<Shown>,
) -> Result<(Tag, Json<DocumentView>), Problem> {
    let board = app.board()?;
    let version = match shown.version {
        Some(number) => board.state::<Value>(&key).at(number).await.map_err(|error| of_past(&key, error))?,
        None => {
            let newest = board.0.documents.newest(&key).await.map_err(|error| told(&key, error))?;
            newest.present().map_err(|deleted| {
                let detail =
                    format!("document {key:?} was deleted in version {}, by {}", deleted.number, deleted.authors());
                let problem = Problem::new(Code::NotFound, detail).next(format!("callboard state history {key:?}"));
                problem.versions(Versions::Deleted { deleted_in: deleted.number })
            })?
        }
    };
    Ok((tag(version.number), Json(DocumentView::new(key, version))))
}

/// Which versions.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Before {
    #[schemars(range(min = 1, max = 1000))]
    limit: Option<usize>,
    after: Option<u64>,
}

pub(super) async fn history(
    State(app): State<App>,
    Key(key): Key,
    Asked(before): Asked<Before>,
) -> Result<Json<PageView<OutlineView>>, Problem> {
    let limit = page_of(before.limit)?;
    let outlines = app.board()?.0.documents.outlines(&key, before.after, limit).await;
    let (outlines, are_more) = outlines.map_err(|error| told(&key, error))?;
    let next = outlines.last().filter(|_| are_more).map(|last| last.number);
    Ok(Json(PageView::new(outlines, next)))
}

/// How a document is written.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Put {
    #[serde(default)]
    overwrite: bool,
    by: Option<String>,
    label: Option<String>,
}

pub(super) async fn put(
    State(app): State<App>,
    Key(key): Key,
    Asked(put): Asked<Put>,
    headers: HeaderMap,
    Given(value): Given,
) -> Result<(StatusCode, Tag, Json<KeyView>), Problem> {
    let document = document(&app, &key, put.by, put.label)?;
    let expected = expected(&headers)?;
    fits(&key, Some(&value)).map_err(|error| Problem::of(Code::TooLarge, &error))?;
    let written = match (expected, put.overwrite) {
        (Some(expected), false) => document.save(&value, expected).await,
        (None, true) => document.overwrite(&value).await.map(|version| version.number),
        (None, false) => return Err(unexpecting(&key)),
        (Some(_), true) => return Err(Problem::new(Code::Usage, "who overwrites a document expects no version of it")),
    };
    let version = written.map_err(|error| told(&key, error))?;
    let is_new = expected == Some(0) || version == 1;
    let status = if is_new { StatusCode::CREATED } else { StatusCode::OK };
    Ok((status, tag(version), Json(KeyView { key, version })))
}

/// How a document is deleted.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Delete {
    #[serde(default)]
    erase: bool,
    by: Option<String>,
    label: Option<String>,
}

pub(super) async fn delete(
    State(app): State<App>,
    visitor: Visitor,
    Key(key): Key,
    Asked(delete): Asked<Delete>,
    headers: HeaderMap,
) -> Result<Json<KeyView>, Problem> {
    if delete.erase {
        visitor.may(Role::Admin)?;
    }
    let document = document(&app, &key, delete.by, delete.label)?;
    let deleted = match (expected(&headers)?, delete.erase) {
        (Some(expected @ 1..), false) => document.delete(expected).await,
        (None, true) => match app.board()?.0.documents.newest(&key).await {
            Ok(_) => document.erase().await,
            Err(error) => Err(error),
        },
        (None, false) => return Err(unexpecting(&key)),
        (Some(0), false) => {
            return Err(Problem::new(Code::Usage, "what is deleted is there: if-match has its version"));
        }
        (Some(_), true) => return Err(Problem::new(Code::Usage, "all versions are erased: that rests on none")),
    };
    let version = deleted.map_err(|error| told(&key, error))?;
    Ok(Json(KeyView { key, version }))
}

/// To which version.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Back {
    version: Option<u64>,
    by: Option<String>,
    label: Option<String>,
}

pub(super) async fn roll_back(
    State(app): State<App>,
    Key(key): Key,
    headers: HeaderMap,
    Told(back): Told<Back>,
) -> Result<(Tag, Json<KeyView>), Problem> {
    let document = document(&app, &key, back.by, back.label)?;
    let number = back.version.ok_or_else(|| Problem::new(Code::Usage, "say to which version: {\"version\": 2}"))?;
    let written = match expected(&headers)? {
        None => document.roll_back(number).await.map(|version| version.number),
        Some(expected) => match document.at(number).await {
            Ok(past) => document.save(&past.value, expected).await,
            Err(error) => Err(error),
        },
    };
    let version = written.map_err(|error| of_past(&key, error))?;
    Ok((tag(version), Json(KeyView { key, version })))
}

/// A path with more segments than there are: most likely a key whose slashes are not escaped.
pub(super) async fn in_parts(uri: Uri) -> Problem {
    let detail = format!("there is nothing at {}: a slash in the key of a document is written %2F", uri.path());
    Problem::new(Code::NotFound, detail).next("GET /v1/state")
}

/// The document, written by whoever is said.
fn document(app: &App, key: &str, by: Option<String>, label: Option<String>) -> Result<Document<Value>, Problem> {
    let document = app.board()?.state(key).by(by.as_deref().unwrap_or(BY));
    Ok(match label {
        None => document,
        Some(label) => {
            let (name, value) = label.split_once(':').unwrap_or((&label, ""));
            document.label(name, value)
        }
    })
}

/// The version that a write rests on: 0 if there is to be none; `None` if nothing is said of it.
fn expected(headers: &HeaderMap) -> Result<Option<u64>, Problem> {
    let text = |name| headers.get(name).map(|value| value.to_str().unwrap_or_default());
    let number = |tag: &str| tag.strip_prefix('"')?.strip_suffix('"')?.parse().ok().filter(|number| *number > 0);
    let wrong = match (text(header::IF_MATCH), text(header::IF_NONE_MATCH)) {
        (None, None) => return Ok(None),
        (None, Some("*")) => return Ok(Some(0)),
        (Some(tag), None) => match number(tag) {
            Some(number) => return Ok(Some(number)),
            None => format!("if-match is the number of a version in quotes, such as \"3\", not {tag}"),
        },
        (None, Some(tag)) => format!("if-none-match is * where a document is written, not {tag}"),
        (Some(_), Some(_)) => "if-match and if-none-match exclude each other".to_owned(),
    };
    Err(Problem::new(Code::Usage, wrong))
}

fn unexpecting(key: &str) -> Problem {
    let detail = format!("it is not said on which version of document {key:?} this rests");
    let seen = "neither the header if-match nor if-none-match";
    Problem::new(Code::NoExpectation, detail).seen(seen).next(format!("callboard state show {key:?}"))
}

/// What went wrong with a document, and where to look.
fn told(key: &str, error: Error) -> Problem {
    let problem = Problem::from(error);
    let next = if problem.is(Code::OtherVersion) {
        format!("callboard state show {key:?}")
    } else if problem.is(Code::NotFound) {
        "callboard state list".to_owned()
    } else {
        return problem;
    };
    problem.next(next)
}

/// The same where it may be that a version is not there.
fn of_past(key: &str, error: Error) -> Problem {
    let problem = told(key, error);
    if problem.is(Code::NotFound) { problem.next(format!("callboard state history {key:?}")) } else { problem }
}

/// The header that names a version.
type Tag = [(HeaderName, String); 1];

fn tag(version: u64) -> Tag {
    [(header::ETAG, format!("\"{version}\""))]
}
