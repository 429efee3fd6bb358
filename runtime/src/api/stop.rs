//! The end of the node, asked for on its own machine.

use super::App;
use super::asked::Told;
use super::code::Code;
use super::problem::Problem;
use super::route::Accepted;
use axum::extract::{Extension, State};
use futures::FutureExt;
use schemars::JsonSchema;
use serde::Deserialize;
use std::net::IpAddr;

/// From where a request came.
#[derive(Clone, Copy, Debug)]
pub(super) struct Peer(pub(super) IpAddr);

/// Why it ends.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Stop {
    emergency: bool,
    reason: Option<String>,
}

/// Begins the end, and says so: nobody can be told when it is over.
pub(super) async fn stop(
    State(app): State<App>,
    peer: Option<Extension<Peer>>,
    Told(stop): Told<Stop>,
) -> Result<Accepted, Problem> {
    if !peer.is_some_and(|Extension(Peer(peer))| peer.to_canonical().is_loopback()) {
        return Err(Problem::new(Code::Denied, "a node is stopped from its own machine only"));
    }
    if !stop.emergency {
        let detail = "a clean stop is begun by SIGTERM; only an emergency is asked for here";
        return Err(Problem::new(Code::Usage, detail).next("callboard stop --emergency"));
    }
    let board = app.board()?;
    let reason = stop.reason.unwrap_or_else(|| "asked for by HTTP".to_owned());
    // Polled once, it has begun; to wait for its end would be to wait for the end of this request, too.
    let _begun = board.emergency_stop(&reason).now_or_never();
    Ok(Accepted)
}
