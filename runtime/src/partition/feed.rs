//! The events of all runs of a partition, for whoever follows them. Volatile: one that is dropped asks again.

use super::follow::When;
use super::history::History;
use super::message::FeedPage;
use super::tenant::Tenant;
use callboard_core::Millis;
use tokio::sync::oneshot;

/// What a page holds at most: so many lines, and about so many bytes. 256 and 1 MiB.
pub(super) const PAGE: (usize, usize) = (256, 1 << 20);

/// Somebody who waits for more.
#[derive(Debug)]
struct Reader {
    after: u64,
    reply: oneshot::Sender<FeedPage>,
}

/// Those who wait for whatever happens next.
#[derive(Debug, Default)]
pub(super) struct Readers(Vec<Reader>);

impl Readers {
    /// Tells what is durable by now. What is new was in memory a moment ago: no page of the archive has it.
    pub(super) fn released(&mut self, history: &mut History, durable: u64) {
        for Reader { after, reply } in std::mem::take(&mut self.0) {
            let (lines, until) = history.between(after, durable, PAGE);
            let _gone = reply.send(FeedPage { lines, until, ..FeedPage::default() });
        }
    }
}

impl Tenant {
    /// Tells the events behind `after` that are durable; if there are none, at once or as soon as there are.
    pub(super) fn feed(&mut self, after: Option<u64>, since: Millis, when: When, reply: oneshot::Sender<FeedPage>) {
        let durable = self.durable;
        let Some(after) = after else {
            return drop(reply.send(FeedPage { until: durable, ..FeedPage::default() }));
        };
        if after >= durable && when == When::Soon {
            let max = self.around.tuning.watchers_max;
            self.readers.0.retain(|reader| !reader.reply.is_closed());
            if self.readers.0.len() >= max {
                let full = FeedPage { until: after, full: Some(max), ..FeedPage::default() };
                return drop(reply.send(full));
            }
            return self.readers.0.push(Reader { after, reply });
        }
        let (lines, until) = self.history.between(after, durable, PAGE);
        // A run on a page has ended when the page says, or before: what is older was told.
        let pages = self.closing.pages(&self.state).iter().filter(|page| page.newest_ms >= since.0);
        let pages = pages.map(|page| page.page).collect();
        let _gone = reply.send(FeedPage { lines, until, pages, full: None });
    }
}
