//! Who may ask: nobody through a page in a browser that comes from elsewhere.
//!
//! A page of any site can make a browser send requests to this machine. Its `origin` gives it away; one that has made its
//! own name point here (DNS rebinding) is given away by the `host` it asks for.

use super::App;
use super::code::Code;
use super::problem::Problem;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use std::net::IpAddr;

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
