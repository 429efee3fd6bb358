use crate::join::answer::Answer;
use crate::join::{Aggregate, Aggregation, Arrays, Prefer, aggregate};
use crate::{Error, ErrorKind, Result};
use callboard_core::Json;
use proptest::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeSet;

const PREFERENCES: [Prefer; 4] = [Prefer::First, Prefer::Last, Prefer::Most, Prefer::Null];
const ARRAYS: [Arrays; 2] = [Arrays::Union, Arrays::Whole];

/// Combines the answers of a, b, c and so on.
fn combine(how: Aggregation, answers: &[&str]) -> Result<Aggregate> {
    let who = ('a'..='z').map(String::from);
    how.combine(who.zip(answers).map(|(who, text)| (who, Json::parse(*text).unwrap())))
}

/// The answers are one a line. The result is the value, then a line for each conflict.
fn check(how: Aggregation, answers: &str, expected: &str) {
    let answers: Vec<&str> = answers.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let one = combine(how, &answers).unwrap();
    let mut told = vec![one.value.to_string()];
    for conflict in &one.conflicts {
        let said: Vec<_> = conflict.answers.iter().map(|said| format!("{} {}", said.who, said.value)).collect();
        told.push(format!("at {:?}: {}; taken {}", conflict.path, said.join(", "), conflict.chosen));
    }
    let expected: Vec<&str> = expected.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    assert_eq!(told, expected, "{how:?}");
}

#[test]
fn objects_are_merged_member_by_member() {
    check(
        Aggregation::new(),
        r#"
        {"title": "t", "loc": 10, "deep": {"x": 1}}
        {"deep": {"y": [2], "x": 1.0}, "loc": 10}
        "#,
        r#"{"deep":{"x":1,"y":[2]},"loc":10,"title":"t"}"#,
    );
}

#[test]
fn a_conflict_is_reported_with_its_place_and_what_each_has_said() {
    check(
        Aggregation::new(),
        r#"
        {"b": {"sev": "high"}, "a": 1}
        {"b": {"sev": "low"}, "a": 2}
        {"b": {"sev": "low"}}
        "#,
        r#"
        {"a":1,"b":{"sev":"low"}}
        at "/a": a 1, b 2; taken 1
        at "/b/sev": a "high", b "low", c "low"; taken "low"
        "#,
    );
}

#[test]
fn the_preference_says_what_is_taken() {
    for (prefer, taken) in [(Prefer::First, "1"), (Prefer::Last, "3"), (Prefer::Most, "2"), (Prefer::Null, "null")] {
        let expected = format!("{taken}\nat \"\": a 1, b 2, c 2.0, d 3; taken {taken}");
        check(Aggregation::new().prefer(prefer), "1\n2\n2.0\n3", &expected);
    }
}

#[test]
fn among_equals_the_most_common_is_the_first() {
    check(Aggregation::new(), "3\n1\n2\n2\n1", "1\nat \"\": a 3, b 1, c 2, d 2, e 1; taken 1");
}

#[test]
fn what_is_left_out_or_null_contradicts_nothing() {
    check(Aggregation::new(), "{\"a\": null}\n{}\n{\"a\": 1}\nnull", r#"{"a":1}"#);
    check(Aggregation::new(), "{\"a\": null}\n{}", r#"{"a":null}"#);
    check(Aggregation::new(), "null\nnull", "null");
}

#[test]
fn arrays_are_united_in_order_and_keep_what_one_answer_repeats() {
    check(Aggregation::new(), "[3, 1]\n[1, 2, 3]", "[3,1,2]");
    check(Aggregation::new(), "[1, 1, 2]\n[2, 2, 1.0]\n[1]", "[1,1,2,2]");
    let items = "[{\"id\": 1, \"x\": 1}]\n[{\"x\": 1, \"id\": 1}, {\"id\": 1, \"x\": 2}]";
    check(Aggregation::new(), items, r#"[{"id":1,"x":1},{"id":1,"x":2}]"#);
}

#[test]
fn arrays_as_a_whole_differ_as_numbers_do() {
    let whole = Aggregation::new().arrays(Arrays::Whole).prefer(Prefer::Last);
    check(whole, "{\"l\": [1]}\n{\"l\": [1, 2]}", "{\"l\":[1,2]}\nat \"/l\": a [1], b [1,2]; taken [1,2]");
    check(whole, "[1, 2]\n[1.0, 2]", "[1,2]");
}

#[test]
fn what_differs_in_kind_is_a_conflict_of_the_whole() {
    check(
        Aggregation::new(),
        "{\"a\": {\"x\": 1}}\n{\"a\": [1]}\n{\"a\": \"x\"}",
        "{\"a\":{\"x\":1}}\nat \"/a\": a {\"x\":1}, b [1], c \"x\"; taken {\"x\":1}",
    );
}

#[test]
fn a_path_is_a_json_pointer() {
    let one = combine(Aggregation::new(), &[r#"{"a/b~":{"":1}}"#, r#"{"a/b~":{"":2}}"#]).unwrap();
    assert_eq!(one.conflicts[0].path, "/a~1b~0/");
    let value: Value = serde_json::from_str(one.value.as_str()).unwrap();
    assert_eq!(value.pointer(&one.conflicts[0].path), Some(&json!(1)));
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Review {
    lang: Option<String>,
    score: u8,
    findings: Vec<String>,
}

#[test]
fn typed_answers_come_back_typed() {
    let review = |lang: Option<&str>, score, finding: &str| Review {
        lang: lang.map(str::to_owned),
        score,
        findings: vec![finding.to_owned()],
    };
    let answers = [("ann", review(None, 3, "x")), ("bob", review(Some("rust"), 4, "y"))];
    let one = aggregate(answers.clone()).unwrap();
    let expected = Review { lang: Some("rust".into()), score: 3, findings: vec!["x".into(), "y".into()] };
    assert_eq!(one.typed::<Review>().unwrap(), expected);

    let undecided = Aggregation::new().prefer(Prefer::Null).combine(answers).unwrap();
    let refused = undecided.typed::<Review>().unwrap_err();
    assert_eq!(refused.to_string(), "the combined answer has another form; conflicts at [\"/score\"]");
    assert!(refused.causes().any(|cause| cause.contains("null")), "{refused:?}");
    let copy: Aggregate = serde_json::from_str(&serde_json::to_string(&undecided).unwrap()).unwrap();
    assert_eq!(copy, undecided);
}

fn refusal(result: Result<Aggregate>) -> String {
    let error: Error = result.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    error.to_string()
}

#[test]
fn without_an_answer_there_is_nothing_to_combine() {
    let none: [(&str, Json); 0] = [];
    assert_eq!(refusal(aggregate(none)), "there is no answer to combine: give 1 at least");
}

#[test]
fn what_is_no_json_is_refused_with_its_author() {
    let answer = std::collections::BTreeMap::from([((1, 2), 3)]);
    assert_eq!(refusal(aggregate([("ann", answer)])), "the answer of \"ann\" has no JSON form");
}

#[test]
fn depth_is_bounded_before_anything_recurses() {
    let nested = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
    for arrays in ARRAYS {
        let one = combine(Aggregation::new().arrays(arrays), &[&nested(127), &nested(127)]).unwrap();
        assert_eq!(one.typed::<Value>().unwrap().to_string(), nested(127));
    }
    let refused = refusal(combine(Aggregation::new(), &["[]", &nested(128)]));
    assert_eq!(refused, "the answer of \"b\" has 128 levels: at most 127 can be combined");
    let refused = refusal(combine(Aggregation::new(), &[&nested(1_000_000)]));
    assert!(refused.contains("1000000 levels"), "{refused}");
    let objects = format!("{}1{}", "{\"a\":".repeat(127), "}".repeat(127));
    let other = objects.replace('1', "2");
    assert_eq!(combine(Aggregation::new(), &[&objects, &other]).unwrap().conflicts[0].path, "/a".repeat(127));
}

#[test]
fn size_is_bounded() {
    let half = "x".repeat(8 << 20);
    let refused = refusal(aggregate([("ann", &half), ("bob", &half)]));
    assert_eq!(refused, "the answers up to \"bob\" take 16777220 bytes: at most 16777216 can be combined");
}

#[test]
fn the_report_is_bounded() {
    // A long name stands in the path of everything below it.
    let name = "n".repeat(1 << 20);
    let answer =
        |said: u8| json!({ &name: (0..20).map(|n| (n.to_string(), json!(said))).collect::<serde_json::Map<_, _>>() });
    let refused = refusal(aggregate([("ann", answer(1)), ("bob", answer(2))]));
    assert_eq!(refused, "the answers have too many conflicts to report: 15 and more");
}

#[test]
fn many_answers_take_time_in_proportion_to_their_size() {
    // 20,000 answers with a member each: a look at each answer for each member would be 400 million.
    let answers = (0..20_000).map(|n| (n.to_string(), json!({ n.to_string(): n })));
    let one = aggregate(answers).unwrap();
    assert_eq!(one.typed::<Value>().unwrap().as_object().unwrap().len(), 20_000);
}

/// JSON values with few names and few words, so that they meet.
pub(super) fn json_values() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (0..3_i64).prop_map(Value::from),
        proptest::sample::select(vec![1.0, 0.5, -2e300, 1e-7]).prop_map(Value::from),
        proptest::sample::select(vec!["", "x", "]", "a\"b\\", "\u{e9}\n,:"]).prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        let name = proptest::sample::select(vec!["a", "b", "", "/", "~1"]).prop_map(str::to_owned);
        prop_oneof![
            3 => proptest::collection::btree_map(name, inner.clone(), 0..4).prop_map(Value::from_iter),
            1 => proptest::collection::vec(inner, 0..4).prop_map(Value::from),
        ]
    })
}

fn answers() -> impl Strategy<Value = Vec<Value>> {
    proptest::collection::vec(json_values(), 1..5)
}

fn how() -> impl Strategy<Value = Aggregation> {
    let prefer = proptest::sample::select(PREFERENCES.to_vec());
    (prefer, proptest::sample::select(ARRAYS.to_vec()))
        .prop_map(|(prefer, arrays)| Aggregation::new().prefer(prefer).arrays(arrays))
}

fn named(answers: &[Value]) -> impl Iterator<Item = (String, &Value)> {
    answers.iter().enumerate().map(|(place, answer)| (format!("agent {place}"), answer))
}

fn canonical(json: &Json) -> String {
    Answer::read("test", json).unwrap().canonical()
}

/// The JSON with the members of all objects in reverse.
fn reversed(value: &Value) -> String {
    match value {
        Value::Array(items) => format!("[{}]", items.iter().map(reversed).collect::<Vec<_>>().join(",")),
        Value::Object(members) => {
            let member =
                |(name, member): (&String, &Value)| format!("{}:{}", Value::from(name.as_str()), reversed(member));
            format!("{{{}}}", members.iter().rev().map(member).collect::<Vec<_>>().join(","))
        }
        other => other.to_string(),
    }
}

/// Every place inside of a value that is reached through objects.
fn places(value: &Value, at: &str, found: &mut BTreeSet<String>) {
    found.insert(at.to_owned());
    for (name, member) in value.as_object().into_iter().flatten() {
        places(member, &format!("{at}/{}", name.replace('~', "~0").replace('/', "~1")), found);
    }
}

/// What the answers say at a place.
fn said<'a>(answers: &'a [Value], at: &str) -> Vec<&'a Value> {
    answers.iter().filter_map(|answer| answer.pointer(at)).filter(|value| !value.is_null()).collect()
}

fn same(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Number(one), Value::Number(other)) => one.as_f64() == other.as_f64(),
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| same(one, other))
        }
        (Value::Object(one), Value::Object(other)) => {
            one.len() == other.len()
                && one.iter().all(|(name, one)| other.get(name).is_some_and(|other| same(one, other)))
        }
        _ => one == other,
    }
}

/// Whether those who speak at a place and above it speak of objects alone above, and differ here.
fn is_conflict(answers: &[Value], at: &str) -> bool {
    let objects = |at: &str| said(answers, at).iter().all(|value| value.is_object());
    let above = at.char_indices().filter(|one| one.1 == '/').all(|(end, _)| objects(&at[..end]));
    let here = said(answers, at);
    above && !objects(at) && here.iter().any(|one| !same(one, here[0]))
}

proptest! {
    #[test]
    fn one_answer_stays_as_it_is(answer in json_values(), times in 1..4_usize, how in how()) {
        let one = how.combine(named(&vec![answer.clone(); times])).unwrap();
        prop_assert_eq!(one.typed::<Value>().unwrap(), answer);
        prop_assert_eq!(one.conflicts, vec![]);
    }

    #[test]
    fn the_result_takes_in_what_it_was_made_of(answers in answers(), arrays in proptest::sample::select(ARRAYS.to_vec())) {
        let how = Aggregation::new().prefer(Prefer::First).arrays(arrays);
        let one = how.combine(named(&answers)).unwrap();
        let again: Vec<Value> = std::iter::once(one.typed().unwrap()).chain(answers).collect();
        prop_assert_eq!(how.combine(named(&again)).unwrap().value, one.value);
    }

    #[test]
    fn the_order_of_members_does_not_count(answers in answers(), how in how()) {
        let turned = answers.iter().map(|answer| Json::parse(reversed(answer)).unwrap());
        let turned = turned.enumerate().map(|(place, answer)| (format!("agent {place}"), answer));
        prop_assert_eq!(how.combine(turned).unwrap(), how.combine(named(&answers)).unwrap());
    }

    #[test]
    fn the_conflicts_are_the_places_where_answers_differ(answers in answers()) {
        let how = Aggregation::new().arrays(Arrays::Whole).prefer(Prefer::Null);
        let one = how.combine(named(&answers)).unwrap();
        let value: Value = one.typed().unwrap();
        let mut all = BTreeSet::new();
        answers.iter().for_each(|answer| places(answer, "", &mut all));
        let expected: BTreeSet<String> = all.iter().filter(|at| is_conflict(&answers, at)).cloned().collect();
        let told: BTreeSet<String> = one.conflicts.iter().map(|conflict| conflict.path.clone()).collect();
        prop_assert_eq!((told.len(), &told), (one.conflicts.len(), &expected));
        for conflict in &one.conflicts {
            prop_assert_eq!(value.pointer(&conflict.path), Some(&Value::Null));
            let values: Vec<Value> = conflict.answers.iter().map(|said| serde_json::from_str(said.value.as_str()).unwrap()).collect();
            prop_assert_eq!(values.iter().collect::<Vec<_>>(), said(&answers, &conflict.path));
        }
        // Where nobody contradicts, what was said is what stands there.
        let below_conflict = |at: &str| expected.iter().any(|conflict| at == conflict || at.starts_with(&format!("{conflict}/")));
        for at in all.iter().filter(|at| !below_conflict(at)) {
            if let Some(one) = said(&answers, at).into_iter().find(|value| !value.is_object()) {
                prop_assert!(value.pointer(at).is_some_and(|value| same(value, one)), "{} in {}", at, value);
            }
        }
    }

    #[test]
    fn the_last_of_a_row_is_the_first_of_the_row_turned_round(answers in answers()) {
        let how = |prefer| Aggregation::new().arrays(Arrays::Whole).prefer(prefer);
        let mut turned = answers.clone();
        turned.reverse();
        let (last, first) = (how(Prefer::Last).combine(named(&answers)).unwrap(), how(Prefer::First).combine(named(&turned)).unwrap());
        prop_assert_eq!(canonical(&last.value), canonical(&first.value));
        let paths = |one: &Aggregate| one.conflicts.iter().map(|conflict| conflict.path.clone()).collect::<Vec<_>>();
        prop_assert_eq!(paths(&last), paths(&first));
    }

    #[test]
    fn a_union_has_each_item_as_often_as_the_answer_with_most_of_it(lists in proptest::collection::vec(proptest::collection::vec(0..4_u8, 0..6), 1..4)) {
        let one = aggregate(lists.iter().enumerate().map(|(place, list)| (place.to_string(), list))).unwrap();
        let union: Vec<u8> = one.typed().unwrap();
        let times = |list: &[u8], item| list.iter().filter(|&&one| one == item).count();
        for item in 0..4 {
            prop_assert_eq!(Some(times(&union, item)), lists.iter().map(|list| times(list, item)).max());
        }
        prop_assert!(union.starts_with(&lists[0]));
    }
}
