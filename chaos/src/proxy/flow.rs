//! What happens to the bytes of one direction.

use super::ears::Ears;
use std::io;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until};

/// Bytes that are read at once.
const CHUNK: usize = 16 * 1024;
/// Chunks under way at most; behind them, the sender waits.
const UNDER_WAY: usize = 64;

/// What happens to the bytes of one direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flow {
    /// They arrive.
    Pass,
    /// They arrive so much later, in any amount.
    Delay(Duration),
    /// So many arrive, and so many more each time this has passed.
    Trickle {
        /// How many, 1 at least.
        bytes: usize,
        /// How often.
        every: Duration,
    },
    /// They wait, as before a cable that is cut; when they pass again, all of them arrive. The end of a connection waits
    /// too.
    Hold,
    /// They are lost, and the sender is told that they arrived: the connection is half open, and no longer good for
    /// anything when they pass again. The end of a connection waits.
    Swallow,
}

impl Flow {
    /// Whether the other side is told that a connection has ended.
    fn tells_of_the_end(self) -> bool {
        !matches!(self, Self::Hold | Self::Swallow)
    }
}

/// What was read, and when.
type Chunk = (Instant, Vec<u8>);

/// Carries one direction to its end; with ears, what these hear of it.
pub(super) async fn carry(
    from: ReadHalf<'_>,
    mut to: WriteHalf<'_>,
    mut flow: watch::Receiver<Flow>,
    ears: Option<Ears>,
) -> io::Result<()> {
    let (queue, mut chunks) = mpsc::channel(UNDER_WAY);
    let deliver = async {
        while let Some(chunk) = chunks.recv().await {
            deliver(chunk, &mut to, &mut flow).await?;
        }
        // It only fails when the proxy is gone.
        drop(flow.wait_for(|flow| flow.tells_of_the_end()).await);
        to.shutdown().await
    };
    tokio::try_join!(read(from, queue, ears), deliver).map(drop)
}

async fn read(mut from: ReadHalf<'_>, queue: mpsc::Sender<Chunk>, mut ears: Option<Ears>) -> io::Result<()> {
    loop {
        let mut bytes = vec![0; CHUNK];
        let read = from.read(&mut bytes).await?;
        bytes.truncate(read);
        if let Some(ears) = &mut ears {
            bytes = ears.hear(&bytes);
        }
        if read == 0 || queue.send((Instant::now(), bytes)).await.is_err() {
            return Ok(());
        }
    }
}

/// Delivers one chunk, as the flow says now, and as it says when it changes.
async fn deliver((since, bytes): Chunk, to: &mut WriteHalf<'_>, flow: &mut watch::Receiver<Flow>) -> io::Result<()> {
    let mut rest = &bytes[..];
    while !rest.is_empty() {
        let now = *flow.borrow_and_update();
        let (at, count) = match now {
            Flow::Pass => (None, rest.len()),
            Flow::Delay(late) => (Some(since + late), rest.len()),
            Flow::Trickle { bytes, every } => (Some(Instant::now() + every), bytes.clamp(1, rest.len())),
            Flow::Swallow => return Ok(()),
            Flow::Hold if flow.changed().await.is_ok() => continue,
            Flow::Hold => return Ok(()), // the proxy is gone
        };
        if let Some(at) = at {
            tokio::select! {
                Ok(()) = flow.changed() => continue,
                () = sleep_until(at) => {}
            }
        }
        let (first, others) = rest.split_at(count);
        to.write_all(first).await?;
        rest = others;
    }
    Ok(())
}
