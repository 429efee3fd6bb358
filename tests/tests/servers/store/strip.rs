//! Something on the way that takes the condition off a create.

use super::kit::{gateway, options};
use callboard::port::store::probe::probe;
use callboard::port::store::s3::{S3Options, S3Store};
use callboard::port::store::{Create, Error, Store};
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// Carries connections to the server at this port, without the condition. Answers its own port.
async fn strip(server: u16, carried: &mut JoinSet<()>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    carried.spawn(async move {
        let mut connections = JoinSet::new();
        while let Ok((client, _)) = listener.accept().await {
            let server = TcpStream::connect(("127.0.0.1", server)).await.unwrap();
            connections.spawn(carry(client, server));
        }
    });
    port
}

/// A request as small as these comes in one piece.
async fn carry(client: TcpStream, server: TcpStream) {
    const CONDITION: &[u8] = b"if-none-match: *\r\n";
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let back = async move { drop(copy(&mut from_server, &mut to_client).await) };
    let forth = async move {
        let mut piece = Vec::with_capacity(1 << 16);
        while from_client.read_buf(&mut piece).await.is_ok_and(|count| count > 0) {
            if let Some(at) = piece.windows(CONDITION.len()).position(|window| window.eq_ignore_ascii_case(CONDITION)) {
                piece.drain(at..at + CONDITION.len());
            }
            if to_server.write_all(&piece).await.is_err() {
                return;
            }
            piece.clear();
        }
    };
    futures::future::join(back, forth).await;
}

/// The condition is signed: without it the server takes nothing, so nothing is overwritten.
#[tokio::test]
async fn a_create_without_its_condition_is_no_create() {
    let gateway = gateway().await;
    let options = options(&gateway, "stripped").await;
    let direct = S3Store::connect(options.clone()).await.unwrap();
    assert_eq!(direct.create("a", "first".into()).await.unwrap(), Create::Created);
    let mut carried = JoinSet::new();
    let port = strip(gateway.server.port(), &mut carried).await;
    let stripped = S3Options { endpoint: Some(format!("http://127.0.0.1:{port}")), ..options };
    let stripped = S3Store::connect(stripped).await.unwrap();
    let refused = stripped.create("a", "second".into()).await.unwrap_err();
    assert!(matches!(refused, Error::Refused { .. }), "{refused}");
    assert!(refused.to_string().contains("SignatureDoesNotMatch"), "{refused}");
    assert_eq!(stripped.get("a").await.unwrap().as_deref(), Some(&b"first"[..]));
    probe(&stripped, "ns").await.unwrap_err();
}
