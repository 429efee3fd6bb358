use super::super::view::{Beat, Hears, Standing, View};
use super::{Act, Movement, Pace, Steward, Why};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

const LIFE: Duration = Duration::from_secs(5);
const PACE: Pace = Pace {
    tenure_min: Duration::from_secs(10),
    backoff_first: Duration::from_millis(100),
    backoff_cap: Duration::from_secs(5),
};

fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// Nodes that do at once what their stewards say, over one true owner of each partition.
struct Stage {
    partitions: u16,
    stewards: BTreeMap<Arc<str>, Steward>,
    views: BTreeMap<Arc<str>, View>,
    journal: BTreeMap<u16, (u64, Arc<str>)>,
    standing: BTreeMap<Arc<str>, Standing>,
    /// Partitions whose journals nobody can read.
    broken: BTreeSet<u16>,
    now: Duration,
    beats: u64,
}

impl Stage {
    fn of(partitions: u16, nodes: &[&str]) -> Self {
        let mut stage = Self {
            partitions,
            stewards: BTreeMap::new(),
            views: BTreeMap::new(),
            journal: BTreeMap::new(),
            standing: BTreeMap::new(),
            broken: BTreeSet::new(),
            now: s(100),
            beats: 0,
        };
        nodes.iter().for_each(|node| stage.join(node));
        stage
    }

    fn join(&mut self, node: &str) {
        let node: Arc<str> = node.into();
        self.stewards.insert(node.clone(), Steward::new(node.clone(), self.partitions, PACE));
        self.views.insert(node.clone(), View::new(LIFE));
        self.standing.insert(node, Standing::Owner);
    }

    fn kill(&mut self, node: &str) {
        self.stewards.remove(node);
        self.views.remove(node);
        self.standing.remove(node);
    }

    /// Everybody hears everybody, and does what is to be done.
    fn round(&mut self, movement: Movement) -> Vec<(Arc<str>, Act)> {
        self.beats += 1;
        let beats: Vec<Beat> = self
            .stewards
            .iter()
            .map(|(node, steward)| Beat {
                node: node.clone(),
                number: self.beats,
                standing: self.standing[node],
                owns: steward.owns(),
                refuses: steward.refuses().clone(),
                up_ms: 0,
                hears_directory: Hears::Yes,
                home: uuid::Uuid::nil(),
            })
            .collect();
        let mut done = Vec::new();
        for (node, steward) in &mut self.stewards {
            let view = self.views.get_mut(node).unwrap();
            beats.iter().filter(|beat| beat.node != *node).for_each(|beat| {
                let _news = view.heard(beat.clone(), self.now);
            });
            for act in steward.acts(view, self.now, self.standing[node], movement) {
                match &act {
                    Act::Claim(partition) if self.broken.contains(partition) => steward.refuse(*partition, self.now),
                    Act::Claim(partition) => {
                        let epoch = self.journal.get(partition).map_or(1, |(epoch, _)| epoch + 1);
                        self.journal.insert(*partition, (epoch, node.clone()));
                        steward.began(*partition, epoch, self.now);
                    }
                    Act::Release(partition, _) => steward.ended(*partition),
                }
                done.push((node.clone(), act));
            }
        }
        self.now += s(1);
        done
    }

    fn counts(&self) -> Vec<usize> {
        self.stewards.values().map(|steward| steward.owns().len()).collect()
    }

    fn settle(&mut self) -> usize {
        (0..40).map(|_| self.round(Movement::Free).len()).sum()
    }
}

#[test]
fn partitions_spread_evenly_and_then_stay() {
    let mut stage = Stage::of(16, &["a", "b", "c"]);
    stage.settle();
    let mut counts = stage.counts();
    counts.sort_unstable();
    assert_eq!(counts, [5, 5, 6]);
    assert!(stage.round(Movement::Free).is_empty());
}

#[test]
fn a_newcomer_gets_its_share_but_not_before_the_tenures_have_lasted() {
    let mut stage = Stage::of(16, &["a"]);
    stage.round(Movement::Free);
    stage.join("b");
    for _ in 0..9 {
        assert!(stage.round(Movement::Free).is_empty(), "at {:?}", stage.now);
    }
    let moved = stage.settle();
    assert_eq!((stage.counts(), moved), (vec![8, 8], 16), "8 released and 8 claimed");
}

#[test]
fn what_a_dead_node_had_is_claimed_by_the_others() {
    let mut stage = Stage::of(16, &["a", "b", "c"]);
    stage.settle();
    stage.kill("b");
    let seen = stage.now;
    let claims = loop {
        let acts = stage.round(Movement::Free);
        if !acts.is_empty() {
            break acts;
        }
    };
    assert!(stage.now - seen <= LIFE + s(1), "{:?}", stage.now - seen);
    assert!(claims.iter().all(|(_, act)| matches!(act, Act::Claim(_))), "{claims:?}");
    assert_eq!(stage.counts(), [8, 8]);
}

#[test]
fn while_little_is_known_nothing_moves_but_the_dead_are_replaced() {
    let mut stage = Stage::of(16, &["a", "b"]);
    assert!(stage.round(Movement::Unsettled).is_empty());
    stage.settle();
    stage.join("c");
    for _ in 0..30 {
        assert!(stage.round(Movement::Frozen).is_empty());
    }
    stage.kill("a");
    let claims: usize = (0..10).map(|_| stage.round(Movement::Frozen).len()).sum();
    assert_eq!(claims, 8);
    assert_eq!(stage.counts().iter().sum::<usize>(), 16);
}

#[test]
fn who_stops_or_can_not_serve_hands_over_at_once_unless_nobody_else_is_there() {
    for standing in [Standing::Leaving, Standing::Unfit] {
        let mut stage = Stage::of(4, &["a", "b"]);
        stage.settle();
        stage.standing.insert("a".into(), standing);
        let released = stage.round(Movement::Frozen).into_iter().filter(|(_, act)| matches!(act, Act::Release(..)));
        assert_eq!(released.count(), 2);
        stage.round(Movement::Frozen);
        assert_eq!(stage.counts(), [0, 4]);
        stage.standing.insert("b".into(), standing);
        assert!(stage.round(Movement::Frozen).is_empty());
        assert_eq!(stage.counts(), [0, 4], "it is served to the end");
    }
}

#[test]
fn who_stops_takes_back_what_it_has_left_to_a_node_that_was_dead_and_no_more() {
    let mut stage = Stage::of(4, &["a", "b"]);
    stage.settle();
    stage.standing.insert("a".into(), Standing::Leaving);
    stage.kill("b");
    let released = stage.round(Movement::Frozen);
    assert!(released.len() == 2 && released.iter().all(|(_, act)| matches!(act, Act::Release(..))), "{released:?}");
    assert!(stage.round(Movement::Frozen).is_empty(), "it may live");
    stage.now += LIFE;
    let claimed = stage.round(Movement::Frozen);
    assert!(claimed.len() == 2 && claimed.iter().all(|(_, act)| matches!(act, Act::Claim(_))), "{claimed:?}");
    assert!(stage.round(Movement::Frozen).is_empty());
    assert_eq!(stage.counts(), [2], "what the other had is not claimed by one that stops");
}

#[test]
fn a_deposed_owner_lets_go_and_the_next_claim_waits_longer_each_time() {
    let mut steward = Steward::new("a".into(), 1, PACE);
    let mut view = View::new(LIFE);
    let (mut now, mut epoch, mut number) = (s(0), 1, 0);
    let mut pauses = Vec::new();
    for _ in 0..7 {
        // It claims as soon as it may.
        let from = now;
        while steward.acts(&view, now, Standing::Owner, Movement::Free) != [Act::Claim(0)] {
            now += Duration::from_millis(50);
        }
        pauses.push((now - from).as_millis());
        steward.began(0, epoch, now);
        // Another has a later epoch.
        number += 1;
        let beat = |number, owns, standing| Beat {
            node: "b".into(),
            number,
            standing,
            owns,
            refuses: BTreeSet::new(),
            up_ms: 0,
            hears_directory: Hears::Yes,
            home: uuid::Uuid::nil(),
        };
        view.heard(beat(number, BTreeMap::from([(0, epoch + 1)]), Standing::Owner), now);
        let deposed = Act::Release(0, Why::Deposed("b".into()));
        assert_eq!(steward.acts(&view, now, Standing::Owner, Movement::Free), [deposed]);
        steward.ended(0);
        // It goes, and the partition is free again.
        number += 1;
        view.heard(beat(number, BTreeMap::new(), Standing::Gone), now);
        epoch += 2;
    }
    assert_eq!(pauses, [0, 100, 200, 400, 800, 1600, 3200]);
}

#[test]
fn what_somebody_unheard_of_has_taken_is_left_alone_for_a_life() {
    let (mut steward, view) = (Steward::new("a".into(), 1, PACE), View::new(LIFE));
    let acts = |steward: &mut Steward, now| steward.acts(&view, now, Standing::Owner, Movement::Free);
    assert_eq!(acts(&mut steward, s(100)), [Act::Claim(0)]);
    steward.began(0, 1, s(100));
    steward.fenced(0, s(200));
    assert_eq!(acts(&mut steward, s(204)), []);
    assert_eq!(acts(&mut steward, s(205)), [Act::Claim(0)], "nobody is there who has it");
    // The next setback is an ordinary one again when it has been quiet.
    steward.failed(0, s(300));
    assert_eq!(steward.rests_until(0), s(300) + PACE.backoff_first);
}

#[test]
fn what_has_failed_without_the_store_is_claimed_at_once_when_it_is_back() {
    let (mut steward, view) = (Steward::new("a".into(), 2, PACE), View::new(LIFE));
    let acts = |steward: &mut Steward, now| steward.acts(&view, now, Standing::Owner, Movement::Free);
    assert_eq!(acts(&mut steward, s(100)), [Act::Claim(0), Act::Claim(1)]);
    (0..9).for_each(|_| steward.failed(0, s(100)));
    steward.began(1, 1, s(100));
    steward.fenced(1, s(100));
    assert_eq!(acts(&mut steward, s(101)), []);
    steward.store_is_back();
    assert_eq!(acts(&mut steward, s(101)), [Act::Claim(0)], "another has the other one");
}

#[test]
fn a_partition_that_three_nodes_can_not_serve_is_left_alone_by_all() {
    let mut stage = Stage::of(8, &["a", "b", "c", "d"]);
    stage.broken.insert(5);
    stage.settle();
    assert_eq!(stage.counts().iter().sum::<usize>(), 7);
    assert_eq!(stage.stewards.values().filter(|steward| steward.refuses().contains(&5)).count(), 3);
    assert!(stage.round(Movement::Free).is_empty());
    let (steward, view) = (&stage.stewards["a"], &stage.views["a"]);
    assert_eq!(steward.quarantined(view, stage.now), [5]);
}

#[test]
fn a_partition_that_panics_again_and_again_is_refused() {
    let mut steward = Steward::new("a".into(), 1, PACE);
    let view = View::new(LIFE);
    for n in 0..6 {
        let now = s(10 * n);
        assert_eq!(steward.acts(&view, now, Standing::Owner, Movement::Free), [Act::Claim(0)], "{n}");
        steward.began(0, n, now);
        steward.panicked(0, now);
    }
    assert!(steward.acts(&view, s(600), Standing::Owner, Movement::Free).is_empty());
    assert_eq!(steward.quarantined(&view, s(600)), [0], "there is nobody else");
}
