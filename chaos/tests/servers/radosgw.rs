use crate::kit;
use callboard_chaos::servers::{RadosGw, Versioning};
use std::time::Duration;

async fn get(server: &RadosGw, path: &str) -> (u16, String) {
    let response = server.send("GET", path, "").await.unwrap();
    (response.status, response.body)
}

#[tokio::test]
async fn radosgw_comes_back_with_its_data() {
    let folder = kit::folder();
    let mut server = RadosGw::start(folder.path()).await.unwrap();
    let port = server.port();
    server.make_bucket("callboard").await.unwrap();
    server.make_bucket("callboard").await.unwrap();
    assert_eq!(server.send("PUT", "/callboard/key", "kept").await.unwrap().status, 200);
    let refused = server.make_bucket("x").await.unwrap_err().to_string();
    assert!(refused.starts_with("PUT /x was refused: 400"), "{refused}");

    server.kill_gateway();
    assert!(server.send("GET", "/", "").await.is_err());
    server.start_gateway().await.unwrap();
    assert_eq!(get(&server, "/callboard/key").await, (200, "kept".into()));

    server.kill();
    kit::nothing_is_left(folder.path()).await;
    server.start_again().await.unwrap();
    assert_eq!(server.port(), port);
    assert_eq!(get(&server, "/callboard/key").await, (200, "kept".into()));

    server.set_versioning("callboard", Versioning::Enabled).await.unwrap();
    assert!(get(&server, "/callboard?versioning").await.1.contains("<Status>Enabled</Status>"));

    server.pause();
    assert!(tokio::time::timeout(Duration::from_millis(200), server.send("GET", "/", "")).await.is_err());
    server.resume();
    assert_eq!(get(&server, "/callboard/key").await, (200, "kept".into()));

    server.wipe().await.unwrap();
    assert_eq!(get(&server, "/callboard/key").await.0, 404);
    server.stop().await;
    kit::nothing_is_left(folder.path()).await;
}
