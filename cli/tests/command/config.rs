//! Settings, checked and shown.

use super::node::{Said, program};
use serde_json::Value;
use std::fs;

/// What `config check` says of a file, an environment and flags: the faults, or nothing.
#[track_caller]
fn check(text: &str, variables: &[(&str, &str)], flags: &[&str], faults: &[&str]) {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("node.toml");
    fs::write(&file, text).expect("a file");
    let mut command = program(["config", "check", "--config"]);
    command.arg(&file).envs(variables.iter().copied());
    command.args(flags.iter().flat_map(|flag| ["--set", *flag]));
    let said = Said::of(&mut command);
    let lines = said.err.replace(&file.display().to_string(), "FILE");
    let seen = |line: &'_ str| line.strip_prefix("  seen: ").or(line.strip_prefix("        ")).map(str::to_owned);
    assert_eq!(lines.lines().filter_map(seen).collect::<Vec<_>>(), faults, "{said:?}");
    let code = if faults.is_empty() { 0 } else { 2 };
    assert_eq!((said.code, said.out.as_str()), (Some(code), ""), "{said:?}");
    assert_eq!(said.err.starts_with("error[CB1003]: the settings have "), !faults.is_empty(), "{said:?}");
    assert!(!format!("{said:?}").contains("geheim"), "a secret is shown: {said:?}");
}

#[test]
fn every_fault_is_told_at_once_with_where_it_was_seen() {
    check("", &[], &[], &[]);
    check(
        "lease = \"9s\"\n[http]\nlisten = \"0.0.0.0:80\"\ntokens = \"ann:admin:geheim-geheim-geheim\"",
        &[("CALLBOARD_RETRY__BASE", "1s")],
        &["drain=1s"],
        &[],
    );
    check(
        "partitons = 4\n\n[http]\nlisten = 80\n",
        &[("CALLBOARD_LAESE", "1s")],
        &["drain=soon"],
        &[
            "FILE:1: there is no setting \"partitons\"; the closest is \"partitions\"",
            "FILE:4: http.listen: a text is wanted, not a TOML integer",
            "CALLBOARD_LAESE: there is no setting \"laese\"; the closest is CALLBOARD_LEASE",
            "the flag \"drain\": drain: \"soon\" is no duration such as \"30s\": expected number at 0",
        ],
    );
    check(
        "bus.url = \"amqp://u:geheim@mq\"\nstore = { url = \"ftp://u:geheim@x\" }",
        &[],
        &[],
        &[
            "FILE:2: store.url: a store is \"file://FOLDER\", \"memory:\" or \"s3://BUCKET\", not \"ftp://u:***@x\"",
            "FILE:1: bus.url names a broker and directory.url no server: nodes that share a bus share a directory, too; \
             set directory.url to a Redis, \"redis://HOST\"",
        ],
    );
}

#[test]
fn a_secret_of_a_file_of_its_own_is_never_shown() {
    let folder = tempfile::tempdir().expect("a folder");
    let secret = folder.path().join("secret");
    for url in ["redis://:geheim@cache:70000/0", "redis:/geheim@cache", "redis://u:geheim@cache:0/?p=geheim"] {
        fs::write(&secret, url).expect("a file");
        for arguments in [["config", "show"], ["config", "check"], ["dev", "--ephemeral"]] {
            let said = Said::of(program(arguments).env("CALLBOARD_DIRECTORY__URL_FILE", &secret));
            assert_eq!(said.code, Some(2), "{said:?}");
            assert!(said.err.contains("CALLBOARD_DIRECTORY__URL_FILE: directory.url"), "{said:?}");
            assert!(!format!("{said:?}").contains("geheim"), "{said:?}");
        }
    }
    fs::write(&secret, "redis://:geheim@cache/0").expect("a file");
    let said = Said::of(program(["config", "show"]).env("CALLBOARD_DIRECTORY__URL_FILE", &secret));
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(said.out.contains("redis://:***@cache/0") && !said.out.contains("geheim"), "{said:?}");
}

#[test]
fn every_setting_is_shown_with_its_origin() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("node.toml");
    fs::write(&file, "\nlease = \"9s\"\n").expect("a file");
    let mut command = program(["configs", "show", "-o", "json", "--set", "drain=1s"]);
    let said = Said::of(command.env("CALLBOARD_CONFIG", &file).env("CALLBOARD_PARTITIONS", "4"));
    let page = said.json();
    let shown = |key: &str| {
        let all = page["items"].as_array().expect("a list");
        all.iter().find(|item| item["key"] == key).unwrap_or_else(|| panic!("{key} is not shown")).clone()
    };
    for (key, value, origin) in [
        ("namespace", Value::from("default"), "default".to_owned()),
        ("lease", "9s".into(), format!("file {}:2", file.display())),
        ("partitions", 4.into(), "environment CALLBOARD_PARTITIONS".to_owned()),
        ("drain", "1s".into(), "flag drain".to_owned()),
    ] {
        assert_eq!((&shown(key)["value"], &shown(key)["origin"]), (&value, &origin.into()));
    }
}

#[test]
fn what_is_said_has_the_form_that_is_asked_for() {
    let said = |arguments: &[&str]| Said::of(&mut program(arguments));
    assert_eq!(said(&["version"]).out, format!("{}\n", env!("CARGO_PKG_VERSION")));
    assert_eq!(said(&["vers", "-o", "yaml"]).out, format!("version: \"{}\"\n", env!("CARGO_PKG_VERSION")));
    assert_eq!(said(&["config", "schema"]).json()["properties"]["http"]["additionalProperties"], false);
    assert_eq!(said(&["explain", "cb1042", "-o", "json"]).json()["exit"], 7);
    assert!(said(&["completion", "bash"]).out.contains("callboard"));
    let unknown = said(&["explain", "CB1O42"]);
    assert_eq!(unknown.code, Some(2));
    assert_eq!(
        unknown.err,
        "error[CB1001]: there is no code \"CB1O42\"\n  seen: the closest is CB1042\n  try:  callboard explain CB1042\n"
    );
    let misspelt = said(&["rum", "list"]);
    assert_eq!((misspelt.code, misspelt.out.as_str()), (Some(2), ""));
    assert!(misspelt.err.starts_with("error[CB1001]: "), "{misspelt:?}");
    let every = said(&["explain"]).out;
    assert!(every.lines().count() > 20 && !every.contains('\u{1b}'), "no colour where nobody looks: {every}");
}
