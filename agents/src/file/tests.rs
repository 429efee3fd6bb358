use super::*;
use callboard::ErrorClass;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use tempfile::TempDir;

/// A root with a folder beside it, from which nothing may be read and to which nothing may be written.
struct World {
    all: TempDir,
    file: File,
}

impl World {
    fn new() -> Self {
        Self::with(|_| {})
    }

    fn with(change: impl FnOnce(&mut FileSettings)) -> Self {
        let all = tempfile::tempdir().unwrap();
        fs::create_dir(all.path().join("root")).unwrap();
        fs::create_dir(all.path().join("outside")).unwrap();
        fs::write(all.path().join("outside/secret"), "secret").unwrap();
        let mut settings = FileSettings::of(all.path().join("root"));
        change(&mut settings);
        Self { file: File::new(settings).unwrap(), all }
    }

    fn path(&self, path: &str) -> std::path::PathBuf {
        self.all.path().join(path)
    }

    async fn told(&self, operation: Operation, input: &str) -> String {
        match self.file.run(operation, &Json::parse(input).unwrap()).await {
            Ok(output) => output.as_str().to_owned(),
            Err(error) if error.class() == ErrorClass::Terminal => format!("terminal: {error:#}"),
            Err(error) => format!("retryable: {error:#}"),
        }
    }

    async fn check(&self, operation: Operation, input: &str, expected: &str) {
        assert_eq!(self.told(operation, input).await, expected, "{operation} {input}");
    }
}

use Operation::{List, Read, Write};

#[tokio::test]
async fn what_is_written_can_be_read_and_listed() {
    let world = World::new();
    world.check(Write, r#"{"path":"a/b.txt","text":"grüß"}"#, r#"{"path":"a/b.txt","bytes":6}"#).await;
    world.check(Write, r#"{"path":"a/c","base64":"/wA="}"#, r#"{"path":"a/c","bytes":2}"#).await;
    world.check(Read, r#"{"path":"a/b.txt"}"#, r#"{"path":"a/b.txt","bytes":6,"text":"grüß"}"#).await;
    world.check(Read, r#"{"path":"a/c"}"#, r#"{"path":"a/c","bytes":2,"base64":"/wA="}"#).await;
    let base64 = r#"{"path":"a/b.txt","bytes":6,"base64":"Z3LDvMOf"}"#;
    world.check(Read, r#"{"path":"a/b.txt","as":"base64"}"#, base64).await;
    world.check(Read, r#"{"path":"a/c","as":"text"}"#, r#"terminal: "a/c" is not UTF-8"#).await;
    world.check(List, "{}", r#"{"path":"","entries":[{"name":"a","kind":"folder"}]}"#).await;
    let entries = r#"[{"name":"b.txt","kind":"file","bytes":6},{"name":"c","kind":"file","bytes":2}]"#;
    world.check(List, r#"{"path":"a"}"#, &format!(r#"{{"path":"a","entries":{entries}}}"#)).await;
}

#[tokio::test]
async fn a_write_replaces_or_refuses_and_may_be_repeated() {
    let world = World::new();
    for text in ["one", "two"] {
        let write = format!(r#"{{"path":"f","text":"{text}"}}"#);
        world.check(Write, &write, r#"{"path":"f","bytes":3}"#).await;
    }
    let exists = r#"terminal: cannot write "f": it exists with other content"#;
    world.check(Write, r#"{"path":"f","text":"one","if_exists":"refuse"}"#, exists).await;
    world.check(Write, r#"{"path":"f","text":"two","if_exists":"refuse"}"#, r#"{"path":"f","bytes":3}"#).await;
    world.check(Write, r#"{"path":"g","text":"two","if_exists":"refuse"}"#, r#"{"path":"g","bytes":3}"#).await;
    assert_eq!(fs::read_to_string(world.path("root/f")).unwrap(), "two");
    let left: Vec<_> = fs::read_dir(world.path("root")).unwrap().collect();
    assert_eq!(left.len(), 2, "{left:?}");
}

#[tokio::test]
async fn no_path_leads_out_of_the_root() {
    let world = World::new();
    let paths =
        ["../outside/secret", "a/../../outside/secret", "/etc/passwd", "", ".", "./a", "a//b", "a/", "a\\u0000b"];
    for path in paths {
        for (operation, more) in [(Read, ""), (Write, r#","text":"""#)] {
            let seen = world.told(operation, &format!(r#"{{"path":"{path}"{more}}}"#)).await;
            assert!(seen.starts_with("terminal: the path"), "{path:?}: {seen}");
        }
    }
    world.check(List, r#"{"path":".."}"#, r#"terminal: the path ".." is refused: it has the part "..""#).await;
    let deep = vec!["a"; 33].join("/");
    assert!(world.told(Read, &format!(r#"{{"path":"{deep}"}}"#)).await.ends_with("it has 33 parts, more than 32"));
    assert_eq!(fs::read_dir(world.path("root")).unwrap().count(), 0);
}

#[tokio::test]
async fn no_link_is_followed() {
    let world = World::new();
    symlink(world.path("outside"), world.path("root/out")).unwrap();
    symlink(world.path("outside/secret"), world.path("root/secret")).unwrap();
    symlink("/proc/self/root/etc", world.path("root/magic")).unwrap();
    for input in [r#"{"path":"out/secret"}"#, r#"{"path":"secret"}"#, r#"{"path":"magic/passwd"}"#] {
        let seen = world.told(Read, input).await;
        assert!(seen.starts_with("terminal: cannot read") && seen.contains("symbolic link"), "{seen}");
    }
    let seen = world.told(Write, r#"{"path":"out/new","text":"x"}"#).await;
    assert!(seen.contains("symbolic link"), "{seen}");
    assert!(world.told(List, r#"{"path":"out"}"#).await.contains("symbolic link"));
    // A link in the place of the file is replaced, and what it points to is left alone.
    world.check(Write, r#"{"path":"secret","text":"mine"}"#, r#"{"path":"secret","bytes":4}"#).await;
    assert_eq!(fs::read_to_string(world.path("outside/secret")).unwrap(), "secret");
    assert_eq!(fs::read_to_string(world.path("root/secret")).unwrap(), "mine");
    assert_eq!(fs::read_dir(world.path("outside")).unwrap().count(), 1);
    let entries =
        r#"{"name":"magic","kind":"link"},{"name":"out","kind":"link"},{"name":"secret","kind":"file","bytes":4}"#;
    world.check(List, "{}", &format!(r#"{{"path":"","entries":[{entries}]}}"#)).await;
}

#[tokio::test]
async fn a_root_that_is_renamed_stays_the_root() {
    let world = World::new();
    fs::rename(world.path("root"), world.path("moved")).unwrap();
    symlink(world.path("outside"), world.path("root")).unwrap();
    world.check(Write, r#"{"path":"f","text":"x"}"#, r#"{"path":"f","bytes":1}"#).await;
    assert!(world.path("moved/f").exists() && !world.path("outside/f").exists());
}

#[tokio::test]
async fn what_is_no_file_is_not_read_and_holds_up_nobody() {
    let world = World::new();
    fs::create_dir(world.path("root/folder")).unwrap();
    let mode = rustix::fs::Mode::from_raw_mode(0o600);
    rustix::fs::mknodat(rustix::fs::CWD, world.path("root/pipe"), rustix::fs::FileType::Fifo, mode, 0).unwrap();
    for name in ["folder", "pipe"] {
        let expected = format!(r#"terminal: cannot read "{name}": it is no regular file"#);
        world.check(Read, &format!(r#"{{"path":"{name}"}}"#), &expected).await;
    }
    let missing = r#"terminal: cannot read "none": No such file or directory (os error 2)"#;
    world.check(Read, r#"{"path":"none"}"#, missing).await;
    assert!(world.told(Write, r#"{"path":"folder","text":""}"#).await.starts_with("terminal: cannot write"));
    assert!(world.told(Write, r#"{"path":"pipe/x","text":""}"#).await.starts_with("terminal: cannot write"));
    let kinds = r#"[{"name":"folder","kind":"folder"},{"name":"pipe","kind":"other"}]"#;
    world.check(List, "{}", &format!(r#"{{"path":"","entries":{kinds}}}"#)).await;
}

#[tokio::test]
async fn limits_are_named_in_the_refusal() {
    let world = World::with(|settings| (settings.file_bytes_max, settings.entries_max) = (3, 2));
    world.check(Write, r#"{"path":"a","text":"123"}"#, r#"{"path":"a","bytes":3}"#).await;
    let long = "terminal: 4 bytes are more than file_max, 3 bytes";
    world.check(Write, r#"{"path":"a","text":"1234"}"#, long).await;
    fs::write(world.path("root/b"), "1234").unwrap();
    let long = r#"terminal: cannot read "b": it is longer than file_max, 3 bytes"#;
    world.check(Read, r#"{"path":"b"}"#, long).await;
    assert!(world.told(List, "{}").await.starts_with(r#"{"path":"","entries":[{"name":"a""#));
    fs::write(world.path("root/c"), "").unwrap();
    world.check(List, "{}", r#"terminal: "" has more entries than entries_max, 2"#).await;
}

#[tokio::test]
async fn an_input_that_does_not_fit_is_terminal() {
    let world = World::new();
    for (operation, input) in [
        (Read, r#"{}"#),
        (Read, r#"{"path":"a","mode":1}"#),
        (Write, r#"{"path":"a"}"#),
        (Write, r#"{"path":"a","text":"","base64":""}"#),
        (Write, r#"{"path":"a","base64":"*"}"#),
        (List, r#"[1]"#),
    ] {
        let seen = world.told(operation, input).await;
        assert!(seen.starts_with("terminal: "), "{input}: {seen}");
    }
}

#[test]
fn every_fault_of_the_settings_is_told() {
    let settings = FileSettings { root: "here".into(), file_bytes_max: 9 << 20, entries_max: 0 };
    let keys: Vec<_> = File::new(settings).unwrap_err().into_iter().map(|fault| fault.key).collect();
    assert_eq!(keys, ["root", "file_max", "entries_max", "root"]);
    assert!(File::new(FileSettings::of(Path::new("/etc/passwd"))).is_err());
}

#[test]
fn the_last_part_of_a_capability_is_the_operation() {
    assert_eq!(Operation::of_capability("file.read").unwrap(), Read);
    assert_eq!(Operation::of_capability("notes.of.today.list").unwrap(), List);
    assert!(Operation::of_capability("file.delete").unwrap_err().to_string().contains("file.delete"));
}
