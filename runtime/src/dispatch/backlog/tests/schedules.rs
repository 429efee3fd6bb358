//! The slots under many orders in which tasks, instances and partitions can come to the backlog.

use super::{Grant, Hall, hall, of_nobody, task};
use crate::dispatch::seat::Seat;
use crate::sync::schedules::{check, in_one_step, others_go_on};
use callboard_core::TaskRef;
use ractor::ActorRef;
use shuttle::future::{block_on, spawn};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use tokio::sync::mpsc;

/// What threads share: grants lie here until somebody picks them up.
#[derive(Clone)]
struct Table {
    grants: Arc<Mutex<mpsc::UnboundedReceiver<Grant>>>,
    taken: Arc<Mutex<Vec<TaskRef>>>,
    held: Arc<AtomicUsize>,
    seat: Arc<Seat>,
}

impl Table {
    /// Takes what has been granted by now; says whether there was anything. Each task is worked on, or its grant is lost
    /// on the way.
    fn serve(&self, seats: usize) -> bool {
        in_one_step(async {
            for _ in 0..4 {
                tokio::task::yield_now().await;
            }
        });
        let mut found = false;
        while let Some(grant) = self.next() {
            found = true;
            assert!(self.held.fetch_add(1, Ordering::SeqCst) < seats, "more tasks than instances");
            self.taken.lock().unwrap().push(grant.ready.task);
            let is_lost = grant.ready.task.task.0 % 2 == 0;
            if is_lost {
                others_go_on();
                self.held.fetch_sub(1, Ordering::SeqCst);
                drop(grant);
            } else {
                grant.used();
                let work = self.seat.begin(false);
                others_go_on();
                self.held.fetch_sub(1, Ordering::SeqCst);
                drop(work);
            }
        }
        found
    }

    fn next(&self) -> Option<Grant> {
        self.grants.lock().unwrap().try_recv().ok()
    }

    /// The tasks that were taken, in order.
    fn taken(&self) -> Vec<u32> {
        let mut taken: Vec<u32> = self.taken.lock().unwrap().iter().map(|task| task.task.0).collect();
        taken.sort_unstable();
        taken
    }
}

/// Ends the actor of a partition, so that the next schedule finds nothing.
fn end(partition: &ActorRef<super::Message>) {
    partition.stop(None);
    in_one_step(async { partition.wait(None).await.unwrap() });
}

#[test]
fn every_task_is_handed_out_once_and_every_slot_comes_back_in_any_order() {
    check(|| {
        let hall = in_one_step(hall());
        hall.open("a", &["x"], &[]);
        let (seat, second) = (Arc::new(hall.sit("a")), hall.sit("a"));
        let Hall { backlog, partition, ended, grants } = hall;
        let table = Table { grants: Arc::new(Mutex::new(grants)), taken: Arc::default(), held: Arc::default(), seat };
        let offers = [(&partition, vec![1, 2]), (&partition, vec![3, 4]), (&ended, vec![5])];
        let mut threads: Vec<_> = offers
            .map(|(to, tasks)| {
                let (backlog, to) = (backlog.clone(), to.clone());
                spawn(async move { backlog.offer(tasks.into_iter().map(|n| of_nobody(task(n, "x"))), &to) })
            })
            .into();
        for _ in 0..2 {
            let table = table.clone();
            threads.push(spawn(async move {
                table.serve(2);
                others_go_on();
                table.serve(2);
            }));
        }
        threads.into_iter().for_each(|thread| block_on(thread).unwrap());
        while table.serve(2) {}
        assert_eq!(table.taken(), [1, 2, 3, 4]);
        assert_eq!((backlog.agents()[0].running, backlog.lanes()), (0, vec![]));
        drop(second);
        end(&partition);
    });
}

#[test]
fn an_agent_that_is_closed_is_empty_in_the_end_in_any_order() {
    check(|| {
        let hall = in_one_step(hall());
        hall.open("a", &["x"], &[]);
        let manned = {
            let backlog = hall.backlog.clone();
            spawn(async move { backlog.is_manned().await })
        };
        let seat = Arc::new(hall.sit("a"));
        let Hall { backlog, partition, grants, .. } = hall;
        let table = Table { grants: Arc::new(Mutex::new(grants)), taken: Arc::default(), held: Arc::default(), seat };
        let offers = {
            let (backlog, to) = (backlog.clone(), partition.clone());
            spawn(async move { backlog.offer([1, 2, 3].map(|n| of_nobody(task(n, "x"))), &to) })
        };
        let closes = {
            let backlog = backlog.clone();
            spawn(async move {
                backlog.close_all();
                backlog.is_empty("a").await;
                assert_eq!(backlog.agents()[0].running, 0);
            })
        };
        let serves = {
            let table = table.clone();
            spawn(async move {
                table.serve(1);
            })
        };
        for thread in [manned, offers, serves] {
            block_on(thread).unwrap();
        }
        while table.serve(1) {}
        block_on(closes).unwrap();
        let waiting: usize = backlog.lanes().iter().map(|lane| lane.waiting).sum();
        assert_eq!(table.taken().len() + waiting, 3, "what was not handed out waits");
        end(&partition);
    });
}
