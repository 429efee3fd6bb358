use super::*;

/// Writes the tokens of `source` as `kind:text`, separated by ` | `.
fn tokens(source: &str) -> String {
    let name = |kind| match kind {
        Kind::LineComment | Kind::BlockComment => "comment",
        Kind::Text => "text",
        Kind::Word => "word",
        Kind::Open(_) => "open",
        Kind::Close => "close",
        Kind::Punct(_) => "punct",
    };
    let written = Lexer::new(source).map(|t| format!("{}:{}", name(t.kind), &source[t.start..t.end]));
    written.collect::<Vec<_>>().join(" | ")
}

#[track_caller]
fn check(source: &str, expected: &str) {
    assert_eq!(tokens(source), expected, "of {source:?}");
}

#[test]
fn comments_nest_and_end_where_rust_says() {
    check("a // b\nc", "word:a | comment:// b | word:c");
    check("a /* b /* c */ d */ e", "word:a | comment:/* b /* c */ d */ | word:e");
    check("/*/ a */ b", "comment:/*/ a */ | word:b");
    check("a / b", "word:a | punct:/ | word:b");
    check("/* never closed", "comment:/* never closed");
    check("/* /* once */", "comment:/* /* once */");
}

#[test]
fn strings_hide_comments() {
    check(r#""// no" x"#, r#"text:"// no" | word:x"#);
    check(r#""a\"// no" x"#, r#"text:"a\"// no" | word:x"#);
    check(r#""a\\" // yes"#, r#"text:"a\\" | comment:// yes"#);
    check(r#"b"/*" c"//""#, r#"text:b"/*" | text:c"//""#);
    check("\"two\nlines // no\" x", "text:\"two\nlines // no\" | word:x");
    check(r#""never closed // no"#, r#"text:"never closed // no"#);
    check(r#""ends with \"#, r#"text:"ends with \"#);
}

#[test]
fn raw_strings_end_at_their_own_hashes() {
    check(r##"r"a\" x"##, r##"text:r"a\" | word:x"##);
    check(r###"r#"a" // no"# x"###, r###"text:r#"a" // no"# | word:x"###);
    check(r####"br##"a"# // no"## x"####, r####"text:br##"a"# // no"## | word:x"####);
    check("cr#\"a\"# x", "text:cr#\"a\"# | word:x");
    check("r#type // yes", "word:r#type | comment:// yes");
    check("r#\"never closed // no", "text:r#\"never closed // no");
    check("r##", "word:r | punct:# | punct:#");
    check("bar\"x\"", "word:bar | text:\"x\"");
}

#[test]
fn characters_are_not_lifetimes() {
    check("'\"' // yes", "text:'\"' | comment:// yes");
    check(r"'\'' // yes", r"text:'\'' | comment:// yes");
    check(r"'\u{2F}' // yes", r"text:'\u{2F}' | comment:// yes");
    check("b'/' // yes", "text:b'/' | comment:// yes");
    check("'ü' 'x' '漢'", "text:'ü' | text:'x' | text:'漢'");
    check("<'a, 'b>", "punct:< | word:'a | punct:, | word:'b | punct:>");
    check("'static // yes", "word:'static | comment:// yes");
    check("'", "punct:'");
    check("'\\", "text:'\\");
    check("'(", "punct:' | open:(");
}
