#[cfg(feature = "test")]
mod health;
mod openapi;
mod stop;
mod visitors;

use super::audit::Audit;
use super::{Code, server};
use crate::supervise::{self, Supervisor};
use crate::{Callboard, ErrorKind, Result, Settings};
use serde_json::Value;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

async fn serving() -> Result<(Callboard, SocketAddr)> {
    serving_with(|_| {}).await
}

async fn serving_with(change: impl FnOnce(&mut Settings)) -> Result<(Callboard, SocketAddr)> {
    let mut settings = Settings::default();
    settings.http.listen = ([127, 0, 0, 1], 0).into();
    change(&mut settings);
    let board = Callboard::builder(settings).ephemeral().start().await?;
    let address = board.serve().await?;
    Ok((board, address))
}

/// An answer.
#[derive(Debug)]
struct Answer {
    status: u16,
    head: String,
    body: String,
}

impl Answer {
    #[track_caller]
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

/// Sends a request with these further lines in its head, and reads the whole answer.
async fn ask(address: SocketAddr, line: &str, head: &[&str], body: &str) -> Answer {
    let mut stream = TcpStream::connect(address).await.expect("it listens");
    let more: String = head.iter().map(|line| format!("{line}\r\n")).collect();
    let length = body.len();
    let request = format!(
        "{line} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n{more}content-length: {length}\r\n\r\n{body}"
    );
    stream.write_all(request.as_bytes()).await.expect("it reads");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("it answers");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
    // All of it is in one piece, but for what is streamed.
    Answer { status, head: head.to_owned(), body: body.to_owned() }
}

/// The first line of the answer to a question for its health.
async fn health(address: SocketAddr) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    Ok(answer.lines().next().unwrap_or_default().to_owned())
}

#[tokio::test]
async fn a_server_does_not_keep_its_node() -> Result<()> {
    let (board, address) = serving().await?;
    assert_eq!(board.serve().await.expect_err("it is served already").kind(), ErrorKind::Conflict);
    assert_eq!(health(address).await?, "HTTP/1.1 200 OK");
    drop(board);
    // The stop that this begins closes the socket.
    while health(address).await.is_ok() {}
    Ok(())
}

#[tokio::test]
async fn a_server_that_dies_is_started_again_where_it_was() -> Result<()> {
    let (board, _) = serving().await?;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let (child, slot) = server::child(Arc::downgrade(&board.0), listener, address, Audit::to_log());
    let (events, _told) = mpsc::channel(8);
    let tree = supervise::Settings {
        name: "t".into(),
        drain_limit: Duration::ZERO,
        children: vec![child],
        events,
        alarm: Default::default(),
    };
    let tree = Supervisor::start(tree).await.expect("one child has one name");
    let first = slot.wait().await.expect("it starts");
    assert_eq!(health(address).await?, "HTTP/1.1 200 OK");
    first.kill();
    first.wait(None).await?;
    // What connects meanwhile waits in the socket, which has stayed.
    assert_eq!(health(address).await?, "HTTP/1.1 200 OK");
    assert_ne!(slot.wait().await.expect("it has started again").get_id(), first.get_id());
    assert!(tree.shutdown(Duration::from_secs(60)).await.is_clean());
    assert!(health(address).await.is_err(), "nobody listens");
    board.shutdown().await
}

/// The node can not be asked any more: whoever watches over its process is to start another.
#[tokio::test]
async fn a_server_that_dies_again_and_again_ends_its_node() -> Result<()> {
    let (board, address) = serving().await?;
    for _ in 0..5 {
        while !board.kill("node/api").await {
            tokio::task::yield_now().await;
        }
        assert_eq!(health(address).await?, "HTTP/1.1 200 OK", "it is there again");
    }
    assert!(board.kill("node/api").await);
    board.ended().await;
    let reason = board.end_reason().expect("it knows");
    assert_eq!(reason, "it ended by itself: api stopped too often, at last: killed");
    Ok(())
}

#[test]
fn codes_are_unique_and_in_order() {
    let written: Vec<&str> = Code::ALL.iter().map(|code| code.as_str()).collect();
    assert!(written.is_sorted_by(|a, b| a < b), "{written:?}");
    for code in Code::ALL {
        assert!(code.as_str().len() == 6 && code.meaning().trim().ends_with('.'), "{code}");
        assert!((400..600).contains(&code.status()) && code.exit() > 0, "{code}");
    }
}
