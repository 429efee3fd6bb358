//! A newcomer's first steps, as the page tells them.

use super::node::Said;
use std::path::Path;
use std::process::Command;

#[test]
fn first_steps_are_as_the_page_tells_them() {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/newcomer");
    let said = Said::of(Command::new(script).arg(env!("CARGO_BIN_EXE_callboard")));
    assert_eq!(said.code, Some(0), "{}{}", said.out, said.err);
}
