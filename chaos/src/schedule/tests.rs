use super::*;

fn plan(text: &str) -> Plan {
    Plan::parse("p", &format!("name = \"p\"\nabout = \"a\"\n{text}")).unwrap()
}

const FAULTS: &str = "[[fault]]\nkind = \"node-kill\"\nevery = \"6s\"\n[[fault]]\nkind = \"cut\"\nevery = \"9s\"\n\
    [[fault]]\nkind = \"redis-flush\"\nat = \"5s\"\n";

#[test]
fn one_seed_gives_one_schedule_and_another_seed_another() {
    for plan in Plan::scenarios().unwrap() {
        assert_eq!(Schedule::draw(&plan, 7), Schedule::draw(&plan, 7), "{}", plan.name);
        assert_ne!(Schedule::draw(&plan, 7), Schedule::draw(&plan, 8), "{}", plan.name);
    }
}

/// A report says with which seed it can be had again: that holds over builds.
#[test]
fn what_a_seed_gives_does_not_change() {
    let plan = plan(&format!("duration = \"60s\"\n{FAULTS}"));
    let drawn = Schedule::draw(&plan, 1);
    let told = |fault: &Fault| format!("{} {}", fault.at_ms, plan.called(fault.kind, fault.target));
    let faults: Vec<String> = drawn.faults.iter().map(told).collect();
    let expected = [
        "4504 node-kill of node 2",
        "11504 redis-flush",
        "19504 cut of node 1 to redis",
        "32504 node-kill of node 3",
        "39504 cut of node 1 to broker",
        "52504 node-kill of node 2",
        "59504 cut of node 3 to store",
    ];
    assert_eq!(faults, expected);
    assert_eq!(drawn.runs.len(), 117);
}

#[test]
fn faults_that_come_one_by_one_leave_time_between_them() {
    for seed in 0..50 {
        let drawn = Schedule::draw(&plan(&format!("duration = \"120s\"\n{FAULTS}")), seed);
        for pair in drawn.faults.windows(2) {
            assert!(pair[1].at_ms >= pair[0].at_ms + pair[0].lasts_ms + CALM_MS, "{seed}: {pair:?}");
        }
    }
}

#[test]
fn faults_that_come_together_wait_for_what_is_done_to_the_same_thing_only() {
    let mut overlaps = 0;
    for seed in 0..50 {
        let drawn = Schedule::draw(&plan(&format!("duration = \"120s\"\norder = \"together\"\n{FAULTS}")), seed);
        for (n, one) in drawn.faults.iter().enumerate() {
            for other in drawn.faults[n + 1..].iter().filter(|other| other.at_ms < one.at_ms + one.lasts_ms) {
                assert_ne!(one.target, other.target, "{seed}");
                overlaps += 1;
            }
        }
    }
    assert!(overlaps > 0);
}

#[test]
fn a_flood_is_runs_of_one_task_beside_the_others() {
    let text = "duration = \"20s\"\n[[fault]]\nkind = \"flood\"\nat = \"4s\"\nfor = \"5s\"\nper_second = 40\n";
    let (flooded, calm) = (Schedule::draw(&plan(text), 1), Schedule::draw(&plan("duration = \"20s\"\n"), 1));
    let (flood, rest): (Vec<_>, Vec<_>) = flooded.runs.into_iter().partition(|run| run.work.name.starts_with("flood-"));
    assert_eq!(rest, calm.runs);
    assert_eq!((flood.len(), flood[0].at_ms, flood[199].at_ms), (200, 4_000, 8_975));
    assert!(flood.iter().all(|run| run.work.tasks.len() == 1 && run.work.submit == Submit::Once));
}

#[test]
fn what_tasks_do_and_how_long_it_takes_is_as_the_plan_says() {
    use crate::work::What;
    let text = "duration = \"100s\"\n[workload]\nkinds = [\"lock\", \"count\"]\npart_max = \"2s\"\nattempt_max = \"9s\"\nhangs_percent = 0\n";
    let drawn = Schedule::draw(&plan(text), 1);
    let deeds = || drawn.runs.iter().flat_map(|run| &run.work.tasks);
    assert!(deeds().all(|deed| matches!(deed.what, What::Lock | What::Count)));
    assert!(deeds().all(|deed| deed.ms <= 2_000) && deeds().any(|deed| deed.ms > 1_500));
    assert!(deeds().all(|deed| deed.limit_ms == Some(9_000)));
}

#[test]
fn a_longer_plan_begins_like_a_shorter_one() {
    let (short, long) = (plan("duration = \"10s\"\n"), plan("duration = \"30s\"\n"));
    let (short, long) = (Schedule::draw(&short, 3), Schedule::draw(&long, 3));
    assert!(!short.runs.is_empty() && long.runs.len() > short.runs.len());
    assert_eq!(short.runs, long.runs[..short.runs.len()]);
}

#[test]
fn runs_need_only_what_stands_before_and_are_of_all_kinds() {
    use crate::work::{Trouble, What};
    let drawn = Schedule::draw(&plan("duration = \"300s\"\n[workload]\ncrashes_percent = 10\n"), 5);
    let deeds = || drawn.runs.iter().flat_map(|run| &run.work.tasks);
    for run in &drawn.runs {
        for (n, deed) in run.work.tasks.iter().enumerate() {
            assert!(deed.needs.iter().all(|need| *need < n), "{run:?}");
        }
    }
    for what in [What::Plain, What::Steps(3), What::Children(2), What::Sleep, What::Signal, What::Count, What::Lock] {
        assert!(deeds().any(|deed| deed.what == what), "{what:?}");
    }
    for trouble in [Trouble::Fails(1), Trouble::Crashes, Trouble::Hangs] {
        assert!(deeds().any(|deed| deed.trouble == Some(trouble)), "{trouble:?}");
    }
    assert!(drawn.runs.iter().any(|run| run.work.cancel_after_ms.is_some()));
    assert!(drawn.runs.iter().any(|run| run.work.submit == Submit::Once));
}

/// The faults of one that comes every second, of this kind and with these keys.
fn each_second(kind: &str, keys: &str) -> Vec<Fault> {
    let fault = format!("[[fault]]\nkind = {kind:?}\nevery = \"1s\"\n{keys}\n");
    Schedule::draw(&plan(&format!("duration = \"600s\"\norder = \"together\"\n{fault}")), 1).faults
}

#[test]
fn what_a_plan_does_not_say_of_a_fault_is_drawn_each_time() {
    use std::collections::BTreeSet;
    let statuses = |kind, keys| each_second(kind, keys).iter().map(|of| of.drawn.status).collect::<BTreeSet<_>>();
    assert_eq!(statuses("store-answers", "for = \"1s\""), BTreeSet::from([409, 412, 500, 503]));
    assert_eq!(statuses("store-full", "for = \"1s\""), BTreeSet::from([403, 507]));
    assert_eq!(statuses("store-full", "for = \"1s\"\nstatus = 507"), BTreeSet::from([507]));
    let skews: Vec<i64> = each_second("clock-skew", "").iter().map(|of| of.drawn.skew_ms).collect();
    assert!(skews.iter().all(|skew| (60_000..=840_000).contains(&skew.abs())), "{skews:?}");
    assert!(skews.iter().any(|skew| *skew > 0) && skews.iter().any(|skew| *skew < 0), "{skews:?}");
    let skews: BTreeSet<i64> = each_second("clock-skew", "by = \"2m\"").iter().map(|of| of.drawn.skew_ms).collect();
    assert_eq!(skews, BTreeSet::from([-120_000, 120_000]));
    let alarms: BTreeSet<bool> = each_second("broker-alarm", "for = \"1s\"").iter().map(Fault::is_of_disk).collect();
    assert_eq!(alarms, BTreeSet::from([false, true]));
    for (kind, first, last) in [("starve", 5, 20), ("redis-evict", 10, 60)] {
        let percent: BTreeSet<u64> = each_second(kind, "").iter().map(|of| of.drawn.percent).collect();
        assert!(percent.len() > 3 && percent.iter().all(|it| (first..=last).contains(it)), "{kind}: {percent:?}");
    }
}

#[test]
fn consumers_are_deaf_to_the_broker_and_a_clock_goes_wrong_whatever_is_done_to_its_node() {
    assert!(each_second("deaf", "").iter().all(|of| matches!(of.target, Target::Wire(1..=3, Server::Broker))));
    let both = "[[fault]]\nkind = \"clock-skew\"\nat = \"1s\"\nnode = 1\n[[fault]]\nkind = \"node-restart\"\nat = \"2s\"\nnode = 1\n\
        [[fault]]\nkind = \"starve\"\nat = \"2s\"\nnode = 1\n";
    let drawn = Schedule::draw(&plan(&format!("duration = \"20s\"\norder = \"together\"\n{both}")), 1);
    let told: Vec<String> = drawn.faults.iter().map(|of| format!("{} {}", of.at_ms, of.kind.of(of.target))).collect();
    assert_eq!(told, ["1000 clock-skew of node 1", "2000 node-restart of node 1", "5000 starve of node 1"]);
}
