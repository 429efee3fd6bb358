//! Which other node owns each partition, as far as this node knows.

use std::sync::Arc;
use tokio::sync::watch;

/// Written by the member, read by whoever has something to say to a partition.
#[derive(Debug)]
pub(crate) struct Routes(Box<[watch::Sender<Option<Arc<str>>>]>);

/// The way to one partition that another node owns.
pub(crate) type Route = watch::Receiver<Option<Arc<str>>>;

impl Routes {
    /// Nothing is known yet.
    pub(crate) fn new(partitions: u16) -> Self {
        Self((0..partitions).map(|_| watch::Sender::new(None)).collect())
    }

    pub(crate) fn of(&self, partition: u16) -> Route {
        self.0[usize::from(partition)].subscribe()
    }

    /// Notes who owns a partition. True if that has changed.
    pub(super) fn set(&self, partition: u16, node: Option<Arc<str>>) -> bool {
        self.0[usize::from(partition)].send_if_modified(|route| {
            let is_news = *route != node;
            *route = node;
            is_news
        })
    }
}
