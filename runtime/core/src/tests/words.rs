//! The words of handlers and of those who answer them, for the driver in `board.rs`.
//!
//! - `note <task> <holder> value <key> [out=<json>]`, `note .. failed <key> <class> [why=..]`, `note .. progress <json>`
//! - `ask <task> <holder> <key> [alias=..] [hash=..] [priority=..] [from=..] [after=..] ; <key> ..`
//! - `begin <task> <holder> <key> keyed|checkable|irreversible [undo=<capability>]`, `unknown <task> <holder> <key>`
//! - `sleep`, `await [signal=]`, `approval`, `barrier [at=] [parties=] [brings=]`, each `<task> <holder> <key> [for=..]`
//! - `reserve <task> <holder> <key> [cost=..] [for=..]`, `settle <task> <holder> <key> value|<class> cost=..`
//! - `withdraw <task> <holder> <key>..`, `park <task> <holder> [seen=..] [at=<gate>]`
//! - `signal <run> <name> id=<n> [value=<json>]`, `approve <run> yes|no id=<n> [task=..] [number=..]`
//! - `decide <task> <key> happened|not [out=<json>]`

use super::board::{Board, duration, failure, option, spec};
use crate::{
    Answer, Child, Command, Contract, Cost, Decision, EffectState, Entry, EventKind, Json, Millis, Note, Noted,
    Payload, Priority, Rejected, RunId, Speaker, TaskIndex, TaskSpec, Wait,
};
use std::sync::Arc;
use uuid::Uuid;

pub(super) fn command(board: &Board, verb: &str, words: &[&str], rest: &str) -> Command {
    let json = |key: &str| option(words, key).map(|json| Payload::Json(Json::parse(json).unwrap()));
    let value = |key: &str| json(key).unwrap_or_else(|| Payload::Json(Json::parse("1").unwrap()));
    let id = || Uuid::from_u128(option(words, "id=").unwrap().parse().unwrap());
    let by = || option(words, "by=").map(Into::into);
    let task = |name: &str| board.find(name).map_or(TaskIndex(u32::MAX), |(_, found)| found.task);
    match verb {
        "signal" => Command::Answer(
            board.run_id(words[0]),
            Answer::Signal { id: id(), name: words[1].into(), value: value("value=") },
        ),
        "approve" => {
            let number = option(words, "number=").map(|number| number.parse().unwrap());
            let (task, approved) = (option(words, "task=").map(task), words[1] == "yes");
            Command::Answer(board.run_id(words[0]), Answer::Approval { id: id(), task, number, approved, by: by() })
        }
        "decide" => {
            let decision = match words[2] {
                "happened" => Decision::Happened(value("out=")),
                _ => Decision::DidNotHappen,
            };
            let run = board.speaker(&[words[0]]).task.run;
            Command::Answer(run, Answer::Effect { task: task(words[0]), key: words[1].into(), decision, by: by() })
        }
        _ => {
            let speaker = board.speaker(words);
            let note = note(board, &speaker, verb, words, rest);
            Command::Note(speaker, note)
        }
    }
}

fn note(board: &Board, speaker: &Speaker, verb: &str, words: &[&str], rest: &str) -> Note {
    let value = |key: &str| Json::parse(option(words, key).unwrap_or("1")).unwrap();
    let key = || -> Arc<str> { words[2].into() };
    let limit = option(words, "for=").map(duration);
    let wait = |wait| Note::Wait { key: key(), wait, limit };
    match verb {
        "note" => match words[2] {
            "value" => Note::Value(words[3].into(), Payload::Json(value("out="))),
            "failed" => Note::Failed {
                key: words[3].into(),
                failure: failure(words[4], words),
                unsure: words.contains(&"unsure"),
            },
            _ => Note::Progress(Json::parse(words[3]).unwrap()),
        },
        "ask" => {
            let children = rest.splitn(3, ' ').nth(2).unwrap();
            Note::Children(children.split(';').map(child).collect())
        }
        "begin" => {
            let contract = match words[3] {
                "keyed" => Contract::Keyed,
                "checkable" => Contract::Checkable,
                _ => Contract::Irreversible,
            };
            let undo = option(words, "undo=").map(|capability| {
                let input = option(words, "with=").map_or(Json::null(), |json| Json::parse(json).unwrap());
                Arc::new(TaskSpec::new("undo", capability, input))
            });
            Note::Begin { key: key(), contract, undo, since: None }
        }
        "reserve" => {
            let cost = option(words, "cost=").map_or(Cost::NONE, |cost| cost.parse().unwrap());
            wait(Wait::Budget { cost, until: None })
        }
        "settle" => {
            let result = match words[3] {
                "value" => Ok(Payload::Json(value("out="))),
                class => Err(failure(class, words)),
            };
            Note::Settled { key: key(), result, cost: option(words, "cost=").unwrap().parse().unwrap() }
        }
        "unknown" => Note::Unknown { key: key(), reason: "no answer".into() },
        "sleep" => wait(Wait::Sleep { until: Millis(0) }),
        "await" => wait(Wait::Signal { name: option(words, "signal=").unwrap().into(), until: None }),
        "approval" => wait(Wait::Approval { prompt: "may I?".into(), number: 0, until: None }),
        "barrier" => wait(Wait::Barrier {
            name: option(words, "at=").unwrap().into(),
            parties: option(words, "parties=").unwrap().parse().unwrap(),
            value: value("brings="),
            until: None,
        }),
        "withdraw" => Note::Withdraw(words[2..].iter().map(|key| Arc::from(*key)).collect()),
        "park" => {
            let record = board.state.run(speaker.task.run).and_then(|run| run.record(speaker.task.task));
            let entries = record.map_or(0, |record| record.entries.len());
            let seen = option(words, "seen=").map_or(entries, |seen| seen.parse().unwrap());
            Note::Park { seen, gate: option(words, "at=").map(Into::into) }
        }
        verb => panic!("no such command: {verb}"),
    }
}

fn child(text: &str) -> Child {
    let words: Vec<&str> = text.split_whitespace().collect();
    let own = option(&words, "priority=").map(|level| Priority::new(level.parse().unwrap()).unwrap());
    let mut spec = spec(text);
    if let Some(capability) = option(&words, "capability=") {
        spec.capability = capability.into();
    }
    Child {
        key: words[0].into(),
        alias: option(&words, "alias=").map(Into::into),
        hash: option(&words, "hash=").map(Into::into),
        priority: own,
        spec,
    }
}

/// What has been seen to happen, and how it is said.
pub(super) fn event(
    board: &Board,
    id: RunId,
    at: Millis,
    kind: &EventKind,
    before: &dyn Fn(TaskIndex) -> &'static str,
) -> (Vec<String>, String) {
    let task = |index| board.task(id, index);
    let run = || board.state.run(id).map_or_else(String::new, |_| board.name(id));
    let seen = |index, more: &str| vec![format!("{} {}{more}", before(index), kind.name())];
    match kind {
        EventKind::StepRecorded(e) => match (&e.value, &e.failure) {
            (Some(value), _) => {
                let cost = e.cost.map_or(String::new(), |cost| format!(" for {cost}"));
                let said = format!("recorded {} {} = {}{cost}", task(e.task), e.key, payload(value));
                (seen(e.task, " value"), said)
            }
            (_, Some(failure)) => {
                let class = failure.class.as_str();
                (seen(e.task, " failure"), format!("recorded {} {} failed {class}", task(e.task), e.key))
            }
            _ => panic!("neither: {kind:?}"),
        },
        EventKind::ChildrenSubmitted(e) => {
            let names: Vec<&str> = e.children.iter().map(|child| &*child.spec.name).collect();
            (seen(e.task, ""), format!("{} asked for {}", task(e.task), names.join(" ")))
        }
        EventKind::EffectBegun(e) => {
            let contract = e.contract.as_str();
            (seen(e.task, &format!(" {contract}")), format!("began {} {} {contract}", task(e.task), e.key))
        }
        EventKind::EffectUnknown(e) => (seen(e.task, ""), format!("unknown {} {} ({})", task(e.task), e.key, e.reason)),
        EventKind::EffectDecided(e) => {
            let record = board.state.run(id).and_then(|run| run.record(e.task)).unwrap();
            let state = match record.effects[&e.key].state {
                EffectState::Begun => "begun",
                EffectState::Unknown(_) => "unknown",
                EffectState::Done | EffectState::NotDone => panic!("decided twice: {kind:?}"),
            };
            let (word, said) = match &e.decision {
                Decision::Happened(value) => ("happened", format!("happened {}", payload(value))),
                Decision::DidNotHappen => ("not", "did not happen".into()),
            };
            let seen = vec![format!("{state} effect_decided {word}")];
            (seen, format!("decided {} {} {said}", task(e.task), e.key))
        }
        EventKind::WaitBegun(e) => {
            let word = match e.wait {
                Wait::Sleep { .. } => "sleep",
                Wait::Signal { .. } => "signal",
                Wait::Approval { .. } => "approval",
                Wait::Barrier { .. } => "barrier",
                Wait::Budget { .. } => "budget",
            };
            let until = e.wait.until().map_or(String::new(), |until| format!(" until {:?}", until.since(at)));
            let words = e.wait.in_words();
            (seen(e.task, &format!(" {word}")), format!("{} {} {words}{until}", task(e.task), e.key))
        }
        EventKind::WaitElapsed(e) => (seen(e.task, ""), format!("elapsed {} {}", task(e.task), e.key)),
        EventKind::WaitsWithdrawn(e) => (seen(e.task, ""), format!("withdrawn {} {}", task(e.task), e.keys.join(" "))),
        EventKind::SignalReceived(e) => {
            (vec!["signal_received".into()], format!("signal {} {} {}", run(), e.name, payload(&e.value)))
        }
        EventKind::ApprovalAnswered(e) => {
            let of = e.task.map_or(String::new(), |index| format!(" {}", task(index)));
            let number = e.number.map_or(String::new(), |number| format!(" {number}"));
            let answer = if e.approved { "yes" } else { "no" };
            (vec![format!("approval_answered {answer}")], format!("answered {}{of}{number} {answer}", run()))
        }
        EventKind::TaskParked(e) => {
            let at = e.gate.as_ref().map_or(String::new(), |gate| format!(" at {gate}"));
            (seen(e.task, ""), format!("parked {} {}{at}", task(e.task), e.token))
        }
        EventKind::TaskProgressed(e) => (seen(e.task, ""), format!("progress {} {}", task(e.task), e.progress)),
        EventKind::TaskFailed(e) => (seen(e.task, ""), format!("failed {} ({})", task(e.task), e.failure)),
        EventKind::UndoBegun(e) => {
            let undos: Vec<&str> = e.undos.iter().map(|undo| &*undo.spec.name).collect();
            let (outcome, undos) = (e.outcome.as_str(), undos.join(", "));
            (vec![format!("undo_begun {outcome}")], format!("undoing {} {outcome}: {undos}", run()))
        }
        EventKind::BudgetToppedUp(e) => {
            let by = e.by.as_deref().unwrap_or("nobody");
            (vec!["budget_topped_up".into()], format!("topped up {} by {} ({by})", run(), e.amount))
        }
        EventKind::WallTimeSpent(e) => {
            (vec!["wall_time_spent".into()], format!("spent the time of {}, {} ms", run(), e.limit_ms))
        }
        kind => panic!("said elsewhere: {kind:?}"),
    }
}

/// One entry of a record.
pub(super) fn entry(board: &Board, run: RunId, entry: &Entry) -> String {
    let key = &entry.key;
    match &entry.what {
        Noted::Submitted { child, .. } => format!("{key} asks {}", board.task(run, *child)),
        Noted::Begun(contract) => format!("{key} begun {}", contract.as_str()),
        Noted::BegunBehind(contract, since) => format!("{key} begun {} behind {since}", contract.as_str()),
        Noted::Unknown => format!("{key} unknown"),
        Noted::NotDone => format!("{key} not done"),
        Noted::Waits => format!("{key} waits"),
        Noted::Reserved(cost) => format!("{key} reserved {cost}"),
        Noted::Charged(cost) => format!("{key} charged {cost}"),
        Noted::Value(value) => format!("{key} = {}", payload(value)),
        Noted::Failed(failure) => format!("{key} failed {} <{failure}>", failure.class),
    }
}

fn payload(payload: &Payload) -> String {
    match payload {
        Payload::Json(json) => json.to_string(),
        Payload::Stored { hash, .. } => format!("stored {hash}"),
    }
}

pub(super) fn rejection(board: &Board, rejected: &Rejected) -> (&'static str, String) {
    match rejected {
        Rejected::News(_) => ("news", String::new()),
        Rejected::Children { reasons, .. } => ("children", format!(" {}", reasons.join("; "))),
        Rejected::Cycle { path } => ("cycle", format!(" {}", path.join(" -> "))),
        Rejected::Child { parent, .. } => ("child", format!(" of {}", board.task(parent.run, parent.task))),
        Rejected::Undoing { .. } => ("undoing", String::new()),
        Rejected::SignalsFull { kept, .. } => ("signals_full", format!(" kept={kept}")),
        Rejected::Ambiguous { open, .. } => ("ambiguous", format!(" {} open", open.len())),
        Rejected::Answered { number, .. } => ("answered", format!(" {number}")),
        Rejected::TaskEnded { status, .. } => ("task_ended", format!(" {status}")),
        Rejected::NotUnknown { state, .. } => {
            ("not_unknown", format!(" {}", state.map_or_else(|| "none".into(), |state| state.to_string())))
        }
        Rejected::TopUp { reason, .. } => ("top_up", format!(" {reason}")),
        Rejected::WallTimeSpent { limit_ms, .. } => ("wall_time_spent", format!(" {limit_ms} ms")),
        Rejected::NotReserved { key, .. } => ("not_reserved", format!(" {key}")),
        rejected => panic!("said elsewhere: {rejected}"),
    }
}
