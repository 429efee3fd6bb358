use super::{is_capability, kebab_case};

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
