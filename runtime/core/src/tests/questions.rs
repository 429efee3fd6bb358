//! What the shell asks of a state, beside its commands.

use super::board::Board;
use crate::{Event, EventKind, Json, Limits, Millis, PagesForgotten, State, TaskIndex};

#[test]
fn a_task_is_ready_while_it_waits_for_an_instance_and_no_longer() {
    let mut board = Board::new(Limits::default());
    let is_ready = |board: &Board, name| board.state.is_ready(board.find(name).unwrap().1);
    board.say("submit r: a ; b from=a");
    assert!(is_ready(&board, "a") && !is_ready(&board, "b"));
    let mut nobody = board.find("a").unwrap().1;
    nobody.task = TaskIndex(7);
    assert!(!board.state.is_ready(nobody));
    board.say("accept a n1/x");
    assert!(!is_ready(&board, "a"));
    board.say("complete a n1/x");
    assert!(!is_ready(&board, "a") && is_ready(&board, "b"));
}

#[test]
fn news_are_the_tasks_whose_records_have_grown() {
    let mut board = Board::new(Limits::default());
    board.say("submit r: a ; b");
    let run = board.find("a").unwrap().1.run;
    board.state.take_news(run);
    for line in ["note a n1/x value k", "note a n1/x value l", "note b n1/y value k"] {
        board.say(line);
    }
    assert_eq!(board.state.take_news(run), [TaskIndex(0), TaskIndex(1)]);
    assert_eq!(board.state.take_news(run), []);
}

#[test]
fn a_partition_goes_on_where_its_snapshot_ends() {
    let limits = Limits { live_tasks_max: 7, ..Limits::default() };
    let pages = vec![Json::parse("{\"page\":1}").unwrap()];
    let mut state = State::resume(limits, pages.clone());
    assert_eq!((state.pages(), state.limits.live_tasks_max, state.seq()), (&*pages, 7, 0));
    state.resumed_at(40, Millis(9));
    state.resumed_at(3, Millis(8));
    assert_eq!((state.seq(), state.at()), (40, Millis(9)));
}

/// Whatever a journal says, the newest page stays: a page that is written next must not have the number of an earlier one.
#[test]
fn the_newest_page_is_never_forgotten() {
    let pages: Vec<Json> = (1..=4).map(|page| Json::of(&page).unwrap()).collect();
    for (kept, left) in [(0, 1), (1, 1), (3, 3), (4, 4), (u64::MAX, 4)] {
        let mut state = State::resume(Limits::default(), pages.clone());
        let kind = EventKind::PagesForgotten(PagesForgotten { kept });
        state.apply(&Event { seq: 1, at: Millis(1), run: None, kind });
        assert_eq!(state.pages(), &pages[4 - left..], "all but {kept}");
    }
    let mut none = State::new(Limits::default());
    none.apply(&Event {
        seq: 1,
        at: Millis(1),
        run: None,
        kind: EventKind::PagesForgotten(PagesForgotten { kept: 1 }),
    });
    assert_eq!(none.pages(), []);
}
