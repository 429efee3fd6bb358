//! What is said when there is no connection.

use super::kit::{broker_with, connect, limit, options, prefetch, queue, shared, soon, there_and_back};
use callboard::port::bus::rabbitmq::{RabbitMqBus, RabbitMqOptions};
use callboard::port::bus::{Bus, Error};
use callboard_chaos::servers::{Certificate, RabbitMqOptions as ServerOptions};
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

async fn says(options: RabbitMqOptions, words: &str) {
    let refused = soon(RabbitMqBus::connect(options)).await;
    assert!(matches!(&refused, Err(Error::Refused { reason }) if reason.contains(words)), "{words}: {refused:?}");
}

/// A server that greets everybody with this, for as long as the set is there.
async fn greeter(greeting: &'static [u8]) -> (String, JoinSet<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("bound");
    let place = listener.local_addr().expect("bound");
    let mut serving = JoinSet::new();
    serving.spawn(async move {
        let mut held = Vec::new();
        while let Ok((mut stream, _)) = listener.accept().await {
            let _gone = stream.write_all(greeting).await;
            held.push(stream);
        }
    });
    (format!("amqp://{place}"), serving)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_will_not_pass_is_said_at_once() {
    let broker = shared();
    let place = format!("127.0.0.1:{}", broker.port);
    says(options(format!("amqp://guest:wrong@{place}")), "the user or the password is wrong: user \"guest\" at").await;
    says(options(format!("amqp://{place}/nowhere")), "no such virtual host").await;
    let (web, _serving) = greeter(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n").await;
    says(options(web), "does not speak AMQP").await;
    says(options(format!("amqps://{place}")), "TLS failed").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_may_pass_is_tried_until_the_limit() {
    let soon = RabbitMqOptions { connect: Duration::from_millis(500), ..options("") };
    let nobody = RabbitMqOptions { url: "amqp://127.0.0.1:1".into(), ..soon.clone() };
    says(nobody, "nobody listens there; start RabbitMQ or correct the URL: amqp://127.0.0.1:1").await;
    let unknown = RabbitMqOptions { url: "amqp://no.such.host.invalid".into(), ..soon.clone() };
    says(unknown, "can not be reached").await;
    let (silent, _serving) = greeter(b"").await;
    says(RabbitMqOptions { url: silent, ..soon }, "no answer within").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_private_authority_is_trusted_when_it_is_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let certificate = Certificate::make(folder.path()).await.expect("a certificate");
    let ca = certificate.ca().to_owned();
    let server = ServerOptions { certificate: Some(certificate), ..ServerOptions::default() };
    let broker = broker_with(server).await;
    let url = broker.server.tls_url().expect("it has TLS");
    let bus = connect(RabbitMqOptions { ca: Some(ca), ..options(&url) }).await;
    let own = queue("node.a");
    let mut consumer = soon(bus.consume_own(&own, limit(10), prefetch(1))).await.expect("made");
    there_and_back(&bus, &mut consumer, &own, "1").await;
    says(options(&url), "TLS failed").await;
    let plain_on_tls = url.replace("amqps://", "amqp://");
    says(options(plain_on_tls), "does not speak AMQP 0-9-1 without TLS").await;
}
