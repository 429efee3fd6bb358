//! How long the history of ended runs is kept.
//!
//! A page of the archive is forgotten when all runs on it, and on those before it, have ended longer ago than the setting
//! `history_kept`. How long ago that is a clock says, and one that is set wrong when its node starts would make years of
//! minutes, and of all history an old one; nor would a restart with the right time undo that, because time as a journal
//! knows it never runs back. What is deleted can not be brought back. So only so much of that time counts as somebody may
//! vouch for:
//!
//! - what this owner has measured itself, since its tenure began: in full;
//! - of a time before, between the ends of runs on one page and the next, or the last and the beginning of the tenure, a
//!   seventh of `history_kept` at most. Where runs end, that is all of it.
//!
//! A clock that jumps ahead, by a day or by a century, therefore takes a seventh of the period from what is kept, and not
//! more, whoever owns the partition later: the gap stays between its pages. The price is that after a long silence of which
//! nobody can tell, because the node was restarted meanwhile, history is kept for longer than was asked for. It does not
//! grow by that: what adds to it is the end of runs, and that makes time count.

#[cfg(test)]
mod tests;

use crate::journal::archive::Summary;
use callboard_core::Millis;
use std::time::Duration;

/// Into how many parts the period is divided, of which one is what may count of a time that nobody has measured.
const PARTS: u32 = 7;

/// How many of these pages, the oldest first, were kept for `history_kept` by `now`; never the last. This owner has measured
/// the time since `began`.
pub(super) fn overdue(pages: &[Summary], began: Millis, now: Millis, history_kept: Duration) -> usize {
    // A page may be younger than the next: a run may have ended long before somebody decided what has become of it.
    let ended = pages.iter().scan(Millis(i64::MIN), |newest, page| {
        *newest = Millis(page.newest_ms).max(*newest);
        Some(*newest)
    });
    let ended: Vec<Millis> = ended.collect();
    let (mut age, mut later) = (Duration::ZERO, now);
    for (place, at) in ended.into_iter().enumerate().rev() {
        let measured = later.since(at.max(began));
        let unmeasured = later.min(began).since(at);
        age = age.saturating_add(measured).saturating_add(unmeasured.min(history_kept / PARTS));
        later = at;
        if age > history_kept {
            return (place + 1).min(pages.len() - 1);
        }
    }
    0
}
