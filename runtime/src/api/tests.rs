use super::{Code, server};
use crate::supervise::{self, Supervisor};
use crate::{Callboard, ErrorKind, Result, Settings};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

async fn serving() -> Result<(Callboard, SocketAddr)> {
    let mut settings = Settings::default();
    settings.http.listen = ([127, 0, 0, 1], 0).into();
    let board = Callboard::builder(settings).ephemeral().start().await?;
    let address = board.serve().await?;
    Ok((board, address))
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
    let (child, slot) = server::child(Arc::downgrade(&board.0), listener, address);
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
