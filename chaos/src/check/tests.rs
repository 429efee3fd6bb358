//! A history that keeps every promise, and what is changed in it for each that is to be found.

use super::*;
use crate::history::{Call, Did, End, Entry, Felt, Head, Line, Memory, NOT_TOLD, RunEnd, Seen, TaskEnd};
use crate::plan::{FaultKind, Plan, Target};
use crate::work::Contract;

const SECOND: u64 = 1_000_000;

/// A run of two tasks: the first is told yes; the second needs the first, takes a step, hears a signal, has an effect, counts and
/// writes under the lock; a run that is cancelled; a start that has failed; a probe each second; a node that is killed.
fn whole() -> History {
    let mut ledger = vec![
        line(1, "a", "t0", "l1", Did::Began { attempt: 1, inputs: Vec::new() }),
        line(1, "a", "t0", "l1", Did::Said { mark: "m0".into() }),
    ];
    let step = |value: &str| Did::Executed { step: "s".into(), value: value.into() };
    let given = |value: &str| Did::Given { step: "s".into(), value: value.into() };
    ledger.extend(
        [
            Did::Began { attempt: 1, inputs: vec![("t0".into(), "m0".into())] },
            step("v1"),
            given("v1"),
            Did::Heard { value: "hello".into() },
            Did::Executed { step: "spend 0".into(), value: "s1".into() },
            Did::Given { step: "spend 0".into(), value: "s1".into() },
            performed(Contract::Irreversible, "k"),
            Did::Given { step: "effect".into(), value: "e".into() },
            Did::Tries { document: "count".into() },
            Did::Wrote { document: "count".into(), version: Some(1) },
            Did::Tries { document: "lock".into() },
            Did::Wrote { document: "lock".into(), version: None },
            Did::Said { mark: "m1".into() },
        ]
        .map(|did| line(2, "a", "t1", "l2", did)),
    );
    ledger.push(line(3, "b", "t0", "l3", Did::Began { attempt: 1, inputs: Vec::new() }));
    ledger.push(line(1, "a", "t0", "l1", Did::Heard { value: "yes".into() }));
    let mut calls = vec![
        call(Op::Start, "a", 1, Outcome::Ok),
        call(Op::Start, "b", 2, Outcome::Ok),
        call(Op::Start, "c", 2, Outcome::Failed),
        call(Op::Cancel, "b", 5, Outcome::Ok),
        answered("yes", Outcome::Ok),
        answered("no", Outcome::Failed),
        saw(Op::Increment, 2, 2, 2),
        saw(Op::Read, 5, 2, 2),
        call(Op::Increment, "i", 3, Outcome::Failed),
        call(Op::Increment, "i", 3, Outcome::Unknown),
        Call { signal: Some(("t1".into(), "hello".into())), ..call(Op::Signal, "a", 1, Outcome::Ok) },
    ];
    calls.extend((0..10).map(|second| call(Op::Probe, "p", second, Outcome::Ok)));
    let task = |task: &str, status: &str, mark: Option<&str>| TaskEnd {
        task: task.into(),
        status: status.into(),
        mark: mark.map(str::to_owned),
        results: mark.iter().count(),
        began_at: None,
        done_at: None,
    };
    let run =
        |run: &str, status: Option<&str>, tasks| RunEnd { run: run.into(), status: status.map(str::to_owned), tasks };
    let ended = vec![task("t0", "completed", Some("m0")), task("t1", "completed", Some("m1"))];
    let plan = Plan::parse("p", "name = \"p\"\nabout = \"a\"\nduration = \"10s\"\n").unwrap();
    History {
        head: Head {
            at: 0,
            wall: String::new(),
            seed: 1,
            plan,
            file: None,
            versions: BTreeMap::new(),
            needs: Vec::new(),
        },
        calls,
        faults: vec![Felt {
            kind: FaultKind::NodeKill,
            target: Target::Node(1),
            begin: 4 * SECOND + 1,
            end: 6 * SECOND,
            published: 0,
            error: None,
            said: Vec::new(),
        }],
        memory: vec![Memory { at: SECOND, node: 1, bytes: 100 << 20 }],
        runs: vec![
            run("a", Some("completed"), ended),
            run("b", Some("cancelled"), vec![task("t0", "cancelled", None)]),
            run("c", None, Vec::new()),
        ],
        end: End {
            at: 12 * SECOND,
            counter: Some(2),
            locked: vec![entry("a/t1", 0)],
            not_told: Vec::new(),
            dead: 0,
            broken: Vec::new(),
            objects: 7,
            journal: Vec::new(),
            left: Vec::new(),
        },
        ledger,
    }
}

fn line(second: u64, run: &str, task: &str, life: &str, did: Did) -> Line {
    Line { at: second * SECOND, node: 1, run: run.into(), task: task.into(), life: life.into(), did }
}

fn call(op: Op, run: &str, second: u64, outcome: Outcome) -> Call {
    let begin = second * SECOND;
    Call { op, run: run.into(), signal: None, begin, end: begin + SECOND / 10, outcome, seen: None, error: None }
}

fn performed(contract: Contract, key: &str) -> Did {
    Did::Performed { contract, key: key.into(), value: "e".into() }
}

/// What somebody has answered `t0` of `a`, and was told.
fn answered(value: &str, outcome: Outcome) -> Call {
    Call { signal: Some(("t0".into(), value.into())), ..call(Op::Answer, "a", 1, outcome) }
}

/// Changes what a task of `a` has heard.
fn hears(history: &mut History, task: &str, what: &str) {
    for line in history.ledger.iter_mut().filter(|line| line.task == task) {
        if let Did::Heard { value } = &mut line.did {
            *value = what.to_owned();
        }
    }
}

/// What somebody has seen of the document that counts.
fn saw(op: Op, second: u64, version: u64, count: u64) -> Call {
    Call { seen: Some(Seen { version, count }), ..call(op, "i", second, Outcome::Ok) }
}

fn entry(task: &str, saw: usize) -> Entry {
    Entry { task: task.into(), saw }
}

/// What is found when this was changed: the checks that are breached, with the first thing that each says.
fn found(change: impl FnOnce(&mut History)) -> Vec<(String, String)> {
    let mut history = whole();
    change(&mut history);
    let breached = all(&history).into_iter().filter(|verdict| verdict.breached > 0);
    breached.map(|verdict| (verdict.check, verdict.breaches[0].what.clone())).collect()
}

#[track_caller]
fn finds(check: &str, what: &str, change: impl FnOnce(&mut History)) {
    assert_eq!(found(change), [(check.to_owned(), what.to_owned())]);
}

#[test]
fn what_keeps_every_promise_breaches_none_and_each_check_has_looked_at_something() {
    assert_eq!(found(|_| {}), []);
    // Nothing floods here, and nothing is poisoned.
    for verdict in all(&whole()).iter().filter(|verdict| !["refused", "priorities", "dead"].contains(&&*verdict.check))
    {
        assert!(verdict.looked_at > 0, "{}", verdict.check);
    }
}

#[test]
fn a_run_that_does_not_end_is_found() {
    finds("ends", "a was accepted and is running at the end", |h| h.runs[0].status = Some("running".into()));
}

#[test]
fn a_run_that_is_lost_is_found() {
    let lost = |h: &mut History| drop(h.runs.remove(1));
    finds("ends", "b was acknowledged and is not there at the end", lost);
}

#[test]
fn a_run_that_failed_or_was_cancelled_by_nobody_is_found() {
    finds("ends", "a is failed, and nobody has cancelled it", |h| h.runs[0].status = Some("failed".into()));
}

#[test]
fn a_start_that_has_failed_and_happened_is_found() {
    finds("failed-means-never", "the start of c has failed, and it was worked on", |h| {
        h.ledger.push(line(9, "c", "t0", "l9", Did::Began { attempt: 1, inputs: Vec::new() }));
    });
    finds("failed-means-never", "the start of c has failed, and it is completed at the end", |h| {
        h.runs[2].status = Some("completed".into());
    });
}

/// A machine that stood still for minutes has shown it: everything was unknown, and taken for what it was not.
#[test]
fn what_nobody_tells_is_held_against_nobody_unless_it_was_acknowledged() {
    let not_told = |run: usize| move |h: &mut History| h.runs[run].status = Some(NOT_TOLD.into());
    assert_eq!(found(not_told(2)), []);
    finds("ends", "a was acknowledged, and nobody says at the end how it stands", not_told(0));
    finds("ends", "a was accepted and is running at the end", |h| {
        (h.runs[0].status, h.runs[0].tasks[0].results) = (Some("running".into()), 0); // its events were not asked for
    });
}

#[test]
fn a_start_that_may_have_happened_is_left_alone() {
    let unknown = |h: &mut History| {
        h.calls.push(call(Op::Start, "c", 3, Outcome::Unknown));
        h.runs[2].status = Some("completed".into());
    };
    assert_eq!(found(unknown), []);
}

#[test]
fn a_result_that_was_said_after_a_cancellation_and_counts_is_found() {
    finds("cancelled-stops", "b/t0 has a result that was said after the run was cancelled", |h| {
        h.ledger.push(line(7, "b", "t0", "l3", Did::Said { mark: "late".into() }));
        let task = &mut h.runs[1].tasks[0];
        (task.mark, task.results, task.status) = (Some("late".into()), 1, "completed".into());
    });
}

#[test]
fn what_begins_long_after_a_cancellation_is_found_unless_its_node_was_deaf() {
    let late =
        |h: &mut History| h.ledger.push(line(20, "b", "t0", "l9", Did::Began { attempt: 1, inputs: Vec::new() }));
    finds("cancelled-stops", "b/t0 has begun long after the run was cancelled", late);
    let deaf = |h: &mut History| {
        late(h);
        let (kind, target) = (FaultKind::NodePause, Target::Node(1));
        h.faults = vec![Felt {
            kind,
            target,
            begin: 4 * SECOND,
            end: 8 * SECOND - 1,
            published: 0,
            error: None,
            said: Vec::new(),
        }];
    };
    assert_eq!(found(deaf).len(), 1, "it has heard of it long ago");
    let deaf = |h: &mut History| {
        late(h);
        let (kind, target) = (FaultKind::NodePause, Target::Node(1));
        h.faults = vec![Felt {
            kind,
            target,
            begin: 4 * SECOND,
            end: 19 * SECOND,
            published: 0,
            error: None,
            said: Vec::new(),
        }];
    };
    assert_eq!(
        found(deaf),
        [("recovery".to_owned(), "node-pause of node 1 at 4.0 s: no two good probes in a row behind it".to_owned())]
    );
}

#[test]
fn a_second_result_is_found() {
    finds("one-result", "a/t0 is completed, and its history has 2 results", |h| h.runs[0].tasks[0].results = 2);
}

#[test]
fn a_result_that_nobody_has_said_is_found() {
    let invented = |h: &mut History| h.runs[0].tasks[1].mark = Some("mx".into());
    finds("one-result", "a/t1 has the result mx, which nobody has said", invented);
}

#[test]
fn a_result_of_an_attempt_that_was_followed_is_found() {
    let attempt = |h: &mut History, n: u32| {
        let inputs = vec![("t0".into(), "m0".into())];
        h.ledger.insert(3, line(2, "a", "t1", "l9", Did::Began { attempt: n, inputs }));
    };
    finds("holder", "a/t1 has a result of attempt 1, said behind attempt 2", |h| attempt(h, 2));
    assert_eq!(found(|h| attempt(h, 1)), [], "a hand-out of the same attempt may win, whichever it is");
}

#[test]
fn a_task_that_was_given_another_result_is_found() {
    finds("one-result", "a/t0 has one result for one task and another for the next", |h| {
        h.ledger.insert(2, line(1, "a", "t0", "l8", Did::Said { mark: "other".into() }));
        let inputs = vec![("t0".into(), "other".into())];
        h.ledger.push(line(9, "a", "t1", "l9", Did::Began { attempt: 2, inputs }));
    });
}

#[test]
fn a_task_that_begins_before_what_it_needs_is_found() {
    finds("order", "a/t1 has begun before t0 had said m0", |h| h.ledger.swap(1, 2));
}

#[test]
fn a_recorded_step_that_runs_again_is_found() {
    finds("steps", "s of a/t1 was recorded as v1, and run again: v2", |h| {
        let inputs = vec![("t0".into(), "m0".into())];
        h.ledger.push(line(9, "a", "t1", "l9", Did::Began { attempt: 2, inputs }));
        h.ledger.push(line(9, "a", "t1", "l9", Did::Executed { step: "s".into(), value: "v2".into() }));
    });
}

#[test]
fn a_step_that_runs_beside_the_one_that_is_recorded_is_left_alone() {
    let beside = |h: &mut History| {
        let inputs = vec![("t0".into(), "m0".into())];
        h.ledger.insert(3, line(2, "a", "t1", "l9", Did::Began { attempt: 1, inputs }));
        h.ledger.push(line(9, "a", "t1", "l9", Did::Executed { step: "s".into(), value: "v2".into() }));
    };
    assert_eq!(found(beside), []);
}

#[test]
fn a_step_with_two_values_is_found() {
    finds("steps", "s of a/t1 is v1 for one and v2 for another", |h| {
        h.ledger.push(line(9, "a", "t1", "l2", Did::Given { step: "s".into(), value: "v2".into() }));
    });
}

#[test]
fn a_signal_that_is_not_heard_is_found() {
    finds("signals", "a/t1 was told something and has not heard it", |h| {
        h.ledger.retain(|line| line.task == "t0" || !matches!(line.did, Did::Heard { .. }));
    });
    finds("signals", "a/t1 has heard \"other\", which nobody has told it", |h| hears(h, "t1", "other"));
}

#[test]
fn a_document_that_has_counted_too_little_or_too_much_is_found() {
    finds("counter", "the document has counted 1, and should have from 2 to 3", |h| h.end.counter = Some(1));
    finds("counter", "the document has counted 4, and should have from 2 to 3", |h| h.end.counter = Some(4));
    assert_eq!(found(|h| h.end.counter = Some(3)), [], "what is unknown may have happened");
}

#[test]
fn what_is_written_when_the_documents_have_been_read_is_missing_in_none() {
    let later = |h: &mut History| {
        for document in ["count", "lock"] {
            h.ledger.push(line(13, "a", "t0", "l7", Did::Tries { document: document.into() }));
            h.ledger.push(line(13, "a", "t0", "l7", Did::Wrote { document: document.into(), version: None }));
        }
    };
    assert_eq!(found(later), []);
}

#[test]
fn holders_that_overlap_are_found() {
    let overlap = |h: &mut History| h.end.locked.push(entry("a/t9", 0));
    finds("lock", "a/t9 had read 0 entries under the lock, and wrote the entry 1", overlap);
    finds("lock", "a/t1 was told that it has written, and its entry is not there", |h| h.end.locked.clear());
    finds("lock", "a/t1 has written twice", |h| h.end.locked.push(entry("a/t1", 1)));
}

#[test]
fn an_effect_that_is_repeated_is_found() {
    let again = |task: &'static str, life: &'static str, did: Did| {
        move |h: &mut History| h.ledger.push(line(4, "a", task, life, did))
    };
    let said = "the effect of a/t1 is irreversible, and was asked for again";
    finds("effects", said, again("t1", "l2", performed(Contract::Irreversible, "k")));
    // Whoever has begun before it was recorded may be at it at the same time, and is done nothing for twice.
    assert_eq!(found(again("t1", "l2", performed(Contract::Keyed, "k"))), []);
    let said = "the effect of a/t1 was asked for under another key";
    finds("effects", said, again("t1", "l2", performed(Contract::Keyed, "other")));
    finds("effects", "the effect of a/t0 has the key of another", again("t0", "l1", performed(Contract::Keyed, "k")));
    finds("effects", "the effect of a/t1 was recorded, and asked for again", |h| {
        let began = Did::Began { attempt: 1, inputs: vec![("t0".into(), "m0".into())] };
        h.ledger.push(line(4, "a", "t1", "l4", began));
        h.ledger.push(line(4, "a", "t1", "l4", performed(Contract::Keyed, "k")));
    });
}

#[test]
fn two_answers_or_one_that_nobody_has_given_are_found() {
    let answer = |value, outcome| move |h: &mut History| h.calls.push(answered(value, outcome));
    finds("approvals", "a/t0 was answered twice: yes and no", answer("no", Outcome::Ok));
    assert_eq!(found(answer("yes", Outcome::Ok)), []);
    assert_eq!(found(answer("no", Outcome::Unknown)), []);
    finds("approvals", "a/t0 was answered and has not heard it", |h| {
        h.ledger.retain(|line| line.task == "t1" || !matches!(line.did, Did::Heard { .. }));
    });
    finds("approvals", "a/t0 has heard no, and was not told that", |h| hears(h, "t0", "no"));
    // Nobody knows of the yes, and it was a no that was heard.
    finds("approvals", "a/t0 has heard no, and was not told that", |h| {
        h.calls.iter_mut().filter(|call| call.op == Op::Answer).for_each(|call| match call.outcome {
            Outcome::Ok => call.outcome = Outcome::Unknown,
            _ => call.outcome = Outcome::Failed,
        });
        hears(h, "t0", "no");
    });
}

#[test]
fn who_sees_too_little_or_writes_over_another_is_found() {
    let with = |call: Call| move |h: &mut History| h.calls.push(call);
    finds("linearizable", "version 2 was there before version 1 was read", with(saw(Op::Read, 6, 1, 1)));
    // At the same time as the second write either may be seen.
    assert_eq!(found(with(saw(Op::Read, 2, 1, 1))), []);
    // One increment of a client is unknown.
    assert_eq!(found(with(saw(Op::Read, 6, 2, 3))), []);
    finds("linearizable", "version 2 has counted 4, and should have from 2 to 3", with(saw(Op::Read, 6, 2, 4)));
    finds("linearizable", "version 3 has counted 1, and should have from 2 to 3", with(saw(Op::Read, 6, 3, 1)));
    let write_behind = |second: u64, version: u64| {
        move |h: &mut History| {
            h.calls.push(saw(Op::Increment, second, version, version));
            h.end.counter = Some(3);
        }
    };
    assert_eq!(found(write_behind(6, 3)), []);
    // Two may be written in one version.
    let together = found(|h| {
        write_behind(2, 2)(h);
        h.calls.iter_mut().filter_map(|call| call.seen.as_mut()).for_each(|seen| seen.count = 3);
    });
    assert_eq!(together, []);
    finds("linearizable", "version 3 was there before version 3 was written", |h| {
        h.calls.push(saw(Op::Read, 5, 3, 3));
        write_behind(6, 3)(h);
    });
}

#[test]
fn a_run_that_spends_more_than_it_has_is_found() {
    let spend = |second: u64, count: usize| {
        move |h: &mut History| {
            let spent = |n| Did::Executed { step: format!("spend {n}"), value: format!("s{n}") };
            h.ledger.extend((2..2 + count).map(|n| line(second, "a", "t1", "l2", spent(n))));
        }
    };
    assert_eq!(found(spend(4, 1)), []);
    let said = "a has made 3 calls, and its budget was 2 then";
    finds("budgets", said, spend(4, 2));
    let topped_up = |second, outcome| {
        move |h: &mut History| {
            h.calls.push(call(Op::TopUp, "a", second, outcome));
            spend(4, 2)(h);
        }
    };
    assert_eq!(found(topped_up(3, Outcome::Ok)), []);
    assert_eq!(found(topped_up(3, Outcome::Unknown)), []);
    finds("budgets", said, topped_up(3, Outcome::Failed));
    finds("budgets", said, topped_up(5, Outcome::Ok));
}

#[test]
fn an_urgent_run_that_waits_for_others_is_found() {
    let flood = |fault: FaultKind, others: u64| {
        move |h: &mut History| {
            h.faults[0].kind = fault;
            let of_flood = |n: u64, outcome| Call {
                error: Some("full".into()),
                ..call(Op::Start, &format!("flood-{n}"), 1, outcome)
            };
            h.calls.extend([of_flood(5, Outcome::Ok), of_flood(1, Outcome::Failed)]);
            h.runs.push(RunEnd { run: "flood-5".into(), status: Some("completed".into()), tasks: Vec::new() });
            let begins = |second, n: u64| {
                line(
                    second,
                    &format!("flood-{n}"),
                    "t0",
                    &format!("f{n}"),
                    Did::Began { attempt: 1, inputs: Vec::new() },
                )
            };
            // Others that are as urgent do not count, nor do those that begin behind it.
            h.ledger.extend((6..).filter(|n| n % 5 != 0).take(others as usize).map(|n| begins(3, n)));
            h.ledger.extend([begins(3, 10), begins(4, 5), begins(5, 2)]);
        }
    };
    let said = "49 less urgent runs began before flood-5, and there are 48 slots";
    finds("priorities", said, flood(FaultKind::Flood, 49));
    assert_eq!(found(flood(FaultKind::Flood, 48)), []);
    assert_eq!(found(flood(FaultKind::NodeKill, 49)), []);
}

#[test]
fn a_flood_that_is_not_refused_in_words_and_at_once_is_found() {
    let of_flood = |outcome, words: Option<&str>, took: u64| Call {
        error: words.map(str::to_owned),
        end: SECOND + took,
        ..call(Op::Start, "flood-1", 1, outcome)
    };
    let with = |call: Call| move |h: &mut History| h.calls.push(call);
    finds("refused", "all 1 runs were accepted: it was no flood", |h| {
        h.calls.push(of_flood(Outcome::Ok, None, 1));
        h.runs.push(RunEnd { run: "flood-1".into(), status: Some("completed".into()), tasks: Vec::new() });
    });
    assert_eq!(found(with(of_flood(Outcome::Failed, Some("full"), 1))), []);
    finds("refused", "whoever started flood-1 was refused without a word", with(of_flood(Outcome::Failed, None, 1)));
    let late = with(of_flood(Outcome::Failed, Some("full"), 11 * SECOND));
    finds("refused", "whoever started flood-1 was refused later than a caller waits for", late);
    let unknown = with(of_flood(Outcome::Unknown, Some("no answer"), 1));
    finds("refused", "whoever started flood-1 was not told what came of it", unknown);
}

#[test]
fn what_can_not_be_read_and_does_not_end_where_it_should_is_found() {
    let what = "1 messages are in agent.dead, and 0 were published that nobody can read";
    finds("dead", what, |h| h.end.dead = 1);
    let published = |h: &mut History| h.faults[0].published = 2;
    finds("dead", "0 messages are in agent.dead, and 2 were published that nobody can read", published);
    let wiped = |h: &mut History| {
        published(h);
        let (kind, target) = (FaultKind::BrokerWipe, Target::Server(crate::plan::Server::Broker));
        h.faults.push(Felt {
            kind,
            target,
            begin: 4 * SECOND,
            end: 5 * SECOND,
            published: 0,
            error: None,
            said: Vec::new(),
        });
    };
    assert_eq!(found(wiped), []);
}

#[test]
fn a_node_that_grows_beyond_its_limit_is_found() {
    finds("memory", "node 2 has 1500 MiB at 5.0 s, of 1024 MiB", |h| {
        let seen = |second: u64, mib: u64| Memory { at: second * SECOND, node: 2, bytes: mib << 20 };
        h.memory.extend([seen(4, 1_100), seen(5, 1_500), seen(6, 900)]);
    });
}

#[test]
fn what_a_node_says_of_its_invariants_is_found() {
    finds("invariants", "node 1: it does not hold", |h| h.end.broken.push("node 1: it does not hold".into()));
}

#[test]
fn of_a_document_of_which_nobody_says_anything_nothing_else_is_said() {
    finds("counter", "nobody says at the end what the document \"count\" holds", |h| {
        (h.end.counter, h.end.not_told) = (None, vec!["count".into()]);
    });
    finds("lock", "nobody says at the end what the document \"lock\" holds", |h| {
        (h.end.locked, h.end.not_told) = (Vec::new(), vec!["lock".into()]);
    });
}

#[test]
fn what_is_left_or_is_wrong_with_the_journal_is_found() {
    finds("journal", "partitions/0001: a gap", |h| h.end.journal.push("partitions/0001: a gap".into()));
    finds("left-behind", "3 messages in node.7", |h| h.end.left.push("3 messages in node.7".into()));
}

#[test]
fn a_fault_that_is_felt_too_long_is_found() {
    finds("recovery", "node-kill of node 1 at 4.0 s was felt for 4.1 s behind its end, of 4.0 s", |h| {
        h.head.plan.limits.recovery = std::time::Duration::from_secs(4);
        for call in h.calls.iter_mut().filter(|call| call.op == Op::Probe && (5..8).contains(&(call.begin / SECOND))) {
            call.outcome = Outcome::Unknown;
        }
    });
}

/// RabbitMQ took a minute to come back, and a pause of a node was over long before.
#[test]
fn what_is_felt_while_something_else_is_done_is_held_against_nobody() {
    let felt = |h: &mut History, until: u64| {
        h.head.plan.limits.recovery = std::time::Duration::from_secs(3);
        h.faults[0].kind = FaultKind::NodePause; // from 4 to 6 s, and felt until 8.1 s
        (h.faults[0].end, h.faults[0].begin) = (4 * SECOND + 2, 3 * SECOND);
        for call in h.calls.iter_mut().filter(|call| call.op == Op::Probe && (4..8).contains(&(call.begin / SECOND))) {
            call.outcome = Outcome::Unknown;
        }
        let (kind, target) = (FaultKind::BrokerKill, Target::Server(crate::plan::Server::Broker));
        h.faults.push(Felt {
            kind,
            target,
            begin: 3 * SECOND + 1,
            end: until,
            published: 0,
            error: None,
            said: Vec::new(),
        });
    };
    assert_eq!(found(|h| felt(h, 7 * SECOND)), []);
    let what = "node-pause of node 1 at 3.0 s was felt for 4.1 s behind its end, of 3.0 s";
    finds("recovery", what, |h| felt(h, 4 * SECOND)); // with nothing else done, all of it counts
}

#[test]
fn windows_that_are_missing_are_found() {
    finds("availability", "80.0 % of the windows are good, of 90.0 %", |h| {
        h.head.plan.limits.availability_percent = 90.0;
        let mut probes = h.calls.iter_mut().filter(|call| call.op == Op::Probe);
        probes.next().unwrap().outcome = Outcome::Failed;
        let slow = probes.next().unwrap();
        slow.end = slow.begin + 4 * SECOND;
    });
}

#[test]
fn a_fault_that_was_felt_is_measured_from_its_end_and_a_kill_from_the_kill() {
    let mut history = whole();
    for call in history.calls.iter_mut().filter(|call| call.op == Op::Probe && call.begin / SECOND == 6) {
        call.outcome = Outcome::Unknown;
    }
    let of = |history: &History| Service::of(history).recoveries[0].recovery.map(|took| (took * 10.0).round() / 10.0);
    // The probe at 5 s is good, and the next is not.
    assert_eq!(of(&history), Some(3.1));
    history.faults[0].kind = FaultKind::NodePause;
    assert_eq!(of(&history), Some(1.1));
}

/// The same cluster, if it were somebody's: handlers write nothing, and what is known of tasks is in the events of their runs.
fn attached(h: &mut History) {
    h.head.plan = Plan::parse(
        "p",
        "name = \"p\"\nabout = \"a\"\nduration = \"10s\"\n[attached]\ncluster = \"c\"\naddresses = [\"a:1\"]\nworkflow = \"w\"\n",
    )
    .unwrap();
    h.head.needs = vec![("t1".into(), "t0".into())];
    h.ledger.clear();
    (h.end.counter, h.end.locked) = (None, Vec::new());
    for (task, at) in h.runs[0].tasks.iter_mut().zip([(2, 3), (4, 5)]) {
        (task.mark, task.began_at, task.done_at) = (None, Some(at.0), Some(at.1));
    }
}

#[test]
fn a_cluster_of_somebody_else_is_held_to_what_can_be_seen_from_outside() {
    assert_eq!(found(attached), []);
    let mut history = whole();
    attached(&mut history);
    let held: Vec<String> = all(&history).into_iter().map(|verdict| verdict.check).collect();
    let outside = ["ends", "failed-means-never", "one-result", "order", "refused", "recovery", "availability"];
    assert_eq!(held, outside);
    let of = |change: fn(&mut History)| {
        move |h: &mut History| {
            attached(h);
            change(h);
        }
    };
    finds("ends", "a is failed, and nobody has cancelled it", of(|h| h.runs[0].status = Some("failed".into())));
    finds("one-result", "a/t0 is completed, and its history has 2 results", of(|h| h.runs[0].tasks[0].results = 2));
    finds("order", "a/t1 has begun before t0 had a result", of(|h| h.runs[0].tasks[1].began_at = Some(2)));
    finds("order", "a/t1 has begun before t0 had a result", of(|h| h.runs[0].tasks[0].done_at = None));
}

#[test]
fn a_command_that_fails_is_no_breach_and_a_node_that_does_not_come_back_is_one() {
    let failed = |h: &mut History| h.faults[0].error = Some("it failed".into());
    finds("recovery", "node-kill of node 1 at 4.0 s could not be done: it failed", failed);
    let mut history = whole();
    attached(&mut history);
    failed(&mut history);
    (history.faults[0].kind, history.faults[0].target) = (FaultKind::Command, Target::Command(1));
    assert!(all(&history).iter().all(|verdict| verdict.breached == 0));
    assert!(Service::of(&history).recoveries[0].is_untried);
}
