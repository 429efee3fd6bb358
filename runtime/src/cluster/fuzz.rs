//! What nodes say to one another and to the directory, for `crate::fuzz`.

use super::note::{self, Heard, Note};
use super::view::{Beat, View};
use crate::port::bus::Envelope;
use crate::port::bus::bundle::frame;
use crate::registry::AgentInfo;
use std::time::Duration;

/// The head with which it comes.
fn heard(kind: &str, bytes: &[u8]) -> Option<Heard> {
    let envelope = Envelope::new("id", kind, "n1", bytes.to_vec());
    note::read(&envelope.head, &envelope.body).ok()
}

pub(crate) fn beat(bytes: &[u8]) {
    let Some(Heard::Beat(beat)) = heard(note::BEAT, bytes) else { return };
    assert_eq!(crate::fuzz::json::<Beat>(bytes).as_ref(), Some(&beat));
    let mut view = View::new(Duration::from_secs(5));
    for now in [Duration::ZERO, Duration::from_secs(9), Duration::MAX] {
        let _news = view.heard(beat.clone(), now);
        view.unreachable(&beat.node, now);
    }
    drop(super::NodeInfo::of(beat));
}

pub(crate) fn note(bytes: &[u8]) {
    let Some(Heard::Note(note)) = heard(note::NOTE, bytes) else { return };
    assert_eq!(crate::fuzz::json::<Note>(bytes), Some(note.clone()));
    let envelope = note.envelope("id".into(), "n1").expect("what was read can be sent");
    assert!(matches!(note::read(&envelope.head, &envelope.body), Ok(Heard::Note(again)) if again == note));
}

/// The registration of an agent.
pub(crate) fn agent(bytes: &[u8]) {
    let Ok(info) = serde_json::from_slice::<AgentInfo>(bytes) else { return };
    let written = serde_json::to_vec(&info).expect("what was read can be written");
    let again: AgentInfo = serde_json::from_slice(&written).expect("and read again");
    // The last digit of a float may be another: serde_json reads it fast, not exactly.
    assert_eq!(AgentInfo { health: info.health, ..again }, info);
    assert!((0.0..=1.0).contains(&info.load()));
    crate::fuzz::understood();
}

/// Messages that were carried together.
pub(crate) fn bundle(bytes: &[u8]) {
    let Some(parts) = frame::read(bytes.to_vec().into()) else { return };
    assert_eq!(frame::read(frame::write(parts.iter())).as_ref(), Some(&parts));
    crate::fuzz::understood();
}

/// What is read without a fault.
pub(crate) mod samples {
    use crate::fuzz::bytes_of;
    use crate::port::bus::bundle::frame;
    use crate::port::bus::{Envelope, QueueName};

    pub(crate) fn bundles() -> Vec<Vec<u8>> {
        let call = Envelope::new("n1:7", super::note::REQUEST, "n1", "{}").with(|head| {
            head.subject = Some("3".to_owned());
            head.reply_to = QueueName::node("n1").ok();
        });
        let answer = Envelope::new("n2:9:answer", super::note::ANSWER, "n1", vec![0; 3])
            .with(|head| head.correlation_id = Some("n2:9".to_owned()));
        vec![frame::write([&call, &answer].into_iter()).to_vec(), frame::write([&call].into_iter()).to_vec()]
    }

    pub(crate) fn beats() -> Vec<Vec<u8>> {
        bytes_of([
            r#"{"node":"n1","number":7,"standing":"owner","owns":{"0":3,"1":9},"refuses":[2],"up_ms":1000,"hears_directory":"no"}"#,
            r#"{"node":"n2","number":1,"standing":"gone","owns":{}}"#,
        ])
    }

    pub(crate) fn notes() -> Vec<Vec<u8>> {
        let task = r#"{"run":"0192f0c1-2a3b-7c4d-8e5f-60718293a4b5","task":3}"#;
        let token = r#"{"attempt":1,"activation":2}"#;
        bytes_of([
            "\"loop\"".to_owned(),
            "\"ping\"".into(),
            r#"{"suspect":{"node":"n2"}}"#.into(),
            r#"{"forget":{"calls":["a","b"]}}"#.into(),
            format!(r#"{{"stop":{{"speaker":{{"task":{task},"token":{token},"holder":"n1/echo#1"}},"reason":"cancelled"}}}}"#),
            r#"{"want":{"lanes":[{"capability":"x","requires":["gpu","zone=eu"],"priority":7,"waiting":3}]}}"#.into(),
            r#"{"lend":{"agent":"echo","desk":1,"slots":2,"capabilities":["x"],"traits":{"labels":{"zone":"eu"}},"load":500000,"health":1000000}}"#.into(),
            format!(r#"{{"not_taken":{{"task":{task},"token":{token}}}}}"#),
            r#"{"return":{"agent":"echo","desk":1,"slots":2}}"#.into(),
        ])
    }

    pub(crate) fn agents() -> Vec<Vec<u8>> {
        bytes_of([
            r#"{"id":"echo","type":"Echo","node":"n1","description":"says it again","version":"1","capabilities":[{"name":"x","description":"d","input_schema":{"type":"object"}}],"traits":{"labels":{},"constraints":{"price":"0.5"},"tools":["git"]},"status":"idle","instances":2,"running":1,"health":0.75,"trouble":"none"}"#,
        ])
    }
}
