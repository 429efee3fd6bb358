//! What must hold of tasks.

use super::{Facts, Found};
use crate::history::{Did, Op, Outcome};
use crate::work::Contract;
use std::collections::BTreeMap;

pub(super) fn one_result(facts: &Facts<'_>) -> Found {
    let mut found = Found::default();
    // What everybody has seen of a task, and where first.
    let mut seen: BTreeMap<(&str, &str), (&str, usize)> = BTreeMap::new();
    for (at, line) in facts.history.ledger.iter().enumerate() {
        let Did::Began { inputs, .. } = &line.did else { continue };
        for (task, mark) in inputs {
            let (first, since) = *seen.entry((&line.run, task)).or_insert((mark, at));
            if first != mark {
                let what = format!("{}/{task} has one result for one task and another for the next", line.run);
                found.breach(what, vec![facts.tell(since), facts.tell(at)]);
            }
        }
    }
    for end in &facts.history.runs {
        for task in end.tasks.iter().filter(|task| task.status == "completed") {
            found.looked_at += 1;
            let name = format!("{}/{}", end.run, task.task);
            let has_ended = end.status.as_deref().is_some_and(|status| super::runs::ENDED.contains(&status));
            if has_ended && task.results != 1 {
                found.breach(format!("{name} is completed, and its history has {} results", task.results), Vec::new());
            }
            if facts.history.is_attached() {
                continue; // its handlers write no ledger
            }
            let said: Vec<(usize, &str)> = facts
                .of_task(&end.run, &task.task)
                .filter_map(|(at, line)| match &line.did {
                    Did::Said { mark } => Some((at, &**mark)),
                    _ => None,
                })
                .collect();
            let tell = || said.iter().map(|(at, _)| facts.tell(*at)).collect::<Vec<_>>();
            let Some(mark) = &task.mark else {
                found.breach(format!("{name} is completed and has no result"), tell());
                continue;
            };
            if !said.iter().any(|(_, said)| said == mark) {
                found.breach(format!("{name} has the result {mark}, which nobody has said"), tell());
            }
            if let Some((other, at)) = seen.get(&(&*end.run, &*task.task)).filter(|(other, _)| other != mark) {
                let what = format!("{name} has the result {mark} at the end, and {other} was given to another task");
                found.breach(what, vec![facts.tell(*at)]);
            }
        }
    }
    found
}

pub(super) fn holder(facts: &Facts<'_>) -> Found {
    let mut found = Found::default();
    for end in &facts.history.runs {
        for task in &end.tasks {
            let Some(mark) = &task.mark else { continue };
            found.looked_at += 1;
            // Those that have begun until then, by their lives; a result that nobody has said is found elsewhere.
            let mut begun: BTreeMap<&str, (u32, usize)> = BTreeMap::new();
            for (at, line) in facts.of_task(&end.run, &task.task) {
                match &line.did {
                    Did::Began { attempt, .. } => drop(begun.insert(&line.life, (*attempt, at))),
                    Did::Said { mark: said } if said == mark => {
                        let Some((attempt, _)) = begun.get(&*line.life).copied() else { break };
                        if let Some((later, since)) = begun.values().find(|(other, _)| *other > attempt) {
                            let name = format!("{}/{}", end.run, task.task);
                            let what = format!("{name} has a result of attempt {attempt}, said behind attempt {later}");
                            found.breach(what, vec![facts.tell(*since), facts.tell(at)]);
                        }
                        break;
                    }
                    _ => {}
                }
            }
        }
    }
    found
}

pub(super) fn order(facts: &Facts<'_>) -> Found {
    let mut found = order_of_events(facts);
    for (at, line) in facts.history.ledger.iter().enumerate() {
        let Did::Began { inputs, .. } = &line.did else { continue };
        for (task, mark) in inputs {
            found.looked_at += 1;
            let said = facts
                .of_task(&line.run, task)
                .find(|(_, line)| matches!(&line.did, Did::Said { mark: said } if said == mark));
            if said.is_none_or(|(said, _)| said > at) {
                let what = format!("{}/{} has begun before {task} had said {mark}", line.run, line.task);
                found.breach(
                    what,
                    [Some(at), said.map(|(said, _)| said)].into_iter().flatten().map(|at| facts.tell(at)).collect(),
                );
            }
        }
    }
    found
}

/// The same of a workflow whose handlers write no ledger, as the histories of its runs have it.
fn order_of_events(facts: &Facts<'_>) -> Found {
    let mut found = Found::default();
    for end in &facts.history.runs {
        let of = |name: &str| end.tasks.iter().find(|task| task.task == name);
        for (task, needed) in &facts.history.head.needs {
            let (Some(began), Some(needed)) = (of(task).and_then(|task| task.began_at), of(needed)) else { continue };
            found.looked_at += 1;
            if needed.done_at.is_none_or(|done| done > began) {
                let done = needed.done_at.map_or("it never has".to_owned(), |done| format!("that is its event {done}"));
                let (run, needed) = (&end.run, &needed.task);
                let what = format!("{run}/{task} has begun before {needed} had a result");
                found.breach(what, vec![format!("{task} begins with event {began} of {run}; {needed}: {done}")]);
            }
        }
    }
    found
}

pub(super) fn steps(facts: &Facts<'_>) -> Found {
    let mut found = Found::default();
    let mut begun: BTreeMap<&str, usize> = BTreeMap::new();
    let mut recorded: BTreeMap<(&str, &str, &str), (&str, usize)> = BTreeMap::new();
    for (at, line) in facts.history.ledger.iter().enumerate() {
        match &line.did {
            Did::Began { .. } => {
                begun.insert(&line.life, at);
            }
            Did::Executed { step, value } => {
                let began = begun.get(&*line.life).copied().unwrap_or(at);
                // Who has begun before it was recorded may be running it at the same time.
                let key = (&*line.run, &*line.task, &**step);
                if let Some((first, since)) = recorded.get(&key).filter(|(_, since)| *since < began) {
                    let what =
                        format!("{step} of {}/{} was recorded as {first}, and run again: {value}", line.run, line.task);
                    found.breach(what, vec![facts.tell(*since), facts.tell(began), facts.tell(at)]);
                }
            }
            Did::Given { step, value } => {
                let (first, since) = *recorded.entry((&line.run, &line.task, step)).or_insert_with(|| {
                    found.looked_at += 1;
                    (value, at)
                });
                if first != value {
                    let what =
                        format!("{step} of {}/{} is {first} for one and {value} for another", line.run, line.task);
                    found.breach(what, vec![facts.tell(since), facts.tell(at)]);
                }
            }
            _ => {}
        }
    }
    found
}

/// What has an effect outside.
pub(super) fn effects(facts: &Facts<'_>) -> Found {
    let mut found = Found::default();
    let mut begun: BTreeMap<&str, usize> = BTreeMap::new();
    let mut given: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    // Of each effect the key and where it was used first; of each key the effect.
    let mut keys: BTreeMap<(&str, &str), (&str, usize)> = BTreeMap::new();
    let mut owners: BTreeMap<&str, (&str, &str)> = BTreeMap::new();
    for (at, line) in facts.history.ledger.iter().enumerate() {
        let effect = (&*line.run, &*line.task);
        match &line.did {
            Did::Began { .. } => drop(begun.insert(&line.life, at)),
            Did::Given { .. } => drop(given.entry(effect).or_insert(at)),
            Did::Performed { contract, key, .. } => {
                let name = format!("the effect of {}/{}", line.run, line.task);
                let first = keys.get(&effect).copied();
                if first.is_none() {
                    found.looked_at += 1;
                    keys.insert(effect, (key, at));
                }
                if let Some((_, since)) = first.filter(|_| *contract == Contract::Irreversible) {
                    found.breach(
                        format!("{name} is irreversible, and was asked for again"),
                        vec![facts.tell(since), facts.tell(at)],
                    );
                }
                if let Some((_, since)) = first.filter(|(other, _)| other != key) {
                    found.breach(
                        format!("{name} was asked for under another key"),
                        vec![facts.tell(since), facts.tell(at)],
                    );
                }
                if owners.insert(key, effect).is_some_and(|other| other != effect) {
                    found.breach(format!("{name} has the key of another"), vec![facts.tell(at)]);
                }
                let began = begun.get(&*line.life).copied().unwrap_or(at);
                if let Some(since) = given.get(&effect).filter(|since| **since < began) {
                    let evidence = [*since, began, at].map(|at| facts.tell(at)).to_vec();
                    found.breach(format!("{name} was recorded, and asked for again"), evidence);
                }
            }
            _ => {}
        }
    }
    found
}

pub(super) fn approvals(facts: &Facts<'_>) -> Found {
    let mut found = Found::default();
    let mut answers: BTreeMap<(&str, &str), Vec<_>> = BTreeMap::new();
    for call in facts.history.calls.iter().filter(|call| call.op == Op::Answer && call.outcome != Outcome::Failed) {
        if let Some((task, value)) = &call.signal {
            answers.entry((&*call.run, &**task)).or_default().push((call, &**value));
        }
    }
    for ((run, task), calls) in answers {
        found.looked_at += 1;
        let heard: Vec<(usize, &str)> = heard(facts, run, task).collect();
        let evidence = || {
            let told = calls.iter().map(|(call, _)| facts.tell_call(call));
            told.chain(heard.iter().map(|(at, _)| facts.tell(*at))).collect::<Vec<_>>()
        };
        let mut acknowledged = calls.iter().filter(|(call, _)| call.outcome == Outcome::Ok).map(|(_, value)| *value);
        let first = acknowledged.next();
        // The same again is no other one.
        if let Some(other) = acknowledged.find(|other| Some(*other) != first) {
            let what = format!("{run}/{task} was answered twice: {} and {other}", first.unwrap_or_default());
            found.breach(what, evidence());
        }
        let is_completed = status(facts, run, task) == Some("completed");
        if first.is_some() && heard.is_empty() && is_completed {
            found.breach(format!("{run}/{task} was answered and has not heard it"), evidence());
        }
        for (_, value) in &heard {
            if first.is_some_and(|first| first != *value) || !calls.iter().any(|(_, said)| said == value) {
                found.breach(format!("{run}/{task} has heard {value}, and was not told that"), evidence());
            }
        }
    }
    found
}

/// How a task stands at the end, if that is known.
fn status<'a>(facts: &Facts<'a>, run: &str, task: &str) -> Option<&'a str> {
    let end = facts.history.runs.iter().find(|end| end.run == run)?;
    end.tasks.iter().find(|end| end.task == task).map(|end| &*end.status)
}

/// What a task has heard, in order.
fn heard<'a>(facts: &Facts<'a>, run: &'a str, task: &'a str) -> impl Iterator<Item = (usize, &'a str)> {
    facts.of_task(run, task).filter_map(|(at, line)| match &line.did {
        Did::Heard { value } => Some((at, &**value)),
        _ => None,
    })
}

pub(super) fn signals(facts: &Facts<'_>) -> Found {
    let mut found = Found::default();
    let mut told: BTreeMap<(&str, &str), Vec<_>> = BTreeMap::new();
    for call in facts.history.calls.iter().filter(|call| call.op == Op::Signal && call.outcome != Outcome::Failed) {
        if let Some((task, _)) = &call.signal {
            told.entry((&*call.run, &**task)).or_default().push(call);
        }
    }
    for ((run, task), calls) in told {
        if calls.iter().all(|call| call.outcome != Outcome::Ok) {
            continue;
        }
        if matches!(status(facts, run, task), None | Some("skipped" | "cancelled" | "failed" | "dead")) {
            continue; // it never got so far, and has no need to
        }
        found.looked_at += 1;
        let heard: Vec<(usize, &str)> = heard(facts, run, task).collect();
        let evidence = || {
            let told = calls.iter().map(|call| facts.tell_call(call));
            told.chain(heard.iter().map(|(at, _)| facts.tell(*at))).collect::<Vec<_>>()
        };
        let was_told =
            |value: &str| calls.iter().any(|call| call.signal.as_ref().is_some_and(|(_, told)| told == value));
        match heard.first() {
            None => found.breach(format!("{run}/{task} was told something and has not heard it"), evidence()),
            Some((_, first)) if heard.iter().any(|(_, value)| value != first) => {
                found.breach(format!("{run}/{task} has heard one thing, and then another"), evidence());
            }
            Some((_, value)) if !was_told(value) => {
                found.breach(format!("{run}/{task} has heard {value:?}, which nobody has told it"), evidence());
            }
            Some(_) => {}
        }
    }
    found
}
