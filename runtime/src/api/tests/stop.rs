//! From where a node may be stopped.

use super::serving;
use crate::api::App;
use crate::api::asked::Told;
use crate::api::audit::Audit;
use crate::api::stop::{Peer, Stop, stop};
use crate::{Callboard, Result};
use axum::extract::{Extension, State};
use axum::http::StatusCode;
use axum::response::IntoResponse;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use tokio::sync::{Semaphore, watch};

/// What is answered to somebody who asks from there.
async fn asked_from(board: &Callboard, peer: Option<&str>) -> StatusCode {
    let app = App {
        node: Arc::downgrade(&board.0),
        http: board.0.settings().http.clone(),
        audit: Audit::to_log(),
        address: SocketAddr::from((Ipv4Addr::UNSPECIFIED, 7420)),
        streams: Arc::new(Semaphore::new(1)),
        closing: watch::channel(false).1,
    };
    let peer = peer.map(|peer| Extension(Peer(peer.parse().expect("an address"))));
    let wish: Stop = serde_json::from_str(r#"{"emergency":true}"#).expect("a wish");
    stop(State(app), peer, Told(wish)).await.into_response().status()
}

#[tokio::test]
async fn a_node_is_stopped_from_its_own_machine_alone() -> Result<()> {
    let (board, _) = serving().await?;
    for elsewhere in [None, Some("192.0.2.7"), Some("::ffff:192.0.2.7"), Some("2001:db8::1")] {
        assert_eq!(asked_from(&board, elsewhere).await, StatusCode::FORBIDDEN, "{elsewhere:?}");
        assert!(board.runs().await.is_ok(), "it goes on");
    }
    assert_eq!(asked_from(&board, Some("::ffff:127.0.0.1")).await, StatusCode::ACCEPTED);
    board.ended().await;
    Ok(())
}
