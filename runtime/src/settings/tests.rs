use super::load::settings;
use super::{Settings, StoreSettings};
use std::time::Duration;

fn env(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

#[test]
fn the_annotated_file_says_the_defaults() {
    let text = include_str!("../../../config/callboard.toml");
    assert_eq!(settings(text, env(&[])), Ok(Settings::default()));
    // Every setting stands in the file, so a new one is not forgotten.
    let table: toml::Table = text.parse().expect("a good file");
    let told = settings("unknown = 1", env(&[])).expect_err("no such key");
    let known = told.split('`').skip(3).step_by(2);
    let missing: Vec<&str> = known.filter(|key| !table.contains_key(*key)).collect();
    assert!(missing.is_empty() && told.contains("expected one of"), "{missing:?} of {told}");
}

#[test]
fn the_environment_wins_over_the_file() {
    let layers = env(&[
        ("CALLBOARD_LEASE", "10s"),
        ("CALLBOARD_PARTITIONS", "4"),
        ("CALLBOARD_STORE__URL", "file:///var/lib/callboard"),
        ("CALLBOARD_CONFIG", "elsewhere"),
        ("HOME", "/root"),
    ]);
    let settings = settings("lease = \"1m\"\nnamespace = \"blue\"", layers).expect("good settings");
    assert_eq!(settings.lease, Duration::from_secs(10));
    assert_eq!(settings.partitions, 4);
    assert_eq!(settings.namespace, "blue");
    assert_eq!(settings.store, StoreSettings::Folder("/var/lib/callboard".into()));
}

#[test]
fn faults_say_what_was_seen() {
    let fault = |text: &str, layers: &[(&str, &str)]| settings(text, env(layers)).expect_err("a fault");
    assert!(fault("partitons = 4", &[]).contains("unknown field `partitons`"));
    assert!(fault("", &[("CALLBOARD_LAESE", "4")]).contains("unknown field `laese`"));
    assert!(fault("lease = \"soon\"", &[]).contains("\"soon\" is no duration such as \"30s\""));
    assert!(fault("payload_bytes_max = \"big\"", &[]).contains("\"big\" is no size such as \"8MiB\""));
    assert!(fault("store = { url = \"ftp://x\" }", &[]).contains("not \"ftp://x\""));
    assert!(fault("lease", &[]).contains("line 1"));
    assert!(fault("lease = \"1s\"", &[("CALLBOARD_LEASE__X", "1")]).contains("CALLBOARD_LEASE__X"));
}
