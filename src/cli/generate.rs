//! `pinfold generate`: completions and man pages, for packaging.

use std::path::Path;

use clap::CommandFactory;

use super::args::{Arguments, Generated};
use super::exit::Exit;
use super::output;
use crate::lockfile::replace_atomically;

pub(super) fn run(what: &Generated) -> anyhow::Result<Exit> {
    match what {
        Generated::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(*shell, &mut Arguments::command(), "pinfold", &mut script);
            output::raw(&script);
        }
        Generated::Man { folder } => man_pages(folder)?,
    }
    Ok(Exit::Success)
}

fn man_pages(folder: &Path) -> anyhow::Result<()> {
    std::fs::create_dir_all(folder)?;
    let mut command = Arguments::command();
    command.build();
    page(folder, "pinfold", &command)?;
    for verb in command.get_subcommands().filter(|verb| !verb.is_hide_set()) {
        if verb.get_name() != "help" {
            page(folder, &format!("pinfold-{}", verb.get_name()), verb)?;
        }
    }
    Ok(())
}

fn page(folder: &Path, name: &str, command: &clap::Command) -> anyhow::Result<()> {
    let mut text = Vec::new();
    clap_mangen::Man::new(command.clone())
        .title(name)
        .source(concat!("pinfold ", env!("CARGO_PKG_VERSION")))
        .render(&mut text)?;
    replace_atomically(&folder.join(format!("{name}.1")), &text, 0o644)?;
    Ok(())
}
