//! What the tab key offers, as a shell asks for it.

use super::node::{Node, Said, program, scripts};
use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

/// What is offered for the last of these words, as bash asks.
fn offered(address: &str, words: &[&str]) -> Vec<String> {
    let mut command = program(["--", "callboard"]);
    command.args(words).env("CALLBOARD_COMPLETE", "bash").env("CALLBOARD_ADDR", address);
    command.env("_CLAP_COMPLETE_INDEX", words.len().to_string()).env("_CLAP_IFS", "\n");
    let said = Said::of(&mut command);
    assert_eq!((said.code, said.err.as_str()), (Some(0), ""), "{said:?}");
    said.out.lines().filter(|word| !word.starts_with('-')).map(str::to_owned).collect()
}

#[test]
fn the_names_of_a_running_node_are_offered() {
    let folder = tempfile::tempdir().expect("a folder");
    scripts(&folder.path().join("agents"), &[("sick", "exit 64")]);
    let node = Node::dev(["--ephemeral", "--agents", folder.path().join("agents").to_str().expect("a name")]);
    fs::write(
        folder.path().join("w.yaml"),
        "name: w\ntasks: {first: {capability: echo}, last: {capability: nobody}}\n",
    )
    .expect("a file");
    let run = node.submit(&folder.path().join("w.yaml"));
    assert_eq!(node.ask(["state", "set", "visits/2026", "1", "--new"]).code, Some(0));
    let offers = |words: &[&str]| offered(&node.address, words);
    assert_eq!(offers(&["run", "show", ""]), [run.as_str()]);
    assert_eq!(offers(&["runs", "cancel", &run[..5]]), [run.as_str()], "by other names as well");
    assert_eq!(offers(&["run", "show", "x"]), [""; 0]);
    assert_eq!(offers(&["task", "status", ""]), [format!("{run}/")]);
    assert_eq!(offers(&["task", "retry", &format!("{run}/")]), [format!("{run}/first"), format!("{run}/last")]);
    assert_eq!(offers(&["task", "status", &format!("{run}/l")]), [format!("{run}/last")]);
    assert_eq!(offers(&["agent", "info", "s"]), ["sick"]);
    assert_eq!(offers(&["task", "list", "--capability", "s"]), ["sick"]);
    assert_eq!(offers(&["run", "list", "--workflow", ""]), ["w"]);
    assert_eq!(offers(&["breaker", "open", "agent:s"]), ["agent:sick"]);
    assert_eq!(offers(&["state", "history", "vis"]), ["visits/2026"]);
    assert_eq!(
        offered("127.0.0.1:1", &["--addr", &node.address, "agent", "info", "si"]),
        ["sick"],
        "the one that is said"
    );
    // Words need no node.
    assert_eq!(offers(&["circ"]), ["circuit-breaker"]);
    assert_eq!(offers(&["explain", "cb204"]), [""; 0]);
    assert_eq!(offers(&["explain", "CB201"]), ["CB2010", "CB2011", "CB2012"]);
}

#[expect(clippy::disallowed_methods, reason = "how long a person waits at the prompt")]
#[test]
fn where_no_node_is_nothing_is_offered_and_nothing_said() {
    assert_eq!(offered("127.0.0.1:1", &["run", "show", ""]), [""; 0]);
    assert_eq!(offered("no address", &["run", "show", ""]), [""; 0]);
    // One that takes the connection and says nothing is not waited for: a person is.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").expect("an address");
    let begin = Instant::now();
    assert_eq!(offered(&silent.local_addr().expect("an address").to_string(), &["run", "show", ""]), [""; 0]);
    assert!(begin.elapsed() < Duration::from_secs(5), "{:?}", begin.elapsed());
}

#[test]
fn the_commands_of_the_chaos_suite_are_offered_without_it() {
    assert_eq!(offered("127.0.0.1:1", &["chaos", "s"]), ["sabotage", "services"]);
}

#[test]
fn bash_itself_completes_by_what_is_registered() {
    let node = Node::dev(["--ephemeral"]);
    let script = "eval \"$(\"$0\" completion bash)\"; COMP_WORDS=(callboard agent info dev.e); COMP_CWORD=3; \
                  _clap_complete_callboard callboard dev.e info; echo \"${COMPREPLY[@]}\"";
    let mut bash = Command::new("bash");
    bash.args(["-c", script, env!("CARGO_BIN_EXE_callboard")]).env("CALLBOARD_ADDR", &node.address);
    let said = Said::of(&mut bash);
    assert_eq!(said.out.trim(), "dev.echo", "{said:?}");
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let said = Said::of(&mut program(["completion", shell]));
        assert!(said.code == Some(0) && said.out.contains("CALLBOARD_COMPLETE"), "{said:?}");
    }
}
