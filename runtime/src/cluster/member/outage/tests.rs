use super::Outage;
use std::time::Duration;

const LIFE: Duration = Duration::from_secs(5);
const BEAT: Duration = Duration::from_millis(1_500);

fn at(seconds: f64) -> Duration {
    Duration::from_secs_f64(seconds)
}

/// A node that hears itself until `heard`, and knows since `others` that others take part.
fn outage(heard: f64, others: Option<f64>) -> Outage {
    let mut outage = Outage::new(LIFE, BEAT);
    if let Some(since) = others {
        outage.others(at(since), true);
    }
    outage.came_round(at(heard));
    outage
}

#[test]
fn who_alone_is_deaf_gives_up_after_a_life_and_two_beats() {
    let outage = outage(10.0, Some(0.0));
    let said = |seconds| (outage.is_deaf(at(seconds)), outage.may_be_of_all(at(seconds)));
    assert_eq!(said(14.9), (false, false), "not deaf yet");
    assert_eq!(said(15.0), (true, true), "the others may find out that they are deaf, too");
    assert_eq!(said(17.9), (true, true));
    assert_eq!(said(18.0), (true, false), "they go on");
}

#[test]
fn whoever_is_deaf_with_all_others_keeps_what_it_has() {
    let mut outage = outage(10.0, Some(0.0));
    outage.others(at(16.0), false);
    assert!(outage.may_be_of_all(at(60.0)), "nobody takes part");
    outage.others(at(60.0), true);
    assert!(outage.may_be_of_all(at(64.9)), "one has only just come back");
    assert!(!outage.may_be_of_all(at(65.0)), "it has gone on for a life");
}

#[test]
fn who_hears_again_after_all_were_deaf_waits_for_the_others() {
    let mut all = outage(10.0, None);
    all.came_round(at(20.0));
    assert!(all.is_unsettled(at(22.9)) && !all.is_unsettled(at(23.0)), "two beats");
    assert!(!all.is_deaf(at(20.0)));
    let mut alone = outage(10.0, Some(0.0));
    alone.came_round(at(20.0));
    assert!(!alone.is_unsettled(at(20.0)), "the others are known");
}
