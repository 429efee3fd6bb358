use super::{AUTHORING, author};
use serde::{Deserialize, Serialize, Serializer};
use serde_json::value::RawValue;

#[derive(Serialize)]
struct Spelt {
    data: Box<RawValue>,
}

#[test]
fn data_that_spells_a_reference_in_another_way_is_data() {
    let data = RawValue::from_string(r#"{"\u0024from": "x"}"#.to_owned()).unwrap();
    let json = author(&Spelt { data }).unwrap();
    assert_eq!(json.as_str(), r#"{"data":{"$literal":{"$from":"x"}}}"#);
}

#[derive(Deserialize)]
struct Panics;

impl Serialize for Panics {
    fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        panic!("while it is written")
    }
}

#[test]
fn a_task_that_panics_while_it_is_written_leaves_no_mark() {
    assert!(std::panic::catch_unwind(|| author(&Panics)).is_err());
    assert!(!AUTHORING.get());
}
