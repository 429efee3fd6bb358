use super::DESCRIBED;

#[test]
fn every_counter_is_in_the_documentation() {
    let text = include_str!("../../../docs/metrics.md");
    for (name, what) in DESCRIBED {
        assert!(text.contains(&format!("| `{name}` |")), "{name}");
        assert!(name.starts_with("callboard_") && name.ends_with("_total") && !what.is_empty(), "{name}");
    }
}
