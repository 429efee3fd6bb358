//! Who may ask, and for what.
//!
//! Nobody asks through a page in a browser that comes from elsewhere: a page of any site can make a browser send requests to
//! this machine. Its `origin` gives it away; one that has made its own name point here (DNS rebinding) is given away by the
//! `host` it asks for.
//!
//! Where there are tokens each request shows one, and its role must be that of the route or a higher one.

use super::App;
use super::audit::Audit;
use super::code::Code;
use super::problem::Problem;
use crate::settings::{Role, Tokens};
use axum::extract::{FromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use std::net::IpAddr;
use std::sync::Arc;

/// Who asks a node without tokens.
const LOOPBACK: &str = "loopback";
/// Who shows no token that is known.
const NOBODY: &str = "?";

/// Who asks.
#[derive(Clone, Debug)]
pub(super) struct Visitor {
    name: Arc<str>,
    role: Role,
}

impl Visitor {
    /// Refuses who may not do what this role may.
    pub(super) fn may(&self, needed: Role) -> Result<(), Problem> {
        if self.role >= needed {
            return Ok(());
        }
        let detail = format!("this needs the role {needed}, and token {:?} has the role {}", self.name, self.role);
        Err(Problem::new(Code::Denied, detail).next("ask with another token: CALLBOARD_TOKEN"))
    }

    /// Who it is, if that is known.
    fn of(tokens: &Tokens, headers: &HeaderMap) -> Result<Self, Problem> {
        if tokens.is_empty() {
            return Ok(Self { name: LOOPBACK.into(), role: Role::Admin });
        }
        let refused = |detail| Err(Problem::new(Code::NoToken, detail));
        let Some(shown) = headers.get(header::AUTHORIZATION) else {
            return refused("this node answers nobody without a token");
        };
        let bearer = shown.to_str().ok().and_then(|shown| shown.split_once(' '));
        let Some((_, secret)) = bearer.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer")) else {
            return refused("a token is shown as \"authorization: Bearer SECRET\"");
        };
        match tokens.holder(secret.trim()) {
            Some((name, role)) => Ok(Self { name, role }),
            None => refused("this node knows no such token"),
        }
    }
}

/// The door has let somebody in and says who it is.
impl FromRequestParts<App> for Visitor {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self, Problem> {
        let unknown = || Problem::new(Code::Internal, "nobody has looked who asks");
        parts.extensions.get().cloned().ok_or_else(unknown)
    }
}

/// The door of one route.
#[derive(Clone)]
pub(super) struct Door {
    pub(super) tokens: Tokens,
    pub(super) audit: Audit,
    /// What is asked for.
    pub(super) verb: &'static str,
    /// Which role that needs; none for what everybody may know.
    pub(super) needs: Option<Role>,
    /// Whether it is to change anything.
    pub(super) is_change: bool,
}

/// Lets through who may, and writes what was asked to be changed.
pub(super) async fn let_in(State(door): State<Door>, mut request: Request, next: Next) -> Response {
    let Some(needed) = door.needs else { return next.run(request).await };
    let visitor = Visitor::of(&door.tokens, request.headers());
    let who = || visitor.as_ref().map_or_else(|_| NOBODY.into(), |visitor| visitor.name.clone());
    let asked = door.is_change.then(|| door.audit.asked(who(), door.verb, request.uri().path()));
    let allowed = visitor.and_then(|visitor| visitor.may(needed).map(|()| visitor));
    let response = match allowed {
        Ok(visitor) => {
            request.extensions_mut().insert(visitor);
            next.run(request).await
        }
        Err(problem) => problem.into_response(),
    };
    if let Some(asked) = asked {
        asked.came_to(&response).await;
    }
    response
}

/// Refuses what comes through a page from elsewhere.
pub(super) async fn admit(State(app): State<App>, request: Request, next: Next) -> Response {
    match refused(request.headers(), app.address.ip().is_loopback()) {
        Some(problem) => problem.into_response(),
        None => next.run(request).await,
    }
}

fn refused(headers: &HeaderMap, is_loopback: bool) -> Option<Problem> {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let host = text(header::HOST).unwrap_or_default();
    if is_loopback && !names_this_machine(host) {
        let detail = format!("the host {host:?} is not this machine, and this node listens for nobody else");
        return Some(Problem::new(Code::Denied, detail));
    }
    let origin = headers.get(header::ORIGIN).map(|_| text(header::ORIGIN).unwrap_or_default())?;
    let is_own = origin.split_once("://").is_some_and(|(_, authority)| authority == host);
    (!is_own).then(|| Problem::new(Code::Denied, format!("pages of {origin:?} may not ask this node")))
}

/// Whether a host, with or without a port, is the loopback.
fn names_this_machine(host: &str) -> bool {
    let name = match host.rsplit_once(':').filter(|(_, port)| !port.contains(']')) {
        Some((name, _)) => name,
        None => host,
    };
    let address: Result<IpAddr, _> = name.trim_matches(['[', ']']).parse();
    name.eq_ignore_ascii_case("localhost") || address.is_ok_and(|address| address.is_loopback())
}
