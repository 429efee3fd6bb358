//! Who may ask for what, and what is written of it.

use super::{Answer, ask, serving, serving_with};
use crate::api::router::table;
use crate::settings::Role;
use crate::{Callboard, Result, Workflow};
use axum::http::Method;
use serde_json::Value;
use std::net::SocketAddr;
use std::path::Path;

const JSON: &str = "content-type: application/json";
const WAITS: &str = r#"{"name":"w","tasks":{"a":{"capability":"nobody"}}}"#;

fn secret(role: Role) -> String {
    format!("the-secret-of-the-{role}")
}

fn bearer(role: Role) -> String {
    format!("authorization: Bearer {}", secret(role))
}

/// A node with one token for each role, each called as its role in capitals, that writes to this file.
async fn guarded(audit: &Path) -> Result<(Callboard, SocketAddr)> {
    serving_with(|settings| {
        for role in Role::ALL {
            let name = role.as_str().to_uppercase();
            settings.http.tokens.add(&name, role, &secret(role)).expect("a good token");
        }
        settings.http.audit_file = audit.to_str().expect("a name").to_owned();
    })
    .await
}

/// Every line but its time.
fn lines(audit: &Path) -> Vec<[String; 4]> {
    let text = std::fs::read_to_string(audit).expect("a file");
    let line = |line: &str| {
        let line: Value = serde_json::from_str(line).expect("JSON");
        assert!(line["at"].as_str().is_some_and(|at| at.len() == 24 && at.ends_with('Z')), "{line}");
        ["who", "verb", "subject", "outcome"].map(|name| line[name].as_str().expect(name).to_owned())
    };
    text.lines().map(line).collect()
}

#[tokio::test]
async fn every_route_lets_in_who_has_its_role_and_nobody_else() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let (board, address) = guarded(&folder.path().join("audit")).await?;
    let absent = uuid::Uuid::nil().to_string();
    for route in table() {
        let path = route.path.replace("{run}", &absent).replace("{other}", &absent);
        let path = path.replace(['{', '}'], "");
        let line = format!("{} {path}", route.method);
        let nobody = ask(address, &line, &[], "").await;
        assert_eq!(nobody.status == 401, route.needs.is_some(), "{line}: {nobody:?}");
        let Some(needed) = route.needs else { continue };
        assert_eq!(nobody.json()["code"], "CB3014");
        assert!(nobody.head.contains("www-authenticate: Bearer"), "{nobody:?}");
        assert_eq!(
            route.method == Method::GET,
            needed == Role::Viewer,
            "{line}: who looks is a viewer, and nobody else"
        );
        for role in Role::ALL.into_iter().filter(|_| route.path != "/v1/stop") {
            let answer = ask(address, &line, &[&bearer(role)], "").await;
            assert_eq!(answer.status == 403, role < needed, "{line} as {role}: {answer:?}");
            assert_ne!(answer.status, 401, "{line} as {role}: {answer:?}");
        }
    }
    assert_eq!(ask(address, "POST /v1/stop", &[&bearer(Role::Operator)], "").await.status, 403);
    let stop = ask(address, "POST /v1/stop", &[&bearer(Role::Admin), JSON], r#"{"emergency":true}"#).await;
    assert_eq!(stop.status, 202, "{stop:?}");
    board.ended().await;
    Ok(())
}

#[tokio::test]
async fn a_token_is_shown_as_a_bearer_and_no_other_is_taken() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let (board, address) = guarded(&folder.path().join("audit")).await?;
    let good = secret(Role::Viewer);
    let status = async |header: String| ask(address, "GET /v1/runs", &[&header], "").await.status;
    assert_eq!(status(format!("Authorization: bearer  {good}")).await, 200, "the scheme has no case");
    let wrong = [
        "",
        "Bearer",
        "Bearer ",
        &good,
        &format!("Basic {good}"),
        &format!("Bearer {good}x"),
        "Bearer VIEWER",
        "Bearer ***",
    ];
    for wrong in wrong {
        assert_eq!(status(format!("authorization: {wrong}")).await, 401, "{wrong:?}");
    }
    // Whoever has a token is still no page from elsewhere.
    let evil = ask(address, "GET /v1/runs", &[&bearer(Role::Admin), "origin: http://evil.example"], "").await;
    assert_eq!((evil.status, &evil.json()["code"]), (403, &"CB3005".into()));
    board.shutdown().await
}

#[tokio::test]
async fn to_erase_takes_more_than_to_delete() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let audit = folder.path().join("audit");
    let (board, address) = guarded(&audit).await?;
    let (operator, admin) = (bearer(Role::Operator), bearer(Role::Admin));
    let put = ask(address, "PUT /v1/state/a%2Fb?overwrite=true", &[&operator, JSON], "1").await;
    assert_eq!(put.status, 201, "{put:?}");
    let erase = |who: String| async move { ask(address, "DELETE /v1/state/a%2Fb?erase=true", &[&who], "").await };
    let refused = erase(operator.clone()).await.json();
    assert_eq!(refused["detail"], r#"this needs the role admin, and token "OPERATOR" has the role operator"#);
    let deleted = ask(address, "DELETE /v1/state/a%2Fb", &[&operator, "if-match: \"1\""], "").await;
    assert_eq!(deleted.status, 200, "{deleted:?}");
    assert_eq!(erase(admin).await.status, 200);
    let expected = [
        ["OPERATOR", "put_state", "/v1/state/a%2Fb", "ok"],
        ["OPERATOR", "delete_state", "/v1/state/a%2Fb", "CB3005"],
        ["OPERATOR", "delete_state", "/v1/state/a%2Fb", "ok"],
        ["ADMIN", "delete_state", "/v1/state/a%2Fb", "ok"],
    ];
    assert_eq!(lines(&audit), expected.map(|line| line.map(str::to_owned)));
    board.shutdown().await
}

#[tokio::test]
async fn what_is_asked_for_is_written_with_who_and_what_came_of_it() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let audit = folder.path().join("audit");
    let (board, address) = guarded(&audit).await?;
    let operator = bearer(Role::Operator);
    let run = ask(address, "POST /v1/runs", &[&operator, JSON], WAITS).await.json();
    let run = format!("/v1/runs/{}", run["id"].as_str().expect("an id"));
    let steer = |verb: &str, who: &str, body: &'static str| {
        let (line, who) = (format!("POST {run}/{verb}"), who.to_owned());
        async move { ask(address, &line, &[&who, JSON], body).await.status }
    };
    assert_eq!(steer("pause", "x: y", "").await, 401);
    assert_eq!(steer("pause", &bearer(Role::Viewer), "").await, 403);
    assert_eq!(steer("signal", &operator, r#"{"name":"go","value":"geheim"}"#).await, 200);
    assert_eq!(steer("cancel", &operator, r#"{"reason":"geheim"}"#).await, 200);
    assert_eq!(steer("cancel", &operator, "").await, 409);
    assert_eq!(ask(address, &format!("GET {run}"), &[&operator], "").await.status, 200, "to look is not written");
    let expected = [
        ["OPERATOR", "submit_run", &run, "ok"],
        ["?", "pause_run", &format!("{run}/pause"), "CB3014"],
        ["VIEWER", "pause_run", &format!("{run}/pause"), "CB3005"],
        ["OPERATOR", "signal_run", &format!("{run}/signal"), "ok"],
        ["OPERATOR", "cancel_run", &format!("{run}/cancel"), "ok"],
        ["OPERATOR", "cancel_run", &format!("{run}/cancel"), "CB2002"],
    ];
    assert_eq!(lines(&audit), expected.map(|line| line.map(str::to_owned)));
    // It may be moved away at any time.
    std::fs::rename(&audit, folder.path().join("old"))?;
    assert_eq!(steer("resume", &operator, "").await, 409);
    assert_eq!(lines(&audit).len(), 1);
    board.shutdown().await
}

/// What came of it nobody knows, and that is written.
#[tokio::test]
async fn what_is_cut_short_is_written_too() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let audit = folder.path().join("audit");
    let (board, address) = serving_with(|settings| {
        settings.http.audit_file = audit.to_str().expect("a name").to_owned();
        settings.http.request_timeout = std::time::Duration::from_millis(100);
    })
    .await?;
    // The body never comes.
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut stream = tokio::net::TcpStream::connect(address).await?;
    let head = format!(
        "POST /v1/runs HTTP/1.1\r\nhost: localhost\r\n{JSON}\r\ncontent-length: 9\r\nconnection: close\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    assert!(answer.starts_with("HTTP/1.1 504"), "{answer}");
    assert_eq!(lines(&audit), [["loopback", "submit_run", "/v1/runs", "CB3002"].map(str::to_owned)]);
    board.shutdown().await
}

#[tokio::test]
async fn a_disk_that_is_full_loses_no_change() -> Result<()> {
    let (board, address) = serving_with(|settings| "/dev/full".clone_into(&mut settings.http.audit_file)).await?;
    let Answer { status, body, .. } = ask(address, "POST /v1/runs", &[JSON], WAITS).await;
    assert_eq!(status, 201, "{body}");
    assert_eq!(board.runs().await?.items.len(), 1);
    board.shutdown().await
}

#[tokio::test]
async fn an_audit_file_that_can_not_be_written_keeps_the_server_from_starting() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("none/audit").to_str().expect("a name").to_owned();
    let error = serving_with(|settings| settings.http.audit_file = file).await.expect_err("no such folder");
    assert!(error.message().starts_with("http.audit_file: ") && error.kind() == crate::ErrorKind::Invalid, "{error}");
    Ok(())
}

/// Without tokens the machine itself may do everything, as ever.
#[tokio::test]
async fn the_loopback_is_free_without_tokens() -> Result<()> {
    let (board, address) = serving().await?;
    board.start(Workflow::from_json(WAITS)?).await?;
    assert_eq!(ask(address, "GET /v1/runs", &["authorization: Bearer of-another-node"], "").await.status, 200);
    assert_eq!(ask(address, "POST /v1/runs", &[JSON], WAITS).await.status, 201);
    board.shutdown().await
}
