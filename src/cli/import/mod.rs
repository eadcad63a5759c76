//! `pinfold import`: the servers of the clients' configs are locked, and their entries started
//! through pinfold. Lock and manifest come first, then the configs, each with its original kept.

mod apply;
mod diff;
mod grants;
mod groups;
mod machine;
mod plan;
mod show;
pub(super) mod turn;
mod variables;
mod vault;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use super::add::{self, Adding, Choice};
use super::args::Import;
use super::context::Context;
use super::exit::{Exit, UsageError, exit_for};
use super::output;
use super::own_program;
use super::screen::Interrupted;
use crate::config::clients::{
    Backups, ClientFile, ClientFileError, FoundPlace, Rewrite, find_client_files, place_of, rewrite,
};
use crate::secrets::keep_out_of_dumps;
pub(super) use diff::Mask;
use groups::{Group, Wishes, groups};
use machine::Here;
pub(super) use plan::base_name;
use plan::{Decision, decide};

/// A config that was found, and what it says or why it is left alone.
struct Found {
    place: FoundPlace,
    file: Result<ClientFile, ClientFileError>,
    /// For each server of the file.
    decisions: Vec<Decision>,
}

/// A server of a file: indices.
type Member = (usize, usize);

pub(super) async fn run(manifest: Option<&Path>, arguments: Import) -> anyhow::Result<Exit> {
    // Before any config is read: they hold secrets, and a question may wait for hours.
    keep_out_of_dumps().context("this process's memory could not be kept out of core dumps")?;
    let context = match arguments.dry_run {
        true => {
            let (context, problem) = Context::for_looking(manifest)?;
            if let Some(problem) = problem {
                output::warning(&format!("without --dry-run this would fail: {problem}"));
            }
            context
        }
        false => Context::open(manifest)?,
    };
    let program = own_program::lasting_path(context.search_path())?;
    let wishes = Wishes::read(&arguments.allow, &arguments.egress)?;
    let (found, groups) = planned(&context, &arguments, &wishes, &program)?;
    if found.is_empty() {
        output::note("No config of an MCP client was found; name one: `pinfold import FILE`");
        return Ok(Exit::Success);
    }
    for name in wishes.check(&groups, &context.manifest_or_empty()?)? {
        output::warning(&format!(
            "`{name}` is in the manifest already and stays as it is; `pinfold tools {name} --allow TOOL` and `egress` in the manifest change it"
        ));
    }
    let unless_broken = match found.iter().any(|found| found.file.is_err()) {
        true => Exit::Usage,
        false => Exit::Success,
    };
    if arguments.dry_run || groups.is_empty() {
        if arguments.json {
            output::data(&show::json(&found, &groups, None).to_string());
            return Ok(unless_broken);
        }
        show::plan(&found, &groups, output::data);
        for (index, found) in found.iter().enumerate() {
            diff::show(index, found, &groups, &context, &program);
        }
        return Ok(unless_broken);
    }
    if !arguments.json {
        show::plan(&found, &groups, output::note);
    }
    confirm(&arguments)?;
    let _turn = turn::take(&context)?;
    // Another import may have ended while this one waited for its turn, or for the answer.
    let backups = Backups::new(context.paths.client_configs());
    backups
        .sweep()
        .context("what an import that was killed left behind could not be removed")?;
    let shown = groups;
    let (found, groups) = planned(&context, &arguments, &wishes, &program)?;
    turn::same_or_less(&shown, &groups, &wishes)?;
    if groups.is_empty() {
        output::note("Nothing is left to do: meanwhile these were taken over.");
    }
    let failures = lock_all(&context, &groups, &arguments, &wishes).await?;
    let written = write_all(&context, &backups, &found, &groups, &failures, &program);
    if arguments.json {
        let outcome = show::Outcome {
            failures: &failures,
            written: &written,
        };
        output::data(&show::json(&found, &groups, Some(&outcome)).to_string());
    } else {
        show::outcome(&groups, &failures, &written, &found);
    }
    let first = failures
        .values()
        .chain(written.iter().filter_map(|written| written.error.as_ref()));
    Ok(first.map(exit_for).next().unwrap_or(unless_broken))
}

/// What is there, and what becomes of it.
fn planned(
    context: &Context,
    arguments: &Import,
    wishes: &Wishes,
    program: &str,
) -> anyhow::Result<(Vec<Found>, Vec<Group>)> {
    let mut found = find(context, &arguments.files)?;
    decide_all(&mut found, &Here::new(context), program);
    let groups = groups(context, &found, wishes)?;
    Ok((found, groups))
}

fn find(context: &Context, files: &[PathBuf]) -> anyhow::Result<Vec<Found>> {
    let places: Vec<FoundPlace> = if files.is_empty() {
        let project = std::env::current_dir().ok();
        find_client_files(
            &context.environment,
            context.paths.home.as_deref(),
            project.as_deref(),
        )
        .into_iter()
        .filter(FoundPlace::may_have_servers)
        .collect()
    } else {
        let absolute = files.iter().map(std::path::absolute);
        let paths = absolute.collect::<Result<Vec<PathBuf>, _>>()?;
        let home = context.paths.home.as_deref();
        paths.iter().map(|path| place_of(path, home)).collect()
    };
    let read = |place: FoundPlace| Found {
        file: ClientFile::read(&place),
        place,
        decisions: Vec::new(),
    };
    let has_servers = |found: &Found| match &found.file {
        Ok(file) => !file.servers.is_empty() || !files.is_empty(),
        Err(_) => true,
    };
    Ok(places.into_iter().map(read).filter(has_servers).collect())
}

fn decide_all(found: &mut [Found], here: &Here<'_>, program: &str) {
    for found in found {
        let Ok(file) = &found.file else { continue };
        let decisions = file.servers.iter().map(|server| {
            let decision = decide(file, server, here);
            let Decision::Convert(converted) = &decision else {
                return decision;
            };
            // Whether its entry can be edited is found before anything is locked.
            let trial = Rewrite {
                server,
                command: program.to_owned(),
                args: vec!["run".to_owned(), "name".to_owned()],
                without: converted.variables.leaving.clone(),
            };
            match rewrite(file, &[trial]) {
                Ok(_) => decision,
                Err(error) => Decision::Refuse(error.to_string()),
            }
        });
        found.decisions = decisions.collect();
    }
}

fn confirm(arguments: &Import) -> anyhow::Result<()> {
    if arguments.yes {
        return Ok(());
    }
    if !output::at_a_terminal() {
        return Err(UsageError(
            "nothing was changed; say --yes to begin, with --allow-all or --allow SERVER:TOOL for each tool, or --dry-run to see the diffs".to_owned(),
        )
        .into());
    }
    match output::yes("Take these over? [y/N] ") {
        true => Ok(()),
        false => Err(UsageError("nothing was changed".to_owned()).into()),
    }
}

/// Locks each server once; those that can't be are the result. An error ends everything: a person
/// stopped the command.
async fn lock_all(
    context: &Context,
    groups: &[Group],
    arguments: &Import,
    wishes: &Wishes,
) -> anyhow::Result<BTreeMap<usize, anyhow::Error>> {
    let mut failures = BTreeMap::new();
    let mut adding = Adding::by("import");
    for (index, group) in groups.iter().enumerate() {
        if group.is_present {
            continue;
        }
        output::note(&format!(
            "\n[{}/{}] {}: {}",
            index + 1,
            groups.len(),
            group.wanted.name,
            group.wanted.source
        ));
        let choice = Choice {
            allow: wishes.tools_of(&group.wanted.name),
            allow_all: arguments.allow_all,
            prefix: format!("{}:", group.wanted.name),
        };
        let mut created = Vec::new();
        let added = match vault::store(context, group, &mut created) {
            Ok(wanted) => add::add(context, wanted, None, &choice, &mut adding).await,
            Err(error) => Err(error),
        };
        if let Err(error) = added {
            vault::forget(context, &created);
            if error.is::<Interrupted>() {
                return Err(error.context(
                    "the import was stopped and no config was changed; what was locked before stays locked, and `pinfold import` goes on from there",
                ));
            }
            output::error(&error);
            failures.insert(index, error);
        }
    }
    Ok(failures)
}

/// What became of a file.
struct Written {
    path: PathBuf,
    /// How many entries; none when there was nothing to do.
    entries: usize,
    error: Option<anyhow::Error>,
    notes: Vec<String>,
}

fn write_all(
    context: &Context,
    backups: &Backups,
    found: &[Found],
    groups: &[Group],
    failures: &BTreeMap<usize, anyhow::Error>,
    program: &str,
) -> Vec<Written> {
    let mut all = Vec::new();
    for (index, found) in found.iter().enumerate() {
        let Ok(file) = &found.file else { continue };
        let wanted = apply::wanted(index, file, groups, context, program, |group| {
            !failures.contains_key(&group)
        });
        if wanted.is_empty() {
            continue;
        }
        let mut written = Written {
            path: found.place.path.clone(),
            entries: 0,
            error: None,
            notes: Vec::new(),
        };
        match apply::write(&found.place, &wanted, backups) {
            Ok((entries, notes)) => {
                written.entries = entries;
                written.notes = notes;
            }
            Err(error) => written.error = Some(error),
        }
        all.push(written);
    }
    all
}
