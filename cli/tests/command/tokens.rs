//! A node with tokens, as the command asks it.

use super::node::{Node, Said, program};
use std::fs;

const SECRET: &str = "geheim-geheim-geheim";

#[test]
fn a_node_with_tokens_is_asked_with_one() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = |name: &str, text: &str| {
        fs::write(folder.path().join(name), text).expect("a file");
        folder.path().join(name)
    };
    let tokens = file("tokens", &format!("ann:admin:{SECRET}\nprometheus:viewer:{SECRET}-2\n"));
    let (token, audit) = (file("token", &format!("{SECRET}\n")), folder.path().join("audit"));
    let mut dev = program(["dev", "--listen", "127.0.0.1:0", "--ephemeral", "--set"]);
    dev.arg(format!("http.audit_file={}", audit.display())).env("CALLBOARD_HTTP__TOKENS_FILE", tokens);
    let node = Node::start(&mut dev);
    assert!(!node.report.join("\n").contains("geheim"), "{:?}", node.report);
    let ask = |arguments: &[&str], name: &str, value: &str| {
        Said::of(node.command(arguments.iter().copied()).env(name, value))
    };

    let nobody = ask(&["run", "list"], "X", "");
    assert_eq!(nobody.code, Some(5), "{nobody:?}");
    assert!(nobody.err.starts_with("error[CB3014]: this node answers nobody without a token\n"), "{nobody:?}");
    assert!(nobody.err.contains("set CALLBOARD_TOKEN"), "{nobody:?}");
    let stranger = ask(&["run", "list"], "CALLBOARD_TOKEN", "of-another-node-than-this");
    assert_eq!(stranger.code, Some(5), "{stranger:?}");
    for (name, value) in [("CALLBOARD_TOKEN", SECRET), ("CALLBOARD_TOKEN_FILE", token.to_str().expect("a name"))] {
        let known = ask(&["run", "list", "-o", "json"], name, value);
        assert_eq!((known.code, known.out.trim()), (Some(0), r#"{"items":[],"next":null}"#), "{known:?}");
    }
    let viewer = format!("{SECRET}-2");
    let refused = ask(&["state", "set", "a", "1", "--new"], "CALLBOARD_TOKEN", &viewer);
    assert_eq!(refused.code, Some(5), "{refused:?}");
    assert!(
        refused.err.starts_with("error[CB3005]: this needs the role operator, and token \"prometheus\""),
        "{refused:?}"
    );
    assert_eq!(ask(&["state", "set", "a", "1", "--new"], "CALLBOARD_TOKEN", SECRET).code, Some(0));
    let unread = ask(&["run", "list"], "CALLBOARD_TOKEN_FILE", "/none");
    assert!(
        unread.code == Some(2) && unread.err.contains("CALLBOARD_TOKEN_FILE: \"/none\" can not be read"),
        "{unread:?}"
    );
    let written = fs::read_to_string(audit).expect("a file");
    assert_eq!(written.lines().count(), 2, "{written}");
    assert!(
        written.contains(r#""who":"prometheus","verb":"put_state","subject":"/v1/state/a","outcome":"CB3005"}"#),
        "{written}"
    );
}

#[test]
fn an_address_that_others_reach_is_refused_without_tokens() {
    let refused = Said::of(&mut program(["dev", "--listen", "0.0.0.0:0", "--ephemeral"]));
    assert_eq!(refused.code, Some(2), "{refused:?}");
    let words =
        "  seen: --listen: http.listen is 0.0.0.0:0, which others may reach, and http.tokens names nobody who may ask";
    assert!(refused.err.starts_with("error[CB1003]: ") && refused.err.contains(words), "{refused:?}");
    let mut dev = program(["dev", "--listen", "0.0.0.0:0", "--ephemeral"]);
    let node = Node::start(dev.env("CALLBOARD_HTTP__TOKENS", format!("ann:viewer:{SECRET}")));
    let mut ask = node.command(["agent", "list", "-o", "json"]);
    assert_eq!(Said::of(ask.env("CALLBOARD_TOKEN", SECRET)).code, Some(0));

    // Nothing shows a secret.
    let mut show = program(["config", "show"]);
    let shown = Said::of(show.env("CALLBOARD_HTTP__TOKENS", format!("ann:viewer:{SECRET}")));
    assert!(shown.out.contains("ann:viewer:***") && !format!("{shown:?}").contains("geheim"), "{shown:?}");
    let audit =
        Said::of(&mut program(["dev", "--listen", "127.0.0.1:0", "--ephemeral", "--set", "http.audit_file=/none/x"]));
    assert!(
        audit.code == Some(2) && audit.err.contains("error[CB1003]: http.audit_file: \"/none/x\" can not be written"),
        "{audit:?}"
    );
}
