use crate::join::{Ballot, Candidate, Decision, Electing, Hung, Tie};
use proptest::prelude::*;
use std::collections::BTreeMap;

type Ends<'a> = [(usize, Option<&'a str>)];

/// `2:ok` is "voter 2 votes ok", `2-` "voter 2 failed", `time` the deadline.
fn ballot(electing: Electing, of: usize, ends: &str) -> (Ballot<String>, String) {
    let mut ballot = Ballot::new(electing, of).unwrap();
    let mut told = String::new();
    for end in ends.split_whitespace() {
        let decision = match (end.split_once(':'), end.strip_suffix('-')) {
            (Some((voter, key)), _) => ballot.cast(voter.parse().unwrap(), key.to_owned()),
            (None, Some(voter)) => ballot.failed(voter.parse().unwrap()),
            (None, None) => ballot.deadline(),
        };
        told = shown(decision);
    }
    (ballot, told)
}

fn shown(decision: &Decision<String>) -> String {
    let one = |one: &Candidate<String>| format!("{} {} of voter {}", one.key, one.votes, one.voter);
    match decision {
        Decision::Open => "open".to_owned(),
        Decision::Won(winner) => format!("won {}", one(winner)),
        Decision::Tied(tied) => format!("tied {}", tied.iter().map(one).collect::<Vec<_>>().join(", ")),
        Decision::Hung(hung) => hung.error().to_string(),
    }
}

fn check(electing: Electing, of: usize, ends: &str, expected: &str) {
    assert_eq!(ballot(electing, of, ends).1, expected, "{electing:?} {ends}");
}

#[test]
fn a_plurality_waits_for_all() {
    let most = Electing::Plurality(Tie::First);
    check(most, 3, "0:a 2:a", "open");
    check(most, 3, "0:b 2:a 1:a", "won a 2 of voter 2");
    check(most, 5, "3- 0- 2:a 1- 4-", "won a 1 of voter 2");
    check(most, 2, "0- 1-", "none of 2 voters has voted: 2 failed");
    check(most, 3, "0:b time", "won b 1 of voter 0");
    check(most, 3, "time", "none of 3 voters has voted: 3 unfinished");
}

#[test]
fn a_tie_goes_to_the_first_or_fails_or_goes_to_a_judge() {
    let ends = "0:c 1:b 2:a 3:a 4:b";
    // b came in before a, but a had two votes first.
    check(Electing::Plurality(Tie::First), 5, ends, "won a 2 of voter 2");
    let told = r#"2 answers are tied with 2 of 5 votes: "a" 2, "b" 2, "c" 1"#;
    check(Electing::Plurality(Tie::Fail), 5, ends, told);
    check(Electing::Plurality(Tie::Judge), 5, ends, "tied a 2 of voter 2, b 2 of voter 1");
    for tie in [Tie::First, Tie::Fail, Tie::Judge] {
        check(Electing::Plurality(tie), 3, "0:a 1:b 2:b", "won b 2 of voter 1");
    }
}

#[test]
fn a_judge_chooses_among_those_who_are_tied() {
    let (mut ballot, _) = ballot(Electing::Plurality(Tie::Judge), 4, "0:a 1:b 2:c 3-");
    let refused = ballot.judged(3).unwrap_err();
    assert_eq!(refused.to_string(), "the judge chose candidate 3: there are 3, counted from 0");
    assert!(refused.is_retryable());
    assert_eq!(shown(ballot.judged(1).unwrap()), "won b 1 of voter 1");
    assert_eq!(shown(ballot.cast(3, "a".to_owned())), "won b 1 of voter 1");
}

#[test]
fn a_majority_is_more_than_half_of_all_voters_and_decides_at_once() {
    check(Electing::Majority, 4, "0:a 1:a", "open");
    check(Electing::Majority, 4, "0:a 1:a 2:a", "won a 3 of voter 0");
    check(Electing::Majority, 5, "4:b 2:a 1:a 3:a", "won a 3 of voter 2");
    check(Electing::Majority, 1, "0:a", "won a 1 of voter 0");
    // Who fails is a voter all the same.
    check(Electing::Majority, 4, "0:a 1:a 2- 3-", r#"no answer has 3 of 4 votes: "a" 2, 2 failed"#);
}

#[test]
fn a_quorum_hangs_as_soon_as_no_answer_can_have_it() {
    let three = Electing::Quorum(3);
    check(three, 5, "0:ok 1:bad 2:ok 3:bad", "open");
    let told = r#"no answer has 3 of 5 votes: "ok" 2, "bad" 2, 1 failed"#;
    check(three, 5, "0:ok 1:bad 2:ok 3:bad 4-", told);
    check(three, 5, "0- 1- 2-", "no answer has 3 of 5 votes: 3 failed, 2 unfinished");
    check(three, 5, "0:ok time", r#"no answer has 3 of 5 votes: "ok" 1, 4 unfinished"#);
    check(Electing::Quorum(1), 5, "3:x", "won x 1 of voter 3");
}

#[test]
fn only_the_first_end_of_a_voter_counts_and_none_after_the_decision() {
    check(Electing::Quorum(2), 3, "0:a 0:a 0-", "open");
    check(Electing::Quorum(2), 3, "0:a 1:a 2:b 2:b", "won a 2 of voter 0");
    check(Electing::Quorum(3), 3, "0- 1:a 2:a time", r#"no answer has 3 of 3 votes: 1 failed, 2 unfinished"#);
    let (ballot, _) = ballot(Electing::Quorum(2), 4, "3:a 1:a 0:b");
    assert_eq!(ballot.open().collect::<Vec<_>>(), [2]);
}

#[test]
fn the_result_has_the_winner_and_how_the_others_stood() {
    let (ballot, _) = ballot(Electing::Quorum(3), 7, "0:b 1:a 2- 3:a 4:c 5:a 6:a");
    let Decision::Won(won) = ballot.decision() else { panic!("decided") };
    let vote = ballot.vote(won, "the answer of voter 1");
    assert_eq!((vote.winner, vote.votes, vote.cast, vote.failed, vote.of), ("the answer of voter 1", 3, 5, 1, 7));
    let tally: Vec<_> = vote.tally.iter().map(|one| (one.answer.as_str(), one.votes)).collect();
    assert_eq!(tally, [("\"a\"", 3), ("\"b\"", 1), ("\"c\"", 1)]);
}

#[test]
fn a_vote_that_can_not_be_decided_is_refused() {
    let refused = |electing, of| Ballot::<u8>::new(electing, of).unwrap_err().to_string();
    assert_eq!(refused(Electing::Majority, 0), "a vote without voters has no winner: ask 1 voter at least");
    let told = "3 of 2 votes can never be reached: ask for 2 at most, or start more";
    assert_eq!(refused(Electing::Quorum(3), 2), told);
    assert_eq!(refused(Electing::Quorum(0), 2), "0 votes would be enough before any is started: ask for 1 at least");
}

fn hung(ballot: &Ballot<String>) -> &Hung<String> {
    let Decision::Hung(hung) = ballot.decision() else { panic!("hung") };
    hung
}

#[test]
fn the_words_of_a_hung_vote_are_bounded() {
    let mut ballot = Ballot::new(Electing::Majority, 20).unwrap();
    for voter in 0..20 {
        let _ = ballot.cast(voter, format!("{voter}{}", "\u{fc}".repeat(1000)));
    }
    let told = hung(&ballot).to_string();
    assert!(told.ends_with("\u{fc}... 1, 3 more answers, 9 unfinished"), "{told}");
    assert!(told.chars().count() < 1000, "{told}");
}

#[test]
#[should_panic(expected = "voter 2 of 2")]
fn a_voter_that_is_not_there_is_our_own_bug() {
    let _ = Ballot::<u8>::new(Electing::Majority, 2).unwrap().failed(2);
}

/// The votes for each answer.
fn counts<'a>(ends: &Ends<'a>) -> BTreeMap<&'a str, usize> {
    let mut counts = BTreeMap::new();
    ends.iter().filter_map(|end| end.1).for_each(|key| *counts.entry(key).or_default() += 1);
    counts
}

fn top(ends: &Ends<'_>) -> usize {
    counts(ends).into_values().max().unwrap_or(0)
}

/// Whether some way in which the open voters can end gives an answer `wanted` votes.
fn can_be_reached(wanted: usize, ends: &Ends<'_>, of: usize) -> bool {
    if ends.len() == of {
        return top(ends) >= wanted;
    }
    [None, Some("a"), Some("b"), Some("c")].into_iter().any(|end| {
        let mut ends = ends.to_vec();
        ends.push((0, end));
        can_be_reached(wanted, &ends, of)
    })
}

/// The answer that is the first to have so many votes.
fn first_with<'a>(wanted: usize, ends: &Ends<'a>) -> Option<&'a str> {
    let reached = (1..=ends.len()).find(|&end| top(&ends[..end]) == wanted)?;
    counts(&ends[..reached]).into_iter().find(|one| one.1 == wanted).map(|one| one.0)
}

fn votes() -> impl Strategy<Value = Vec<(usize, Option<&'static str>)>> {
    let key = proptest::sample::select(vec![None, Some("a"), Some("a"), Some("b"), Some("b"), Some("c")]);
    proptest::collection::vec(key, 1..7).prop_flat_map(|keys| {
        Just((0..keys.len()).collect::<Vec<_>>())
            .prop_shuffle()
            .prop_map(move |order| order.into_iter().zip(keys.clone()).collect())
    })
}

fn feed<'a>(ballot: &mut Ballot<&'a str>, end: (usize, Option<&'a str>)) -> Decision<&'a str> {
    match end {
        (voter, Some(key)) => ballot.cast(voter, key).clone(),
        (voter, None) => ballot.failed(voter).clone(),
    }
}

proptest! {
    #[test]
    fn a_quorum_is_decided_at_the_first_end_that_leaves_no_choice(ends in votes(), share in 0.0..1.0_f64) {
        let of = ends.len();
        let wanted = 1 + (share * of as f64) as usize;
        let mut ballot = Ballot::new(Electing::Quorum(wanted), of).unwrap();
        let mut settled = None;
        for end in 1..=of {
            let decision = feed(&mut ballot, ends[end - 1]);
            settled = settled.or_else(|| (!can_be_reached(wanted, &ends[..end], of) || top(&ends[..end]) >= wanted).then_some(end));
            match (settled, decision) {
                (None, decision) => prop_assert_eq!(decision, Decision::Open),
                (Some(at), Decision::Won(won)) => {
                    prop_assert_eq!((Some(won.key), won.votes), (first_with(wanted, &ends[..at]), wanted));
                    let voter = ends.iter().find(|end| end.1 == Some(won.key)).map(|end| end.0);
                    prop_assert_eq!(Some(won.voter), voter);
                }
                (Some(at), Decision::Hung(hung)) => {
                    prop_assert!(!can_be_reached(wanted, &ends[..at], of));
                    let tally: BTreeMap<_, _> = hung.tally.iter().map(|one| (one.key, one.votes)).collect();
                    prop_assert_eq!((tally, hung.failed), (counts(&ends[..at]), ends[..at].iter().filter(|end| end.1.is_none()).count()));
                }
                (Some(_), other) => prop_assert!(false, "{:?}", other),
            }
        }
        prop_assert!(settled.is_some());
    }

    #[test]
    fn a_majority_decided_early_is_the_majority_of_all_votes(ends in votes()) {
        let mut ballot = Ballot::new(Electing::Majority, ends.len()).unwrap();
        ends.iter().for_each(|&end| drop(feed(&mut ballot, end)));
        let expected = counts(&ends).into_iter().find(|one| 2 * one.1 > ends.len()).map(|one| one.0);
        let decided = match ballot.decision() {
            Decision::Won(won) => Some(won.key),
            Decision::Hung(_) => None,
            other => return Err(TestCaseError::fail(format!("{other:?}"))),
        };
        prop_assert_eq!(decided, expected);
    }

    #[test]
    fn a_plurality_is_decided_by_the_last_end_on_all_votes(ends in votes(), tie in proptest::sample::select(vec![Tie::First, Tie::Fail, Tie::Judge])) {
        let mut ballot = Ballot::new(Electing::Plurality(tie), ends.len()).unwrap();
        for &end in &ends[..ends.len() - 1] {
            prop_assert_eq!(feed(&mut ballot, end), Decision::Open);
        }
        let decision = feed(&mut ballot, ends[ends.len() - 1]);
        let top = top(&ends);
        let best: Vec<&str> = counts(&ends).into_iter().filter(|one| one.1 == top).map(|one| one.0).collect();
        match decision {
            Decision::Won(won) => {
                prop_assert!(best.len() == 1 || tie == Tie::First);
                prop_assert_eq!((Some(won.key), won.votes), (first_with(top, &ends), top));
            }
            Decision::Tied(tied) => {
                prop_assert!(best.len() > 1 && tie == Tie::Judge);
                prop_assert_eq!(Some(tied[0].key), first_with(top, &ends));
                let mut keys: Vec<_> = tied.iter().map(|one| one.key).collect();
                keys.sort_unstable();
                prop_assert_eq!(keys, best);
            }
            Decision::Hung(_) => prop_assert!(best.is_empty() || (best.len() > 1 && tie == Tie::Fail)),
            Decision::Open => prop_assert!(false, "open after all have ended"),
        }
    }
}
