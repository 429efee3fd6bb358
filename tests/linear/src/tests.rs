//! Good and bad histories by hand, and both checkers side by side on random ones.

mod random;

use crate::{Content, Op, Outcome, Try, Verdict, What, general, known_order};

/// A history in words, an operation a line: `<called>-<answered or ?> <what> [= <outcome>]`, without which it is unknown.
fn history(text: &str) -> Vec<Op> {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    lines.enumerate().map(|(n, line)| op(n, line)).collect()
}

fn op(n: usize, line: &str) -> Op {
    let (wish, outcome) = line.split_once(" = ").map_or((line, None), |(wish, outcome)| (wish, Some(outcome)));
    let mut words = wish.split(' ');
    let (called, answered) = words.next().unwrap().split_once('-').unwrap();
    let what = match words.next().unwrap() {
        "read" => What::Read,
        "touch" => What::Touch,
        "set" => What::Set(number(words.next().unwrap())),
        "update" => What::Update(words.map(made).collect()),
        "cas" => {
            let (version, made_of) = words.next().unwrap().split_once(':').unwrap();
            let Try { saw, makes } = made(made_of);
            What::Cas { version: number(version), saw, makes }
        }
        other => panic!("{other}"),
    };
    let outcome = match outcome.map(|outcome| (outcome, outcome.split_once(':'))) {
        None => Outcome::Unknown,
        Some(("conflict", _)) => Outcome::Conflict,
        Some(("refused", _)) => Outcome::Refused,
        Some((_, told)) if matches!(what, What::Read | What::Touch) => {
            let said = told.map_or_else(|| outcome.unwrap(), |(_, said)| said);
            Outcome::Read { version: told.map(|(version, _)| number(version)), content: content(said) }
        }
        Some((version, None)) => Outcome::Written { version: number(version), content: None },
        Some((_, Some((version, said)))) => Outcome::Written { version: number(version), content: Some(content(said)) },
    };
    Op { by: format!("{n}").into(), what, called: number(called), answered: answered.parse().ok(), outcome }
}

fn number(word: &str) -> u64 {
    word.parse().unwrap()
}

fn content(word: &str) -> Content {
    (word != "none").then(|| number(word))
}

fn made(word: &str) -> Try {
    let (saw, makes) = word.split_once('>').unwrap();
    Try { saw: content(saw), makes: content(makes) }
}

/// Both find an order.
fn good(text: &str) {
    let history = history(text);
    if let Err(violation) = known_order(&history) {
        panic!("{violation}\n{text}");
    }
    assert_eq!(general(&history), Verdict::Linearizable, "{text}");
}

/// Neither does; the first one says this, and names the operations with these numbers.
fn bad(text: &str, said: &str, named: &[usize]) {
    assert_eq!(general(&history(text)), Verdict::Not, "{text}");
    misnumbered(text, said, named);
}

/// The same when only the numbers of the versions show it.
fn misnumbered(text: &str, said: &str, named: &[usize]) {
    let violation = known_order(&history(text)).expect_err(text);
    let ops: Vec<usize> = violation.ops.iter().map(|op| op.by.parse().unwrap()).collect();
    assert!(violation.what.contains(said) && ops == named, "{violation}\n{text}");
}

#[test]
fn good_histories_have_an_order() {
    good("");
    good("1-2 read = none");
    good(
        "1-2 set 1 = 1:1
         3-4 update 1>2 = 2:2
         5-6 read = 2:2
         7-8 cas 2:2>3 = 3
         9-10 cas 2:2>4 = conflict
         11-12 cas 3:3>none = 4
         13-14 read = none
         15-16 cas 0:none>5 = 5
         17-18 read = 5:5",
    );
    // Two that overlap may come in either order.
    good(
        "1-5 set 1 = 2:1
         2-6 set 2 = 1:2
         3-7 read = 1:2
         8-9 read = 2:1",
    );
    // Writes that share a version: nobody ever sees what those within it have made.
    good(
        "1-10 update none>1 = 1:4
         2-11 update 1>2 = 1:4
         3-12 set 3 = 1:4
         4-13 update 3>4 = 1:4
         14-15 read = 1:4",
    );
    // Each time that it was asked it has made something else; one counts.
    good(
        "1-2 set 1 = 1:1
         3-8 update 1>2 4>3 = 3:3
         5-6 update 1>4 = 2:4
         9-10 read = 3:3",
    );
}

#[test]
fn what_is_unknown_is_written_once_or_not_at_all() {
    for landed in ["5-6 read = none", "5-6 read = 1:1"] {
        good(&format!("1-? set 1\n{landed}"));
    }
    // Long after it was told that nobody knows.
    good(
        "1-2 set 1
         3-4 set 2 = 1:2
         5-6 read = 1:2
         7-8 read = 2:1",
    );
    // Only what rests on it shows it; and what it rests on is seen by nobody.
    good(
        "1-? set 1
         2-? update 1>2
         3-4 update 2>3 = 3:3",
    );
    good(
        "1-? update none>1
         2-? cas 1:1>none
         3-9 update none>2 = 3:2",
    );
    // It has shared a version with another that was told no more than the number.
    good(
        "1-2 set 1 = 1:1
         3-9 cas 1:1>2 = 2
         4-? update 2>3
         10-11 read = 2:3
         12-13 update 3>4 = 3:4",
    );
    bad(
        "1-? set 1
         2-3 read = 1:1
         4-5 set 2 = 2:2
         6-7 read = 3:1",
        "version 3 says again what was said before",
        &[0, 3],
    );
    bad(
        "1-? update none>1 1>2
         3-4 read = 1:1
         5-6 read = 2:2",
        "what is in version 2 was there before, too",
        &[0, 1],
    );
    bad(
        "1-2 read = 1:1
         3-? set 1",
        "version 1 was written when version 1 was known",
        &[0, 1],
    );
    misnumbered(
        "1-? set 1
         2-3 set 2 = 3:2",
        "nobody has made version 2",
        &[1],
    );
}

#[test]
fn bad_histories_have_none() {
    let begun = "1-2 set 1 = 1:1\n3-4 update 1>2 = 2:2\n";
    bad(&format!("{begun}5-6 read = 1:1"), "version 1 was read when version 2 was known", &[1, 2]);
    bad(&format!("{begun}5-6 read = none"), "this was read when version 2 was known", &[1, 2]);
    bad(&format!("{begun}5-6 read = 1"), "this was read when version 2 was known", &[1, 2]);
    bad(&format!("{begun}5-6 read = 3:9"), "nobody has written 9", &[2]);
    bad(&format!("{begun}5-6 read = 9"), "nobody has written 9", &[2]);
    bad(&format!("{begun}5-6 read = 2:1"), "version 2 says 2 and 1", &[1, 2]);
    bad(&format!("{begun}5-6 cas 2:2>3 = conflict"), "refused when version 2 was the newest", &[1, 2]);
    bad(&format!("{begun}5-6 cas 0:none>3 = 3"), "version 2 says 2 and none", &[1, 2]);
    // An update is lost.
    bad(&format!("{begun}5-6 update 1>3 = 3:3"), "version 2 says 2 and 1", &[1, 2]);
    misnumbered(&format!("{begun}5-6 cas 1:1>3 = 3"), "this expects version 1 and is in version 3", &[2]);
    misnumbered(&format!("{begun}5-6 set 3 = 2:2"), "not in it", &[2, 1]);
    bad(
        "1-9 update none>1 = 1:2
         2-8 update none>2 = 1:2",
        "what was written in version 1 is not in it",
        &[0, 1],
    );
    bad(
        "1-9 update none>1 = 1:3
         2-8 update none>2 = 1:3
         3-7 set 3 = 1:3",
        "both rest on none in version 1",
        &[0, 1],
    );
    bad(
        "1-9 cas 0:none>1 = 1
         2-8 cas 0:none>2 = 1",
        "both rest on none in version 1",
        &[0, 1],
    );
    // What was refused is there.
    bad(&format!("{begun}5-6 set 3 = refused\n7-8 read = 3:3"), "this was refused, and is there", &[2, 3]);
    bad(&format!("{begun}5-6 update 2>3 = refused\n7-8 update 3>4 = 4:4"), "this was refused, and is there", &[2, 3]);
    // It counts twice: the first time it was taken for not written.
    bad(
        "1-9 update none>1 2>3 = 3:3
         2-3 update 1>2 = 2:2
         10-11 read = 3:3",
        "what is in version 3 was there before, too",
        &[0, 1],
    );
    // A write is over before another of its version is called.
    misnumbered(
        "1-2 update none>1 = 1:1
         3-4 update 1>2 = 1:2",
        "version 1 says 1 and 2",
        &[0, 1],
    );
    misnumbered(
        "1-2 cas 0:none>1 = 1
         3-4 update 1>2 = 1:2",
        "version 1 was written when version 1 was known",
        &[0, 1],
    );
}

#[test]
fn who_is_told_no_number_has_seen_some_version_all_the_same() {
    let begun = "1-2 set 1 = 1:1\n3-4 cas 1:1>none = 2\n5-6 set 2 = 3:2\n7-8 cas 3:2>none = 4\n";
    good(&format!("{begun}9-10 read = none"));
    // It was deleted twice: the first time will do.
    good(
        "1-2 set 1 = 1:1
         3-20 read = none
         4-5 cas 1:1>none = 2
         6-7 set 2 = 3:2
         8-9 cas 3:2>none = 4",
    );
    bad(
        "1-2 set 1 = 1:1
         3-4 cas 1:1>none = 2
         5-6 set 2 = 3:2
         7-10 read = none
         8-11 cas 3:2>none = 4
         12-13 read = 3:2",
        "version 3 was read when version 4 was known",
        &[3, 5],
    );
    bad(
        "1-2 set 1 = 1:1
         3-9 cas 1:1>2 = conflict
         4-5 read = 1:1
         10-11 set 3 = 2:3",
        "version 2 was written when version 2 was known",
        &[1, 3],
    );
}

#[test]
fn the_newest_version_may_be_written_once_more_by_who_touches_it() {
    good(
        "1-2 set 1 = 1:1
         3-4 touch = 2:1
         5-6 update 1>2 = 3:2
         7-8 touch = 3:2
         9-? touch
         10-11 set 3 = 5:3",
    );
    misnumbered(
        "1-2 set 1 = 1:1
         3-4 set 2 = 2:2
         5-6 touch = 3:1",
        "version 2 says 2 and 1",
        &[1, 2],
    );
}
