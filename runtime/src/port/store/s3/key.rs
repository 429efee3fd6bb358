//! Names as keys of the bucket, and pages of keys as names.

use aws_sdk_s3::operation::list_objects_v2::ListObjectsV2Output;

use super::answer::Failure;
use crate::port::store::{Error, name};

/// The part of a bucket below a prefix.
#[derive(Clone, Debug)]
pub(super) struct Keys {
    /// Empty, or ends in a slash.
    root: String,
}

impl Keys {
    /// Below `prefix`, which is empty or well formed as a name.
    pub(super) fn below(prefix: &str) -> Self {
        let root = if prefix.is_empty() { String::new() } else { format!("{prefix}/") };
        Self { root }
    }

    /// With what all keys start.
    pub(super) fn root(&self) -> &str {
        &self.root
    }

    /// The key of a name, or of a name's beginning.
    pub(super) fn of(&self, name: &str) -> String {
        format!("{}{name}", self.root)
    }

    /// The name of a key, if it is one of ours.
    pub(super) fn name(&self, key: &str) -> Option<String> {
        let name = key.strip_prefix(&self.root)?;
        name::check(name).is_ok().then(|| name.to_owned())
    }

    /// After which key a list of `prefix` after `after` starts, if after any; `None` if nothing can come after it.
    ///
    /// Servers differ in what they make of a start outside the prefix, so none is sent.
    pub(super) fn start(&self, prefix: &str, after: &str) -> Option<Option<String>> {
        match after {
            after if after.starts_with(prefix) && !after.is_empty() => Some(Some(self.of(after))),
            after if after <= prefix => Some(None),
            _ => None,
        }
    }
}

/// The keys of a page, which are as many as it says, of that prefix, ascending, and behind `after`.
pub(super) fn in_order(page: ListObjectsV2Output, prefix: &str, after: Option<&str>) -> Result<Vec<String>, Error> {
    let (count, truncated) = (page.key_count(), page.is_truncated());
    let keys: Option<Vec<String>> = page.contents.unwrap_or_default().into_iter().map(|object| object.key).collect();
    let keys = keys.ok_or_else(|| Failure::strange("an object without a key in a list").unclear())?;
    let whole = count.and_then(|count| usize::try_from(count).ok()) == Some(keys.len()) && truncated.is_some();
    if !whole {
        let saw = format!("a list of {count:?} keys that shows {}, and is truncated: {truncated:?}", keys.len());
        return Err(Failure::strange(&saw).unclear());
    }
    let first = after.unwrap_or_default();
    let behind = keys.first().is_none_or(|key| key.as_str() > first);
    if behind && keys.is_sorted_by(|one, next| one < next) && keys.iter().all(|key| key.starts_with(prefix)) {
        return Ok(keys);
    }
    Err(Error::Refused {
        reason: format!(
            "a list of {prefix:?} after {first:?} is not in the order of bytes, or shows other keys: {:?} to {:?}; \
             this server or kind of bucket cannot be used",
            keys.first(),
            keys.last()
        ),
    })
}
