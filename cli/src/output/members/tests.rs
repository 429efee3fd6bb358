use super::write;
use serde_json::json;

#[test]
fn a_thing_is_shown_with_its_parts_on_lines() {
    let task = json!({
        "capability": "broken", "name": "it", "status": "dead", "attempt": 2, "run": null,
        "failures": [{ "attempt": 1, "error": "no disk" }, { "attempt": 2, "error": "no disk\nat \u{1b}[31mall" }],
        "tasks": { "completed": 1, "total": 3 }, "labels": [],
        "traits": { "tools": ["df", "du"], "labels": { "zone": "eu" }, "constraints": {} },
        "output": { "a": [1] }, "since_ms": 2160,
    });
    let shown = "name        it\n\
                 capability  broken\n\
                 status      dead\n\
                 attempt     2\n\
                 failures    attempt 1, error no disk\n\
                 \x20           attempt 2, error no disk\n\
                 \x20           at  [31mall\n\
                 labels      none\n\
                 output      {\"a\":[1]}\n\
                 run         none\n\
                 since       2.2s\n\
                 tasks       completed 1, total 3\n\
                 traits      labels zone eu\n\
                 \x20           tools df, du";
    assert_eq!(write(&task), shown);
    assert_eq!(write(&json!([1])), "[1]");
}
