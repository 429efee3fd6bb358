use super::*;

/// `total code comment blank`, then `line:text` of each note.
#[track_caller]
fn check(source: &str, expected: &str) {
    let (lines, todos) = count(source);
    let mut seen = format!("{} {} {} {}", lines.total, lines.code, lines.comment, lines.blank);
    for todo in todos {
        seen.push_str(&format!(" | {}:{}", todo.line, todo.text));
    }
    assert_eq!(seen, expected, "of {source:?}");
}

#[test]
fn every_line_is_of_one_kind() {
    check("", "0 0 0 0");
    check("\n", "1 0 0 1");
    check("a", "1 1 0 0");
    check("a // b\n// c\n\nd\n", "4 2 1 1");
    check("/* a\n\nb */ c\n", "3 1 2 0");
    check("let s = \"a\n\n// b\";\n", "3 3 0 0");
    check("a\r\n\r\n// b\r\n", "3 1 1 1");
}

#[test]
fn notes_are_in_comments_only() {
    check("// TODO: a\n", "1 0 1 0 | 1:TODO: a");
    check("let s = \"TODO: a\"; // FIXME b\n", "1 1 0 0 | 1:FIXME b");
    check("r#\"// TODO\"# /* HACK c */\n", "1 1 0 0 | 1:HACK c");
    check("/*\n * XXX d\n * e\n * TODO f */\n", "4 0 4 0 | 2:XXX d | 4:TODO f");
    check("/// see todo!() and TODOs and CVE-XXX and XXXL and A_TODO\n", "1 0 1 0");
    check("// FIXME(a): TODO b\n", "1 0 1 0 | 1:FIXME(a): TODO b");
    check("x // TODO unfinished \"quote\ny // HACK", "2 2 0 0 | 1:TODO unfinished \"quote | 2:HACK");
}

#[test]
fn a_long_note_is_cut_between_characters() {
    let (_, todos) = count(&format!("// TODO {}", "ü".repeat(1_000)));
    assert_eq!(todos[0].text.chars().count(), TODO_CHARS_MAX);
}
