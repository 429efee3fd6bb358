use super::Cursor;
use crate::ErrorKind;

#[test]
fn a_cursor_is_read_as_it_is_written() {
    let run = "0192f0c1-2a3b-7c4d-8e5f-60718293a4b5";
    for text in [
        "a_7",
        &format!("r_7_1790000000000_{run}_"),
        &format!("r_-7_-1_{run}_7"),
        "a_7_5_1_20_300_",
        "a_-7_-5_1_20_300_4",
    ] {
        assert_eq!(text.parse::<Cursor>().unwrap().to_string(), text);
    }
}

#[test]
fn whatever_is_no_cursor_is_invalid_and_shown() {
    for text in [
        "",
        "a",
        "a_x",
        "b",
        "r_1",
        "r_1_2_3",
        "a_1_2_3",
        "a_1_1_99999_3_4_5",
        "a_1_1_2_3_4_x",
        "r__0192f0c1-2a3b-7c4d_",
        &"a".repeat(1_000),
    ] {
        let error = text.parse::<Cursor>().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid, "{text}");
        assert!(error.message().len() < 130, "{error}");
    }
}
