//! What operators are given, held against promtool: rules and their tests, the queries of dashboards, and what a node says.
#![expect(clippy::unwrap_used, reason = "a test that fails here may panic")]

use callboard::Settings;
use callboard::prelude::*;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::process::Command;

fn config(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../config").join(path)
}

/// Has promtool check something; says what it says if it finds anything.
async fn promtool(arguments: &[&str], path: Option<&Path>, input: &str) -> String {
    let mut command = Command::new("promtool");
    command.args(arguments).args(path).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.kill_on_drop(true).spawn().expect("promtool is installed: chaos/install does it");
    child.stdin.take().unwrap().write_all(input.as_bytes()).await.unwrap();
    let output = child.wait_with_output().await.unwrap();
    let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    assert!(output.status.success(), "promtool {arguments:?}: {said}");
    said
}

#[tokio::test]
async fn rules_are_whole_and_each_alert_fires_when_it_should() {
    promtool(&["check", "config"], Some(&config("prometheus/prometheus.yml")), "").await;
    promtool(&["test", "rules"], Some(&config("prometheus/tests/alerts.yml")), "").await;
}

/// A query of a dashboard is a rule as well as any.
#[tokio::test]
async fn every_query_of_a_dashboard_can_be_read() {
    let mut rules = Vec::new();
    for name in ["overview", "agents", "journal-and-ports"] {
        let text = std::fs::read_to_string(config(&format!("grafana/{name}.json"))).unwrap();
        let board: serde_json::Value = serde_json::from_str(&text).unwrap();
        for panel in board["panels"].as_array().unwrap() {
            for target in panel["targets"].as_array().into_iter().flatten() {
                let query = target["expr"].as_str().unwrap().replace("$job", "callboard").replace("$capability", ".*");
                rules.push(serde_json::json!({ "record": format!("query:{}", rules.len()), "expr": query }));
            }
        }
    }
    assert!(rules.len() > 40, "{}", rules.len());
    let file = tempfile::Builder::new().suffix(".json").tempfile().unwrap();
    let groups = serde_json::json!({ "groups": [{ "name": "dashboards", "rules": rules }] });
    std::fs::write(file.path(), groups.to_string()).unwrap();
    promtool(&["check", "rules"], Some(file.path()), "").await;
}

async fn get(address: SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

/// Says what it was given.
#[task(output = String)]
struct Say {
    text: String,
}

/// The metrics of a node that has done something.
#[tokio::test]
async fn what_a_node_says_is_as_prometheus_wants_it() {
    let mut settings = Settings::default();
    settings.http.listen = ([127, 0, 0, 1], 0).into();
    let board = Callboard::builder(settings)
        .ephemeral()
        .metrics()
        .task_fn(|_, say: Say| async move { Ok(say.text) })
        .start()
        .await
        .unwrap();
    let address = board.serve().await.unwrap();
    assert_eq!(board.call(Say { text: "it".into() }).await.unwrap(), "it");
    let answer = get(address, "/metrics").await;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200") && head.contains("text/plain; version=0.0.4"), "{head}");
    for line in [
        "# TYPE callboard_tasks_total counter",
        r#"callboard_tasks_total{capability="say",status="completed"} 1"#,
        r#"callboard_task_duration_seconds_bucket{capability="say",le="+Inf"} 1"#,
        r#"callboard_agent_slots{capability="say"} 32"#,
    ] {
        assert!(body.lines().any(|found| found == line), "{line}: {body}");
    }
    assert_eq!(promtool(&["check", "metrics"], None, body).await, "");
    board.shutdown().await.unwrap();
}
