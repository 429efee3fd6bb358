use super::*;
use crate::code::analyze;

/// A function long enough to have a fingerprint.
fn copied(name: &str, local: &str) -> String {
    format!(
        "fn {name}() {{ let {local} = a(); if {local}.b() {{ c({local}, 1); }} else {{ d({local}, 2); }} \
         e({local}.f(), {local}.g()); h({local}) }}\n"
    )
}

fn reports() -> Vec<FileReport> {
    let branches = "if a {}\n".repeat(70);
    let sources = [
        ("src/b.rs", format!("{}// TODO: b\nfn x() {{ y.unwrap(); y.unwrap(); }}\n", copied("one", "p"))),
        ("src/a.rs", format!("pub fn deep() {{\n{branches}}}\nfn soon() {{ todo!() }}\n")),
        ("src/c.rs", format!("{}{}", copied("two", "q"), copied("three", "r"))),
        ("src/tests.rs", format!("{}fn t() {{ y.unwrap() }}", copied("four", "s"))),
        ("src/bad.rs", "fn {".to_string()),
    ];
    sources.iter().map(|(path, source)| analyze(path, source)).collect()
}

#[test]
fn findings_are_ranked_by_score_then_place() {
    let summary = Summary::of(&reports());
    let findings =
        summary.findings.iter().map(|f| format!("{} {} {}:{} {}", f.score, f.kind, f.path, f.line, f.subject));
    assert_eq!(
        findings.collect::<Vec<_>>(),
        [
            "132 complex src/a.rs:1 deep",
            "50 unfinished src/a.rs:73 todo!",
            "21 duplicate src/b.rs:1 one",
            "12 long src/a.rs:1 deep",
            "12 may panic src/b.rs:3 unwrap",
            "1 undocumented src/a.rs:1 deep",
        ]
    );
}

#[test]
fn copies_are_found_across_files_but_not_in_tests() {
    let duplicates = Summary::of(&reports()).duplicates;
    let copies: Vec<_> = duplicates.iter().flat_map(|group| &group.copies).map(|copy| copy.name.as_str()).collect();
    assert_eq!((duplicates.len(), copies), (1, vec!["one", "two", "three"]));
}

#[test]
fn totals_are_sums() {
    let reports = reports();
    let Summary { totals, files, unparsed, todos, .. } = Summary::of(&reports);
    assert_eq!((totals.files, totals.unparsed, totals.functions, totals.test_functions), (5, 1, 6, 2));
    assert_eq!((totals.long, totals.complex, totals.copies, totals.todos), (1, 1, 2, 1));
    assert_eq!((totals.panics.unwraps, totals.panics.todos, totals.test_panics.total()), (2, 1, 1));
    assert_eq!(totals.lines.total, reports.iter().map(|report| report.lines.total).sum::<u32>());
    assert_eq!(
        files.iter().map(|row| row.path.as_str()).collect::<Vec<_>>(),
        ["src/a.rs", "src/b.rs", "src/bad.rs", "src/c.rs", "src/tests.rs"]
    );
    assert_eq!((unparsed[0].path.as_str(), todos[0].0.as_str()), ("src/bad.rs", "src/b.rs"));
    assert_eq!((files[0].score, files[0].complexity_max), (132 + 50 + 12 + 1, 71));
}

#[test]
fn the_order_of_reports_does_not_matter() {
    let mut reports = reports();
    let summary = Summary::of(&reports);
    for _ in 0..reports.len() {
        reports.rotate_left(1);
        assert_eq!(Summary::of(&reports), summary);
    }
    reports.reverse();
    assert_eq!(Summary::of(&reports), summary);
}

#[test]
fn limits_decide_what_is_long_and_complex() {
    let strict = Summary::within(&reports(), Limits { function_lines: 1, complexity: 1 });
    assert_eq!((strict.totals.long, strict.totals.complex), (1, 4));
    let lax = Summary::within(&reports(), Limits { function_lines: 500, complexity: 500 });
    assert_eq!((lax.totals.long, lax.totals.complex), (0, 0));
}
