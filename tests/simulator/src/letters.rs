//! Messages to agents: what was refused is in no inbox, and nothing is handled twice.

use crate::deeds::Deeds;
use crate::matter::{Findings, Matter};
use crate::program::Outside;
use crate::random::Random;
use callboard::prelude::*;
use callboard_core::InstanceId;
use futures::FutureExt;
use futures::future::BoxFuture;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::time::sleep;

/// Who performs programs, and takes letters.
const ADDRESSEE: &str = "program";
/// An instance answers within that, or not at all.
const LIMIT: Duration = Duration::from_secs(2);

/// Some letters, one after the other, each with a number of its own. Nobody writes one again.
pub struct Letters {
    count: u64,
    next: AtomicU64,
    chance: Mutex<Random>,
    findings: Findings,
}

impl Letters {
    /// So many.
    pub fn draw(random: &mut Random) -> Self {
        Self {
            count: random.between(1, 20) as u64,
            next: AtomicU64::new(0),
            chance: Mutex::new(random.split()),
            findings: Findings::default(),
        }
    }

    fn draw_of<T>(&self, draw: impl FnOnce(&mut Random) -> T) -> T {
        draw(&mut self.chance.lock().unwrap_or_else(PoisonError::into_inner))
    }

    async fn attended(&self, board: &Callboard, deeds: &Deeds) -> Result<()> {
        loop {
            let number = self.next.fetch_add(1, Ordering::SeqCst);
            if number >= self.count {
                self.findings.done();
                return Ok(());
            }
            let (kind, letter) = (self.draw_of(|chance| chance.below(4)), Message::new("letter", &number)?);
            deeds.sends(number, if kind == 0 { usize::MAX } else { 1 });
            let sent = match kind {
                0 => board.broadcast(letter).await.map(drop),
                1 => board.tell(ADDRESSEE, letter).await,
                _ => self.ask(board, number, letter).await,
            };
            match sent {
                Err(error) if matches!(error.kind(), ErrorKind::Unavailable | ErrorKind::NotFound) => {
                    deeds.sends(number, 0);
                }
                Err(error) if error.kind() != ErrorKind::Unknown => return Err(error),
                Ok(()) | Err(_) => {}
            }
            sleep(self.draw_of(|chance| chance.millis(300))).await;
        }
    }

    async fn ask(&self, board: &Callboard, number: u64, letter: Message) -> Result<()> {
        let said: u64 = board.ask(ADDRESSEE, letter, LIMIT).await?.parse()?;
        if said != number {
            self.findings.breach(format!("letter {number} was answered with {said}"));
        }
        Ok(())
    }
}

impl Matter for Letters {
    fn findings(&self) -> &Findings {
        &self.findings
    }

    fn status(&self) -> String {
        format!("{} of {} letters", self.next.load(Ordering::SeqCst), self.count)
    }

    fn look_after(self: Arc<Self>, board: Callboard, deeds: Deeds) -> BoxFuture<'static, ()> {
        async move {
            if let Err(error) = self.attended(&board, &deeds).await {
                self.findings.breach(format!("a letter is refused: {error:#}"));
                self.findings.done();
            }
        }
        .boxed()
    }
}

/// What an instance makes of a letter: it says its number. Anything else is not for it.
pub(crate) fn heard(outside: &impl Outside, instance: &InstanceId, message: &Message) -> Result<Reply> {
    if message.topic() != "letter" {
        return Ok(Reply::declined());
    }
    let number: u64 = message.parse()?;
    outside.heard(number, &instance.to_string());
    Reply::of(&number)
}
