//! Plays histories: `simulate [FROM [COUNT]]`.

use std::time::Instant;

fn main() -> std::process::ExitCode {
    let mut words = std::env::args().skip(1);
    let mut number = |default| words.next().and_then(|word| word.parse().ok()).unwrap_or(default);
    let (from, count): (u64, u64) = (number(1), number(1));
    let is_shown = std::env::var("SHOW").is_ok();
    if is_shown {
        tracing_subscriber::fmt().without_time().with_ansi(false).with_target(false).init();
    }
    let mut failed = 0;
    for seed in from..from + count {
        let began = Instant::now();
        let report = callboard_simulator::play(seed, is_shown);
        println!("seed {seed} in {:?}: {report:?}", began.elapsed());
        failed += usize::from(!report.breaches.is_empty());
    }
    std::process::ExitCode::from(u8::from(failed > 0))
}
