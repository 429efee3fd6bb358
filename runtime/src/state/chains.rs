//! Registers that lie side by side under one name, such as all documents.

use crate::journal::access::Access;
use crate::journal::ids::Ids;
use crate::journal::late::Late;
use crate::journal::name::padded;
use crate::journal::register::Register;
use crate::{Error, ErrorKind, Result};
use std::collections::BTreeMap;
use tokio::time::Instant;

/// All registers of one kind.
#[derive(Clone, Debug)]
pub(super) struct Chains {
    pub(super) access: Access,
    pub(super) ids: Ids,
    pub(super) root: String,
    pub(super) keep: u64,
}

/// The newest versions of those registers that had garbage, as they were seen.
pub(super) type Seen = BTreeMap<String, u64>;

impl Chains {
    /// A register by its name, one segment.
    pub(super) fn register(&self, segment: &str) -> Register {
        Register::new(self.access.clone(), self.ids.clone(), format!("{}/{segment}", self.root), self.keep)
    }

    /// All versions that there are: `<segment>/<version, 20 digits>`, in their order.
    ///
    /// # Errors
    ///
    /// `Unavailable` if the store gives no answer.
    pub(super) async fn names(&self) -> Result<Vec<String>> {
        let root = format!("{}/", self.root);
        let names = self.access.list(&root, "").await.map_err(|error| {
            Error::new(ErrorKind::Unavailable, format!("{root} could not be listed")).because(error.to_string())
        })?;
        Ok(names.iter().filter_map(|name| name.strip_prefix(&root).map(str::to_owned)).collect())
    }

    /// Deletes the versions that are garbage for as long as `late` holds back what was seen: of which there are as many newer
    /// ones as are kept (R8 of the journal's protocol). One listing of all, and a delete for each version.
    pub(super) async fn sweep(&self, late: &mut Late<Seen>, now: Instant) {
        let Ok(names) = self.names().await else { return };
        let versions = || names.iter().filter_map(|name| name.split_once('/').and_then(|(s, n)| Some((s, padded(n)?))));
        let mut newest: Seen = versions().map(|(segment, number)| (segment.to_owned(), number)).collect();
        newest.retain(|_, last| *last > self.keep);
        let Some(seen) = late.ripe(now, newest) else { return };
        let mut deleted = 0_usize;
        for (segment, number) in versions() {
            if seen.get(segment).is_some_and(|then| number + self.keep <= *then) {
                deleted += usize::from(self.register(segment).delete(number).await.is_ok());
            }
        }
        if deleted > 0 {
            tracing::debug!(root = self.root, deleted, "old versions were deleted");
        }
    }
}
