use super::plan::matches;

#[test]
fn patterns() {
    for (pattern, name, fits) in [
        ("*", "", true),
        ("*", "a/b", true),
        ("a", "a", true),
        ("a", "ab", false),
        ("a*", "a", true),
        ("*/manifest/*", "ns/p/manifest/1", true),
        ("*/manifest/*", "ns/p/log/1", false),
        ("a*a", "a", false),
        ("a*a", "aba", true),
        ("*b*b*", "abb", true),
        ("*b*b*", "ab", false),
        ("a*b*c", "abcbc", true),
    ] {
        assert_eq!(matches(pattern, name), fits, "{pattern} {name}");
    }
}
