//! Whether a node takes work, and why not.

use super::{ask, serving};
use crate::port::store::fault::{Fault, FaultStore, Operation};
use crate::port::store::{MemoryStore, Store};
use crate::{Callboard, Result, Settings, Workflow};
use std::sync::Arc;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

#[tokio::test]
async fn a_node_that_takes_no_work_says_why() -> Result<()> {
    let faults = FaultStore::new(Arc::new(MemoryStore::new()));
    let store: Arc<dyn Store> = Arc::new(faults.clone());
    let mut settings = Settings::default();
    (settings.http.listen, settings.partitions) = (([127, 0, 0, 1], 0).into(), 2);
    let board = Callboard::builder(settings).store(store).start().await?;
    let address = board.serve().await?;
    assert_eq!(ask(address, "GET /readyz", &[], "").await.status, 200);
    faults.always(Operation::Create, "*", Fault::Refuse);
    // Whoever is owner finds out when there is something to write.
    let workflow = Workflow::from_json(r#"{"name":"w","tasks":{"a":{"capability":"nobody"}}}"#)?;
    assert!(board.start(workflow).await.is_err());
    let not_ready = loop {
        let answer = ask(address, "GET /readyz", &[], "").await;
        if answer.status != 200 {
            break answer;
        }
    };
    let problem = not_ready.json();
    assert_eq!((not_ready.status, &problem["code"]), (503, &"CB3001".into()), "{problem}");
    let reasons: Vec<&str> =
        problem["seen"].as_array().into_iter().flatten().filter_map(|seen| seen.as_str()).collect();
    assert!(reasons.len() == 1 && reasons[0].starts_with("partition "), "one of two: {problem}");
    assert_eq!(ask(address, "GET /healthz", &[], "").await.status, 200, "it lives all the same");
    faults.calm();
    while ask(address, "GET /readyz", &[], "").await.status != 200 {}
    board.shutdown().await
}

/// A stream ends when the node stops, and keeps it from nothing.
#[tokio::test]
async fn streams_end_with_the_node() -> Result<()> {
    let (board, address) = serving().await?;
    let run = board.start(Workflow::from_json(r#"{"name":"w","tasks":{"a":{"capability":"nobody"}}}"#)?).await?;
    let mut streams = Vec::new();
    for path in [format!("/v1/runs/{}/events", run.id()), "/v1/events".to_owned()] {
        let mut stream = TcpStream::connect(address).await?;
        let head = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\naccept: text/event-stream\r\n\r\n");
        stream.write_all(head.as_bytes()).await?;
        let (mut stream, mut line) = (BufReader::new(stream), String::new());
        while !line.starts_with("event: submitted") {
            line.clear();
            assert!(stream.read_line(&mut line).await? > 0, "{path} ended before anything was told");
        }
        streams.push(stream);
    }
    board.shutdown().await?;
    for mut stream in streams {
        let mut rest = String::new();
        stream.read_to_string(&mut rest).await?;
        assert!(rest.ends_with("0\r\n\r\n"), "in order: {rest:?}");
    }
    Ok(())
}
