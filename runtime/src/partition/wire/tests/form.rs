//! How some of it looks: what is said most often, and what people will see.

use super::samples::{Bits, run_statuses};
use super::{read, written};
use crate::partition::message::Refusal;
use callboard_core::{Rejected, Token};
use serde::Serialize;

const RUN: &str = "0192f0c1-2a3b-7c4d-8e5f-60718293a4b5";

#[test]
fn requests_have_this_form() {
    let check = |text: &str| {
        let speaker =
            r#""speaker":{"task":{"run":"RUN","task":3},"token":{"attempt":1,"activation":2},"holder":"n1/echo#1"}"#;
        let text = text.replace("SPEAKER", speaker).replace("RUN", RUN);
        assert_eq!(String::from_utf8(written(&read(text.as_bytes()))).unwrap(), text);
    };
    check(r#"{"heartbeat":{SPEAKER,"alive":"handler"}}"#);
    check(r#"{"speak":{SPEAKER,"say":"accept"}}"#);
    check(r#"{"speak":{SPEAKER,"say":{"complete":{"json":{"as":  "written"}}}}}"#);
    check(r#"{"speak":{SPEAKER,"say":{"lose":"released"}}}"#);
    check(r#"{"speak":{SPEAKER,"say":{"fail":{"class":"timeout","message":"slow"}}}}"#);
    check(r#"{"speak":{SPEAKER,"say":{"note":{"value":["step:a",{"stored":{"hash":"00ff","bytes":70000}}]}}}}"#);
    check(r#"{"follow":{SPEAKER,"after":2,"when":"soon"}}"#);
    check(r#"{"control":{"run":"RUN","wish":{"pause":"a person"}}}"#);
    check(r#"{"retry":{"task":{"run":"RUN","task":3},"token":{"attempt":4,"activation":1},"input":null}}"#);
    check(r#"{"ask":"pages"}"#);
    check(r#"{"ask":{"task":{"run":"RUN","name":"draft"}}}"#);
    check(r#"{"await":{"run":"RUN","target":"run"}}"#);
    let graph = r#"{"name":"w","tasks":[]}"#;
    check(&format!(r#"{{"perform":{{"run":"RUN","graph":{graph},"key":"k","checked":0,"target":"run"}}}}"#));
    check(r#"{"schedule":{"name":"nightly","wish":"resume"}}"#);
}

#[test]
fn answers_have_this_form() {
    fn check<T: Serialize>(answer: &T, text: &str) {
        assert_eq!(serde_json::to_string(answer).unwrap(), text.replace("RUN", "01000000-0000-0000-0000-000000000000"));
    }
    let bits = Bits::plain();
    check(&Ok::<_, Refusal>(()), r#"{"Ok":null}"#);
    let fenced = Rejected::NotUnknown { task: bits.task(), key: "pay".into(), state: None };
    check(
        &Err::<(), Refusal>(fenced.into()),
        r#"{"Err":{"rejected":{"not_unknown":{"task":{"run":"RUN","task":7},"key":"pay","state":null}}}}"#,
    );
    check(&Token::FIRST, r#"{"attempt":1,"activation":1}"#);
    check(
        &bits.run_infos().last(),
        r#"{"id":"RUN","workflow":"review","labels":{"review":"review"},"status":"running","submitted_at":1790000000000,"counts":{"blocked":0,"ready":1,"running":0,"parked":0,"completed":0,"failed":0,"dead":7,"cancelled":0,"skipped":0}}"#,
    );
    check(
        &bits.task_infos()[6],
        r#"{"index":7,"name":"review","capability":"review","status":"dead","priority":10,"attempt":7,"holder":"node-1/review#3","not_before":1790000000000,"ended_at":1790000000000,"losses":7,"failures":[{"attempt":7,"at":1790000000000,"error":"review"}],"is_edited":true,"why":[{"paused":{"reason":"review"}}],"parent":7,"undoes":7,"progress":null,"reason":"review"}"#,
    );
    check(
        &bits.pending(),
        r#"[{"approval":{"id":"RUN/7/7","workflow":"review","task":"review","prompt":"review","until":1790000000000}},{"approval":{"id":"RUN/7/7","workflow":"review","task":"review","prompt":"review"}},{"effect":{"id":"RUN/7/review","workflow":"review","task":"review","contract":"keyed","begun_at":1790000000000,"reason":"review"}},{"effect":{"id":"RUN/7/review","workflow":"review","task":"review","contract":"checkable","begun_at":1790000000000,"reason":"review"}},{"effect":{"id":"RUN/7/review","workflow":"review","task":"review","contract":"irreversible","begun_at":1790000000000,"reason":"review"}}]"#,
    );
    check(
        &bits.schedule_infos().last(),
        r#"{"name":"review","when":"review","workflow":"review","overlap":"cancel_previous","catch_up":"all","status":"active","set_at":1790000000000,"open_runs":[],"fired":7,"overlapped":7,"missed":7}"#,
    );
    check(&bits.progress()[0], r#"{"tasks":7,"completed":3,"ended_otherwise":1,"running":2}"#);
}

#[test]
fn statuses_are_the_words_in_every_surface() {
    let runs = run_statuses().into_iter().map(|status| (serde_json::to_value(status), status.as_str()));
    let schedules = Bits::plain().schedule_infos().into_iter().map(|info| info.status);
    let schedules = schedules.map(|status| (serde_json::to_value(status), status.as_str()));
    runs.chain(schedules).for_each(|(told, word)| assert_eq!(told.unwrap(), word));
}
