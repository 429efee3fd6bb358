//! What happens to all runs of a name space, for whoever follows it: in order within each run, from where a reader left off,
//! whoever owns the partitions meanwhile.
//!
//! A reader pulls: each partition gives a page when it is asked for one, from memory and, where runs have left that, from
//! the archive. So who is slow falls behind, costs nobody memory, and catches up with all that is not forgotten by then.

mod called;
mod position;
mod reader;
#[cfg(test)]
mod tests;

pub use position::FeedPosition;

use crate::node::Node;
use crate::query::{Page, checked};
use crate::run_event::{RunEvent, What};
use crate::{Callboard, Error, ErrorKind, Result};
use callboard_core::RunId;
use futures::stream::{self, BoxStream, Stream, StreamExt};
use reader::Reader;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

/// Something that happened to one of all runs.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct FeedEvent {
    /// Where a reader is that has dealt with it and with all before it: [`Feed`] goes on behind it.
    pub position: FeedPosition,
    /// The run.
    pub run: RunId,
    /// The capability that its task asks for, if it concerns one.
    pub capability: Option<Arc<str>>,
    /// What happened; its own position is that in its run.
    pub event: RunEvent,
}

/// A question for the events of all runs in the making: [`follow`](Self::follow) it, or ask for a [`page`](Self::page).
#[derive(Clone)]
#[must_use = "nothing is read before it is followed"]
pub struct FeedRequest {
    node: Arc<Node>,
    filter: Filter,
    from: From,
}

/// Where a reader begins.
#[derive(Clone, Debug, Default)]
enum From {
    #[default]
    Start,
    Now,
    Behind(FeedPosition),
}

/// Which events are wanted.
#[derive(Clone, Debug, Default)]
struct Filter {
    kinds: Vec<String>,
    workflow: Option<String>,
    capability: Option<String>,
    run: Option<RunId>,
}

impl Callboard {
    /// Everything that has happened to all runs and will, as far back as it is kept, or as the request says.
    ///
    /// ```
    /// # use callboard::prelude::*;
    /// # use futures::StreamExt;
    /// # async fn example(board: Callboard) -> Result<()> {
    /// let mut ends = board.events().kind("ended").from_now().follow().await?;
    /// while let Some(happened) = ends.next().await {
    ///     let happened = happened?;
    ///     println!("{} {}", happened.run, happened.event);
    ///     // Kept, happened.position goes on here: board.events().after(position).
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn events(&self) -> FeedRequest {
        FeedRequest { node: self.0.clone(), filter: Filter::default(), from: From::Start }
    }
}

impl FeedRequest {
    /// Only events of this [kind](What::kind), or of one of several if it is said several times.
    pub fn kind(mut self, kind: impl Into<String>) -> Self {
        self.filter.kinds.push(kind.into());
        self
    }

    /// Only events of runs of this workflow.
    pub fn workflow(mut self, workflow: impl Into<String>) -> Self {
        self.filter.workflow = Some(workflow.into());
        self
    }

    /// Only events of tasks that ask for this capability.
    pub fn capability(mut self, capability: impl Into<String>) -> Self {
        self.filter.capability = Some(capability.into());
        self
    }

    /// Only events of this run.
    pub fn run(mut self, run: RunId) -> Self {
        self.filter.run = Some(run);
        self
    }

    /// Only what happens from now on: from when [`follow`](Self::follow) returns.
    pub fn from_now(mut self) -> Self {
        self.from = From::Now;
        self
    }

    /// Only what is behind this position: the rest for whoever has kept that of the last event that they have dealt with.
    pub fn after(mut self, position: FeedPosition) -> Self {
        self.from = From::Behind(position);
        self
    }

    /// Events as they become durable, in order within each run, and each once: whatever happens after this has returned is
    /// told. The stream ends with an error, which is `Unavailable` when the node stops; whoever has the position of the last
    /// event goes on with [`after`](Self::after), at any node.
    ///
    /// # Errors
    ///
    /// `Invalid` for a kind that does not exist or a position of another name space; `Unavailable` if a partition is down.
    pub async fn follow(self) -> Result<Feed> {
        let reader = Reader::open(self).await?;
        let pages = stream::unfold(Some(reader), |reader| async move {
            let mut reader = reader?;
            match reader.next().await {
                Ok(events) => Some((events.into_iter().map(Ok).collect(), Some(reader))),
                Err(error) => Some((vec![Err(error)], None)),
            }
        });
        Ok(Feed(pages.flat_map(stream::iter::<Vec<Result<FeedEvent>>>).boxed()))
    }

    /// The events that there are by now, at most so many (1 to 1,000), and where to go on. A page that is not full was the
    /// last for now.
    ///
    /// # Errors
    ///
    /// `Invalid` for a limit out of range, a kind that does not exist or a position of another name space;
    /// `Unavailable` if a partition is down or the archive can not be read.
    pub async fn page(self, limit: usize) -> Result<Page<FeedEvent, FeedPosition>> {
        let limit = checked(limit)?;
        let mut reader = Reader::open(self).await?;
        let events = reader.so_far(limit).await?;
        Ok(Page::new(events, Some(reader.position().clone())))
    }

    /// Begins to read: for who wants to know where it is between events.
    #[cfg(feature = "api")]
    pub(crate) async fn open(self) -> Result<Reader> {
        Reader::open(self).await
    }

    /// Refuses kinds that nothing can be of.
    fn check(&self) -> Result<()> {
        match self.filter.kinds.iter().find(|kind| !What::KINDS.contains(&kind.as_str())) {
            None => Ok(()),
            Some(kind) => {
                let seen: String = kind.chars().take(80).collect();
                let message = format!("a kind of event is one of {}, not {seen:?}", What::KINDS.join(", "));
                Err(Error::new(ErrorKind::Invalid, message))
            }
        }
    }
}

impl Filter {
    fn admits(&self, event: &FeedEvent) -> bool {
        let FeedEvent { run, capability, event, .. } = event;
        (self.kinds.is_empty() || self.kinds.iter().any(|kind| kind == event.what.kind()))
            && self.workflow.as_ref().is_none_or(|workflow| *event.workflow == **workflow)
            && self.capability.as_ref().is_none_or(|wanted| capability.as_deref() == Some(wanted))
            && self.run.is_none_or(|wanted| *run == wanted)
    }
}

impl fmt::Debug for FeedRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FeedRequest").field("filter", &self.filter).field("from", &self.from).finish_non_exhaustive()
    }
}

/// The events of all runs; see [`FeedRequest::follow`].
pub struct Feed(BoxStream<'static, Result<FeedEvent>>);

impl Stream for Feed {
    type Item = Result<FeedEvent>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<FeedEvent>>> {
        self.0.poll_next_unpin(cx)
    }
}

impl fmt::Debug for Feed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Feed")
    }
}
