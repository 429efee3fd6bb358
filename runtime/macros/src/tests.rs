use super::{checks, is_capability, kebab_case};
use syn::Item;

#[test]
fn a_capability_defaults_to_the_name_in_kebab_case() {
    for (name, capability) in [
        ("Summarize", "summarize"),
        ("FetchLog", "fetch-log"),
        ("HTTPGet", "http-get"),
        ("Fix2Bugs", "fix2-bugs"),
        ("snake_case", "snake-case"),
        ("A", "a"),
    ] {
        assert_eq!(kebab_case(name), capability);
        assert!(is_capability(capability));
    }
    assert!(!is_capability(""));
    assert!(!is_capability("two words"));
}

/// What the item asks of its fields beside the derives.
fn asked(item: &str) -> String {
    let item: Item = syn::parse_str(item).expect("an item");
    let generics = match &item {
        Item::Struct(item) => item.generics.clone(),
        Item::Enum(item) => item.generics.clone(),
        _ => unreachable!("the tests have no others"),
    };
    checks(&item, &generics).to_string().replace("const _ : fn () = :: callboard :: __private :: can_be_sent :: ", "")
}

#[test]
fn every_field_is_asked_whether_it_can_be_sent_unless_that_is_its_own_affair() {
    assert_eq!(asked("struct A { /** said */ a: u8, b: Vec<String> }"), "< u8 > ; < Vec < String > > ;");
    assert_eq!(asked("enum A { B, C(u8), D { e: u16 } }"), "< u8 > ; < u16 > ;");
    assert_eq!(asked("struct A { #[serde(skip)] a: Instant, #[cfg(x)] b: B, c: Option<(u8, Box<Self>)> }"), "");
    assert_eq!(asked("struct A<T> { a: T, b: u8 }"), "");
}
