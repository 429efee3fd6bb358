//! The events of a run, and of all runs, as they happen: server-sent events, read.

use super::Client;
use crate::failure::{Failure, Result};
use callboard::Code;
use http_body_util::BodyExt;
use hyper::header;

/// One event at most, in bytes: what a handler says of its progress may be as long as an output.
const EVENT_BYTES_MAX: usize = 64 << 20;

/// What has happened.
pub(crate) struct Happened {
    /// In a word.
    pub(crate) kind: String,
    /// The event as JSON.
    pub(crate) json: String,
}

impl Client {
    /// Shows the events of a run at a path to `see`, all that have happened and those that will, until the run ends.
    ///
    /// # Errors
    ///
    /// That there is no such run; that the connection was cut before the run ended.
    pub(crate) async fn follow(&self, run: &str, path: &str, see: impl FnMut(Happened) -> Result<()>) -> Result<()> {
        if self.stream(path, see).await?.as_deref() == Some("ended") {
            return Ok(());
        }
        let cut = Failure::new(Code::NoConnection, "the node went away before the run ended");
        let seen = "the run goes on when its node does; nothing is lost";
        Err(cut.seen(seen).next(format!("callboard run show {run} --watch")))
    }

    /// Shows the events of all runs at a path to `see`, for ever.
    ///
    /// # Errors
    ///
    /// That the connection was cut, and where to go on.
    pub(crate) async fn follow_all(&self, path: &str, see: impl FnMut(Happened) -> Result<()>) -> Result<()> {
        let mut position = None;
        self.read_stream(path, see, &mut position).await?;
        let cut = Failure::new(Code::NoConnection, "the node went away, and what happens to all runs goes on");
        let after = position.map_or_else(String::new, |position| format!(" --after {position}"));
        Err(cut.seen("behind the last event nothing is lost").next(format!("callboard events tail{after}")))
    }

    /// Shows the events of a stream to `see` until it ends; says of which kind the last was.
    ///
    /// # Errors
    ///
    /// What the node says is wrong; that it can not be reached.
    pub(crate) async fn stream(&self, path: &str, see: impl FnMut(Happened) -> Result<()>) -> Result<Option<String>> {
        self.read_stream(path, see, &mut None).await
    }

    /// The same, and where the reader is by then.
    async fn read_stream(
        &self,
        path: &str,
        mut see: impl FnMut(Happened) -> Result<()>,
        position: &mut Option<String>,
    ) -> Result<Option<String>> {
        let mut answer = self.get(path).header(header::ACCEPT, "text/event-stream").send().await?;
        let (body, mut unread, mut last) = (answer.response.body_mut(), Vec::new(), None);
        while let Some(frame) = body.frame().await {
            let Ok(frame) = frame else { break };
            unread.extend_from_slice(frame.data_ref().map_or(&[][..], |data| data));
            while let Some(end) = unread.windows(2).position(|two| two == b"\n\n") {
                let event: Vec<u8> = unread.drain(..end + 2).collect();
                let text = String::from_utf8_lossy(&event);
                if let Some(happened) = read(&text) {
                    last = Some(happened.kind.clone());
                    see(happened)?;
                }
                // It is where it is when it has dealt with the event, or when there was none.
                if let Some(id) = member(&text, "id") {
                    *position = Some(id);
                }
            }
            if unread.len() > EVENT_BYTES_MAX {
                return Err(Failure::new(Code::Internal, format!("an event is longer than {EVENT_BYTES_MAX} bytes")));
            }
        }
        Ok(last)
    }
}

/// An event; `None` for what is none, such as a sign of life.
fn read(text: &str) -> Option<Happened> {
    Some(Happened { kind: member(text, "event")?, json: member(text, "data")? })
}

fn member(text: &str, name: &str) -> Option<String> {
    let mut lines = text.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
    lines.next().map(str::to_owned)
}
