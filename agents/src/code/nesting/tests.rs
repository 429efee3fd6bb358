use super::*;

/// How deep `n` repetitions of `open` and `close` around one word are estimated to be, as a statement.
fn depth_of(open: &str, close: &str, n: usize) -> usize {
    deepest(&format!("fn f() {{ {}x{} }}", open.repeat(n), close.repeat(n))).levels
}

#[test]
fn everything_that_makes_a_parser_recurse_counts() {
    let recursive = [
        ("(", ")"),
        ("[", "]"),
        ("{", "}"),
        ("!", ""),
        ("& ", ""),
        ("A<", ">"),
        ("A<T, ", ">"),
        ("A<1, ", ">"),
        ("A<{ 1 }, ", ">"),
        ("<", " as T>::X"),
        ("|x| ", ""),
        ("|x, y| ", ""),
        ("|| ", ""),
        ("fn() -> ", ""),
        ("return ", ""),
        ("if a { b } else ", ""),
        ("if ", " {}"),
        ("match a { _ => ", "}"),
        ("A { b: ", "}"),
        ("mod a { ", "}"),
        ("let a = { ", "};"),
        ("", ".a()"),
        ("", "?"),
        ("", " as u8"),
        ("", " + 1"),
        ("", "[0; 1]"),
        ("[u8; ", "]"),
        ("(a, ", ")"),
        ("{ a; ", "}"),
        ("{ a {} b, ", "}"),
    ];
    for (open, close) in recursive {
        let levels = depth_of(open, close, 500);
        assert!(levels >= 500, "{levels} levels for 500 times {open:?} .. {close:?}");
        // Parsers recurse as deeply on what is never closed.
        let cut = depth_of(open, "", 500);
        assert!(cut >= 500 || open.is_empty(), "{cut} levels for 500 times {open:?}");
    }
}

#[test]
fn what_stands_side_by_side_does_not_count() {
    let flat = [
        "a; ",
        "a(b, c); ",
        "if a { b } ",
        "fn f() {} ",
        "#[a] struct A { b: C<D>, e: F } ",
        "match a { b | c => d, (e, f) if g >= h => {} i => j }",
        "let a: A<B, C> = d < e; ",
        "use a::{b, c}; ",
        "call(a < b, |x, y| x | y); ",
        "'a: loop { break 'a; } ",
        "// ((((\n",
        "\"((((\"; ",
    ];
    for item in flat {
        let levels = deepest(&format!("fn f() {{ {} }}", item.repeat(2_000))).levels;
        assert!(levels < 60, "{levels} levels for 2000 times {item:?}");
    }
    let arms = "(A, b) => { c } ".repeat(2_000);
    assert!(deepest(&format!("fn f() {{ match x {{ {arms} }} }}")).levels < 60);
    let elements = "1, -2, A(3), ".repeat(2_000);
    assert!(deepest(&format!("const X: [A; 9] = [{elements}];")).levels < 60);
}

#[test]
fn unbalanced_brackets_are_no_trouble() {
    assert!(deepest(&")".repeat(10_000)).levels >= 1);
    assert!(deepest(&"(".repeat(10_000)).levels >= 10_000);
    assert_eq!(deepest(""), Deepest::default());
}
