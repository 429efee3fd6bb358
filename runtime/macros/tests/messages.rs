//! The usual mistakes do not compile, and what the compiler says of each is advice.
//!
//! The wording is that of the compiler that the workspace is held to (`rust-version`); `TRYBUILD=overwrite` writes it
//! anew. Another compiler may word its part otherwise, so nothing is compared under it.

use std::process::Command;

#[test]
fn the_usual_mistakes_are_met_with_advice() {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let version = Command::new(rustc).arg("--version").output().expect("a compiler");
    let version = String::from_utf8_lossy(&version.stdout).into_owned();
    let held_to = concat!("rustc ", env!("CARGO_PKG_RUST_VERSION"), ".");
    if !version.starts_with(held_to) {
        println!("the messages are those of {held_to}x and are not compared with those of {version}");
        return;
    }
    trybuild::TestCases::new().compile_fail("tests/compile_fail/*.rs");
}
