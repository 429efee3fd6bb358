//! What is stored, without a node and beside one.

use super::node::{Node, Said, program};
use std::ffi::OsString;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::Stdio;

/// Folders of a node, of copies of what it has, and of what is restored.
struct Folders(tempfile::TempDir);

impl Folders {
    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn arguments(&self, said: &str) -> Vec<OsString> {
        // What begins with a slash is a folder of these.
        said.split(' ')
            .map(|word| word.strip_prefix('/').map_or_else(|| word.into(), |name| self.path(name).into()))
            .collect()
    }

    fn ask(&self, said: &str) -> Said {
        Said::of(&mut program(self.arguments(said)))
    }

    fn dev(&self, said: &str) -> Node {
        Node::dev(self.arguments(said))
    }

    #[track_caller]
    fn is_refused(&self, said: &str, code: i32, seen: &str) {
        let said = self.ask(said);
        assert_eq!(said.code, Some(code), "{said:?}");
        assert!(said.err.contains(seen), "{said:?}");
    }
}

/// Every object of a partition's log in a folder.
fn slots(folder: &Path) -> Vec<PathBuf> {
    let log = folder.join("objects/default/partitions/0000/log");
    let epochs = fs::read_dir(log).expect("a log").map(|epoch| epoch.expect("an epoch").path());
    let mut slots: Vec<PathBuf> =
        epochs.flat_map(|epoch| fs::read_dir(epoch).expect("slots").map(|slot| slot.expect("a slot").path())).collect();
    slots.sort();
    slots
}

#[test]
fn a_live_node_is_copied_and_the_copy_is_checked_looked_at_and_restored() {
    let folders = Folders(tempfile::tempdir().expect("a folder"));
    fs::write(folders.path("w.yaml"), "name: w\ntasks:\n  it: {capability: echo, input: [1, 2]}\n").expect("a file");
    let node = folders.dev("--data /data");
    let run = node.submit(&folders.path("w.yaml"));
    assert_eq!(node.ask(["run", "show", &run, "--watch"]).code, Some(0));

    // Beside the node, which has the folder.
    let verified = folders.ask("journal verify --data /data -o json");
    assert_eq!(
        (verified.code, &verified.json()["faults"], &verified.json()["generation"]),
        (Some(0), &serde_json::json!([]), &0.into())
    );
    let lines = folders.ask("journal cat --data /data");
    let kinds = lines.out.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).expect("JSON"));
    assert!(kinds.count() >= 3 && lines.out.contains(&run), "{lines:?}");
    folders.is_refused("journal cat 7 --data /data", 3, "they are 0 to 0");
    let copied = folders.ask("journal copy /copy --data /data -o json");
    assert_eq!((copied.code, &copied.json()["hashes"][0]), (Some(0), &verified.json()["partitions"][0]["hash"]));
    folders.is_refused("journal copy /nowhere --data /data --at 0=9/9", 2, "ends at 1/");
    folders.is_refused("journal copy /nowhere --data /data --at 0", 2, "PARTITION=EPOCH/SLOT");
    folders.is_refused("journal copy /data --data /data", 6, "choose another folder for the copy");
    node.terminate();
    drop(node);

    // Nobody goes on with a copy, and one looks at it.
    folders.is_refused("dev --listen 127.0.0.1:0 --data /copy", 2, "is a copy in this store");
    folders.is_refused("dev --listen 127.0.0.1:0 --read-only --data /data", 2, "is no copy");
    folders.is_refused("dev --listen 127.0.0.1:0 --read-only --data /nothing", 3, "there is no store in the folder");
    let shown = folders.dev("--read-only --data /copy");
    assert_eq!(shown.ask(["run", "show", &run, "-o", "json"]).json()["status"], "completed");
    let refused = shown.ask(["task", "submit", folders.path("w.yaml").to_str().expect("UTF-8")]);
    assert_eq!(refused.code, Some(5), "{refused:?}");
    assert!(refused.err.contains("this node shows a copy"), "{refused:?}");
    drop(shown);

    let restored = folders.ask("journal restore /copy --data /restored -o json");
    assert_eq!((restored.code, &restored.json()["generation"]), (Some(0), &1.into()), "{restored:?}");
    folders.is_refused("journal restore /copy --data /restored", 6, "holds a name space already");
    folders.is_refused("journal restore /restored --data /elsewhere", 2, "this is no copy");
    let node = folders.dev("--data /restored");
    assert_eq!(node.ask(["run", "show", &run, "-o", "json"]).json()["status"], "completed");
    node.submit(&folders.path("w.yaml"));
    drop(node);

    // A bit of it is another one.
    let slot = slots(&folders.path("copy")).into_iter().next_back().expect("a slot");
    let mut bytes = fs::read(&slot).expect("its bytes");
    *bytes.last_mut().expect("a byte") ^= 1;
    fs::write(&slot, bytes).expect("written");
    let name = slot.strip_prefix(folders.path("copy/objects")).expect("a name").display().to_string();
    folders.is_refused("journal verify --data /copy", 1, &name);
    folders.is_refused("journal restore /copy --data /again", 1, "cannot be decoded");
    folders.is_refused("journal verify --data /nothing", 3, "there is no store in the folder");
}

/// A copy that is added to again and again has what was submitted since.
#[test]
fn a_copy_follows_the_node() {
    let folders = Folders(tempfile::tempdir().expect("a folder"));
    fs::write(folders.path("w.yaml"), "name: w\ntasks:\n  it: {capability: echo}\n").expect("a file");
    let node = folders.dev("--data /data");
    let mut command = program(folders.arguments("journal copy /copy --data /data --every 20ms -o jsonl"));
    let mut copying = command.stdout(Stdio::piped()).spawn().expect("it starts");
    let mut copies = BufReader::new(copying.stdout.take().expect("it is piped")).lines();
    let mut hash = || {
        let line = copies.next().expect("one more").expect("a line");
        serde_json::from_str::<serde_json::Value>(&line).expect("JSON")["hashes"][0].clone()
    };
    let before = hash();
    let run = node.submit(&folders.path("w.yaml"));
    assert_eq!(node.ask(["run", "show", &run, "--watch"]).code, Some(0));
    let now = folders.ask("journal verify --data /data -o json").json()["partitions"][0]["hash"].clone();
    assert_ne!(before, now);
    while hash() != now {}
    copying.kill().expect("it runs");
    copying.wait().expect("it has ended");
    assert_eq!(folders.ask("journal verify --data /copy -o json").json()["partitions"][0]["hash"], now);
}
