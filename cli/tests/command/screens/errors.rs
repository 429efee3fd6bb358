//! What is said wrongly, and what every code means.

use super::Transcript;
use std::net::TcpListener;

/// Wrong words, each in its own way.
const WRONG: &[&[&str]] = &[
    &["tsak", "list"],
    &["run", "shwo", "RUN"],
    &["ru", "li", "--statu", "failed"],
    &["run", "list", "-o", "yml"],
    &["run", "list", "--limit", "many"],
    &["run", "list", "extra"],
    &["run", "show"],
    &["run", "show", "RUN", "--watch", "--at", "3"],
    &["task", "decide", "RUN/TASK", "hapened"],
    &["task", "submit", "file.yaml", "--timeout", "5s"],
    &["task", "submit", "file.yaml", "--wait", "--timeout", "soon"],
    &["task", "submit", "file.txt"],
    &["task", "submit", "absent.yaml"],
    &["task", "status", "RUN"],
    &["state", "set", "key", "1"],
    &["state", "set", "key", "text", "--new"],
    &["completion", "bsh"],
    &["explain", "CB9002"],
    &["stop"],
    &["config", "check", "--config", "absent.toml"],
    &["config", "check", "--set", "retry.retires=3"],
    &["journal", "cat", "--data", "absent"],
    &["run", "list", "--addr", "nowhere"],
    &["task"],
];

#[test]
fn what_is_said_wrongly_is_told_with_what_was_meant() {
    let mut transcript = Transcript::default();
    WRONG.iter().for_each(|words| transcript.ask("127.0.0.1:1", words));
    // Nobody listens there any more, and somebody else does on the other.
    let listener = TcpListener::bind("127.0.0.1:0").expect("an address");
    let address = listener.local_addr().expect("an address").to_string();
    transcript.normal.call(&address, "ADDRESS");
    transcript.ask(&address, &["dev", "--ephemeral", "--listen", "ADDRESS"]);
    drop(listener);
    transcript.ask(&address, &["run", "list"]);
    transcript.check("wrong");
}

#[test]
fn every_code_is_explained() {
    let mut transcript = Transcript::default();
    transcript.ask_in_each_form("", &["explain"]);
    for code in callboard::Code::ALL {
        transcript.ask("", &["explain", code.as_str()]);
    }
    transcript.check("explain");
}

#[test]
fn every_command_says_what_it_is_for() {
    let mut transcript = Transcript::default();
    let nouns = [
        "task",
        "run",
        "budget",
        "events",
        "queue",
        "queue dead",
        "agent",
        "circuit-breaker",
        "limit",
        "state",
        "lock",
        "journal",
        "config",
        "metrics",
        "stop",
        "completion",
        "explain",
        "version",
        "dev",
        "node",
    ];
    transcript.ask("", &["help"]);
    for noun in nouns {
        transcript.ask("", &[&["help"], &*noun.split(' ').collect::<Vec<_>>()].concat());
    }
    transcript.ask_in_each_form("", &["version"]);
    transcript.check("help");
}
