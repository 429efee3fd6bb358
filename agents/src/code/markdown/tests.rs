use super::*;
use crate::code::analyze;
use crate::code::files::Skipped;

fn page(sources: &[(&str, &str)]) -> String {
    let reports: Vec<_> = sources.iter().map(|(path, source)| analyze(path, source)).collect();
    to_markdown(&Summary::of(&reports), "Review of a_b <c>")
}

#[test]
fn a_report_reads_as_a_whole() {
    let page = page(&[
        ("src/lib.rs", "//! Doc.\npub fn f() { g().unwrap() } // TODO: *do* `it`, see Vec<T>\n"),
        ("src/bad.rs", "fn (\n"),
    ]);
    let expected = "\
# Review of a_b \\<c>

| | |
|---|---:|
| files | 2 |
| files that did not parse | 1 |
| lines of code | 2 |
| lines of comment | 1 |
| blank lines | 0 |
| functions | 1 |
| functions of tests | 0 |
| functions of more than 60 lines | 0 |
| functions of a complexity above 15 | 0 |
| copies of functions | 0 |
| places that may panic: 1 `unwrap` | 1 |
| the same in tests | 0 |
| public items without documentation | 1 |
| unsafe blocks | 0 |
| notes of work left to do | 1 |

## What to look at first

| | score | where | what |
|---:|---:|---|---|
| 1 | 6 | `src/lib.rs:2` | may panic: 1 `unwrap` |
| 2 | 1 | `src/lib.rs:2` | undocumented: `f`, fn |

## Files

| file | score | code | comment | functions | max. complexity | may panic |
|---|---:|---:|---:|---:|---:|---:|
| `src/lib.rs` | 7 | 1 | 1 | 1 | 1 | 1 |
| `src/bad.rs` | 0 | 1 | 0 | 0 | 0 | 0 |

## Files that did not parse

- `src/bad.rs:1:5` a bracket without its counterpart, or an unfinished literal or comment

## Left to do, by the comments

- `src/lib.rs:2` TODO: \\*do\\* \\`it\\`, see Vec\\<T>
";
    assert_eq!(page, expected);
}

#[test]
fn what_was_not_reviewed_is_named() {
    let skipped = vec![Skipped { path: "a_b.rs".to_string(), reason: "larger than 4 MiB".to_string() }];
    let page = to_markdown(&Summary { skipped, ..Summary::of(&[]) }, "Review");
    assert!(page.ends_with("\n## Not reviewed\n\n- `a_b.rs` larger than 4 MiB\n"), "{page}");
}

#[test]
fn nothing_to_say_is_said() {
    let page = page(&[("src/lib.rs", "fn f() {}\n")]);
    assert!(page.contains("Nothing: every measure is within its limit."), "{page}");
    assert!(!page.contains("Duplicated") && !page.contains("did not parse") && !page.contains("Left to do"), "{page}");
}

#[test]
fn long_lists_are_cut_and_counted() {
    let sources: Vec<_> =
        (0..200).map(|n| (format!("src/f{n}.rs"), "// TODO\nfn f() { a.unwrap() }".to_string())).collect();
    let sources: Vec<_> = sources.iter().map(|(path, source)| (path.as_str(), source.as_str())).collect();
    let page = page(&sources);
    for more in ["... and 150 more findings.", "... and 160 more files.", "... and 150 more notes."] {
        assert!(page.contains(more), "{more} in {page}");
    }
    assert!(page.lines().count() < 200);
}

#[test]
fn copies_are_listed_by_group() {
    let body = "{ let p = a(); if p.b() { c(p, 1); } else { d(p, 2); } e(p.f(), p.g()); h(p) }";
    let (first, second) = (format!("fn a() {body}"), format!("fn b() {body}"));
    let page = page(&[("a.rs", &first), ("b.rs", &second)]);
    assert!(page.contains("copies of 53 tokens\n  - `a.rs:1` `a`\n  - `b.rs:1` `b`\n"), "{page}");
    assert!(page.contains("duplicate: `a`, 1 line again at b.rs:1 |"), "{page}");
}

#[test]
fn names_cannot_break_out_of_a_table() {
    assert_eq!(code("a`b``c"), "``` a`b``c ```");
    assert_eq!(code("a|b\nc"), "`a\\|b c`");
    assert_eq!(escape("a_b _c_ |\n<d> [e](f) \\ &amp;"), "a_b \\_c\\_ \\| \\<d> \\[e](f) \\\\ \\&amp;");
}
