//! One message reaches every instance of every agent, and whoever subscribes sees what is said.
//!
//!     cargo run --example broadcast -- README.md ARCHITECTURE.md
//!
//! Five instances of two agents look at files. A change of their settings is broadcast, each takes it over between two
//! tasks, and from then on they all look at the files with other eyes.

use callboard::prelude::*;
use callboard::{Filter, Observed};
use futures::StreamExt;
use std::{env, fs};

#[payload]
struct Settings {
    letters_min: usize,
}

#[task(output = usize)]
struct CountWords {
    file: String,
}

#[task(output = String)]
struct LongestWord {
    file: String,
}

/// An instance keeps its settings as it keeps anything: in its fields, until it ends. One that starts later begins with
/// what its factory gives it, so what must not be lost belongs into a task.
#[derive(Clone)]
struct Looker {
    settings: Settings,
}

impl Looker {
    fn words(&self, file: &str) -> Result<Vec<String>> {
        let text = fs::read_to_string(file).context(file).terminal()?;
        let words = text.split(|c: char| !c.is_alphabetic()).map(str::to_owned);
        Ok(words.filter(|word| word.len() >= self.settings.letters_min).collect())
    }

    fn hear(&mut self, message: &Message) -> Result<Reply> {
        match message.topic() {
            "settings.changed" => {
                self.settings = message.parse()?;
                Ok(Reply::none())
            }
            "settings.show" => Reply::of(&self.settings),
            _ => Ok(Reply::declined()),
        }
    }
}

impl Agent<CountWords> for Looker {
    async fn run(&mut self, _: &Ctx, task: CountWords) -> Result<usize> {
        Ok(self.words(&task.file)?.len())
    }

    async fn message(&mut self, _: &MessageCtx, message: &Message) -> Result<Reply> {
        self.hear(message)
    }
}

impl Agent<LongestWord> for Looker {
    async fn run(&mut self, _: &Ctx, task: LongestWord) -> Result<String> {
        Ok(self.words(&task.file)?.into_iter().max_by_key(String::len).unwrap_or_default())
    }

    async fn message(&mut self, _: &MessageCtx, message: &Message) -> Result<Reply> {
        self.hear(message)
    }
}

#[tokio::main]
async fn main() -> Result<()> {
    let mut files: Vec<String> = env::args().skip(1).collect();
    if files.is_empty() {
        files = vec!["README.md".to_owned(), "ARCHITECTURE.md".to_owned()];
    }
    let looker = Looker { settings: Settings { letters_min: 1 } };
    let other = looker.clone();
    let board = Callboard::dev()
        .ephemeral()
        .agents::<CountWords, _>(3, move || looker.clone())
        .agents::<LongestWord, _>(2, move || other.clone())
        .start()
        .await?;
    show(&board, &files).await?;

    // Nothing is missed that is said from here on.
    let mut heard = board.subscribe(Filter::all().topic_prefix("settings."));
    let broadcast = board.broadcast(Message::new("settings.changed", &Settings { letters_min: 8 })?).await?;
    println!("the change is in {} inboxes", broadcast.delivered);

    // What one sender says stays in order: each handles the change before it is asked.
    for instance in ["count-words#1", "count-words#2", "count-words#3", "longest-word#1", "longest-word#2"] {
        let answer = board.ask(instance, Message::new("settings.show", "all")?, Duration::from_secs(5)).await?;
        println!("{instance} has {}", answer.body());
    }
    let (mut broadcasts, mut asks, mut answers) = (0, 0, 0);
    for _ in 0..11 {
        if let Some(Observed::Message(message)) = heard.next().await {
            broadcasts += usize::from(message.is_broadcast());
            asks += usize::from(message.is_ask());
            answers += usize::from(message.is_answer());
        }
    }
    println!("an observer has heard {broadcasts} broadcast, {asks} asks and {answers} answers");
    show(&board, &files).await?;
    board.shutdown().await
}

async fn show(board: &Callboard, files: &[String]) -> Result<()> {
    for file in files {
        let count = board.call(CountWords { file: file.clone() }).await?;
        let longest = board.call(LongestWord { file: file.clone() }).await?;
        println!("{file}: {count} words, the longest is {longest:?}");
    }
    Ok(())
}
