//! Every screen of the command, held against what somebody has looked at: on a small world, in each form.
//!
//! `TEST_GOLDEN=write cargo test -p callboard-cli --test command -- screens` writes the screens anew, to be looked at again.

mod errors;
mod normal;
mod terminal;
mod world;

use super::node::{Said, program};
use normal::Normal;
use std::fs;
use std::path::Path;
use world::World;

/// The forms of a result.
const FORMS: [&str; 4] = ["table", "json", "jsonl", "yaml"];

/// What was asked and answered, as a terminal has it when everything is over.
#[derive(Default)]
struct Transcript {
    text: String,
    normal: Normal,
}

impl Transcript {
    /// Asks a node, or nobody, in these words; the words may be normal ones.
    fn ask(&mut self, address: &str, words: &[&str]) {
        let real: Vec<String> = words.iter().map(|word| self.normal.real(word)).collect();
        let said = Said::of(program(&real).env("CALLBOARD_ADDR", address));
        let shown = words
            .iter()
            .map(|word| if word.contains([' ', '|', '{']) { format!("'{word}'") } else { (*word).to_owned() });
        let shown: Vec<String> = shown.collect();
        self.text.push_str(&format!("$ callboard {}\n", shown.join(" ")));
        // What is for programs and what is for people, in this order.
        for text in [&said.out, &said.err] {
            self.text.push_str(&self.normal.of(text));
        }
        match said.code {
            Some(0) => self.text.push('\n'),
            code => self.text.push_str(&format!("[ends with {}]\n\n", code.unwrap_or(-1))),
        }
    }

    /// The same in each form.
    fn ask_in_each_form(&mut self, address: &str, words: &[&str]) {
        for form in FORMS {
            // As people ask, and as programs do.
            match form {
                "table" => self.ask(address, words),
                form => self.ask(address, &[words, &["-o", form]].concat()),
            }
        }
    }

    /// Holds it against the screens of this name.
    #[track_caller]
    fn check(&self, name: &str) {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/command/screens/golden/{name}.txt"));
        if std::env::var("TEST_GOLDEN").is_ok_and(|what| what == "write") {
            fs::create_dir_all(file.parent().expect("a folder")).expect("a folder");
            fs::write(&file, &self.text).expect("a file");
            return;
        }
        let expected = fs::read_to_string(&file).unwrap_or_default();
        let lines = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
        let (found, expected) = (lines(&self.text), lines(&expected));
        let differs = found.iter().zip(&expected).position(|(found, expected)| found != expected);
        let at = differs.unwrap_or(found.len().min(expected.len()));
        let line = |lines: &[String]| lines.get(at).cloned().unwrap_or_else(|| "(nothing)".to_owned());
        let asked = found.iter().take(at + 1).rfind(|line| line.starts_with("$ ")).cloned().unwrap_or_default();
        assert!(
            differs.is_none() && found.len() == expected.len(),
            "{name}.txt, line {}, of {asked}\n  is not:  {}\n  but:     {}\nlook at it, and write it anew with TEST_GOLDEN=write",
            at + 1,
            line(&expected),
            line(&found),
        );
    }
}

/// What is asked of a world, by noun: in each form, and then, for people alone, what changes it.
const QUESTIONS: &[(&str, &[&[&str]])] = &[
    (
        "run",
        &[
            &["run", "list"],
            &["run", "list", "--status", "failed,paused", "--limit", "1"],
            &["run", "list", "--workflow", "nobody"],
            &["run", "show", "RUN-notes"],
            &["run", "show", "RUN-broken"],
            &["run", "show", "RUN-waits"],
            &["run", "show", "RUN-notes", "--at", "1"],
            &["run", "time", "RUN-notes"],
            &["run", "diff", "RUN-notes", "RUN-broken"],
        ],
    ),
    (
        "task",
        &[
            &["task", "list", "--status", "dead,failed,parked,running"],
            &["task", "list", "--capability", "say"],
            &["task", "status", "RUN-notes/draft"],
            &["task", "status", "RUN-broken/dead"],
            &["task", "status", "RUN-broken/skipped"],
            &["task", "status", "RUN-waits/approval"],
            &["task", "status", "RUN-waits/under-way"],
        ],
    ),
    ("events", &[&["events", "tail", "RUN-notes"], &["events", "export", "RUN-broken", "--task", "dead"]]),
    ("queue", &[&["queue", "status"], &["queue", "dead", "list"], &["queue", "dead", "show", "RUN-broken/dead"]]),
    ("agent", &[&["agent", "list"], &["agent", "list", "--capability", "say"], &["agent", "info", "sick"]]),
    ("circuit-breaker", &[&["circuit-breaker", "status"], &["circuit-breaker", "status", "agent:sick"]]),
    ("limit", &[&["limit", "list"]]),
    ("lock", &[&["lock", "list"]]),
    ("budget", &[&["budget", "show", "RUN-paid"], &["budget", "show", "RUN-notes"]]),
    (
        "state",
        &[
            &["state", "list"],
            &["state", "list", "visits/", "--limit", "1"],
            &["state", "show", "visits/2026"],
            &["state", "show", "visits/2026", "--version", "1"],
            &["state", "history", "visits/2026"],
        ],
    ),
    ("metrics", &[&["metrics", "runs_total"], &["metrics", "callboard_circuit_breaker_state"]]),
];

/// What changes the world, and what that says.
const CHANGES: &[(&str, &[&[&str]])] = &[
    (
        "state",
        &[
            &["state", "set", "visits/2027", "{\"count\":1}", "--new", "--by", "Ann"],
            &["state", "set", "visits/2027", "2", "--expect", "3"],
            &["state", "rollback", "visits/2026", "1"],
            &["state", "delete", "visits/2026", "--expect", "3", "--label", "ticket:7"],
            &["state", "show", "visits/2026"],
            &["state", "erase", "visits/2026"],
            &["state", "erase", "visits/2026", "--yes"],
        ],
    ),
    (
        "circuit-breaker",
        &[
            &["circuit-breaker", "open", "agent:say", "--reason", "Ann: it lies"],
            &["circuit-breaker", "reset", "agent:say"],
            &["circuit-breaker", "open", "agent:nobody"],
        ],
    ),
    (
        "budget",
        &[
            &["run", "pause", "RUN-paid"],
            &["budget", "top-up", "RUN-paid", "1usd", "--by", "Ann"],
            &["budget", "top-up", "RUN-paid", "5 euros"],
        ],
    ),
    (
        "run",
        &[
            // What is paused starts nothing: the answers tell of no race.
            &["run", "pause", "RUN-waits", "--reason", "Ann: wait"],
            &["run", "signal", "RUN-waits", "go", "{\"n\": 1.50}"],
            &["run", "signal", "RUN-waits", "go", "text"],
            &["run", "approve", "RUN-waits", "--by", "Ann"],
            &["run", "resume", "RUN-paused"],
            &["run", "cancel", "RUN-paused", "--reason", "Ann: enough"],
            &["run", "cancel", "RUN-notes"],
            &["run", "show", "RUN-paused", "--watch"],
            &["run", "show", "00000000-0000-7000-8000-00000000dead"],
        ],
    ),
    (
        "task",
        &[
            &["run", "pause", "RUN-pays"],
            &["task", "decide", "RUN-pays/pay", "happened", "--result", "\"paid\"", "--by", "the bank"],
            &["task", "retry", "RUN-notes/draft"],
            &["task", "status", "RUN-notes/nobody"],
            &["task", "status", "RUN-notes"],
        ],
    ),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_screen_is_as_somebody_has_looked_at_it() {
    let world = World::new().await;
    let mut screens: Vec<(&str, Transcript)> = Vec::new();
    for (noun, questions) in QUESTIONS {
        let mut transcript = Transcript { normal: world.normal.clone(), ..Transcript::default() };
        for words in *questions {
            transcript.ask_in_each_form(&world.address, words);
        }
        screens.push((noun, transcript));
    }
    for (noun, changes) in CHANGES {
        let transcript = screens.iter_mut().find(|(known, _)| known == noun).map(|(_, transcript)| transcript);
        let transcript = transcript.expect("it was asked for before");
        changes.iter().for_each(|words| transcript.ask(&world.address, words));
    }
    world.end().await;
    screens.iter().for_each(|(noun, transcript)| transcript.check(noun));
}
