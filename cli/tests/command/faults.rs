//! What keeps a node from starting: in words, with what to do next, and with an exit code of its own.

use super::node::{Node, Said, program};
use std::fs;
use std::net::TcpListener;
use std::path::Path;

/// How a node on this folder with these flags refuses to start.
#[track_caller]
fn refused(data: &Path, more: &[&str], code: i32, expected: &[&str]) {
    let mut command = program(["dev", "--listen", "127.0.0.1:0", "--data"]);
    let said = Said::of(command.arg(data).args(more));
    assert_eq!((said.code, said.out.as_str()), (Some(code), ""), "{said:?}");
    for words in expected {
        assert!(said.err.contains(words), "{words:?} is not in {said:?}");
    }
    assert!(said.err.contains("\n  try:  "), "{said:?}");
}

#[test]
fn a_node_that_can_not_start_says_why() {
    let folder = tempfile::tempdir().expect("a folder");
    let (data, free) = (folder.path().join("data"), folder.path().join("free"));
    let node = Node::dev(["--data", data.to_str().expect("a name")]);
    refused(&data, &[], 6, &["error[CB3008]: the folder ", " is in use\n  seen: process ", "--data DIR"]);

    let file = folder.path().join("file");
    fs::write(&file, "").expect("a file");
    refused(&file.join("data"), &[], 5, &["error[CB3009]: the folder ", "cannot be used", "Not a directory"]);
    let spool = format!("state.spool={}", file.join("spool").display());
    refused(&free, &["--set", &spool], 5, &["error[CB3009]: the folder ", "file/spool cannot be used", "state.spool"]);

    let faulty = folder.path().join("agents");
    fs::create_dir(&faulty).expect("a folder");
    fs::write(faulty.join("a.toml"), "nmae = 1").expect("a file");
    let agents = faulty.to_str().expect("a name");
    refused(&free, &["--agents", agents], 2, &["error[CB1006]: the described agents have faults", "a.toml:1: nmae"]);
    refused(&free, &["--set", "lease=0s"], 2, &["error[CB1003]: ", "the flag \"lease\": lease is 10ms to 1h, not 0s"]);
    drop(node);

    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("an address").to_string();
    let said = Said::of(program(["dev", "--listen", &address, "--data"]).arg(&free));
    assert_eq!(said.code, Some(6), "{said:?}");
    assert!(said.err.starts_with("error[CB3006]: "), "{said:?}");
    assert!(said.err.contains(&address) && said.err.contains("is taken"), "{said:?}");
    // The folder is free again, and whole.
    drop(Node::dev(["--data", free.to_str().expect("a name")]));
}

#[test]
fn a_member_has_its_settings_and_nothing_else() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("node.toml");
    let text = "namespace = \"n\"\nstore.url = \"memory:\"\nhttp.listen = \"127.0.0.1:0\"\npartitions = 4\n";
    fs::write(&file, text).expect("a file");
    let node = Node::start(program(["node", "--config"]).arg(&file));
    for line in ["  name space  n", "  bus         in process", "  partitions  0 to 3, all of them"] {
        assert!(node.report.iter().any(|said| said == line), "{line:?} is not in {:?}", node.report);
    }
    assert_eq!(node.ask(["agent", "list", "-o", "jsonl"]).out.trim(), "", "no agent is described");
    let said = Said::of(program(["node", "--config"]).arg(&file).env("CALLBOARD_BUS__URL", "amqps://mq"));
    assert_eq!(said.code, Some(2), "{said:?}");
    assert_eq!(Said::of(&mut program(["node"])).code, Some(2), "a node has settings");
}

/// Nothing listens there: its port is one that is given to nobody.
#[cfg(feature = "cluster")]
#[test]
fn a_server_that_does_not_answer_is_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("node.toml");
    let text = "http.listen = \"127.0.0.1:0\"\nbus.url = \"amqp://127.0.0.1:1\"\ndirectory.url = \"redis://127.0.0.1:1\"\n\
                store.url = \"s3://bucket\"\nstore.endpoint = \"http://127.0.0.1:1\"\n";
    fs::write(&file, text).expect("a file");
    let mut command = program(["node", "--config"]);
    let key = [("AWS_REGION", "default"), ("AWS_ACCESS_KEY_ID", "key"), ("AWS_SECRET_ACCESS_KEY", "geheim")];
    let said = Said::of(command.arg(&file).envs(key));
    assert_eq!((said.code, said.out.as_str()), (Some(4), ""), "{said:?}");
    for words in ["error[CB3012]: the store can not be used", "no answer of S3 from http://127.0.0.1:1", "\n  try:  "] {
        assert!(said.err.contains(words), "{words:?} is not in {said:?}");
    }
    assert!(!said.err.contains("geheim"), "{said:?}");
}
