//! The `pinfold` program: the sandbox's stub when asked for by its hidden verb, else the commands.

use std::process::ExitCode;

use pinfold::{cli, sandbox};

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    if arguments
        .next()
        .is_some_and(|verb| verb == sandbox::stub::VERB)
    {
        sandbox::stub::main(arguments.filter_map(|argument| argument.into_string().ok()));
    }
    cli::main()
}
