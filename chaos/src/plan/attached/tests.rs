use crate::plan::{FaultKind, Plan};
use std::path::Path;

const LEAST: &str = "name = \"p\"\nabout = \"a\"\nduration = \"10s\"\n[attached]\ncluster = \"ours\"\n\
    addresses = [\"a:7420\"]\nworkflow = \"w.yaml\"\n";

/// What is wrong with such a plan, with what comes behind.
fn refused(text: &str) -> String {
    let said = Plan::parse("p", &format!("{LEAST}{text}")).unwrap_err().to_string();
    said.strip_prefix("p can not be carried out: ").unwrap().to_owned()
}

#[test]
fn a_plan_that_only_measures_declares_nothing() {
    let plan = Plan::parse("p", LEAST).unwrap();
    let attached = plan.attached.unwrap();
    assert_eq!((attached.allow, attached.programs), (vec![], vec![]));
    assert_eq!(attached.workflow, Path::new("w.yaml"));
}

#[test]
fn what_is_not_declared_is_refused() {
    let command =
        "[[fault]]\nkind = \"command\"\nat = \"1s\"\nrun = [\"kubectl\", \"delete\"]\nundo = [\"rm\", \"-r\"]\n";
    assert_eq!(
        refused(command),
        "the fault command is not declared: attached.allow does not have it; \
         the fault command runs \"kubectl\", which attached.programs does not have; \
         the fault command runs \"rm\", which attached.programs does not have"
    );
    // Written in another way it is another program.
    let said = refused(&format!("allow = [\"command\"]\nprograms = [\"/usr/bin/kubectl\", \"rm\"]\n{command}"));
    assert_eq!(said, "the fault command runs \"kubectl\", which attached.programs does not have");
    let declared = format!("{LEAST}allow = [\"command\"]\nprograms = [\"kubectl\", \"rm\"]\n{command}");
    assert!(Plan::parse("p", &declared).is_ok());
    assert_eq!(
        refused("[[fault]]\nkind = \"flood\"\nat = \"1s\"\n"),
        "the fault flood is not declared: attached.allow does not have it"
    );
}

#[test]
fn what_needs_a_process_of_the_suites_own_is_refused_whatever_is_declared() {
    for kind in FaultKind::ALL {
        let (name, needs_one) = (kind.name(), !matches!(kind, FaultKind::Command | FaultKind::Flood));
        let run = if kind == FaultKind::Command { "run = [\"x\"]\n" } else { "" };
        let text = format!("allow = [{name:?}]\nprograms = [\"x\"]\n[[fault]]\nkind = {name:?}\nat = \"1s\"\n{run}");
        let plan = Plan::parse("p", &format!("{LEAST}{text}"));
        assert_eq!(plan.is_err(), needs_one, "{name}");
        if needs_one {
            let what =
                format!("the fault {name} is done to processes of the suite's own, and an attached cluster has none");
            assert!(plan.unwrap_err().to_string().contains(&what), "{name}");
        }
    }
}

#[test]
fn a_cluster_of_its_own_is_not_given_commands_and_one_of_somebody_else_no_tasks() {
    let own =
        "name = \"p\"\nabout = \"a\"\nduration = \"10s\"\n[[fault]]\nkind = \"command\"\nat = \"1s\"\nrun = [\"x\"]\n";
    let said = Plan::parse("p", own).unwrap_err().to_string();
    assert!(
        said.ends_with("the fault command is for a cluster that is attached: it needs a table `[attached]`"),
        "{said}"
    );
    assert!(refused("[workload]\ntasks_max = 3\n").starts_with("`[workload]` says what tasks of the suite do"));
    assert!(refused("[cluster]\nnodes = 2\n").starts_with("`[cluster]` says what is built"));
    let often = format!(
        "{LEAST}[workload]\nruns_per_second = 5.0\ncancelled_percent = 0\nonce_percent = 3\nasked_percent = 9\n"
    );
    assert!(Plan::parse("p", &often).is_ok());
}

#[test]
fn a_command_says_what_is_run_and_for_how_long_it_lasts_only_if_it_is_undone() {
    let with = |keys: &str| {
        format!("allow = [\"command\"]\nprograms = [\"x\"]\n[[fault]]\nkind = \"command\"\nat = \"1s\"\n{keys}")
    };
    assert_eq!(refused(&with("")), "the fault command has no `run`, the program and its arguments");
    assert_eq!(refused(&with("run = [\"x\"]\nfor = \"1s\"\n")), "the fault command has no `for`");
    let undone = format!("{LEAST}{}", with("run = [\"x\"]\nundo = [\"x\"]\nfor = \"1s\"\nlimit = \"5s\"\n"));
    let plan = Plan::parse("p", &undone).unwrap();
    assert_eq!((plan.faults[0].limit().as_secs(), plan.faults[0].programs().count()), (5, 2));
    let said = refused("[[fault]]\nkind = \"flood\"\nat = \"1s\"\nundo = [\"x\"]\nrun = [\"y\"]\n");
    assert!(said.contains("the fault flood has no `run`; the fault flood has no `undo`"), "{said}");
}

#[test]
fn addresses_are_told_that_are_none() {
    for address in ["a", "a:b", "http://a:1", ":1", "a:70000"] {
        let text = LEAST.replace("\"a:7420\"", &format!("{address:?}"));
        let said = Plan::parse("p", &text).unwrap_err().to_string();
        assert!(said.ends_with(&format!("attached.addresses has {address:?}, and an address is HOST:PORT")), "{said}");
    }
    let none = LEAST.replace("\"a:7420\"", "").replace("\"ours\"", "\" \"");
    let said = Plan::parse("p", &none).unwrap_err().to_string();
    assert!(said.contains("attached.cluster is empty") && said.ends_with("attached.addresses has none"), "{said}");
}

/// The one to copy from is a plan, and its files are where it says.
#[test]
fn the_plan_to_copy_from_can_be_carried_out_and_its_files_are_there() {
    let plan = Plan::find(concat!(env!("CARGO_MANIFEST_DIR"), "/../config/chaos/attached.toml")).unwrap();
    assert!(plan.file.as_ref().is_some_and(|file| file.ends_with("config/chaos/attached.toml")));
    let attached = plan.attached.as_ref().unwrap();
    assert!(attached.workflow.is_file() && attached.of_probe().is_file());
    let schedule = crate::schedule::Schedule::draw(&plan, 1);
    let called: Vec<String> = schedule.faults.iter().map(|fault| plan.called(fault.kind, fault.target)).collect();
    assert_eq!(called, ["kubectl delete pod callboard-1 --wait=false", "systemctl --host node-2 stop callboard"]);
    assert!(schedule.increments_ms.is_empty() && schedule.runs.iter().all(|run| run.work.tasks.is_empty()));
}
