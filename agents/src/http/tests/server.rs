//! A server that answers what a test says, and remembers what it was asked.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

type Route = dyn Fn(&str) -> String + Send + Sync;

/// Ends with its value.
pub(super) struct Server {
    pub(super) address: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
    _accepting: JoinSet<()>,
}

impl Server {
    /// `route` gets the head of each request and gives the whole answer; an empty one is no answer at all.
    pub(super) async fn start(route: impl Fn(&str) -> String + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let mut accepting = JoinSet::new();
        let (route, heard): (Arc<Route>, _) = (Arc::new(route), asked.clone());
        accepting.spawn(async move {
            let mut serving = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                serving.spawn(serve(stream, route.clone(), heard.clone()));
            }
        });
        Self { address, asked, _accepting: accepting }
    }

    /// What is there, under the name of the address.
    pub(super) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Every request so far, head and body.
    pub(super) fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

async fn serve(mut stream: TcpStream, route: Arc<Route>, heard: Arc<Mutex<Vec<String>>>) {
    let mut request = Vec::new();
    loop {
        let mut chunk = [0; 1024];
        let Ok(read) = stream.read(&mut chunk).await else { return };
        request.extend_from_slice(&chunk[..read]);
        let text = String::from_utf8_lossy(&request).into_owned();
        let Some((head, body)) = text.split_once("\r\n\r\n") else {
            if read == 0 {
                return;
            }
            continue;
        };
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        if body.len() < length.map_or(0, |length| length.parse().unwrap()) {
            continue;
        }
        heard.lock().unwrap().push(text.clone());
        let answer = route(head);
        if answer.is_empty() {
            std::future::pending::<()>().await;
        }
        let _closed = stream.write_all(answer.as_bytes()).await;
        return;
    }
}

/// A whole answer.
pub(super) fn answer(status: &str, headers: &str, body: &str) -> String {
    let length = body.len();
    format!("HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: {length}\r\n{headers}\r\n{body}")
}
