//! Wrong steps and wrong histories, made by hand: each invariant that can be looked for is found broken.
//!
//! A script leads to a state, as in the scenarios; then come events that the machine would not write there.

use super::board::Board;
use crate::{
    Breach, Effect, Event, History, Invariant, Limits, Millis, Ready, Speaker, State, Step, StopReason, TaskIndex,
    TaskRef, Token, check_history, check_owed, check_replay, check_snapshot, check_step,
};
use std::collections::BTreeSet;

/// A board after these lines.
fn board(script: &str) -> Board {
    let mut board = Board::new(Limits::default());
    for line in script.split(" | ") {
        let said = board.say(line);
        assert!(!said.starts_with('!'), "{line}: {said}");
    }
    board
}

/// Events of the run `r` that come next, each `<kind> <data>`; in the data `T1.1` is a token, and `X` the holder n1/x.
fn events(board: &Board, wrong: &[&str]) -> Vec<Event> {
    let at = board.now.max(board.state.at()).0;
    let decode = |(seq, text): (u64, &&str)| {
        let (kind, data) = text.split_once(' ').unwrap();
        let mut data = data.replace('X', "\"n1/x\"").replace("RUN", &board.run_id("r").to_string());
        for (attempt, activation) in [(1, 1), (1, 2), (2, 1), (5, 1)] {
            let token = format!("{{\"attempt\":{attempt},\"activation\":{activation}}}");
            data = data.replace(&format!("T{attempt}.{activation}"), &token);
        }
        let run = if matches!(kind, "runs_archived" | "pages_forgotten") {
            String::new()
        } else {
            format!("\"run\":\"{}\",", board.run_id("r"))
        };
        let line = format!("{{\"v\":1,\"seq\":{seq},\"at\":{at},{run}\"kind\":\"{kind}\",\"data\":{data}}}");
        Event::decode(line.as_bytes()).unwrap_or_else(|error| panic!("{line}: {error}"))
    };
    (board.state.seq() + 1..).zip(wrong).map(decode).collect()
}

fn names(breaches: &[Breach]) -> BTreeSet<Invariant> {
    breaches.iter().map(|breach| breach.invariant).collect()
}

/// Who finds it.
#[derive(Clone, Copy, PartialEq)]
enum By {
    Both,
    /// A step shows it, and the events alone do not.
    Step,
}

fn found(script: &str, wrong: &[&str], invariant: Invariant, by: By) {
    let board = board(script);
    assert_eq!(check_history(&board.events()), [], "{script}");
    let wrong = events(&board, wrong);
    let all: Vec<Event> = board.events().into_iter().chain(wrong.clone()).collect();
    let step = check_step(&board.state, board.now, &Step { events: wrong, effects: Vec::new() });
    assert!(names(&step).contains(&invariant), "{script}: {invariant} is not in {step:?}");
    let history = check_history(&all);
    assert_eq!(names(&history).contains(&invariant), by == By::Both, "{script}: {history:?}");
}

const DONE: &str = "\"output\":{\"json\":1}";

#[test]
fn a_task_before_what_it_needs() {
    let script = "submit r: a ; b from=a";
    found(script, &["task_accepted {\"task\":1,\"token\":T1.1,\"holder\":X}"], Invariant::DependenciesFirst, By::Both);
    let completed = format!("task_completed {{\"task\":1,\"token\":T1.1,\"holder\":X,{DONE}}}");
    found(script, &[&completed], Invariant::DependenciesFirst, By::Both);
}

#[test]
fn a_result_that_is_given_twice() {
    let again = format!("task_completed {{\"task\":0,\"token\":T1.1,\"holder\":X,{DONE}}}");
    let script = "submit r: a ; b | accept a n1/x | complete a n1/x";
    found(script, &[&again], Invariant::OneAcceptedResult, By::Both);
    found("submit r: a ; b | accept a n1/x", &[&again, &again], Invariant::OneAcceptedResult, By::Both);
    let resumed = "task_resumed {\"task\":0,\"token\":T2.1}";
    found(script, &[resumed], Invariant::OneAcceptedResult, By::Both);
}

#[test]
fn a_write_that_was_fenced_has_an_effect() {
    let holders = ["\"n2/y\"", "X"].into_iter().zip(["T1.1", "T1.2"]);
    for (holder, token) in holders {
        let who = format!("\"task\":0,\"token\":{token},\"holder\":{holder}");
        let said = [
            format!("task_completed {{{who},{DONE}}}"),
            format!("step_recorded {{{who},\"key\":\"k\",\"value\":{{\"json\":1}}}}"),
            format!("task_progressed {{{who},\"progress\":1}}"),
            format!("attempt_lost {{{who},\"reason\":\"lease\",\"then\":{{\"again\":0}}}}"),
            format!("wait_begun {{{who},\"key\":\"k\",\"wait\":{{\"sleep\":{{\"until\":1}}}}}}"),
            format!("effect_begun {{{who},\"key\":\"k\",\"contract\":\"keyed\"}}"),
        ];
        for said in &said {
            found("submit r: a | accept a n1/x", &[said], Invariant::FencedWritesHaveNoEffect, By::Both);
        }
    }
    let accepted = "task_accepted {\"task\":0,\"token\":T1.1,\"holder\":\"n2/y\"}";
    found("submit r: a | accept a n1/x", &[accepted], Invariant::FencedWritesHaveNoEffect, By::Both);
    // Who is resumed gets a new token, and whoever had the old one is fenced.
    let resumed = "task_resumed {\"task\":0,\"token\":T1.1}";
    found("submit r: a | fail a n1/x terminal", &[resumed], Invariant::FencedWritesHaveNoEffect, By::Both);
}

#[test]
fn what_was_recorded_is_recorded_again() {
    let step = "step_recorded {\"task\":0,\"token\":T1.1,\"holder\":X,\"key\":\"k\",\"value\":{\"json\":1}}";
    found("submit r: a | accept a n1/x", &[step, step], Invariant::RecordedStepsRunOnce, By::Both);
    let spec = "{\"name\":\"c\",\"capability\":\"work\",\"input\":null}";
    let child = format!(
        "children_submitted {{\"task\":0,\"token\":T1.1,\"holder\":X,\"children\":[{{\"key\":\"k\",\"spec\":{spec}}}]}}"
    );
    found("submit r: a | ask a n1/x k", &[&child], Invariant::RecordedStepsRunOnce, By::Both);
    let wait = "wait_begun {\"task\":0,\"token\":T1.1,\"holder\":X,\"key\":\"k\",\"wait\":{\"sleep\":{\"until\":1}}}";
    found("submit r: a | accept a n1/x", &[step, wait], Invariant::RecordedStepsRunOnce, By::Both);
}

/// A board on which an effect of `a` has begun, and what is said of it.
fn with_effect(follows: &str) -> (Board, Vec<Event>) {
    let mut board = board("submit r: a | accept a n1/x");
    let who = "\"task\":0,\"token\":T1.1,\"holder\":X";
    let begun = events(&board, &[&format!("effect_begun {{{who},\"key\":\"k\",\"contract\":\"irreversible\"}}")]);
    board.append(&begun);
    let follows = events(&board, &[&follows.replace("WHO", who)]);
    (board, follows)
}

#[test]
fn a_contract_is_broken() {
    for follows in [
        "effect_begun {WHO,\"key\":\"k\",\"contract\":\"irreversible\"}",
        "effect_unknown {WHO,\"key\":\"other\",\"reason\":\"\"}",
    ] {
        let (board, follows) = with_effect(follows);
        let step = check_step(&board.state, board.now, &Step { events: follows.clone(), effects: Vec::new() });
        assert_eq!(names(&step), BTreeSet::from([Invariant::ContractsAreKept]), "{step:?}");
        let of_it = (Some(board.run_id("r")), Some(TaskIndex(0)));
        assert!(step.iter().all(|breach| (breach.run, breach.task) == of_it), "{step:?}");
        let all: Vec<Event> = board.events().into_iter().chain(follows).collect();
        assert_eq!(names(&check_history(&all)), BTreeSet::from([Invariant::ContractsAreKept]));
    }
    let who = "\"task\":0,\"token\":T1.1,\"holder\":X";
    let failure = |class: &str| format!("{{\"class\":\"{class}\",\"message\":\"\"}}");
    let failed = |class: &str| {
        format!("attempt_failed {{{who},\"failure\":{},\"then\":{{\"again\":1790000000000}}}}", failure(class))
    };
    let script = "submit r: a retries=0 losses=0 | accept a n1/x";
    found(script, &[&failed("retryable")], Invariant::ContractsAreKept, By::Step);
    found(script, &[&failed("terminal")], Invariant::ContractsAreKept, By::Both);
    let lost = format!("attempt_lost {{{who},\"reason\":\"lease\",\"then\":{{\"again\":1790000000000}}}}");
    found(script, &[&lost], Invariant::ContractsAreKept, By::Step);
    let accepted = "task_accepted {\"task\":0,\"token\":T1.1,\"holder\":X}";
    found("submit r: a | pause r", &[accepted], Invariant::ContractsAreKept, By::Step);
}

/// What happened is undone once, and what did not happen is not undone.
#[test]
fn an_effect_that_is_undone_without_reason() {
    let undo = "undo_begun {\"outcome\":\"failed\",\"undos\":[{\"of\":0,\"key\":\"pay\",\"spec\":\
                {\"name\":\"u\",\"capability\":\"c\",\"input\":null}}]}";
    let begun = "submit r: a ; b | begin a n1/x pay irreversible undo=refund";
    let happened = format!("{begun} | note a n1/x value pay | complete a n1/x | fail b n1/x terminal");
    found(&happened, &[undo], Invariant::ContractsAreKept, By::Both);
    let not = format!("{begun} | unknown a n1/x pay | park a n1/x | decide a pay not");
    found(&not, &[undo], Invariant::ContractsAreKept, By::Both);
}

/// A task that is resumed is open again, and those that it reopens are.
#[test]
fn a_run_that_ends_while_what_was_resumed_is_open() {
    let resumed = "task_resumed {\"task\":0,\"token\":T2.1,\"reopened\":[1]}";
    let ended = "run_ended {\"outcome\":\"failed\"}";
    let script = "submit r: a ; b from=a ; c | fail a n1/x terminal";
    for closed in
        ["tasks_cancelled {\"tasks\":[2],\"reason\":\"\"}", "tasks_cancelled {\"tasks\":[1,2],\"reason\":\"\"}"]
    {
        found(script, &[resumed, closed, ended], Invariant::OneHistory, By::Both);
    }
    let board = board(script);
    let closed = "tasks_cancelled {\"tasks\":[0,1,2],\"reason\":\"\"}";
    let all = Step { events: events(&board, &[resumed, closed, ended]), effects: Vec::new() };
    assert_eq!(check_step(&board.state, board.now, &all), []);
}

#[test]
fn a_history_that_does_not_fit_itself() {
    let ended = "run_ended {\"outcome\":\"completed\"}";
    found("submit r: a", &[ended], Invariant::OneHistory, By::Both);
    let cancelled = "tasks_cancelled {\"tasks\":[0],\"reason\":\"\"}";
    found("submit r: a ; b | complete a n1/x", &[cancelled], Invariant::OneHistory, By::Both);
    let signal =
        "signal_received {\"id\":\"00000000-0000-0000-0000-000000000001\",\"name\":\"s\",\"value\":{\"json\":1}}";
    found("submit r: a", &[ended, signal], Invariant::OneHistory, By::Both);
    let board = board("submit r: a");
    let mut wrong = events(&board, &[signal]);
    wrong[0].seq += 1;
    let step = Step { events: wrong.clone(), effects: Vec::new() };
    let breaches = check_step(&board.state, board.now, &step);
    assert_eq!(names(&breaches), BTreeSet::from([Invariant::OneHistory]));
    assert!(breaches.iter().all(|breach| breach.run == Some(board.run_id("r"))), "{breaches:?}");
    let all: Vec<Event> = board.events().into_iter().chain(wrong).collect();
    assert_eq!(names(&check_history(&all)), BTreeSet::from([Invariant::OneHistory]));
}

#[test]
fn what_was_acknowledged_is_forgotten() {
    found(
        "submit r: a",
        &["runs_archived {\"runs\":[\"RUN\"],\"page\":1}"],
        Invariant::NothingAcknowledgedIsLost,
        By::Both,
    );
    found(
        "submit r: a | complete a n1/x | archive r",
        &["pages_forgotten {\"kept\":0}"],
        Invariant::NothingAcknowledgedIsLost,
        By::Both,
    );
}

/// A run is on the page that it was put on last: whatever becomes of those before, it was submitted once.
#[test]
fn a_run_is_submitted_again_that_is_not_forgotten() {
    let twice = "submit r: a | complete a n1/x | page r | archive r | submit s: a | cancel s why";
    let twice = format!("{twice} | restore r | archive r | archive s");
    let submitted = "run_submitted {\"graph\":{\"name\":\"g\",\"tasks\":[]}}";
    for (kept, is_known) in [(2, true), (1, false)] {
        let mut board = board(&format!("{twice} | forget-all-but {kept}"));
        assert_eq!(check_history(&board.events()), []);
        let again = events(&board, &[submitted]);
        board.append(&again);
        let breaches = check_history(&board.events());
        assert_eq!(names(&breaches).contains(&Invariant::OneHistory), is_known, "all but {kept}: {breaches:?}");
    }
}

#[test]
fn a_run_that_would_never_end() {
    let parked = "task_parked {\"task\":0,\"token\":T1.1,\"holder\":X}";
    found("submit r: a | accept a n1/x", &[parked], Invariant::EveryRunEnds, By::Step);
    let skipped = "tasks_skipped {\"tasks\":[1],\"cause\":0}";
    let script = "submit r: a ; b from=c ; c | fail a n1/x terminal";
    found(script, &[skipped], Invariant::EveryRunEnds, By::Both);
}

#[test]
fn what_comes_before_its_time() {
    let elapsed = "wait_elapsed {\"task\":0,\"key\":\"k\"}";
    let board = board("submit r: a | accept a n1/x");
    let until = board.now.after(std::time::Duration::from_secs(9)).0;
    let wait = format!(
        "wait_begun {{\"task\":0,\"token\":T1.1,\"holder\":X,\"key\":\"k\",\"wait\":{{\"sleep\":{{\"until\":{until}}}}}}}"
    );
    let mut later = board;
    let begun = events(&later, &[&wait]);
    later.append(&begun);
    let wrong = events(&later, &[elapsed]);
    let early = BTreeSet::from([Invariant::TimersNeverEarly]);
    let step = Step { events: wrong.clone(), effects: Vec::new() };
    assert_eq!(names(&check_step(&later.state, later.now, &step)), early);
    let all: Vec<Event> = later.events().into_iter().chain(wrong.clone()).collect();
    assert_eq!(names(&check_history(&all)), early);
    // With a date ahead of the clock it would look as if it were in time.
    let dated: Vec<Event> = wrong.into_iter().map(|event| Event { at: Millis(until), ..event }).collect();
    let step = Step { events: dated, effects: Vec::new() };
    assert_eq!(names(&check_step(&later.state, later.now, &step)), early);
}

/// What is wrong with one effect by itself.
fn released(script: &str, effect: impl Fn(&Board, TaskRef) -> Effect) -> BTreeSet<Invariant> {
    let board = board(script);
    let (_, task) = board.find("a").unwrap();
    names(&check_owed(&board.state, board.now, &[effect(&board, task)]))
}

#[test]
fn what_is_released_without_reason() {
    let ready = |board: &Board, task: TaskRef| {
        let task_now = &board.state.run(task.run).unwrap().tasks[task.task.at()];
        Ready { token: Token::FIRST, ..task_now.as_ready(task) }
    };
    let offer = |board: &Board, task: TaskRef| Effect::Offer(ready(board, task));
    let offer_second = |board: &Board, task: TaskRef| {
        let token = Token { attempt: 2, activation: 1 };
        Effect::Offer(Ready { token, ..ready(board, task) })
    };
    assert_eq!(released("submit r: a", offer), BTreeSet::new());
    assert_eq!(released("submit r: b ; a from=b", offer), BTreeSet::from([Invariant::DependenciesFirst]));
    let fenced = BTreeSet::from([Invariant::FencedWritesHaveNoEffect]);
    assert_eq!(released("submit r: a | accept a n1/x", offer), fenced);
    let failed = "submit r: a | accept a n1/x | fail a n1/x retryable";
    assert_eq!(released(failed, offer_second), BTreeSet::from([Invariant::TimersNeverEarly]));
    assert_eq!(released("submit r: a | pause r", offer), BTreeSet::from([Invariant::ContractsAreKept]));
    for (script, reason) in [
        ("submit r: a attempt=9s | accept a n1/x", StopReason::Timeout),
        ("submit r: a beat=9s | accept a n1/x", StopReason::Silent),
        ("submit r: a | accept a n1/x", StopReason::Lost),
    ] {
        let stop = |board: &Board, _| Effect::Stop { speaker: board.speaker(&["a", "n1/x"]), reason };
        assert_eq!(released(script, stop), BTreeSet::from([Invariant::TimersNeverEarly]), "{script}");
    }
    let stop = |board: &Board, _| Effect::Stop {
        speaker: Speaker { ..board.speaker(&["a", "n2/y"]) },
        reason: StopReason::Cancelled,
    };
    assert_eq!(released("submit r: a | accept a n1/x", stop), fenced);
    let ended = |_: &Board, task: TaskRef| Effect::Ended { run: task.run, outcome: crate::RunOutcome::Completed };
    assert_eq!(released("submit r: a", ended), BTreeSet::from([Invariant::OneHistory]));
}

#[test]
fn two_states_that_should_be_the_same() {
    let (one, other) = (board("submit r: a ; b"), board("submit r: a ; b | complete a n1/x"));
    assert_eq!(check_replay(&one.state, &one.state.clone()), []);
    assert_eq!(names(&check_replay(&one.state, &other.state)), BTreeSet::from([Invariant::ReplayEqualsLive]));
    let empty = State::new(Limits::default());
    let breaches = check_snapshot(&one.state, &empty);
    assert_eq!(names(&breaches), BTreeSet::from([Invariant::SnapshotAndTailEqualJournal]));
    let of_runs = |state: &State| check_snapshot(state, &empty).iter().filter_map(|breach| breach.run).count();
    assert_eq!(of_runs(&one.state), 1);
    // An ended one may have left already.
    assert_eq!(of_runs(&board("submit r: a | complete a n1/x").state), 0);
}

#[test]
fn a_history_answers_for_what_is_durable() {
    let mut history = History::new();
    let board = board("submit r: a ; b | complete a n1/x | accept b n1/x");
    history.extend(&board.events());
    let run = board.run_id("r");
    let (a, b) = (board.find("a").unwrap().1, board.find("b").unwrap().1);
    assert!(history.result(a).is_some() && history.result(b).is_none());
    assert_eq!((history.held(run).collect::<Vec<_>>(), history.open().collect::<Vec<_>>()), (vec![b.task], vec![run]));
    assert_eq!((history.breaches(), history.outcome(run), history.seq()), (&[][..], None, board.state.seq()));
}

/// A snapshot has the events of the runs that are there; behind it each number follows the one before.
#[test]
fn a_history_that_goes_on_behind_a_snapshot() {
    let board = board("submit r: a ; b | submit s: a | accept r.a n1/x | complete s.a n1/x | complete r.a n1/x");
    let (r, all) = (board.run_id("r"), board.events());
    let of_r: Vec<Event> = all.iter().filter(|event| event.run == Some(r)).cloned().collect();
    let last = all.last().unwrap();
    let mut history = History::of_snapshot();
    history.extend(&of_r);
    assert_eq!(history.breaches(), []);
    assert_eq!(names(&check_history(&of_r)), BTreeSet::from([Invariant::OneHistory]), "it has gaps");
    let signal =
        "signal_received {\"id\":\"00000000-0000-0000-0000-000000000001\",\"name\":\"s\",\"value\":{\"json\":1}}";
    let next = events(&board, &[signal, signal]);
    let mut history = history.continued(last.seq, last.at);
    history.extend(&next[..1]);
    assert_eq!((history.breaches(), history.seq()), (&[][..], last.seq + 1));
    let mut gap = history.clone();
    let mut later = next[1].clone();
    later.seq += 1;
    gap.extend(&[later]);
    assert!(names(gap.breaches()).contains(&Invariant::OneHistory));
    // What is dated before the snapshot's last event is not behind it.
    let mut early = History::of_snapshot().continued(last.seq, Millis(next[0].at.0 + 1));
    early.extend(&next[..1]);
    assert!(names(early.breaches()).contains(&Invariant::OneHistory));
}

#[test]
fn names_are_distinct() {
    let names: BTreeSet<&str> = Invariant::ALL.into_iter().map(Invariant::name).collect();
    assert_eq!(names.len(), Invariant::ALL.len());
}

/// Retries are spent by attempts and by nothing else: not by parking, not by losses.
#[test]
fn a_task_ends_with_retries_left() {
    let who = "\"task\":0,\"token\":T1.2,\"holder\":X";
    let failed = |then: &str| {
        let failure = "{\"class\":\"retryable\",\"message\":\"\"}";
        format!("attempt_failed {{{who},\"failure\":{failure},\"then\":\"{then}\"}}")
    };
    let script = "submit r: a retries=1 | accept a n1/x | lose a n1/x gone | accept a n1/x";
    found(script, &[&failed("dead")], Invariant::ContractsAreKept, By::Step);
    found(script, &[&failed("failed")], Invariant::ContractsAreKept, By::Step);
}
