//! As much of S3 as a test needs without a client: one signed request, and its answer.

use super::Key;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use std::io;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// The first second of 2100: a signature that does not run out needs no clock.
const EXPIRES: u64 = 4_102_444_800;

/// What S3 answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// Of HTTP, such as 200 or 404.
    pub status: u16,
    /// What comes with it, as text.
    pub body: String,
}

/// Sends one request, signed in the URL (signature version 2, which is a single hash).
pub(super) async fn send(port: u16, key: &Key, method: &str, path: &str, body: &str) -> io::Result<Response> {
    let signature = sign(key, &format!("{method}\n\n\n{EXPIRES}\n{path}"));
    let with = if path.contains('?') { '&' } else { '?' };
    // Of version 1.0, so that the answer comes in one piece and ends with the connection.
    let request = format!(
        "{method} {path}{with}AWSAccessKeyId={}&Expires={EXPIRES}&Signature={signature} HTTP/1.0\r\n\
        Host: 127.0.0.1:{port}\r\nContent-Length: {}\r\n\r\n{body}",
        key.id,
        body.len(),
    );
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await?;
    parse(&String::from_utf8_lossy(&answer))
}

/// The signature of the text, as it stands in a URL.
fn sign(key: &Key, text: &str) -> String {
    let mut mac = <Hmac<Sha1> as KeyInit>::new_from_slice(key.secret.as_bytes()).expect("a key of any length");
    mac.update(text.as_bytes());
    let signature = STANDARD.encode(mac.finalize().into_bytes());
    signature.replace('+', "%2B").replace('/', "%2F").replace('=', "%3D")
}

fn parse(answer: &str) -> io::Result<Response> {
    let strange = || io::Error::new(io::ErrorKind::InvalidData, format!("not an answer of HTTP: {answer:?}"));
    let (head, body) = answer.split_once("\r\n\r\n").ok_or_else(strange)?;
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).ok_or_else(strange)?;
    Ok(Response { status, body: body.to_owned() })
}
