use super::*;
use crate::code::lexer::Lexer;
use proptest::prelude::*;

/// Where and why `source` did not parse, as `line:column message`.
fn error(source: &str) -> Option<String> {
    analyze("a.rs", source).parse_error.map(|e| format!("{}:{} {}", e.line, e.column, e.message))
}

#[test]
fn a_file_is_reported_with_all_that_is_in_it() {
    let report = analyze("src/a.rs", "//! Doc.\n\npub fn f() { g().unwrap() } // TODO: handle it\n");
    assert_eq!((report.path.as_str(), report.parse_error), ("src/a.rs", None));
    assert_eq!((report.lines.total, report.lines.code, report.lines.comment, report.lines.blank), (3, 1, 1, 1));
    assert_eq!((report.functions.len(), report.panics.len(), report.undocumented.len()), (1, 1, 1));
    assert_eq!((report.todos.len(), report.todos[0].line), (1, 3));
}

#[test]
fn a_report_survives_json() {
    let report = analyze("src/a.rs", include_str!("../analyze.rs"));
    assert!(report.parse_error.is_none() && report.functions.iter().any(|f| f.fingerprint.is_some()));
    let json = serde_json::to_string(&report).expect("serialises");
    assert_eq!(serde_json::from_str::<FileReport>(&json).expect("deserialises"), report);
}

#[test]
fn what_does_not_parse_says_where_and_is_still_counted() {
    assert_eq!(error("fn f() {}\n  fn ü g() {}\n").as_deref(), Some("2:8 expected parentheses"));
    let unbalanced = "3:2 a bracket without its counterpart, or an unfinished literal or comment";
    assert_eq!(error("fn f() {\n  a(\n}\n").as_deref(), Some(unbalanced));
    assert_eq!(error("fn f()\n\n").as_deref(), Some("1:7 unexpected end of input, expected curly braces"));
    assert_eq!(error("\u{feff}#!/bin/sh\nfn f() {}"), None);
    let report = analyze("a.rs", "// FIXME this\nfn {\n");
    assert_eq!((report.lines.total, report.todos.len(), report.functions.len()), (2, 1, 0));
}

/// What nests without end must be refused or parsed, never overflow: an overflow aborts this very test.
#[test]
fn no_nesting_overflows_the_stack() {
    let nests = [
        ("fn f() { ", "(", ")"),
        ("fn f() { ", "[", "]"),
        ("fn f() { ", "{", "}"),
        ("fn f() { ", "!", ""),
        ("fn f() { ", "|x, y| ", ""),
        ("fn f() { ", "if a {} else ", ""),
        ("fn f() { ", "if ", "{}"),
        ("fn f() { ", "A::<T, ", ">"),
        ("fn f() { ", "", ".a()"),
        ("fn f() { ", "", "+1"),
        ("fn f() { ", "match a { _ => ", "}"),
        ("fn f() { let ", "(", ")"),
        ("fn f() { fn g(a: ", "A<T, ", ">"),
        ("type A = ", "A<T, ", ""),
        ("type A = ", "A<1, ", ""),
        ("type A = ", "& ", ""),
        ("type A = ", "(", ")"),
        ("type A = ", "<", " as T>::X"),
        ("type A = ", "fn() -> ", ""),
        ("", "mod a {", "}"),
        ("", "fn a() {", "}"),
        ("use ", "a::{", "}"),
        ("", "/*", "*/"),
    ];
    for (start, open, close) in nests {
        // Just below and just above the limit by one of the ways to count, and far beyond it.
        for n in [LEVELS_MAX / 7, LEVELS_MAX / 4, LEVELS_MAX / 3, LEVELS_MAX / 2 - 10, LEVELS_MAX - 20, 50_000] {
            let report = analyze("a.rs", &format!("{start}{}x{}", open.repeat(n), close.repeat(n)));
            let refused = report.parse_error.is_some_and(|e| e.message.starts_with("nested too deeply"));
            assert!(refused || n < LEVELS_MAX || open == "/*", "{n} times {open:?} .. {close:?}");
        }
    }
}

/// A file of this crate with everything a lexer may stumble over.
const REAL: &str = concat!(
    include_str!("../walk.rs"),
    include_str!("../lexer/tests.rs"),
    "fn ü() { let c = ['\\'', 'ü', b'\\\\' as char]; /* /* ü */ */ r##\"ü\"# \"##; }"
);

#[test]
fn a_file_cut_off_anywhere_is_reported() {
    assert_eq!(error(REAL), None);
    let cuts = REAL.char_indices().map(|(at, _)| at).step_by(97);
    for at in cuts {
        let report = analyze("a.rs", &REAL[..at]);
        let lines = report.lines;
        assert_eq!(lines.total, lines.code + lines.comment + lines.blank, "cut off at {at}");
        assert!(report.parse_error.is_none_or(|e| e.line <= lines.total.max(1)), "cut off at {at}");
    }
}

/// Pieces of which much nonsense, and now and then a program, can be made.
const PIECES: [&str; 40] = [
    "fn ", "f", "()", "(", ")", "{", "}", "[", "]", "<", ">", "'", "\"", "r#\"", "\"#", "b'", "//", "/*", "*/", "\n",
    " ", "\\", "#", "!", "ü", "漢", "\u{2028}", "\r", "\0", "unwrap()", ".", ";", ",", "|", "match ", "x", "=>",
    "TODO", "else ", "unsafe ",
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_text_makes_it_panic(text in any::<String>(), bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        analyze("a.rs", &text);
        analyze("a.rs", &String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn no_mix_of_pieces_makes_it_panic(picks in prop::collection::vec(0..PIECES.len(), 0..60)) {
        let source: String = picks.into_iter().map(|pick| PIECES[pick]).collect();
        let report = analyze("a.rs", &source);
        let lines = report.lines;
        prop_assert_eq!(lines.total, lines.code + lines.comment + lines.blank);
        let mut end = 0;
        for token in Lexer::new(&source) {
            prop_assert!(token.start >= end && token.end > token.start && source.get(token.start..token.end).is_some());
            end = token.end;
        }
        prop_assert!(end <= source.len());
    }
}
