use super::check_output;
use callboard_core::Json;

#[test]
fn an_output_is_held_to_its_bytes_and_its_levels() {
    let check = |text: &str| {
        let json = Json::parse(text).expect("JSON");
        check_output(&json, 12, 3).map_err(|error| error.to_string())
    };
    assert_eq!(check("[[[]]]"), Ok(()));
    assert_eq!(check("\"[[[[[[[[[[\""), Ok(()));
    let told = "the output has 4 levels, more than the limit of 3 (input_depth_max)";
    assert_eq!(check("[[[{}]]]"), Err(told.to_owned()));
    let told = "the output takes 13 bytes, more than the limit of 12 (payload_bytes_max)";
    assert_eq!(check("\"12345678901\""), Err(told.to_owned()));
}
