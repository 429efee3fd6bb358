//! Described agents on a board: found by what they can do, and not by any name in a program.

use super::super::*;
use callboard::{Callboard, Json, Workflow, payload, task};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// What every agent of the fleet can do, besides something of its own.
#[task(output = Answer, capability = "fleet.read")]
struct Ask {
    path: String,
}

#[payload]
struct Answer {
    path: String,
    #[serde(default)]
    text: String,
}

const FLEET: usize = 49;

/// Writes the file of an agent, one of three kinds by turns; the last two show in their answers who they are.
fn describe(folder: &Path, n: usize) {
    let runs = match n % 3 {
        0 => "runs.echo = {}".to_owned(),
        1 => format!(
            r#"runs.command = {{ program = "printf", arguments = ['{{"path":"p","text":"%s"}}', "seat {n}"] }}"#
        ),
        _ => {
            fs::create_dir(folder.join(format!("root-{n}"))).unwrap();
            fs::write(folder.join(format!("root-{n}/p")), format!("seat {n}")).unwrap();
            format!("runs.file = {{ root = './root-{n}' }}")
        }
    };
    let own = format!("{{ name = 'own-{n}.read', description = 'of seat {n}' }}");
    let text = format!(
        "name = 'agent-{n}'\nversion = '{n}.0'\nlabels = {{ seat = 's{n}' }}\n\
         capabilities = [{{ name = 'fleet.read', input_schema = {{ required = ['path'] }} }}, {own}]\n{runs}\n"
    );
    fs::write(folder.join(format!("{n}.toml")), text).unwrap();
}

#[tokio::test]
async fn forty_nine_files_are_forty_nine_agents_that_are_found_by_what_they_can_do() {
    let folder = tempfile::tempdir().unwrap();
    (0..FLEET).for_each(|n| describe(folder.path(), n));
    let board = Callboard::dev().ephemeral().agents_from(folder.path()).unwrap().start().await.unwrap();

    assert_eq!(board.agents().find("fleet.read").await.unwrap().len(), FLEET);
    for n in 0..FLEET {
        let found = board.agents().find(format!("own-{n}.read")).await.unwrap();
        let [agent] = &found[..] else { panic!("{n}: {found:?}") };
        assert_eq!((&*agent.id, &*agent.version), (&*format!("agent-{n}"), &*format!("{n}.0")));
        assert_eq!(agent.traits.labels["seat"], format!("s{n}"));
        assert_eq!(agent.capability(&format!("own-{n}.read")).unwrap().description, format!("of seat {n}"));
    }

    // Asked for what only one of them can do,
    for n in 0..FLEET {
        let answer = board.call_json(format!("own-{n}.read"), Json::parse(r#"{"path":"p"}"#).unwrap()).await.unwrap();
        assert_eq!(answer.as_str().contains(&format!("\"seat {n}\"")), n % 3 != 0, "{n}: {answer:?}");
    }
    // and for what all can do, of one of them.
    let workflow = Workflow::new("fleet");
    let ask = |n| {
        let task = workflow.task(format!("ask-{n}"), Ask { path: "p".into() });
        (n, task.requires(format!("seat=s{n}").parse().unwrap()))
    };
    let tasks: BTreeMap<_, _> = (0..FLEET).map(ask).collect();
    let run = board.start(workflow).await.unwrap();
    for (n, task) in &tasks {
        let answer = run.output(task).await.unwrap();
        let expected = if n % 3 == 0 { String::new() } else { format!("seat {n}") };
        assert_eq!((&*answer.path, answer.text), ("p", expected));
    }
    board.shutdown().await.unwrap();
}

#[tokio::test]
async fn the_agents_of_the_project_work_on_a_bare_machine() {
    #[task(output = Vec<Disk>, capability = "disk.free")]
    struct DiskFree {}
    #[payload]
    struct Disk {
        mount: String,
        kib: u64,
        free_kib: u64,
    }
    #[task(output = Vec<String>, capability = "host.resolve")]
    struct Resolve {
        name: String,
    }
    #[task(output = Answer, capability = "handbook.read")]
    struct Handbook {
        path: String,
    }
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../config/agents");
    let board = Callboard::dev().ephemeral().agents_from(folder).unwrap().start().await.unwrap();
    let disks = board.call(DiskFree {}).await.unwrap();
    assert!(disks.iter().all(|disk| disk.mount.starts_with('/') && disk.free_kib <= disk.kib), "{}", disks.len());
    let addresses = board.call(Resolve { name: "localhost".into() }).await.unwrap();
    assert!(addresses.iter().any(|address| address == "127.0.0.1" || address == "::1"), "{addresses:?}");
    for name in ["--help", "a b", ""] {
        let error = board.call(Resolve { name: name.into() }).await.unwrap_err();
        assert!(!error.is_retryable(), "{name:?}: {error:#}");
    }
    let handbook = board.call(Handbook { path: "first-steps.txt".into() }).await.unwrap();
    assert!(handbook.text.starts_with("Half hour"), "{}", handbook.text);
    board.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_program_does_not_start_with_half_of_its_agents() {
    let folder = tempfile::tempdir().unwrap();
    describe(folder.path(), 0);
    fs::write(folder.path().join("b.toml"), "instances = 0\n").unwrap();
    let error = Callboard::dev().ephemeral().agents_from(folder.path()).unwrap_err();
    assert_eq!((error.kind(), error.causes().count()), (callboard::ErrorKind::Invalid, 3), "{error:#}");
    let refused = format!("{error:#}");
    assert!(refused.contains("b.toml:1: instances: a whole number from 1 to 1000 is expected"), "{refused}");
}
