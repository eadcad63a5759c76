//! `pinfold audit`: what is wrong in the configs of the MCP clients. Nothing is changed, and no
//! server is started. (The audit log is elsewhere: `crate::audit`.)
//!
//! Data first: `table` has the rules, `rules/` what each looks for, without I/O but for questions
//! to a [`Machine`]. Three ways to say it: `text`, `json`, `sarif`.

mod entry;
mod finding;
mod identity;
mod json;
mod judge;
mod machine;
mod rules;
mod sarif;
mod table;
mod text;

use std::path::{Path, PathBuf};

use super::args::Audit;
use super::exit::Exit;
use super::output;
use crate::config::clients::{ClientFile, FoundPlace, find_client_files, place_of};
use crate::config::{Environment, Paths};
pub(super) use finding::Severity;
use judge::{Read, audited, worst};
use machine::Here;

/// How findings are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Format {
    /// For people
    Text,
    /// One line of JSON
    Json,
    /// SARIF 2.1.0, for code scanning
    Sarif,
}

pub(super) fn run(manifest: Option<&Path>, arguments: &Audit) -> anyhow::Result<Exit> {
    let environment = Environment::current();
    let paths = Paths::resolve(&environment, manifest)?;
    let project = std::env::current_dir().ok();
    let read = read(
        &environment,
        paths.home.as_deref(),
        project.as_deref(),
        arguments,
    )?;
    let here = Here {
        environment: &environment,
        home: paths.home.clone(),
        manifest: manifest.map(Path::to_owned),
    };
    let audited = audited(&read, &here);
    let places = identity::Places {
        home: paths.home.as_deref(),
        project: project.as_deref(),
    };
    match arguments.format {
        Format::Text => text::show(&audited),
        Format::Json => output::data(&json::report(&audited, &places).to_string()),
        Format::Sarif => {
            let log = sarif::log(&audited, &places);
            output::data(&serde_json::to_string_pretty(&log)?);
        }
    }
    Ok(match worst(&audited) {
        Some(worst) if worst <= arguments.fail_on => Exit::Drift,
        _ => Exit::Success,
    })
}

fn read(
    environment: &Environment,
    home: Option<&Path>,
    project: Option<&Path>,
    arguments: &Audit,
) -> anyhow::Result<Vec<Read>> {
    let places: Vec<FoundPlace> = if arguments.files.is_empty() {
        find_client_files(environment, home, project)
    } else {
        let absolute = arguments.files.iter().map(std::path::absolute);
        let paths = absolute.collect::<Result<Vec<PathBuf>, _>>()?;
        paths.iter().map(|path| place_of(path, home)).collect()
    };
    let read = places.into_iter().map(|place| Read {
        file: ClientFile::read(&place),
        place,
    });
    Ok(read.collect())
}
