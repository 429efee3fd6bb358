use crate::join::{AtDeadline, Rule, Tally, Verdict};
use proptest::prelude::*;

/// `2+` is "child 2 is ok", `2-` "child 2 failed", `time` the deadline. The answer has the verdicts, the first at once,
/// and how it stands in the end.
fn check(rule: Rule, of: usize, at_deadline: AtDeadline, ends: &str, expected: &str) {
    let mut tally = Tally::new(rule, of, at_deadline).unwrap();
    let mut told = vec![tally.verdict()];
    for end in ends.split_whitespace() {
        told.push(match end.split_at(end.len() - 1) {
            (child, "+") => tally.ended(child.parse().unwrap(), true),
            (child, "-") => tally.ended(child.parse().unwrap(), false),
            _ => tally.deadline(),
        });
    }
    let told: String = told.iter().map(|verdict| format!("{verdict:?} ").to_lowercase()).collect();
    let (ok, open): (Vec<_>, Vec<_>) = (tally.ok().collect(), tally.open().collect());
    let (ok_order, failed) = (tally.ok_as_delivered(), tally.failed_as_delivered());
    assert_eq!(
        format!("{told}| ok {ok:?} as {ok_order:?}, failed {failed:?}, open {open:?}"),
        expected,
        "{rule:?} {ends}"
    );
}

#[test]
fn all_wait_for_each_and_end_with_the_first_failure() {
    use AtDeadline::{Fail, Take};
    check(Rule::All, 0, Fail, "", "enough | ok [] as [], failed [], open []");
    check(Rule::All, 2, Fail, "1+ 0+", "open open enough | ok [0, 1] as [1, 0], failed [], open []");
    check(Rule::All, 3, Fail, "1-", "open hopeless | ok [] as [], failed [1], open [0, 2]");
    check(Rule::All, 3, Fail, "1+ time", "open open hopeless | ok [1] as [1], failed [], open [0, 2]");
    check(Rule::All, 3, Take, "1+ time", "open open enough | ok [1] as [1], failed [], open [0, 2]");
    check(Rule::All, 3, Take, "1+ 0- time", "open open hopeless hopeless | ok [1] as [1], failed [0], open [2]");
}

#[test]
fn at_least_waits_for_every_end_while_its_number_is_within_reach() {
    use AtDeadline::{Fail, Take};
    let two = Rule::AtLeast(2);
    check(two, 3, Fail, "2+ 0+ 1-", "open open open enough | ok [0, 2] as [2, 0], failed [1], open []");
    check(two, 3, Fail, "2- 0-", "open open hopeless | ok [] as [], failed [2, 0], open [1]");
    check(Rule::AtLeast(0), 0, Fail, "", "enough | ok [] as [], failed [], open []");
    check(Rule::AtLeast(0), 2, Fail, "0- 1-", "open open enough | ok [] as [], failed [0, 1], open []");
    // What it asks for is a floor at the deadline, too.
    check(two, 3, Take, "2+ 0+ time", "open open open enough | ok [0, 2] as [2, 0], failed [], open [1]");
    check(two, 3, Take, "2+ time", "open open hopeless | ok [2] as [2], failed [], open [0, 1]");
    check(two, 3, Fail, "2+ 0+ time", "open open open hopeless | ok [0, 2] as [2, 0], failed [], open [1]");
}

#[test]
fn the_first_ok_win_and_the_others_are_left_to_be_cancelled() {
    use AtDeadline::{Fail, Take};
    check(Rule::FirstOk(1), 3, Fail, "1- 2+", "open open enough | ok [2] as [2], failed [1], open [0]");
    check(Rule::FirstOk(2), 3, Fail, "1- 2-", "open open hopeless | ok [] as [], failed [1, 2], open [0]");
    check(Rule::FirstOk(2), 3, Take, "1+ time", "open open enough | ok [1] as [1], failed [], open [0, 2]");
    check(Rule::FirstOk(2), 3, Take, "time", "open enough | ok [] as [], failed [], open [0, 1, 2]");
}

#[test]
fn only_the_first_end_of_a_child_counts() {
    let expected = "open open open open enough | ok [0, 1] as [0, 1], failed [], open []";
    check(Rule::All, 2, AtDeadline::Fail, "0+ 0+ 0- 1+", expected);
    let expected = "open hopeless hopeless | ok [] as [], failed [0], open [1]";
    check(Rule::All, 2, AtDeadline::Fail, "0- 0+", expected);
}

#[test]
fn what_comes_after_the_verdict_closes_its_child_and_changes_nothing() {
    let expected = "open enough enough enough enough | ok [1] as [1], failed [], open []";
    check(Rule::FirstOk(1), 3, AtDeadline::Fail, "1+ 0+ 2- time", expected);
    let expected = "open hopeless hopeless | ok [] as [], failed [], open [1]";
    check(Rule::All, 2, AtDeadline::Fail, "time 0+", expected);
}

#[test]
fn what_can_never_be_reached_is_refused_with_the_number_that_can() {
    let refused = |rule, of| Tally::new(rule, of, AtDeadline::Fail).unwrap_err().to_string();
    let told = "4 of 3 children can never be reached: ask for 3 at most, or start more";
    assert_eq!(refused(Rule::AtLeast(4), 3), told);
    assert_eq!(refused(Rule::FirstOk(4), 3), told);
    assert_eq!(refused(Rule::FirstOk(1), 0), "1 of 0 children can never be reached: start some");
    let told = "0 children would be enough before any is started: ask for 1 at least";
    assert_eq!(refused(Rule::FirstOk(0), 3), told);
}

#[test]
fn it_says_how_it_stands() {
    let mut tally = Tally::new(Rule::AtLeast(3), 4, AtDeadline::Fail).unwrap();
    for (child, ok) in [(3, true), (1, false), (0, false)] {
        let _ = tally.ended(child, ok);
    }
    let _late = tally.ended(2, true);
    assert_eq!(tally.to_string(), "3 of 4 wanted: 1 ok, 2 failed, 1 unfinished");
}

#[test]
#[should_panic(expected = "child 2 of 2")]
fn a_child_that_is_not_there_is_our_own_bug() {
    let _ = Tally::new(Rule::All, 2, AtDeadline::Fail).unwrap().ended(2, true);
}

/// The verdict by looking at every way in which the open children can end.
fn brute_force(rule: Rule, ends: &[Option<bool>]) -> Verdict {
    let open: Vec<usize> = (0..ends.len()).filter(|&child| ends[child].is_none()).collect();
    let satisfied = |bits: u32| {
        let mut ends = ends.to_vec();
        open.iter().enumerate().for_each(|(bit, &child)| ends[child] = Some(bits >> bit & 1 == 1));
        let ok = ends.iter().filter(|end| **end == Some(true)).count();
        match rule {
            Rule::All => ok == ends.len(),
            Rule::AtLeast(wanted) | Rule::FirstOk(wanted) => ok >= wanted,
        }
    };
    let mut futures = (0..1 << open.len()).map(satisfied);
    let settled_early = matches!(rule, Rule::FirstOk(_)) && futures.clone().all(|satisfied| satisfied);
    match futures.any(|satisfied| satisfied) {
        false => Verdict::Hopeless,
        true if settled_early || open.is_empty() => Verdict::Enough,
        true => Verdict::Open,
    }
}

fn joins() -> impl Strategy<Value = (Rule, Vec<(usize, bool)>)> {
    (0..7_usize).prop_flat_map(|of| {
        let rules = [Rule::All].into_iter().chain((0..=of).map(Rule::AtLeast)).chain((1..=of).map(Rule::FirstOk));
        let order = Just((0..of).collect::<Vec<_>>()).prop_shuffle();
        let ends = (order, proptest::collection::vec(any::<bool>(), of));
        (
            proptest::sample::select(rules.collect::<Vec<_>>()),
            ends.prop_map(|(order, ok)| order.into_iter().zip(ok).collect()),
        )
    })
}

proptest! {
    #[test]
    fn a_verdict_is_what_every_way_to_go_on_would_come_to((rule, ends) in joins(), again in any::<u8>()) {
        let mut tally = Tally::new(rule, ends.len(), AtDeadline::Fail).unwrap();
        let mut seen = vec![None; ends.len()];
        let mut expected = brute_force(rule, &seen);
        prop_assert_eq!(tally.verdict(), expected);
        let mut counted = Vec::new();
        for (at, &(child, ok)) in ends.iter().enumerate() {
            seen[child] = Some(ok);
            if expected == Verdict::Open {
                counted.push((child, ok));
                expected = brute_force(rule, &seen);
            }
            prop_assert_eq!(tally.ended(child, ok), expected);
            // An end that is delivered once more, perhaps as another.
            let (child, ok) = ends[usize::from(again) % (at + 1)];
            prop_assert_eq!(tally.ended(child, !ok), expected);
        }
        let those = |wanted: bool| counted.iter().filter(|end| end.1 == wanted).map(|end| end.0).collect::<Vec<_>>();
        prop_assert_eq!(tally.ok_as_delivered(), &those(true)[..]);
        prop_assert_eq!(tally.failed_as_delivered(), &those(false)[..]);
        let mut in_order = those(true);
        in_order.sort_unstable();
        prop_assert_eq!(tally.ok().collect::<Vec<_>>(), in_order);
        prop_assert_eq!(tally.open().count(), 0);
    }

    #[test]
    fn a_deadline_settles_what_is_open_and_nothing_else((rule, ends) in joins(), cut in 0..7_usize, take in any::<bool>()) {
        let at_deadline = if take { AtDeadline::Take } else { AtDeadline::Fail };
        let mut tally = Tally::new(rule, ends.len(), at_deadline).unwrap();
        for &(child, ok) in ends.iter().take(cut) {
            let _ = tally.ended(child, ok);
        }
        let (before, ok, open) = (tally.verdict(), tally.ok().count(), tally.open().collect::<Vec<_>>());
        let floor = if let Rule::AtLeast(wanted) = rule { wanted } else { 0 };
        let expected = match before {
            Verdict::Open if take && ok >= floor => Verdict::Enough,
            Verdict::Open => Verdict::Hopeless,
            settled => settled,
        };
        prop_assert_eq!(tally.deadline(), expected);
        prop_assert_eq!(tally.open().collect::<Vec<_>>(), open);
        for &(child, ok) in &ends {
            let _ = tally.ended(child, ok);
        }
        prop_assert_eq!((tally.verdict(), tally.ok().count()), (expected, ok));
    }
}
