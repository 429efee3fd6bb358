use super::{Error, Health, Identity, State, down_in, running_in, up_in};
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;
use tokio::process::Command;

/// Ends what was started there, also when the test fails.
struct Ends(PathBuf);

impl Drop for Ends {
    fn drop(&mut self) {
        State::read(&self.0).unwrap_or_default().processes().iter().for_each(Identity::kill);
    }
}

/// Everything of one set in one test, because a start takes seconds.
#[tokio::test]
async fn up_keeps_what_runs_and_down_leaves_nothing() {
    let place = tempfile::tempdir().unwrap();
    let folder = place.path().join("services");
    let _ends = Ends(folder.clone());
    assert!(matches!(running_in(&folder), Err(Error::NoServers { .. })));

    let first = up_in(&folder).await.unwrap();
    assert_eq!(running_in(&folder).unwrap(), first);
    assert_eq!(up_in(&folder).await.unwrap(), first);

    first.redis.processes.iter().for_each(Identity::kill);
    for process in &first.redis.processes {
        process.gone().await;
    }
    let seen = running_in(&folder).unwrap_err().to_string();
    assert_eq!(seen, "no servers (redis has ended): run `make services`");
    let second = up_in(&folder).await.unwrap();
    assert_eq!((&second.rabbitmq, &second.s3), (&first.rabbitmq, &first.s3));
    assert_ne!(second.redis, first.redis);

    let environment = second.environment();
    let endpoint = ("AWS_ENDPOINT_URL", second.s3.at.endpoint.clone());
    assert!(environment.contains(&endpoint), "{environment:?}");
    assert!(environment.contains(&("CALLBOARD_STORE__URL", "s3://callboard".to_owned())), "{environment:?}");

    let all = State::read(&folder).unwrap().processes();
    assert_eq!(all.len(), 6, "RabbitMQ, its name server, Redis, the gateway, the disk and the monitor");
    down_in(&folder).await.unwrap();
    assert!(all.iter().all(|process| !process.lives()));
    assert!(!folder.exists());
    down_in(&folder).await.unwrap();
}

#[tokio::test]
async fn a_process_is_itself_until_it_ends() {
    // Nothing waits for its output, and it is not left behind when this fails.
    let mut command = Command::new("sleep");
    command.arg("600").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
    let mut child = command.spawn().unwrap();
    let id = child.id().unwrap();
    let itself = Identity::of(id).unwrap();
    assert!(itself.lives());
    // A later one of the same id is another one, and is not killed.
    let earlier: Identity = serde_json::from_value(serde_json::json!({ "id": id, "started": 1 })).unwrap();
    assert!(!earlier.lives());
    earlier.kill();
    assert!(itself.lives());
    child.start_kill().unwrap();
    // It has ended, whoever may keep its exit status.
    tokio::time::timeout(Duration::from_secs(10), itself.gone()).await.unwrap();
    child.wait().await.unwrap();
    assert_eq!(Identity::of(id), None);
}

#[test]
fn what_was_never_started_is_said() {
    assert!(State::default().health().iter().all(|(_, health)| *health == Health::NeverStarted));
}
