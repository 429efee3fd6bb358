use super::*;

const LEAST: &str = "name = \"p\"\nabout = \"a\"\nduration = \"10s\"\n";

fn refused(text: &str) -> String {
    Plan::parse("p.toml", &format!("{LEAST}{text}")).unwrap_err().to_string()
}

#[test]
fn the_scenarios_are_plans_of_their_names_and_all_files_are_scenarios() {
    let all = Plan::scenarios().unwrap();
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../config/chaos");
    let mut files: Vec<String> =
        std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
    // Folders, and plans that are no scenarios.
    files.retain(|file| !["attached.toml", "hour.toml", "load", "sabotage"].contains(&&**file));
    files.sort();
    let mut names: Vec<String> = all.iter().map(|plan| format!("{}.toml", plan.name)).collect();
    names.sort();
    assert_eq!(names, files);
    for plan in &all {
        assert_eq!(Plan::find(&plan.name).unwrap(), *plan);
        assert!(plan.duration < Duration::from_secs(60), "{}", plan.name);
        let text = toml::to_string(plan).unwrap();
        assert_eq!(Plan::parse(&plan.name, &text).unwrap(), *plan, "what is written is read");
    }
    assert_eq!(all[0].name, "baseline");
}

#[test]
fn the_baseline_shows_the_defaults() {
    let baseline = Plan::find("baseline").unwrap();
    assert_eq!(baseline.cluster, Cluster::default());
    assert_eq!(baseline.workload, Workload::default());
    assert_eq!(baseline.limits, Limits::default());
    assert_eq!((baseline.order, baseline.faults), (Order::default(), Vec::new()));
}

#[test]
fn a_key_that_is_not_known_is_refused_with_what_was_meant() {
    let said = refused("[cluster]\nnode = 3\n");
    assert!(said.contains("line 5") && said.ends_with("(did you mean `nodes`?)"), "{said}");
    let said = refused("[[fault]]\nkind = \"node-kil\"\nat = \"1s\"\n");
    assert!(said.ends_with("(did you mean `node-kill`?)"), "{said}");
    let said = refused("[workload]\nxyzzy = 3\n");
    assert!(!said.contains("did you mean"), "{said}");
}

#[test]
fn a_scenario_that_is_not_there_is_told_with_the_one_that_was_meant() {
    let said = Plan::find("node-kil").unwrap_err().to_string();
    assert_eq!(
        said,
        "there is no scenario \"node-kil\", nor a file of that name (did you mean `node-kill`?); `callboard-chaos list` has all"
    );
}

#[test]
fn all_that_can_not_be_is_told_at_once() {
    let said = refused(
        "[cluster]\nnodes = 0\n[[fault]]\nkind = \"broker-wipe\"\nnode = 1\nfor = \"2s\"\n[[fault]]\nkind = \"cut\"\nat = \"1s\"\nby = \"1s\"\nnode = 4\n",
    );
    assert_eq!(
        said,
        "p.toml can not be carried out: cluster.nodes is 0, and may be from 1 to 9; the fault broker-wipe has neither `at` nor `every`; \
         the fault broker-wipe is not done to a node; the fault broker-wipe has no `for`; the fault cut is for node 4 of 0; the fault cut has no `by`"
    );
}

#[test]
fn what_does_not_go_together_is_refused() {
    let said = refused("[[fault]]\nkind = \"redis-failover\"\nat = \"1s\"\n");
    assert!(said.ends_with("the fault redis-failover needs `cluster.redis = \"sentinel\"`"), "{said}");
    let said = refused("[cluster]\nredis = \"sentinel\"\n[[fault]]\nkind = \"cut\"\nat = \"1s\"\n");
    assert!(said.contains("the fault cut is not done to a Redis with Sentinels"), "{said}");
    let flood = "[[fault]]\nkind = \"flood\"\nat = \"1s\"\n";
    let said = refused(&format!("{flood}[[fault]]\nkind = \"node-kill\"\nat = \"1s\"\n"));
    assert!(said.ends_with("the fault flood is among others: that needs `order = \"together\"`"), "{said}");
    assert!(Plan::parse("p", &format!("{LEAST}{flood}")).is_ok());
    let said = refused("[cluster.settings]\nLEASE = \"1s\"\n");
    assert!(said.ends_with("cluster.settings has \"LEASE\", which is no name of a setting"), "{said}");
    assert!(refused("[workload]\nkinds = []\n").ends_with("workload.kinds has none"));
}

/// `make chaos-long` runs it for an hour.
#[test]
fn a_long_run_has_thirty_faults_in_ten_minutes_and_every_kind_that_a_cluster_of_its_kind_can_have() {
    let long = Plan::find("hour").unwrap().lasting(Duration::from_secs(3_600)).unwrap();
    let drawn = crate::schedule::Schedule::draw(&long, 1);
    for from in (0..3_600).step_by(600) {
        let within = |fault: &&crate::schedule::Fault| (from..from + 600).contains(&(fault.at_ms / 1_000));
        assert!(drawn.faults.iter().filter(within).count() >= 30, "{from}");
    }
    assert!(long.faults.iter().all(|fault| fault.every.is_some()));
    // The last three need Sentinels, clients of another kind, and somebody else's cluster; poison is looked for among the dead, which a
    // broker that is wiped has not.
    let done = |kind: &FaultKind| long.faults.iter().any(|fault| fault.kind == *kind);
    let left: Vec<FaultKind> = FaultKind::ALL.into_iter().filter(|kind| !done(kind)).collect();
    assert_eq!(left, [FaultKind::Poison, FaultKind::RedisFailover, FaultKind::Flood, FaultKind::Command]);
}

#[test]
fn a_duration_without_a_unit_is_refused() {
    assert!(refused("[limits]\nprobe = \"3\"\n").contains("\"3\" is no duration such as \"30s\""));
}

#[test]
fn the_docs_have_every_kind_of_fault_and_their_plan_can_be_carried_out() {
    let docs = include_str!("../../../docs/chaos.md");
    let block: Vec<&str> = docs
        .lines()
        .skip_while(|line| !line.starts_with("    name = \"my-plan\""))
        .take_while(|line| line.is_empty() || line.starts_with("    "))
        .collect();
    let plan = Plan::parse("docs", &block.join("\n")).unwrap();
    assert_eq!((plan.faults.len(), plan.order), (2, Order::Together));
    for kind in FaultKind::ALL {
        assert!(docs.contains(&format!("`{}`", kind.name())), "{}", kind.name());
        let lasts = kind.lasts().map(|lasts| format!("{} s", lasts.as_secs())).unwrap_or_default();
        let row = docs.lines().find(|line| line.starts_with("| `") && line.contains(&format!("`{}`", kind.name())));
        assert!(row.unwrap().ends_with(&format!("| {lasts} |").replace("|  |", "| |")), "{}", kind.name());
    }
}

#[test]
fn every_kind_of_fault_is_done_by_a_scenario() {
    let done: Vec<FaultKind> =
        Plan::scenarios().unwrap().into_iter().flat_map(|plan| plan.faults).map(|fault| fault.kind).collect();
    // Commands are somebody's: attached.toml has some.
    for kind in FaultKind::ALL.into_iter().filter(|kind| *kind != FaultKind::Command) {
        assert!(done.contains(&kind), "{}", kind.name());
    }
}

#[test]
fn what_a_fault_is_told_has_to_be_its_own_and_possible() {
    let of = |kind: &str, keys: &str| refused(&format!("[[fault]]\nkind = {kind:?}\nat = \"1s\"\n{keys}\n"));
    for (kind, keys, said) in [
        ("store-answers", "status = 404", "has `status = 404`, and may have 409 or 412 or 500 or 503"),
        ("store-full", "status = 500", "has `status = 500`, and may have 403 or 507"),
        ("store-pause", "status = 500", "has no `status`"),
        ("store-full", "one_in = 2", "has no `one_in`"),
        ("redis-evict", "percent = 0", "has a `percent` that is not from 1 to 100"),
        ("cut", "percent = 9", "has no `percent`"),
        ("trickle", "bytes_per_second = 1", "has a `bytes_per_second` that is not from 10 to 1000000"),
        ("delay", "bytes_per_second = 100", "has no `bytes_per_second`"),
        ("clock-skew", "by = \"15m\"", "has a `by` of more than 14 minutes"),
        ("deaf", "server = \"broker\"", "has no `server`"),
        ("reset", "for = \"2s\"", "has no `for`"),
        ("agent-kill", "for = \"2s\"", "has no `for`"),
        ("broker-alarm", "node = 1", "is not done to a node"),
    ] {
        let whole = of(kind, keys);
        assert!(whole.ends_with(&format!("the fault {kind} {said}")), "{whole}");
    }
}

/// No proxy lies before it, and what is done to other servers is done.
#[test]
fn before_a_redis_with_sentinels_nothing_is_done_to_its_wire() {
    let watched = "[cluster]\nredis = \"sentinel\"\n[[fault]]\nat = \"1s\"\n";
    for kind in ["trickle", "half-open", "reset"] {
        let said = refused(&format!("{watched}kind = {kind:?}\n"));
        assert!(said.contains(&format!("the fault {kind} is not done to a Redis with Sentinels")), "{said}");
        assert!(Plan::parse("p", &format!("{LEAST}{watched}kind = {kind:?}\nserver = \"store\"\n")).is_ok());
    }
    for kind in ["deaf", "redis-evict"] {
        assert!(Plan::parse("p", &format!("{LEAST}{watched}kind = {kind:?}\n")).is_ok(), "{kind}");
    }
}
