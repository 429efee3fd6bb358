//! What mailrooms of other nodes say, for `crate::fuzz`.

use super::Message;
use super::address::Address;
use super::place::Name;
use super::wire::{Caller, Carried, Outcome, Request};
use tokio::sync::oneshot;

pub(crate) fn request(bytes: &[u8]) {
    let Some(request) = crate::fuzz::json::<Request>(bytes) else { return };
    if let Request::Tell { to, message } | Request::Ask { to, message, .. } = request {
        address(to.as_bytes());
        if let Ok(message) = message.read() {
            let again = super::wire::Written::of(&message).read().expect("what was read can be written");
            assert_eq!(format!("{again:?}"), format!("{message:?}"));
            let _bytes: usize = Message::body_bytes(&message);
        }
    }
}

pub(crate) fn outcome(bytes: &[u8]) {
    let (reply, mut carried) = oneshot::channel();
    if Caller(reply).answer(bytes).is_err() {
        return;
    }
    let Ok(Carried::Answer(outcome)) = carried.try_recv() else { panic!("an answer was told, and nobody has it") };
    assert!(crate::fuzz::json::<Outcome>(bytes).is_some());
    match outcome {
        Outcome::Refused(fault) | Outcome::Unanswered(fault) => drop(crate::Error::from(fault).to_string()),
        Outcome::Answered(message) => drop(message.read()),
        Outcome::Spread { delivered, .. } => {
            let mut told = super::mailroom::Broadcast::default();
            for _ in 0..2 {
                told.add(delivered, []);
            }
        }
        Outcome::Delivered | Outcome::NotHere | Outcome::Agents(_) => {}
    }
}

pub(crate) fn address(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let address = Address::of(text);
    assert!(address.agent.len() <= text.len());
    if let Some(name) = Name::of_full(text) {
        assert_eq!(Name::of_full(&name.full).as_ref(), Some(&name));
        assert!(name.is(&name.short) && name.is(&name.full) && name.is(&name.agent));
    }
    if !address.agent.is_empty() {
        crate::fuzz::understood();
    }
}

/// What is read without a fault.
pub(crate) mod samples {
    use crate::fuzz::bytes_of;

    const MESSAGE: &str = r#"{"id":"0192f0c1-2a3b-7c4d-8e5f-60718293a4b5","kind":"tell","correlation":{"caller":"order-42"},"from":"n1/echo#1","to":"n2/review#2","topic":"review","body":{"text":"x"},"sent_at":1790000000000}"#;

    pub(crate) fn requests() -> Vec<Vec<u8>> {
        bytes_of([
            format!(r#"{{"tell":{{"to":"review","message":{MESSAGE}}}}}"#),
            format!(r#"{{"ask":{{"to":"review#2","message":{MESSAGE},"limit_ms":5000}}}}"#),
            format!(r#"{{"broadcast":{{"message":{MESSAGE}}}}}"#),
            "\"agents\"".into(),
        ])
    }

    pub(crate) fn outcomes() -> Vec<Vec<u8>> {
        let fault = r#"{"kind":"unavailable","failure":{"class":"retryable","message":"full","causes":["a"],"retry_after_ms":5}}"#;
        bytes_of([
            "\"delivered\"".to_owned(),
            "\"not_here\"".into(),
            format!(r#"{{"refused":{fault}}}"#),
            format!(r#"{{"unanswered":{fault}}}"#),
            format!(r#"{{"answered":{MESSAGE}}}"#),
            r#"{"spread":{"delivered":3,"full":["n1/echo#1"]}}"#.into(),
            r#"{"agents":["echo","review"]}"#.into(),
        ])
    }

    pub(crate) fn addresses() -> Vec<Vec<u8>> {
        bytes_of(["echo", "echo#2", "n1/echo#2", "n1/echo"])
    }
}
