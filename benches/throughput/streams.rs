//! How soon those who follow events hear of them: a hundred clients over HTTP, while a thousand events a second happen.

use crate::fleet::{Fleet, Place, nothing};
use crate::measure::Latencies;
use crate::{Plan, fresh_folder, table::Report};
use callboard::prelude::*;
use http_body_util::{BodyExt, Empty};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use std::net::SocketAddr;
use std::time::SystemTime;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{interval, timeout};

/// Clients that hear everything, and those each of which hears the events of one workflow.
const UNFILTERED: usize = 10;
const FILTERED: usize = 90;
/// Runs a second: a task without work is submitted, started and completed, and its run ends.
const RUNS_A_SECOND: u32 = 250;
const EVENTS_OF_A_RUN: usize = 4;
/// How long the last event may take before it is lost.
const LOST_AFTER: Duration = Duration::from_secs(20);

fn workflow_of(number: usize) -> String {
    format!("w{}", number % FILTERED)
}

/// One row: from the moment of an event, which is before its commit, to the client that has read it.
pub(crate) async fn measure(plan: &Plan, report: &mut Report) -> Result<()> {
    let folder = fresh_folder(&plan.folder)?;
    let fleet = Fleet::start(Place::folder(1), folder.path()).await?;
    let address = fleet.board.serve().await?;
    let runs = 5_000 / plan.divisor;
    let mut clients = JoinSet::new();
    for n in 0..UNFILTERED + FILTERED {
        let (path, expected) = match n.checked_sub(UNFILTERED) {
            None => ("/v1/events?after=now".to_owned(), runs),
            Some(n) => {
                let of = (0..runs).filter(|number| number % FILTERED == n).count();
                (format!("/v1/events?after=now&workflow={}", workflow_of(n)), of)
            }
        };
        let body = follow(address, &path).await?;
        clients.spawn(hear(body, expected * EVENTS_OF_A_RUN));
    }
    let mut ticks = interval(Duration::from_secs(1) / RUNS_A_SECOND);
    let mut submissions = JoinSet::new();
    for number in 0..runs {
        ticks.tick().await;
        let board = fleet.board.clone();
        submissions.spawn(async move {
            let workflow = Workflow::new(workflow_of(number));
            let node = workflow.task("nothing", nothing(number));
            board.start(workflow).await?.output(&node).await
        });
    }
    for output in submissions.join_all().await {
        output?;
    }
    let heard = timeout(LOST_AFTER, clients.join_all()).await;
    let heard = heard.map_err(|_| Error::terminal("a client has not heard everything"))?;
    let mut latencies = Vec::new();
    for of_client in heard {
        latencies.extend(of_client?);
    }
    report.streams(UNFILTERED, FILTERED, RUNS_A_SECOND as usize * EVENTS_OF_A_RUN, &Latencies::of(latencies));
    fleet.shutdown().await
}

/// The body of a stream, of which the beginning was heard: from there on nothing is missed.
async fn follow(address: SocketAddr, path: &str) -> Result<Incoming> {
    let stream = TcpStream::connect(address).await?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    #[expect(clippy::disallowed_methods, reason = "it ends with its connection, and this program after it")]
    tokio::spawn(connection);
    let request = hyper::Request::get(path)
        .header("host", address.to_string())
        .header("accept", "text/event-stream")
        .body(Empty::<Bytes>::new())?;
    let mut body = sender.send_request(request).await?.into_body();
    let first = body.frame().await.ok_or_else(|| Error::terminal("a stream that says nothing"))??;
    assert!(first.data_ref().is_some_and(|first| first.starts_with(b"id: ")), "where it begins");
    Ok(body)
}

/// How long each event took, until so many were heard.
#[expect(clippy::disallowed_methods, reason = "an event tells its moment by the clock of the system")]
async fn hear(mut body: Incoming, expected: usize) -> Result<Vec<Duration>> {
    let (mut heard, mut rest) = (Vec::with_capacity(expected), Vec::new());
    while heard.len() < expected {
        let frame = body.frame().await.ok_or_else(|| Error::terminal("a stream that ended"))??;
        rest.extend_from_slice(frame.data_ref().map_or(&[][..], |data| data));
        let now = SystemTime::now();
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = rest.drain(..=end).collect();
            let Some(data) = line.strip_prefix(b"data: ") else { continue };
            let event: Value = serde_json::from_slice(data)?;
            let at = event["at"].as_str().and_then(|at| humantime::parse_rfc3339(at).ok());
            let at = at.ok_or_else(|| Error::terminal("an event without its moment"))?;
            heard.push(now.duration_since(at).unwrap_or_default());
        }
    }
    assert_eq!(heard.len(), expected, "none twice");
    Ok(heard)
}
