//! What a program has printed.

use callboard::Json;

/// Characters of a wrong answer that are shown.
const SHOWN_MAX: usize = 200;

/// The one JSON value that was printed; else what was seen, in words.
pub(super) fn json(stdout: &[u8]) -> Result<Json, String> {
    let Ok(text) = std::str::from_utf8(stdout) else {
        return Err(format!("printed {} bytes that are not UTF-8", stdout.len()));
    };
    if text.trim().is_empty() {
        return Err("printed nothing, where one JSON value was expected".to_owned());
    }
    Json::parse(text.trim()).map_err(|error| {
        let shown: String = text.chars().take(SHOWN_MAX).collect();
        format!("printed what is not one JSON value: {error}: {shown:?}")
    })
}

/// The end of standard error, as the end of a message.
pub(super) fn tail(stderr: &[u8]) -> String {
    let text = String::from_utf8_lossy(stderr);
    match text.trim() {
        "" => ", and said nothing on standard error".to_owned(),
        said => format!(": {said}"),
    }
}
