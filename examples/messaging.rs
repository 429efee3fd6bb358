//! Agents talk to one another beside their tasks: they tell, they ask, and they listen while they work.
//!
//!     cargo run --example messaging -- agnet README.md ARCHITECTURE.md
//!
//! Readers go through files and tell an index what words they have found. A speller asks the index which of them is
//! closest to the word that you have misspelt. Messages are quick and not durable: what must happen is a task.

use callboard::prelude::*;
use std::collections::BTreeMap;
use std::{env, fs};
use tokio::time::sleep;

const PATIENCE: Duration = Duration::from_secs(5);

#[task(output = usize)]
struct Read {
    file: String,
}

struct Reader;

impl Agent<Read> for Reader {
    async fn run(&mut self, ctx: &Ctx, task: Read) -> Result<usize> {
        let text = fs::read_to_string(&task.file).context(&task.file).terminal()?.to_lowercase();
        let words = text.split(|c: char| !c.is_alphabetic()).filter(|word| word.len() > 3);
        let words: Vec<&str> = words.collect();
        // To tell is to put something into an inbox, and to go on.
        ctx.tell("index", Message::new("index.add", &words)?).await?;
        Ok(words.len())
    }
}

/// Asks the index to listen until it has heard of so many files; the output is how many different words it knows then.
#[task(output = usize)]
struct Gather {
    files: usize,
}

#[derive(Default)]
struct Index {
    files: usize,
    seen: BTreeMap<String, usize>, // how often
}

impl Agent<Gather> for Index {
    async fn run(&mut self, ctx: &Ctx, task: Gather) -> Result<usize> {
        // What is said to an instance during its task waits in its inbox until it looks.
        let mut inbox = ctx.inbox();
        while self.files < task.files
            && let Some(message) = inbox.next().await
        {
            let reply = self.hear(&message);
            message.settle(reply);
        }
        Ok(self.seen.len())
    }

    // Between its tasks it is called for every message.
    async fn message(&mut self, _: &MessageCtx, message: &Message) -> Result<Reply> {
        self.hear(message)
    }
}

impl Index {
    fn hear(&mut self, message: &Message) -> Result<Reply> {
        match message.topic() {
            "index.add" => {
                self.files += 1;
                for word in message.parse::<Vec<String>>()? {
                    *self.seen.entry(word).or_default() += 1;
                }
                Ok(Reply::none())
            }
            "index.words" => Reply::of(&self.seen),
            _ => Ok(Reply::declined()),
        }
    }
}

#[task(output = String)]
struct Correct {
    word: String,
}

struct Speller;

impl Agent<Correct> for Speller {
    async fn run(&mut self, ctx: &Ctx, task: Correct) -> Result<String> {
        // To ask is to wait for an answer, but not for ever.
        let answer = ctx.ask("index", Message::new("index.words", "all")?, PATIENCE).await?;
        let seen: BTreeMap<String, usize> = answer.parse()?;
        let closest = seen.iter().min_by_key(|(word, times)| (distance(word, &task.word), usize::MAX - *times));
        Ok(match closest {
            Some((word, times)) if *word == task.word => format!("{word:?} is right, it stands there {times} times"),
            Some((word, times)) => format!("{:?} should be {word:?}, which stands there {times} times", task.word),
            None => "the index is empty".to_owned(),
        })
    }

    async fn message(&mut self, ctx: &MessageCtx, message: &Message) -> Result<Reply> {
        match message.topic() {
            // Whoever handles a message may ask others in turn.
            "spell.most" => {
                let answer = ctx.ask("index", Message::new("index.words", "all")?, PATIENCE).await?;
                let seen: BTreeMap<String, usize> = answer.parse()?;
                Reply::of(&seen.into_iter().max_by_key(|(_, times)| *times))
            }
            "spell.ponder" => {
                sleep(Duration::from_millis(100)).await;
                Reply::of("hm")
            }
            _ => Ok(Reply::declined()),
        }
    }
}

/// How many letters must be put in, left out or changed to make one word of the other (Levenshtein 1966).
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, y) in b.iter().enumerate() {
            let changed = diagonal + usize::from(x != *y);
            diagonal = row[j + 1];
            row[j + 1] = changed.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

#[tokio::main]
async fn main() -> Result<()> {
    let mut arguments = env::args().skip(1);
    let word = arguments.next().unwrap_or_else(|| "agnet".to_owned());
    let mut files: Vec<String> = arguments.collect();
    if files.is_empty() {
        files = vec!["README.md".to_owned(), "ARCHITECTURE.md".to_owned()];
    }

    let board = Callboard::dev()
        .ephemeral()
        .agents(2, || Reader) // an agent is called after what it does: "read"
        .pool(Index::default)
        .handles::<Gather>()
        .id("index")
        .pool(|| Speller)
        .handles::<Correct>()
        .id("speller")
        .start()
        .await?;

    let workflow = Workflow::new("index");
    let known = workflow.task("gather", Gather { files: files.len() });
    let read = workflow.map("read", files.iter().map(|file| Read { file: file.clone() }));
    let run = board.start(workflow).await?;
    for (file, read) in files.iter().zip(&read) {
        println!("{file}: {} words", run.output(read).await?);
    }
    println!("the index knows {} different words", run.output(&known).await?);
    println!("{}", board.call(Correct { word }).await?);

    // The program may ask, too, an agent or one of its instances.
    let answer = board.ask("speller#1", Message::new("spell.most", "please")?, PATIENCE).await?;
    let (most, times): (String, usize) = answer.parse()?;
    println!("{} says: the most frequent is {most:?}, {times} times", answer.from().unwrap_or("somebody"));

    // Every ask ends: with an answer, or with an error that says whether the message was handled.
    let hurry = Duration::from_millis(10);
    for (to, topic, limit) in
        [("speller", "spell.ponder", hurry), ("index", "index.burn", PATIENCE), ("indx", "index.words", PATIENCE)]
    {
        match board.ask(to, Message::new(topic, "all")?, limit).await {
            Ok(answer) => println!("{to} has answered {}", answer.body()),
            Err(error) => println!("{:?}: {error:#}", error.kind()),
        }
    }
    board.shutdown().await
}
