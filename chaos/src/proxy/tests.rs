use super::{Flow, Proxy, Way};
use std::io::ErrorKind;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

/// Long enough for a wrong byte to arrive, and short enough for a test.
const A_WHILE: Duration = Duration::from_millis(50);
const PATIENCE: Duration = Duration::from_secs(10);

/// A server that says what it hears, and what it has heard.
struct Echo {
    port: u16,
    heard: tokio::sync::mpsc::UnboundedReceiver<Vec<u8>>,
    /// A word for each connection that was reset.
    resets: tokio::sync::mpsc::UnboundedReceiver<()>,
    _tasks: JoinSet<()>,
}

async fn echo() -> Echo {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (tell, heard) = tokio::sync::mpsc::unbounded_channel();
    let (reset, resets) = tokio::sync::mpsc::unbounded_channel();
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        let mut connections = JoinSet::new();
        loop {
            let (mut client, _) = listener.accept().await.unwrap();
            let (tell, reset) = (tell.clone(), reset.clone());
            connections.spawn(async move {
                let mut bytes = vec![0; 1024];
                loop {
                    match client.read(&mut bytes).await {
                        Ok(0) => return,
                        Ok(read) => {
                            let _kept = tell.send(bytes[..read].to_vec());
                            let _said = client.write_all(&bytes[..read]).await;
                        }
                        Err(_) => {
                            let _told = reset.send(());
                            return;
                        }
                    }
                }
            });
        }
    });
    Echo { port, heard, resets, _tasks: tasks }
}

async fn set_up() -> (Echo, Proxy, TcpStream) {
    let echo = echo().await;
    let proxy = Proxy::start(echo.port).await.unwrap();
    let client = TcpStream::connect(("127.0.0.1", proxy.port())).await.unwrap();
    (echo, proxy, client)
}

async fn say(client: &mut TcpStream, text: &str) {
    client.write_all(text.as_bytes()).await.unwrap();
}

async fn hear(client: &mut TcpStream, bytes: usize) -> String {
    let mut heard = vec![0; bytes];
    timeout(PATIENCE, client.read_exact(&mut heard)).await.unwrap().unwrap();
    String::from_utf8(heard).unwrap()
}

async fn hears_nothing(client: &mut TcpStream) -> bool {
    timeout(A_WHILE, client.read(&mut [0; 1])).await.is_err()
}

#[tokio::test]
async fn bytes_pass_and_so_does_the_end() {
    let (_echo, _proxy, mut client) = set_up().await;
    say(&mut client, "hello").await;
    assert_eq!(hear(&mut client, 5).await, "hello");
    client.shutdown().await.unwrap();
    assert_eq!(timeout(PATIENCE, client.read(&mut [0; 1])).await.unwrap().unwrap(), 0);
}

#[tokio::test]
async fn a_cut_is_a_reset_and_new_connections_are_taken() {
    let (_echo, proxy, mut client) = set_up().await;
    say(&mut client, "hello").await;
    hear(&mut client, 5).await;
    proxy.cut();
    let error = timeout(PATIENCE, client.read(&mut [0; 1])).await.unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    let mut client = TcpStream::connect(("127.0.0.1", proxy.port())).await.unwrap();
    say(&mut client, "again").await;
    assert_eq!(hear(&mut client, 5).await, "again");
}

#[tokio::test]
async fn what_is_held_arrives_later_in_either_direction() {
    for way in [Way::ToServer, Way::ToClient] {
        let (mut echo, proxy, mut client) = set_up().await;
        proxy.set(way, Flow::Hold);
        say(&mut client, "hello").await;
        assert!(hears_nothing(&mut client).await);
        assert_eq!(echo.heard.try_recv().is_ok(), way == Way::ToClient);
        proxy.set(way, Flow::Pass);
        assert_eq!(hear(&mut client, 5).await, "hello");
    }
}

#[tokio::test]
async fn what_is_swallowed_never_arrives() {
    let (mut echo, proxy, mut client) = set_up().await;
    proxy.set(Way::ToServer, Flow::Swallow);
    say(&mut client, "lost").await;
    client.shutdown().await.unwrap();
    assert!(hears_nothing(&mut client).await, "even the end is not told");
    assert!(echo.heard.try_recv().is_err());
    proxy.set_both(Flow::Pass);
    assert_eq!(timeout(PATIENCE, client.read(&mut [0; 1])).await.unwrap().unwrap(), 0);
    assert!(echo.heard.try_recv().is_err());
}

#[tokio::test]
async fn a_delay_is_for_each_byte_and_not_for_each_chunk() {
    let (_echo, proxy, mut client) = set_up().await;
    proxy.set(Way::ToClient, Flow::Delay(A_WHILE));
    let since = Instant::now();
    for _ in 0..20 {
        say(&mut client, "hello").await;
        tokio::task::yield_now().await;
    }
    hear(&mut client, 100).await;
    assert!(since.elapsed() >= A_WHILE, "{:?}", since.elapsed());
    // Far from twenty of them.
    assert!(since.elapsed() < 15 * A_WHILE, "{:?}", since.elapsed());
}

#[tokio::test]
async fn a_trickle_takes_its_time() {
    let (_echo, proxy, mut client) = set_up().await;
    let every = Duration::from_millis(5);
    proxy.set(Way::ToServer, Flow::Trickle { bytes: 2, every });
    let since = Instant::now();
    say(&mut client, "0123456789").await;
    assert_eq!(hear(&mut client, 10).await, "0123456789");
    assert!(since.elapsed() >= 5 * every, "{:?}", since.elapsed());
}

#[tokio::test]
async fn new_connections_are_refused_and_taken_again() {
    let (_echo, mut proxy, mut client) = set_up().await;
    say(&mut client, "hello").await;
    hear(&mut client, 5).await;
    proxy.refuse().await;
    let error = TcpStream::connect(("127.0.0.1", proxy.port())).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
    say(&mut client, "still").await;
    assert_eq!(hear(&mut client, 5).await, "still");
    proxy.accept().await;
    let mut client = TcpStream::connect(("127.0.0.1", proxy.port())).await.unwrap();
    say(&mut client, "again").await;
    assert_eq!(hear(&mut client, 5).await, "again");
}

#[tokio::test]
async fn a_server_that_is_away_ends_the_connection() {
    let echo = echo().await;
    let proxy = Proxy::start(echo.port).await.unwrap();
    drop(echo);
    let mut client = TcpStream::connect(("127.0.0.1", proxy.port())).await.unwrap();
    let ended = timeout(PATIENCE, client.read(&mut [0; 1])).await.unwrap();
    assert!(matches!(ended, Ok(0) | Err(_)), "{ended:?}");
}

#[tokio::test]
async fn what_is_lost_at_the_server_is_not_told_until_it_is_mended() {
    let (mut echo, proxy, mut client) = set_up().await;
    say(&mut client, "hello").await;
    hear(&mut client, 5).await;
    echo.heard.try_recv().unwrap();
    proxy.lose();
    timeout(PATIENCE, echo.resets.recv()).await.unwrap().unwrap();
    say(&mut client, "lost").await;
    assert!(hears_nothing(&mut client).await);
    // Whoever comes now is served, and goes on to be.
    let mut other = TcpStream::connect(("127.0.0.1", proxy.port())).await.unwrap();
    say(&mut other, "other").await;
    assert_eq!(hear(&mut other, 5).await, "other");
    assert_eq!(echo.heard.try_recv().unwrap(), b"other");
    proxy.mend();
    let error = timeout(PATIENCE, client.read(&mut [0; 1])).await.unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    say(&mut other, "still").await;
    assert_eq!(hear(&mut other, 5).await, "still");
}

/// A frame as a broker writes it.
fn frame(kind: u8, channel: u16, payload: &[u8]) -> Vec<u8> {
    let size = u32::try_from(payload.len()).unwrap();
    [&[kind][..], &channel.to_be_bytes(), &size.to_be_bytes(), payload, b"\xce"].concat()
}

/// A method with its content, which is a body in two frames.
fn content(channel: u16, method: u16) -> Vec<u8> {
    let arguments = [&60_u16.to_be_bytes()[..], &method.to_be_bytes(), b"and what it says"].concat();
    [frame(1, channel, &arguments), frame(2, channel, &[0; 14]), frame(3, channel, b"some"), frame(3, channel, b"more")]
        .concat()
}

const DELIVER: u16 = 60;
const RETURN: u16 = 50;
const ACK: u16 = 80;

#[test]
fn nothing_but_deliveries_is_left_out_however_the_bytes_are_cut() {
    let heartbeat = frame(8, 0, b"");
    let ack = frame(1, 2, &[0, 60, 0, ACK as u8, 1]);
    let said = [
        content(1, DELIVER),
        heartbeat.clone(),
        content(2, RETURN),
        // Between the parts of a content other channels speak.
        [&content(3, DELIVER)[..28], &ack, &content(3, DELIVER)[28..]].concat(),
        ack.clone(),
        content(1, RETURN),
    ]
    .concat();
    // Each of the deliveries is a heartbeat.
    let (beat, returned) = (&heartbeat, content(2, RETURN));
    let heard = [beat, beat, &returned, beat, &ack, &ack, &content(1, RETURN)].map(|said| &said[..]).concat();
    for size in 1..=said.len() {
        let (mut deaf, mut well) = (super::frames::Frames::default(), super::frames::Frames::default());
        let pieces = || said.chunks(size);
        assert_eq!(pieces().flat_map(|piece| deaf.pass(piece, true)).collect::<Vec<_>>(), heard, "{size}");
        assert_eq!(pieces().flat_map(|piece| well.pass(piece, false)).collect::<Vec<_>>(), said, "{size}");
    }
}

#[test]
fn who_becomes_deaf_in_the_middle_of_a_delivery_hears_it_to_its_end() {
    let mut frames = super::frames::Frames::default();
    let said = content(1, DELIVER);
    let mut heard = frames.pass(&said[..15], false);
    heard.extend(frames.pass(&said[15..], true));
    assert_eq!(heard, said);
    assert_eq!(frames.pass(&said, true), frame(8, 0, b""));
}

#[test]
fn what_is_no_amqp_passes() {
    let mut frames = super::frames::Frames::default();
    assert_eq!(frames.pass(b"AMQP\x00\x00\x09\x01", true), b"AMQP\x00\x00\x09\x01");
    assert_eq!(frames.pass(b"\x01\x02", true), b"\x01\x02");
}

#[tokio::test]
async fn connections_that_there_are_become_deaf_and_new_ones_hear() {
    let echo = echo().await;
    let proxy = Proxy::start_for_amqp(echo.port).await.unwrap();
    let (delivery, returned) = (content(1, DELIVER), content(1, RETURN));
    let both = [&delivery[..], &returned].concat();
    let mut old = TcpStream::connect(("127.0.0.1", proxy.port())).await.unwrap();
    old.write_all(&both).await.unwrap();
    let mut heard = vec![0; both.len()];
    timeout(PATIENCE, old.read_exact(&mut heard)).await.unwrap().unwrap();
    assert_eq!(heard, both);
    proxy.deafen();
    old.write_all(&both).await.unwrap();
    let instead = [frame(8, 0, b""), returned.clone()].concat();
    let mut heard = vec![0; instead.len()];
    timeout(PATIENCE, old.read_exact(&mut heard)).await.unwrap().unwrap();
    assert_eq!(heard, instead);
    let mut new = TcpStream::connect(("127.0.0.1", proxy.port())).await.unwrap();
    new.write_all(&both).await.unwrap();
    let mut heard = vec![0; both.len()];
    timeout(PATIENCE, new.read_exact(&mut heard)).await.unwrap().unwrap();
    assert_eq!(heard, both);
}
