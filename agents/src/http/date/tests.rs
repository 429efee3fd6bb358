use super::seconds;

#[test]
fn dates_are_seconds() {
    for (text, expected) in [
        ("Thu, 01 Jan 1970 00:00:00 GMT", Some(0)),
        ("Sun, 06 Nov 1994 08:49:37 GMT", Some(784_111_777)),
        ("Tue, 29 Feb 2000 23:59:59 GMT", Some(951_868_799)),
        ("Wed, 01 Mar 2000 00:00:00 GMT", Some(951_868_800)),
        ("Fri, 20 Nov 2026 13:00:00 GMT", Some(1_795_179_600)),
        ("Fri, 20 Nov 2026 13:00:00 CET", None),
        ("Fri, 20 Nov 2026 25:00:00 GMT", None),
        ("soon", None),
    ] {
        assert_eq!(seconds(text), expected, "{text}");
    }
}
