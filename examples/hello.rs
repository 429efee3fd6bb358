use callboard::prelude::*;

#[task(output = Summary)] // capability defaults to "summarize"
struct Summarize {
    text: String,
}

#[payload]
struct Summary {
    text: String,
    served: u64,
}

#[derive(Default)]
struct Summarizer {
    served: u64,
} // actor state: plain fields, no locks

impl Agent<Summarize> for Summarizer {
    async fn run(&mut self, _ctx: &Ctx, t: Summarize) -> Result<Summary> {
        self.served += 1;
        Ok(Summary { text: t.text.chars().take(40).collect(), served: self.served })
    }
}

#[tokio::main]
async fn main() -> Result<()> {
    let board = Callboard::dev().agent(Summarizer::default).start().await?;
    println!("{:?}", board.call(Summarize { text: "Half hour, please.".into() }).await?);
    Ok(())
}
