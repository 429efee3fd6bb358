//! The actors of a tree, for tests that kill them.

use super::Supervisor;
use super::child::{Child, Farewell};
use super::tree::{Msg, Tree};
use futures::FutureExt;
use futures::future::BoxFuture;
use ractor::ActorCell;
use std::sync::Arc;
use tokio::sync::oneshot;

/// An actor that runs somewhere in a tree.
#[derive(Clone, Debug)]
pub(crate) struct Found {
    /// The names on the way to it, its own last; none for the root.
    pub(crate) names: Vec<Arc<str>>,
    cell: ActorCell,
}

impl Found {
    /// Has it end at its next await, whatever it is doing; what it knew is dropped, and its children end with it. No
    /// orderly stop, and no farewell. It has ended on return.
    pub(crate) async fn kill(&self) {
        self.cell.kill();
        // Without a limit it cannot time out.
        let _never = self.cell.wait(None).await;
    }
}

/// A child that runs.
#[derive(Debug)]
pub(crate) struct Up {
    name: Arc<str>,
    cell: ActorCell,
    is_tree: bool,
}

impl Tree {
    pub(super) fn up(&self) -> Vec<Up> {
        let up = |child: &Child| {
            let is_tree = child.spec.farewell == Farewell::Shutdown;
            Some(Up { name: child.spec.name.clone(), cell: child.cell()?.clone(), is_tree })
        };
        self.children.iter().filter_map(up).collect()
    }
}

impl Supervisor {
    /// Every actor of this tree that runs, the root first, each before its children. One that stops meanwhile may be among
    /// them or not.
    pub(crate) async fn actors(&self) -> Vec<Found> {
        let mut all = vec![Found { names: Vec::new(), cell: self.cell() }];
        self.below(Vec::new(), &mut all).await;
        all
    }

    fn below<'a>(&'a self, names: Vec<Arc<str>>, all: &'a mut Vec<Found>) -> BoxFuture<'a, ()> {
        async move {
            let (reply, up) = oneshot::channel();
            self.tell(Msg::Up { reply });
            for Up { name, cell, is_tree } in up.await.unwrap_or_default() {
                let names: Vec<_> = names.iter().cloned().chain([name]).collect();
                all.push(Found { names: names.clone(), cell: cell.clone() });
                if is_tree {
                    Self::from(ractor::ActorRef::<Msg>::from(cell)).below(names, all).await;
                }
            }
        }
        .boxed()
    }
}
