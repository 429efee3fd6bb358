//! An inbox under many orders in which senders, readers and its end can come to it.

use super::{Next, Offer, Queue};
use crate::message::letter::Letter;
use crate::message::{Limits, Message, MessageId};
use crate::sync::schedules::check;
use shuttle::future::{block_on, spawn};
use std::collections::BTreeSet;
use std::sync::Arc;

fn letter() -> Letter {
    Letter { message: Message::new("work", &1).unwrap(), asker: None }
}

/// Reads until there is nothing more for this reader.
async fn read(queue: Arc<Queue>, reader: u64) -> Vec<MessageId> {
    let mut read = Vec::new();
    loop {
        let changed = queue.changed();
        match queue.take(reader) {
            Next::Letter(letter) => read.push(letter.message.id),
            Next::Nothing => changed.await,
            Next::Over => return read,
        }
    }
}

#[test]
fn every_letter_is_with_one_reader_or_comes_back_in_any_order() {
    check(|| {
        let queue = Arc::new(Queue::new(Limits { inbox_max: 2, ..Limits::default() }));
        let senders = [(); 2].map(|()| {
            let queue = queue.clone();
            spawn(async move {
                let mut sent = Vec::new();
                for _ in 0..2 {
                    let mut letter = Some(letter());
                    let mut accepted = None;
                    let offer = queue.offer(&mut letter, |message| accepted = Some(message.id));
                    assert_eq!((offer == Offer::Taken, letter.is_none()), (accepted.is_some(), accepted.is_some()));
                    assert!(queue.waiting() <= 2);
                    sent.extend(accepted);
                }
                sent
            })
        });
        let first = spawn(read(queue.clone(), 0));
        let second = {
            let queue = queue.clone();
            spawn(async move {
                let reader = queue.change_reader();
                read(queue, reader).await
            })
        };
        let sent: Vec<MessageId> = senders.into_iter().flat_map(|sender| block_on(sender).unwrap()).collect();
        let is_back = sent.first().is_some_and(|id| queue.withdraw(*id));
        let left = queue.close();
        let mut seen: Vec<MessageId> = block_on(first).unwrap();
        seen.extend(block_on(second).unwrap());
        seen.extend(left.iter().map(|letter| letter.message.id));
        seen.extend(sent.first().filter(|_| is_back));
        assert_eq!(seen.len(), sent.len(), "none twice");
        assert_eq!(seen.into_iter().collect::<BTreeSet<_>>(), sent.into_iter().collect());
        assert_eq!(queue.offer(&mut Some(letter()), |_| ()), Offer::Closed);
    });
}
