//! The events of a run as they happen: server-sent events, read.

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
    /// Shows the events of a run to `see`, all that have happened and those that will, until the run ends.
    ///
    /// # Errors
    ///
    /// That there is no such run; that the connection was cut before the run ended.
    pub(crate) async fn follow(&self, run: &str, mut see: impl FnMut(Happened) -> Result<()>) -> Result<()> {
        let path = format!("/v1/runs/{}/events", super::escaped(run));
        let mut answer = self.get(path).header(header::ACCEPT, "text/event-stream").send().await?;
        let (body, mut unread, mut has_ended) = (answer.response.body_mut(), Vec::new(), false);
        while let Some(frame) = body.frame().await {
            let Ok(frame) = frame else { break };
            unread.extend_from_slice(frame.data_ref().map_or(&[][..], |data| data));
            while let Some(end) = unread.windows(2).position(|two| two == b"\n\n") {
                let event: Vec<u8> = unread.drain(..end + 2).collect();
                let Some(happened) = read(&String::from_utf8_lossy(&event)) else { continue };
                has_ended = happened.kind == "ended";
                see(happened)?;
            }
            if unread.len() > EVENT_BYTES_MAX {
                return Err(Failure::new(Code::Internal, format!("an event is longer than {EVENT_BYTES_MAX} bytes")));
            }
        }
        if has_ended {
            return Ok(());
        }
        let cut = Failure::new(Code::NoConnection, "the node went away before the run ended");
        let seen = "the run goes on when its node does; nothing is lost";
        Err(cut.seen(seen).next(format!("callboard run show {run} --watch")))
    }
}

/// An event; `None` for what is none, such as a sign of life.
fn read(text: &str) -> Option<Happened> {
    let member = |name: &str| {
        let mut lines = text.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
        lines.next().map(str::to_owned)
    };
    Some(Happened { kind: member("event")?, json: member("data")? })
}
