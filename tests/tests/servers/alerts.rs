//! An alert on its whole way: a node says that a breaker is open, Prometheus scrapes it and the rule fires, and Alertmanager tells
//! whoever is to know; and that it is over, when the breaker closes.
#![expect(clippy::unwrap_used, reason = "a test that fails here may panic")]

use callboard::Settings;
use callboard::prelude::*;
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::process::Stdio;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;
use tokio::process::{Child, Command};
use tokio::task::JoinSet;

/// How long an alert may take; it takes some seconds.
const PATIENCE: Duration = Duration::from_secs(120);

/// Says what it was given.
#[task(output = String)]
struct Say {
    text: String,
}

/// A server of Prometheus', which ends with this.
struct Server {
    _child: Child,
    /// Reads what it says, so that it does not wait for that.
    _said: JoinSet<()>,
}

/// Starts one, and gives the address that it says it listens on.
async fn server(program: &str, folder: &Path, arguments: &[String]) -> (Server, String) {
    let mut command = Command::new(program);
    command.args(arguments).args(["--web.listen-address=127.0.0.1:0", "--log.level=info"]).current_dir(folder);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).kill_on_drop(true);
    let mut child = command.spawn().unwrap_or_else(|error| panic!("{program}: {error}: chaos/install installs it"));
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let mut seen = Vec::new();
    let address = loop {
        let line = lines.next_line().await.unwrap().unwrap_or_else(|| panic!("{program} has ended: {seen:#?}"));
        // Their logs differ in words, and agree on this.
        if let Some((_, address)) = line.split_once("address=127.0.0.1:").filter(|_| line.contains("istening on")) {
            break format!("127.0.0.1:{}", address.split(' ').next().unwrap());
        }
        seen.push(line);
    };
    let mut said = JoinSet::new();
    said.spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
    (Server { _child: child, _said: said }, address)
}

/// The rules as they are, but none waits for long; and what asks them each moment.
fn configure(folder: &Path, node: &str, alertmanager: &str) -> String {
    let config = Path::new(env!("CARGO_MANIFEST_DIR")).join("../config/prometheus");
    let rules = fs::read_to_string(config.join("alerts.rules.yml")).unwrap();
    let at_once = |line: &str| {
        if line.trim_start().starts_with("for: ") { "        for: 1s".to_owned() } else { line.to_owned() }
    };
    let rules: Vec<String> = rules.lines().map(at_once).collect();
    fs::write(folder.join("alerts.rules.yml"), rules.join("\n")).unwrap();
    fs::copy(config.join("recording.rules.yml"), folder.join("recording.rules.yml")).unwrap();
    let mut prometheus = fs::read_to_string(config.join("prometheus.yml")).unwrap();
    for (theirs, ours) in [("15s", "200ms"), ("127.0.0.1:9093", alertmanager), ("127.0.0.1:7420", node)] {
        assert!(prometheus.contains(theirs), "{theirs}: {prometheus}");
        prometheus = prometheus.replace(theirs, ours);
    }
    fs::write(folder.join("prometheus.yml"), prometheus).unwrap();
    folder.join("prometheus.yml").display().to_string()
}

/// What Alertmanager posts, each as it comes.
async fn next_notice(listener: &TcpListener) -> Value {
    let (stream, _) = listener.accept().await.unwrap();
    let mut stream = BufReader::new(stream);
    let mut length = 0;
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).await.unwrap();
        if let Some(said) = line.to_ascii_lowercase().strip_prefix("content-length: ") {
            length = said.trim().parse().unwrap();
        }
        if line == "\r\n" {
            break;
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.unwrap();
    let answer = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
    stream.write_all(answer.as_bytes()).await.unwrap();
    serde_json::from_slice(&body).unwrap()
}

/// Waits until the alert of an open breaker is told in this state, and gives it.
async fn alert(listener: &TcpListener, status: &str) -> Value {
    loop {
        let notice = next_notice(listener).await;
        let alerts = notice["alerts"].as_array().unwrap();
        let is_it =
            |alert: &&Value| alert["labels"]["alertname"] == "CallboardBreakerOpen" && alert["status"] == status;
        if let Some(alert) = alerts.iter().find(is_it) {
            return alert.clone();
        }
    }
}

#[tokio::test]
async fn an_open_breaker_is_told_to_whoever_is_to_know_and_so_is_its_end() {
    let folder = tempfile::tempdir().unwrap();
    let mut settings = Settings::default();
    settings.http.listen = ([127, 0, 0, 1], 0).into();
    let say = |_: Ctx, say: Say| async move { Ok(say.text) };
    let board = Callboard::builder(settings).ephemeral().metrics().task_fn(say).start().await.unwrap();
    let node = board.serve().await.unwrap().to_string();
    board.breaker("agent:say").open("a test").await.unwrap();

    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let receiver = listener.local_addr().unwrap();
    let routes = format!(
        "route: {{receiver: us, group_by: [alertname], group_wait: 100ms, group_interval: 1s, repeat_interval: 1h}}\n\
         receivers: [{{name: us, webhook_configs: [{{url: 'http://{receiver}/'}}]}}]\n"
    );
    fs::write(folder.path().join("alertmanager.yml"), routes).unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let arguments = [
        format!("--config.file={}", path("alertmanager.yml")),
        format!("--storage.path={}", path("alerts")),
        "--cluster.listen-address=".to_owned(),
    ];
    let (_alertmanager, address) = server("prometheus-alertmanager", folder.path(), &arguments).await;
    let config = configure(folder.path(), &node, &address);
    let arguments = [format!("--config.file={config}"), format!("--storage.tsdb.path={}", path("series"))];
    let (_prometheus, _) = server("prometheus", folder.path(), &arguments).await;

    let fires = tokio::time::timeout(PATIENCE, alert(&listener, "firing")).await.expect("it fires");
    let labels = [&fires["labels"]["breaker"], &fires["labels"]["instance"], &fires["labels"]["severity"]];
    assert_eq!(labels, ["agent:say", &node, "warning"], "{fires}");
    assert_eq!(fires["annotations"]["summary"], format!("the breaker agent:say does not close on {node}"));
    let page = fires["annotations"]["runbook_url"].as_str().unwrap();
    assert!(Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(page).is_file(), "{page}");

    board.breaker("agent:say").reset("a test").await.unwrap();
    let over = tokio::time::timeout(PATIENCE, alert(&listener, "resolved")).await.expect("it is over");
    assert_eq!(over["labels"], fires["labels"]);
    board.shutdown().await.unwrap();
}
