//! The texts that name a span of a trace.

use crate::TraceParent;

const EXAMPLE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

#[test]
fn what_is_read_is_written_again() {
    let read: TraceParent = EXAMPLE.parse().unwrap();
    assert_eq!(
        read,
        TraceParent { trace: 0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736, span: 0xf0_67aa_0ba9_02b7, flags: 1 }
    );
    assert_eq!(read.to_string(), EXAMPLE);
    assert!(read.is_sampled());
    assert_eq!(serde_json::from_str::<TraceParent>(&format!("{EXAMPLE:?}")).unwrap(), read);
    let unsampled: TraceParent = EXAMPLE.replace("-01", "-02").parse().unwrap();
    assert!(!unsampled.is_sampled());
}

#[test]
fn a_later_version_may_say_more_and_is_kept_as_the_one_we_know() {
    let later = format!("{}-more", EXAMPLE.replacen("00", "cc", 1));
    assert_eq!(later.parse::<TraceParent>().unwrap().to_string(), EXAMPLE);
}

#[test]
fn what_is_none_is_told_with_an_example() {
    let wrong = [
        String::new(),
        "1".into(),
        EXAMPLE.to_uppercase(),
        format!("{EXAMPLE}-more"),
        format!("{}more", EXAMPLE.replacen("00", "01", 1)),
        EXAMPLE.replacen("00", "ff", 1),
        EXAMPLE.replace("4bf92f3577b34da6a3ce929d0e0e4736", &"0".repeat(32)),
        EXAMPLE.replace("00f067aa0ba902b7", &"0".repeat(16)),
        EXAMPLE.replace("-01", "-+1"),
        "ä".repeat(55),
    ];
    for text in wrong {
        let error = text.parse::<TraceParent>().unwrap_err().to_string();
        assert!(error.starts_with("not a traceparent, as 00-4bf92f"), "{text}: {error}");
    }
}
