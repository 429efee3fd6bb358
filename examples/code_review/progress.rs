//! Shows how far a review is: one line that is rewritten on a terminal, a line for every tenth elsewhere.

#[cfg(test)]
mod tests;

use std::io::{self, Write};
use std::time::Duration;

/// Lines on a terminal are kept shorter than this, so that rewriting them works.
const COLUMNS: usize = 79;

/// Where a line of progress goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Screen {
    /// A terminal that can go back to the start of a line.
    Terminal,
    /// A file, a pipe, a log.
    Plain,
}

/// How far a review is. What cannot be shown is lost: progress never stops the work.
pub(crate) struct Progress<W> {
    to: W,
    screen: Screen,
    total: usize,
    done: usize,
}

impl<W: Write> Progress<W> {
    /// `done` of `total` files are there from the run before.
    pub(crate) fn new(to: W, screen: Screen, done: usize, total: usize) -> Self {
        Progress { to, screen, total, done }
    }

    /// One more file is done.
    pub(crate) fn advance(&mut self, file: &str, elapsed: Duration) {
        let tenth = |done: usize| done * 10 / self.total.max(1);
        let (before, now) = (tenth(self.done), tenth(self.done + 1));
        self.done += 1;
        let _shown = match self.screen {
            Screen::Terminal => self.rewrite(file, elapsed),
            Screen::Plain if now > before => {
                let files = if self.total == 1 { "file" } else { "files" };
                writeln!(self.to, "{} of {} {files}, {:.1} s", self.done, self.total, elapsed.as_secs_f64())
            }
            Screen::Plain => Ok(()),
        };
    }

    /// Leaves the line to others: call it before anything else is written to the same terminal.
    pub(crate) fn clear(&mut self) {
        if self.screen == Screen::Terminal {
            let _shown = write!(self.to, "\r\x1b[2K").and_then(|()| self.to.flush());
        }
    }

    /// Says why nothing moves.
    pub(crate) fn waits(&mut self, why: &str) {
        self.clear();
        let _shown = writeln!(self.to, "waiting: {why}");
    }

    fn rewrite(&mut self, file: &str, elapsed: Duration) -> io::Result<()> {
        let counts = format!("{}/{}  {:.1} s  ", self.done, self.total, elapsed.as_secs_f64());
        write!(self.to, "\r\x1b[2K{counts}{}", ending(file, COLUMNS.saturating_sub(counts.len())))?;
        self.to.flush()
    }
}

/// The end of a path says more than its start.
fn ending(path: &str, width: usize) -> String {
    let length = path.chars().count();
    if length <= width {
        return path.to_string();
    }
    let kept = path.chars().skip(length - width.saturating_sub(3));
    "...".chars().chain(kept).collect()
}
