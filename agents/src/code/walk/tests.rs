use super::*;

fn found(source: &str) -> Found {
    walk("src/lib.rs", &syn::parse_file(source).expect("Rust"))
}

/// `name line lines complexity parameters`, a `t` behind a test.
#[track_caller]
fn functions(source: &str, expected: &[&str]) {
    let describe = |f: &Function| {
        let test = if f.is_test { " t" } else { "" };
        format!("{} {} {} {} {}{test}", f.name, f.line, f.lines, f.complexity, f.parameters)
    };
    assert_eq!(found(source).functions.iter().map(describe).collect::<Vec<_>>(), expected, "of {source}");
}

#[track_caller]
fn complexity(body: &str, expected: u32) {
    assert_eq!(found(&format!("fn f() {{ {body} }}")).functions[0].complexity, expected, "of {body}");
}

#[test]
fn functions_are_named_by_their_place() {
    functions(
        "/// doc\npub async fn a(x: u8) {\n}\nmod m { impl S<T> { fn b(&self, y: u8) {} }\nimpl fmt::Display for &S { fn fmt() {} } }\n\
         trait T { fn c() {} fn without_body(); }\nfn outer() {\n fn inner() {}\n}",
        &[
            "a 2 2 1 1",
            "m::S::b 4 1 1 2",
            "m::<S as Display>::fmt 5 1 1 0",
            "T::c 6 1 1 0",
            "outer 7 3 1 0",
            "outer::inner 8 1 1 0",
        ],
    );
}

#[test]
fn complexity_counts_branches() {
    complexity("", 1);
    complexity("if a {} else if b {} else {}", 3);
    complexity("if let Some(x) = a && b || c {}", 4);
    complexity("while a {} for x in y {} loop { break; }", 3);
    complexity("match a { 1 => 2, 3 | 4 => 5, _ => 6 }", 3);
    complexity("match a { x if x > 1 => 2, _ => 6 }", 3);
    complexity("match a {}", 1);
    complexity("let Some(x) = a else { return };", 2);
    complexity("a?; b.c()?; x.map(|y| if y {})", 2);
    complexity("fn inner() { if a {} } if b {}", 2);
    complexity("vec![if a { 1 } else { 2 }]", 1);
}

#[test]
fn test_code_is_told_from_product_code() {
    functions(
        "#[cfg(test)] mod t { fn a() {} }\n#[test] fn b() {}\n#[tokio::test(start_paused = true)] async fn c() {}\n\
         #[cfg(not(test))] fn d() {}\n#[cfg(all(unix, any(test, windows)))] fn e() {}\n#[cfg(unix)] fn g() {}\n\
         impl S { #[cfg(test)] fn h() {} }\n#[cfg(feature = \"test\")] fn i() {}\n#[cfg(test)] impl S { fn j() {} }",
        &[
            "t::a 1 1 1 0 t",
            "b 2 1 1 0 t",
            "c 3 1 1 0 t",
            "d 4 1 1 0",
            "e 5 1 1 0 t",
            "g 6 1 1 0",
            "S::h 7 1 1 0 t",
            "i 8 1 1 0",
            "S::j 9 1 1 0 t",
        ],
    );
    for path in ["tests/a.rs", "a/tests/b/c.rs", "src/tests.rs", "src/queue_test.rs", "src/test.rs"] {
        assert!(is_test_file(path), "{path}");
    }
    for path in ["src/latest.rs", "src/contests/a.rs", "src/test_kit.rs", "src/lib.rs", ""] {
        assert!(!is_test_file(path), "{path}");
    }
}

/// `kind:line` of the places in product code, and the number of those in test code.
#[track_caller]
fn panics(source: &str, expected: &str, in_tests: u32) {
    let found = found(source);
    let sites: Vec<String> = found.panics.iter().map(|site| format!("{}:{}", site.kind, site.line)).collect();
    assert_eq!((sites.join(" ").as_str(), found.test_panics.total()), (expected, in_tests), "of {source}");
}

#[test]
fn panics_are_counted_by_kind_and_place() {
    panics("fn f() { a.unwrap();\nb.expect(\"c\");\npanic!();\ntodo!() }", "unwrap:1 expect:2 panic!:3 todo!:4", 0);
    panics("fn f() { unimplemented!(); std::unreachable!(\"{}\", 1) }", "unimplemented!:1 unreachable!:1", 0);
    panics("fn f() { a.unwrap_or(b); a.expect(b, c); unwrap(); a.unwrap; a[0]; assert!(a) }", "", 0);
    panics(
        "fn f() { println!(\"{}\",\n a.unwrap(),\n b(c.expect(\"d\",))); vec![todo!()] }",
        "unwrap:2 expect:3 todo!:3",
        0,
    );
    panics("fn f() { m!(a.expect(b, c), unwrap(), \"a.unwrap()\", a != (b)) } // a.unwrap()", "", 0);
    panics("const A: u8 = B.unwrap();\nmacro_rules! m { ($x:expr) => { $x.unwrap() } }", "unwrap:1 unwrap:2", 0);
    panics(
        "fn f() { a.unwrap() }\n#[cfg(test)] mod t { fn g() { a.unwrap(); assert_eq!(b.unwrap(), c) } }",
        "unwrap:1",
        2,
    );
}

#[test]
fn unsafe_blocks_are_counted_everywhere() {
    let source = "unsafe fn a() { unsafe { b() } } fn c() { m!(unsafe { d() }); unsafe {} } unsafe impl S for T {}";
    assert_eq!(found(source).unsafe_blocks, 3);
}

#[track_caller]
fn undocumented(source: &str, expected: &str) {
    let items = found(source).undocumented;
    let items: Vec<String> = items.iter().map(|item| format!("{} {}:{}", item.kind, item.name, item.line)).collect();
    assert_eq!(items.join(", "), expected, "of {source}");
}

#[test]
fn public_items_want_documentation() {
    undocumented("pub fn a() {}\n/// doc\npub fn b() {}\nfn c() {}\npub(crate) fn d() {}", "fn a:1");
    undocumented("pub struct A { pub b: u8, c: u8 }\npub struct D(pub u8);", "struct A:1, field A::b:1, struct D:2");
    undocumented("pub enum A {\n B,\n /// doc\n C\n}\nenum D { E }", "enum A:1, variant A::B:2");
    undocumented(
        "pub trait A { type B;\nfn c();\nfn d() {} }\ntrait E { fn f(); }",
        "trait A:1, type A::B:1, fn A::c:2, fn A::d:3",
    );
    undocumented("pub const A: u8 = 1; pub static B: u8 = 1; pub type C = u8;", "const A:1, static B:1, type C:1");
    undocumented("#[macro_export] macro_rules! a { () => {} }\nmacro_rules! b { () => {} }", "macro a:1");
    undocumented("mod a { pub fn b() {} } pub mod c { pub fn d() {} } pub mod e;", "mod c:1, fn c::d:1");
    undocumented("#[doc(hidden)] pub fn a() {} #[doc = include_str!(\"a.md\")] pub fn b() {} pub use c::d;", "");
    undocumented("/// doc\npub struct A;\nimpl A { pub fn b() {} fn c() {} } impl D for A { fn e() {} }", "fn A::b:3");
    undocumented("struct A; impl A { pub fn b() {} } fn c() { pub fn d() {} }", "");
    undocumented("#[cfg(test)] pub fn a() {} #[cfg(test)] pub mod b { pub fn c() {} }", "");
}

#[track_caller]
fn public(source: &str, expected: &str) {
    let items = found(source).public;
    let items: Vec<String> = items.iter().map(|item| format!("{}={}", item.name, item.summary)).collect();
    assert_eq!(items.join(", "), expected, "of {source}");
}

#[test]
fn public_items_come_with_the_first_paragraph_of_what_is_said_of_them() {
    public("/// One\n/// two.\n///\n/// More.\npub fn a() {}\npub fn b() {}\n/// No.\nfn c() {}", "a=One two., b=");
    public("#[doc(hidden)] pub fn a() {} #[doc = include_str!(\"a.md\")] pub fn b() {}", "b=");
    public(
        "/** One\ntwo.\n\nMore. */ pub struct A { pub b: u8 } impl A { /// Does.\npub fn c(&self) {} }",
        "A=One two., A::b=, A::c=Does.",
    );
    public("/// Said\n#[cfg(test)] pub fn a() {}", "");
}
