//! The HTTP API: what a library's user says to a board, said from outside.
//!
//! | | |
//! |---|---|
//! | `POST /v1/runs` | submits a workflow: JSON, YAML or TOML by `content-type`; `idempotency-key`; `?strict=true` |
//! | `GET /v1/runs` | a page of runs: `status`, `workflow`, `label=key:value`, `limit`, `after` |
//! | `GET /v1/runs/{id}` | how a run stands; `at` which event |
//! | `GET /v1/runs/{id}/tasks` | a page of its tasks: `status`, `capability`, `limit`, `after`, `at` |
//! | `GET /v1/runs/{id}/tasks/{task}` | a task by name or index, with its output, or why it does not run; `at` |
//! | `POST /v1/runs/{id}/tasks/{task}/cancel` | `{"reason": ".."}` or nothing |
//! | `POST /v1/runs/{id}/tasks/{task}/retry` | `{"input": ..}` or nothing |
//! | `POST /v1/runs/{id}/tasks/{task}/decide` | `{"happened": .., "result": .., "call": "..", "by": ".."}` |
//! | `GET /v1/runs/{id}/events` | its events up to now: `limit`, `after`, `type`, `task`; all that will happen as well, or again with a `speed`, as server-sent events |
//! | `GET /v1/runs/{id}/time` | where its time went |
//! | `GET /v1/runs/{id}/diff/{id}` | in what the tasks of two runs differ |
//! | `POST /v1/runs/{id}/cancel`, `pause`, `resume` | `{"reason": ".."}` or nothing |
//! | `POST /v1/runs/{id}/signal` | `{"name": "..", "value": ..}` |
//! | `POST /v1/runs/{id}/approve`, `reject` | `{"task": "..", "approval": "..", "by": ".."}` or nothing |
//! | `GET /v1/events` | what happens to all runs: `limit`, `after`, `type`, `workflow`, `capability`, `run`; as server-sent events, too |
//! | `GET /v1/tasks` | a page of tasks of all runs: `status`, `capability`, `limit`, `after` |
//! | `GET /v1/queues` | the tasks that wait for an agent of this node, and what for |
//! | `GET /v1/queues/dead` | a page of the tasks that have failed for good: `capability`, `workflow`, `limit`, `after` |
//! | `GET /v1/agents` | the agents that are known |
//! | `GET /v1/agents/{id}` | one of them; `node`, if several nodes have one of this id |
//! | `POST /v1/stop` | `{"emergency": true, "reason": ".."}`, from the loopback |
//! | `GET /v1/state` | a page of the keys of documents: `prefix`, `limit`, `after` |
//! | `GET /v1/state/{key}` | a document; `?version=` |
//! | `PUT /v1/state/{key}` | the next version: `if-match` or `if-none-match: *`, or `?overwrite=true`; `by`, `label=key:value` |
//! | `DELETE /v1/state/{key}` | a version that says that it is deleted: `if-match`; `?erase=true` for all versions |
//! | `GET /v1/state/{key}/history` | a page of its versions, without their values: `limit`, `after` |
//! | `POST /v1/state/{key}/rollback` | `{"version": .., "by": "..", "label": ".."}` |
//! | `GET /v1/locks` | the locks that are held, by whom, and who waits |
//! | `GET /metrics` | what is counted, as Prometheus reads it, if the node was [asked](crate::Builder::metrics) for it |
//! | `GET /v1/openapi.json` | the description of all this |
//! | `GET /healthz`, `/readyz` | whether the process lives; whether it takes work |
//!
//! A page is `{"items": [..], "next": ..}`. An error is a problem document (RFC 9457) with a [`Code`].
//!
//! The server is a child of the node, as everything that runs: it is started again when it dies, and is the first to go
//! when the node stops.

mod agents;
mod asked;
mod audit;
mod breakers;
mod budget;
mod code;
mod control;
mod document;
mod events;
#[cfg(feature = "test")]
pub(crate) mod fuzz;
mod health;
mod limits;
mod locks;
mod log;
mod metrics;
mod openapi;
mod past;
mod problem;
mod queues;
mod route;
mod router;
mod runs;
mod server;
mod state;
mod stop;
mod tasks;
#[cfg(test)]
mod tests;
mod view;
mod visitor;

pub use code::Code;

use crate::board::Callboard;
use crate::node::Node;
use crate::settings::HttpSettings;
use crate::{Error, ErrorKind, Result};
use audit::Audit;
use problem::Problem;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Weak};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};

impl Callboard {
    /// Serves the HTTP API where the [settings](crate::Settings::http) say, until the node stops; says where it listens.
    ///
    /// Where there are [tokens](crate::HttpSettings::tokens) each request shows one. Without them the address is the
    /// loopback, and whoever reaches it may do everything that this handle can.
    ///
    /// # Errors
    ///
    /// `Invalid` if the audit file can not be written; `Conflict` if the port is taken or the API is served already;
    /// `Denied` if the address may not be used; `Unavailable` if it can not be, or the node stops.
    pub async fn serve(&self) -> Result<SocketAddr> {
        let listen = self.0.settings().http.listen;
        let refused = |error: io::Error| {
            let (kind, what) = match error.kind() {
                io::ErrorKind::AddrInUse => (ErrorKind::Conflict, "is taken"),
                io::ErrorKind::PermissionDenied => (ErrorKind::Denied, "may not be used"),
                _ => (ErrorKind::Unavailable, "can not be used"),
            };
            Error::new(kind, format!("the address {listen} {what}")).because(error)
        };
        let audit = Audit::open(&self.0.settings().http.audit_file).await?;
        let listener = TcpListener::bind(listen).await.map_err(refused)?;
        let address = listener.local_addr().map_err(refused)?;
        let (child, _) = server::child(Arc::downgrade(&self.0), listener, address, audit);
        self.0.add_child(child).await?;
        Ok(address)
    }
}

/// What every request finds.
#[derive(Clone)]
struct App {
    /// Not a strong one: the server is a part of the node, and must not keep it.
    node: Weak<Node>,
    http: HttpSettings,
    audit: Audit,
    /// Where it listens.
    address: SocketAddr,
    /// Room for those who follow events.
    streams: Arc<Semaphore>,
    /// Whether the server ends.
    closing: watch::Receiver<bool>,
}

impl App {
    fn board(&self) -> Result<Callboard, Problem> {
        let gone = || Problem::new(Code::Unavailable, "the node is going: no handle to it is left");
        self.node.upgrade().map(Callboard).ok_or_else(gone)
    }
}

/// Waits until the server closes.
async fn closed(mut closing: watch::Receiver<bool>) {
    drop(closing.wait_for(|is_closing| *is_closing).await);
}
