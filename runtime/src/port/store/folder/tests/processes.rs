//! Tests that need a second process: this test binary again, as `child_process` with a role.

use std::env;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::thread;

use super::*;

const ROLE: &str = "TEST_STORE_ROLE";
const ROOT: &str = "TEST_STORE_ROOT";

/// What a child says to its parent stands behind this mark; the test harness prints lines of its own.
const MARK: &str = "child says ";

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().build().unwrap()
}

fn arguments() -> Vec<String> {
    let (_, module) = module_path!().split_once("::").unwrap();
    vec!["--exact".to_owned(), format!("{module}::child_process"), "--nocapture".to_owned()]
}

fn child(program: &mut Command, role: &str, root: &Path) -> Child {
    let program = program.env(ROLE, role).env(ROOT, root);
    program.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

fn spawn_child(role: &str, root: &Path) -> Child {
    child(Command::new(env::current_exe().unwrap()).args(arguments()), role, root)
}

/// The next thing the child says.
fn hear(child: &mut Child) -> String {
    let lines = BufReader::new(child.stdout.as_mut().unwrap()).lines();
    let said = lines.map_while(Result::ok).find_map(|line| Some(line.split_once(MARK)?.1.to_owned()));
    said.unwrap_or_else(|| panic!("the child said nothing: {:?}", child.wait()))
}

fn kill(mut child: Child) {
    child.kill().unwrap();
    child.wait().unwrap();
}

fn say(words: impl std::fmt::Display) {
    println!("{MARK}{words}");
}

fn stop_here() -> ! {
    loop {
        thread::park();
    }
}

/// What a child does. Without a role it is no test.
#[test]
fn child_process() {
    let (Ok(role), Some(root)) = (env::var(ROLE), env::var_os(ROOT)) else {
        return;
    };
    let root = PathBuf::from(root);
    match role.as_str() {
        "open" => say(FolderStore::open(root).map(|_| "opened".to_owned()).unwrap_or_else(|error| error.to_string())),
        "hold" => {
            let _store = FolderStore::open(root).unwrap();
            say("held");
            stop_here();
        }
        "fill" => runtime().block_on(fill(&root)),
        "stop in write" => create_and_stop(root, |call| match call {
            Call::Write(file, bytes) => {
                file.write_all(&bytes[..bytes.len() / 2]).unwrap();
                true
            }
            _ => false,
        }),
        "stop before rename" => create_and_stop(root, |call| matches!(call, Call::SyncFile)),
        "stop before directory fsync" => create_and_stop(root, |call| matches!(call, Call::SyncDirectory("a"))),
        role => panic!("no role {role}"),
    }
}

#[test]
fn second_process_is_told_who_holds_the_lock() {
    let root = tempfile::tempdir().unwrap();
    let store = FolderStore::open(root.path()).unwrap();
    let mut second = spawn_child("open", root.path());
    let told = hear(&mut second);
    second.wait().unwrap();
    let me = format!("in use by process {} on host ", std::process::id());
    let program = format!("program {}, since 20", env::current_exe().unwrap().display());
    for part in [me.as_str(), &program, "stop that process, or choose another folder"] {
        assert!(told.contains(part), "{told:?} does not say {part:?}");
    }
    let again = FolderStore::open(root.path()).err().unwrap();
    assert!(matches!(again, OpenError::Held { .. }), "twice in one process is twice too: {again}");

    drop(store);
    let mut second = spawn_child("open", root.path());
    assert_eq!(hear(&mut second), "opened");
    second.wait().unwrap();
}

#[test]
fn the_lock_dies_with_its_process() {
    let root = tempfile::tempdir().unwrap();
    let mut holder = spawn_child("hold", root.path());
    assert_eq!(hear(&mut holder), "held");
    let held = FolderStore::open(root.path()).err().unwrap().to_string();
    assert!(held.contains(&format!("process {} on", holder.id())), "{held}");
    kill(holder);
    FolderStore::open(root.path()).unwrap();
}

/// Creates `a/0`, says so, and stops for good where `stop` says, in the create of `a/1`.
fn create_and_stop(root: PathBuf, stop: impl Fn(Call<'_>) -> bool + Send + Sync + 'static) {
    let armed = Arc::new(Mutex::new(false));
    let hook_armed = Arc::clone(&armed);
    let hook = move |call: Call<'_>| {
        if *hook_armed.lock().unwrap() && stop(call) {
            say("stopped");
            stop_here();
        }
        Ok(())
    };
    let store = FolderStore::open_on(root, Double(hook)).unwrap();
    runtime().block_on(async {
        assert_eq!(create(&store, "a/0").await.unwrap(), Create::Created);
        *armed.lock().unwrap() = true;
        let _ = store.create("a/1", Bytes::from(vec![7; 1 << 20])).await;
    });
}

#[test]
fn killed_in_mid_create_leaves_no_torn_object() {
    for (role, visible) in
        [("stop in write", false), ("stop before rename", false), ("stop before directory fsync", true)]
    {
        let root = tempfile::tempdir().unwrap();
        let mut victim = spawn_child(role, root.path());
        assert_eq!(hear(&mut victim), "stopped");
        kill(victim);
        assert_eq!(temp_count(root.path()), usize::from(!visible), "{role}");

        let store = open_on(&root, |_| Ok(()));
        runtime().block_on(async {
            assert_eq!(temp_count(root.path()), 0, "{role}");
            assert_eq!(store.get("a/0").await.unwrap(), Some("a/0".into()), "{role}");
            let whole = visible.then(|| Bytes::from(vec![7; 1 << 20]));
            assert_eq!(store.list("a/", "a/0").await.unwrap().len(), usize::from(visible), "{role}");
            assert!(store.get("a/1").await.unwrap() == whole, "{role}");
        });
    }
}

/// Runs a child in a mount namespace of its own, on a file system of 1 MiB in memory.
#[test]
fn disk_full_is_refused_and_nothing_is_lost() {
    let root = tempfile::tempdir().unwrap();
    let mount = "mount -t tmpfs -o size=1m none \"$0\" && exec \"$@\"";
    let mut troubles = Vec::new();
    // As an ordinary user by way of a user namespace, as root without one.
    for namespaces in ["-rm", "-m"] {
        let mut small = Command::new("unshare");
        small.args([namespaces, "sh", "-c", mount]).arg(root.path()).arg(env::current_exe().unwrap()).args(arguments());
        let done = child(&mut small, "fill", root.path()).wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&done.stdout);
        if said.contains(MARK) {
            assert!(said.contains("child says filled") && done.status.success(), "{done:?}");
            return;
        }
        troubles.push(done);
    }
    panic!("no small file system to fill could be mounted with `unshare`: {troubles:?}");
}

async fn fill(root: &Path) {
    let store = FolderStore::open(root).unwrap();
    say("started");
    let body = |number: u8| Bytes::from(vec![number; 100 << 10]);
    let name = |number: u8| format!("a/{number:03}");
    let mut stored = 0;
    let refused = loop {
        match store.create(&name(stored), body(stored)).await {
            Ok(Create::Created) => stored += 1,
            other => break other,
        }
    };
    assert!(matches!(&refused, Err(Error::Refused { reason }) if reason.starts_with("disk full: ")), "{refused:?}");
    assert!(stored > 5, "{stored}");
    assert_eq!(temp_count(root), 0);
    assert_eq!(store.list("", "").await.unwrap(), (0..stored).map(name).collect::<Vec<_>>());
    for number in 0..stored {
        assert!(store.get(&name(number)).await.unwrap() == Some(body(number)));
    }
    store.delete(&name(0)).await.unwrap();
    assert_eq!(store.create(&name(stored), body(stored)).await.unwrap(), Create::Created);
    drop(store);
    let store = FolderStore::open(root).unwrap();
    assert_eq!(store.list("", "").await.unwrap(), (1..=stored).map(name).collect::<Vec<_>>());
    say("filled");
}
