//! The `pinfold` program: what one of its hidden verbs asks for, else the commands.

use std::process::ExitCode;

use pinfold::{attack, cli, sandbox};

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    let verb = arguments.next();
    let mut rest = arguments.filter_map(|argument| argument.into_string().ok());
    match verb.as_ref().and_then(|verb| verb.to_str()) {
        Some(sandbox::stub::VERB) => sandbox::stub::main(rest),
        Some(attack::VERB) => cli::attacker(rest.next()),
        Some(cli::SESSION_VERB) => cli::session(rest),
        _ => cli::main(),
    }
}
