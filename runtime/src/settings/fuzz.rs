//! What settings are read from, for `crate::fuzz`: a file, and variables and flags.

use super::Settings;
use super::load::{Layers, text_alone};
use super::units;

/// The text of a file.
pub(crate) fn file(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Ok(settings) = text_alone(text) {
        crate::fuzz::understood();
        let written = settings.to_toml();
        // What may be a secret is not shown.
        if !written.contains("***") {
            let again = text_alone(&written).expect("what is shown of settings can be read");
            assert_eq!(again.to_toml(), written);
        }
    }
}

/// A flag `key=value`, on each line another; the same as a variable.
pub(crate) fn value(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let variables = text.lines().filter_map(|line| line.split_once('='));
    let named = variables.map(|(key, value)| (format!("CALLBOARD_{}", key.to_uppercase().replace('.', "__")), value));
    // A twin that names a file would be read.
    let named = named.filter(|(key, _)| !key.ends_with("_FILE") && key != "CALLBOARD_CONFIG");
    let effective = Layers::default().overrides(text.lines()).environment(named).read();
    if effective.into_settings().is_ok() {
        crate::fuzz::understood();
    }
    if let Ok(time) = units::time(text) {
        assert_eq!(units::time(&units::show_time(time)), Ok(time), "{text:?}");
        crate::fuzz::understood();
    }
    if let Ok(size) = units::bytes(text) {
        assert_eq!(units::bytes(&units::show_bytes(size)), Ok(size), "{text:?}");
        crate::fuzz::understood();
    }
    let shown = units::without_secrets(text);
    assert!(shown.len() <= text.len() + 8, "{shown}");
    if shown != text {
        crate::fuzz::understood();
    }
}

pub(crate) fn files() -> Vec<Vec<u8>> {
    let mixed =
        "lease = \"10s\"\nnamespace = 'test'\n[store]\nurl = \"file://data\"\n[retry]\nfactor = 1.5\nbase = \"1s\"\n";
    crate::fuzz::bytes_of([include_str!("../../../config/callboard.toml"), mixed, &Settings::default().to_toml()])
}

pub(crate) fn values() -> Vec<Vec<u8>> {
    crate::fuzz::bytes_of([
        "lease=10s",
        "retry.factor=1.5\nretry.base=1h 30m",
        "payload_bytes_max=8MiB",
        "store.url=file://a:b@data?x",
        "http.listen=127.0.0.1:7420",
        "1h 30m",
        "250ms",
        "8MiB",
        "amqp://user:secret@host:5672/vhost?x=1",
    ])
}
