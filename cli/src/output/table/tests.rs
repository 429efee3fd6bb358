use super::{Column, Look, list};
use crate::output::member;
use serde_json::json;
use std::time::{Duration, UNIX_EPOCH};

const COLUMNS: &[Column] = &[
    ("NAME", |item| member(item, "name")),
    ("STATUS", |item| member(item, "status")),
    ("WHY", |item| member(item, "why")),
];

fn in_room(room: Option<usize>) -> String {
    let items = [
        json!({ "name": "a-name-that-is-long", "status": "ready", "why": "no agent offers \"summarise\"\nat all" }),
        json!({ "name": "a", "status": "completed", "why": "" }),
    ];
    list(&items, COLUMNS, Look { room, ..Look::default() })
}

#[test]
fn a_table_fits_into_the_room_that_there_is() {
    let whole = "NAME                 STATUS     WHY\n\
                 a-name-that-is-long  ready      no agent offers \"summarise\" at all\n\
                 a                    completed";
    assert_eq!(in_room(None), whole);
    assert_eq!(in_room(Some(66)), whole);
    let cut = "NAME                 STATUS     WHY\n\
               a-name-that-is-long  ready      no agent offers \"summar\u{2026}\n\
               a                    completed";
    assert_eq!(in_room(Some(56)), cut);
    let wrapped = "NAME                 STATUS\n    WHY\n\
                   a-name-that-is-long  ready\n    no agent offers \"summarise\" \u{2026}\n\
                   a                    completed";
    assert_eq!(in_room(Some(33)), wrapped);
    let narrow = "NAME\n    STATUS\n    WHY\n\
                  a-name-that-is-long\n    ready\n    no agent offers \"summar\u{2026}\n\
                  a\n    completed";
    assert_eq!(in_room(Some(1)), narrow, "what a thing is called is never cut");
}

#[test]
fn times_are_told_from_now_on_where_that_is_wanted() {
    let at = |seconds| humantime::format_rfc3339_millis(UNIX_EPOCH + Duration::from_secs(seconds)).to_string();
    let column: &[Column] = &[("AT", |item| member(item, "at"))];
    let items: Vec<_> = [1_000_000, 999_000, 900_000, 0, 1_000_300].map(|seconds| json!({ "at": at(seconds) })).into();
    let now = Some(UNIX_EPOCH + Duration::from_secs(1_000_000));
    let look = Look { now, ..Look::default() };
    assert_eq!(list(&items, column, look), "AT\n0s ago\n16m ago\n27h ago\n11d ago\nin 5m");
    assert!(list(&items, column, Look::default()).contains("1970-01-12T13:46:40.000Z"));
}
