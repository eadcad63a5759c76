//! A bundle and a compiled program, from files of this machine.

use std::process::Command;

use serde_json::json;

use super::pair::{Pair, Row};
use crate::archives::real_bundle::Packed;
use crate::support::{Home, registry_is_reachable};

pub(super) fn bundle() -> Result<Row, String> {
    if !registry_is_reachable() {
        return Err("the npm registry can't be reached".to_owned());
    }
    let home = Home::new();
    let Packed { bundle, program } = Packed::everything(&home)?;
    let mut bare = Command::new("node");
    bare.arg(program).arg("stdio");
    let mut pair = Pair::path(home, bundle.to_str().unwrap(), &mut bare)?;
    let echo = pair.agree("echo", json!({"message": "in a bundle"}));
    assert_eq!(echo, "Echo: in a bundle");
    Ok(pair.row("an echo", echo))
}

pub(super) fn static_program() -> Result<Row, String> {
    let program = crate::support::static_program()?;
    let home = Home::new();
    let mut bare = Command::new(&program);
    let mut pair = Pair::path(home, program.to_str().unwrap(), &mut bare)?;
    let answer = pair.agree("work", json!({}));
    assert_eq!(answer, "ok: 42");
    Ok(pair.row("some work", answer))
}
