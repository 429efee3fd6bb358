use super::*;

#[test]
fn each_has_a_plan_of_its_name_that_takes_less_than_a_minute() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../config/chaos/sabotage");
    assert_eq!(std::fs::read_dir(folder).unwrap().count(), ALL.len());
    for broken in ALL {
        let plan = broken.plan().unwrap();
        assert_eq!(plan.name, broken.promise.replace('_', "-"));
        assert!(plan.duration.as_secs() < 60, "{}", broken.promise);
        assert_eq!(Broken::of(broken.promise), Some(broken));
    }
    assert_eq!(Broken::of("no_fences"), None);
}

#[test]
fn it_is_found_by_the_checks_that_are_to_find_it_and_no_other() {
    let verdict = |check: &str, breached| Verdict {
        check: check.to_owned(),
        promise: String::new(),
        looked_at: 1,
        breached,
        breaches: Vec::new(),
    };
    let lock = Broken::of("no_fence_version").unwrap();
    assert!(lock.found(&[verdict("ends", 1), verdict("lock", 0), verdict("recovery", 3)]).is_empty());
    assert_eq!(lock.found(&[verdict("ends", 1), verdict("lock", 2)]).len(), 1);
}

#[cfg(feature = "sabotage")]
#[test]
fn the_core_knows_every_word() {
    let known: Vec<&str> = callboard_core::sabotage::Sabotage::ALL.iter().map(|promise| promise.name()).collect();
    for broken in ALL {
        assert!(known.contains(&broken.promise), "{}", broken.promise);
    }
}
