//! A run that is drawn on a terminal while it goes on: a bar for every task, over and over in the same place.

mod frame;
mod seen;

use crate::client::{Client, escaped};
use crate::failure::Result;
use crate::output::{Output, now, size, value};
use frame::{Look, frame};
use seen::Seen;
use serde_json::Value;
use std::cell::RefCell;
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// How often it is drawn.
const FRAME: Duration = Duration::from_millis(200);
/// How often the node is asked at least, events or not: why a task waits changes without one.
const ASKED: Duration = Duration::from_secs(1);
/// How many tasks are asked for.
const TASKS_MAX: usize = 1_000;

/// Draws a run until it has ended.
///
/// # Errors
///
/// That there is no such run; that the connection was cut before the run ended.
pub(crate) async fn watch(client: &Client, run: &str, output: Output) -> Result<()> {
    let path = format!("/v1/runs/{}", escaped(run));
    let seen = RefCell::new(Seen::default());
    let mut screen = Screen { output, lines: 0 };
    let mut picture = Picture::default();
    let events = format!("{path}/events");
    let follow = client.follow(run, &events, |happened| {
        seen.borrow_mut().note(&value(&happened.json)?);
        Ok(())
    });
    let draw = async {
        loop {
            if seen.borrow_mut().take_news() || picture.is_old() {
                picture.update(client, &path).await;
            }
            screen.show(&picture, &seen.borrow())?;
            sleep(FRAME).await;
        }
    };
    let done = tokio::select! {
        done = follow => done,
        failed = draw => failed,
    };
    picture.update(client, &path).await;
    screen.show(&picture, &seen.borrow())?;
    done
}

/// What the node has said last.
#[derive(Default)]
struct Picture {
    run: Value,
    tasks: Value,
    taken: Option<Instant>,
}

impl Picture {
    fn is_old(&self) -> bool {
        self.taken.is_none_or(|taken| taken.elapsed() >= ASKED)
    }

    /// Asks the node. If it does not answer the picture stays: whoever follows the events says why.
    async fn update(&mut self, client: &Client, path: &str) {
        let tasks = format!("{path}/tasks?limit={TASKS_MAX}");
        let (run, tasks) = tokio::join!(client.get(path).text(), client.get(tasks).text());
        if let (Ok(run), Ok(tasks)) = (run.and_then(|run| value(&run)), tasks.and_then(|tasks| value(&tasks))) {
            (self.run, self.tasks) = (run, tasks);
        }
        self.taken = Some(Instant::now());
    }
}

/// A place on the terminal, as many lines as were drawn last.
struct Screen {
    output: Output,
    lines: usize,
}

impl Screen {
    /// Draws over what was there, in one write: a terminal shows no half of it.
    fn show(&mut self, picture: &Picture, seen: &Seen) -> Result<()> {
        let items = picture.tasks.get("items").and_then(Value::as_array);
        let Some(tasks) = items else { return Ok(()) };
        let (columns, rows) = size().unwrap_or((80, 24));
        let look = Look { columns, rows, in_colour: self.output.is_in_colour(), now: now() };
        let lines = frame(&picture.run, tasks, seen, look);
        let back = match self.lines {
            0 => String::new(),
            lines => format!("\u{1b}[{lines}A\r"),
        };
        let text: String = lines.iter().map(|line| format!("{line}\u{1b}[K\n")).collect();
        self.lines = lines.len();
        self.output.write(&format!("{back}{text}\u{1b}[J"))
    }
}
