//! The room in a partition's inbox under many orders in which it is taken and given back.

use super::{Door, INBOX_BYTES, INBOX_COMMANDS, ROOM_MAX};
use crate::ErrorKind;
use crate::supervise::Slot;
use crate::sync::schedules::{check, others_go_on, passes};
use futures::FutureExt;
use shuttle::future::{block_on, spawn};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

fn door() -> Arc<Door> {
    Arc::new(Door::new(Slot::of_nobody(), Arc::default(), false))
}

fn is_empty(door: &Door) -> bool {
    (door.commands.available_permits(), door.bytes.available_permits()) == (INBOX_COMMANDS, INBOX_BYTES)
}

#[test]
fn no_more_are_let_in_than_there_is_room_for_and_everybody_is_in_the_end() {
    check(|| {
        let (door, inside) = (door(), Arc::new(AtomicUsize::new(0)));
        // The large one asks for more than there is, and so for all.
        let callers = [1, INBOX_BYTES / 2, INBOX_BYTES / 2, 2 * INBOX_BYTES].map(|bytes| {
            let (door, inside) = (door.clone(), inside.clone());
            spawn(async move {
                let taken = bytes.min(INBOX_BYTES);
                let room = door.room(bytes).await.unwrap();
                assert!(inside.fetch_add(taken, Ordering::SeqCst) + taken <= INBOX_BYTES);
                others_go_on();
                inside.fetch_sub(taken, Ordering::SeqCst);
                drop(room);
            })
        });
        let gives_up = {
            let door = door.clone();
            spawn(async move {
                let mut room = Box::pin(door.room(INBOX_BYTES));
                let at_once = (&mut room).now_or_never();
                others_go_on();
                drop(room);
                drop(at_once);
            })
        };
        callers.into_iter().for_each(|caller| block_on(caller).unwrap());
        block_on(gives_up).unwrap();
        assert!(is_empty(&door));
    });
}

#[test]
fn who_waits_too_long_is_refused_and_leaves_nothing_taken() {
    check(|| {
        let door = door();
        let room = block_on(door.room(INBOX_BYTES)).unwrap();
        let waits = {
            let door = door.clone();
            spawn(async move { door.room(1).await })
        };
        let leaves = spawn(async move {
            others_go_on();
            drop(room);
        });
        let late = spawn(async { passes(ROOM_MAX) });
        let got = block_on(waits).unwrap();
        assert!(got.as_ref().err().is_none_or(|error| error.kind() == ErrorKind::Unavailable), "{got:?}");
        block_on(leaves).unwrap();
        block_on(late).unwrap();
        drop(got);
        assert!(is_empty(&door));
    });
}
