use super::{Column, list};
use crate::output::member;
use serde_json::json;

const COLUMNS: &[Column] = &[("NAME", |item| member(item, "name")), ("WHY", |item| member(item, "why"))];

#[test]
fn a_table_fits_into_the_room_that_there_is() {
    let items = [json!({ "name": "draft", "why": "no agent offers \"summarise\"" }), json!({ "name": "a", "why": "" })];
    let whole = "NAME   WHY\ndraft  no agent offers \"summarise\"\na";
    assert_eq!(list(&items, COLUMNS, false, None), whole);
    assert_eq!(list(&items, COLUMNS, false, Some(80)), whole);
    assert_eq!(list(&items, COLUMNS, false, Some(20)), "NAME   WHY\ndraft  no agent off\u{2026}\na");
    assert_eq!(list(&items, COLUMNS, false, Some(1)), "NAME   WHY\ndraft  no agen\u{2026}\na", "and not to nothing");
}
