//! `pinfold add`: manifest entry, lock and allowlist in one command.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use super::args::Add;
pub(super) use super::choosing::Choice;
use super::choosing::{choose, tool_names};
use super::context::Context;
use super::exit::{Exit, UsageError};
use super::locking::{Versions, lock_server, refuse_losses, repin_policy, warn_of_drift};
use super::proposal::Proposal;
use super::session::command;
use super::ungranted::ungranted;
use super::{output, server_json, summary};
use crate::config::{
    ConfigValue, Delivery, EnvValue, Manifest, NewServer, SecretSource, SecretUse, Server,
    add_server,
};
use crate::launch::Launcher;
use crate::lockfile::{ServerName, ToolName};
use crate::resolve::server_json::Offer;

pub(super) async fn run(manifest: Option<&Path>, arguments: Add) -> anyhow::Result<Exit> {
    let context = Context::open(manifest)?;
    let mut wanted = describe(&arguments)?;
    wanted.source = from_here(&wanted.source, context.paths.manifest.parent())?;
    let offer = server_json::offer(&context, &arguments, &wanted.env).await?;
    if let Some(offer) = &offer {
        take_up(&mut wanted, offer);
    }
    let choice = Choice {
        allow: arguments.allow,
        allow_all: arguments.allow_all,
        prefix: String::new(),
    };
    let name = wanted.name.clone();
    let mut adding = Adding::by("add");
    let server = add(&context, wanted, offer.as_ref(), &choice, &mut adding).await?;
    report(&name, &server);
    Ok(Exit::Success)
}

/// The command for which servers are added, and what it has said already.
pub(super) struct Adding {
    /// As the audit log names it.
    command: &'static str,
    layers: BTreeSet<String>,
}

impl Adding {
    pub(super) fn by(command: &'static str) -> Self {
        Self {
            command,
            layers: BTreeSet::new(),
        }
    }

    /// The layers, unless they were said of a server before.
    fn news(&mut self, layers: String) -> Option<String> {
        self.layers.insert(layers.clone()).then_some(layers)
    }
}

/// Locks `wanted`, has its tools chosen, and writes lock and manifest.
pub(super) async fn add(
    context: &Context,
    mut wanted: NewServer,
    offer: Option<&Offer>,
    choice: &Choice,
    adding: &mut Adding,
) -> anyhow::Result<Server> {
    let name = wanted.name.clone();
    // Everything that can be wrong with the words is found before anything is downloaded.
    let (place, home) = (&context.paths.manifest, context.paths.home.as_deref());
    let mut server = parsed(&wanted, place, home)?;
    let manifest = context.manifest_or_empty()?;
    refuse_other(context, &manifest, &name, &server, choice.allow.is_empty())?;
    for one in ungranted(&server, home, Path::exists) {
        output::note(&one.sentence(|text| output::foreign(text, 300)));
    }
    let lock = context.lock_or_empty()?;
    let outcome = lock_server(
        context,
        &name,
        &server,
        &manifest.settings,
        &lock,
        Versions::Kept,
        &BTreeSet::new(),
    )
    .await?;
    refuse_losses(
        &name,
        lock.servers.get(&name),
        &outcome.locked,
        "To have it all the same, add it under another name",
    )?;
    server_json::check(offer, &outcome.locked)?;
    let launcher = Launcher::new(&context.paths, &context.store, &context.environment);
    let policy = launcher.policy(&server, outcome.locked.interpreter.as_ref())?;
    let layers = adding.news(summary::layers(&outcome.plan));
    let limitations = &outcome.plan.limitations;
    for line in summary::agreement(&outcome.locked, &policy, layers, limitations) {
        output::note(&line);
    }
    warn_of_drift(&name, &outcome.drift);
    let proposal = Proposal::of(outcome.bundle.as_ref(), &outcome.introspection);
    for line in &proposal.lines {
        output::note(line);
    }
    wanted.allow = choose(context, &name, choice, &outcome.introspection, &proposal)?
        .into_iter()
        .collect();
    server = parsed(&wanted, place, home)?;
    let mut locked = outcome.locked;
    let _held = outcome.staging;
    repin_policy(context, &server, &mut locked)?;

    let _guard = context.write_lock()?;
    // Read again: somebody else may have written meanwhile.
    let manifest = context.manifest_or_empty()?;
    refuse_other(context, &manifest, &name, &server, false)?;
    let mut lock = context.lock_or_empty()?;
    lock.servers.insert(name.clone(), locked);
    // The lock first: a lock without its manifest entry does nothing, and the next `add` mends it.
    context.save(lock, adding.command)?;
    if !manifest.servers.contains_key(&name) {
        let text = manifest_text(context)?;
        let text = add_server(&text, &wanted)?;
        context.save_manifest(&text)?;
    }
    Ok(server)
}

/// A server of that name may be there only if it is this very one, as after an `add` that was
/// killed, or one that ran at the same time.
fn refuse_other(
    context: &Context,
    manifest: &Manifest,
    name: &ServerName,
    server: &Server,
    tools_are_open: bool,
) -> anyhow::Result<()> {
    let Some(present) = manifest.servers.get(name) else {
        return Ok(());
    };
    let mut same = present.clone();
    if tools_are_open {
        same.tools = server.tools.clone();
    }
    if same == *server {
        return Ok(());
    }
    Err(UsageError(format!(
        "there is another server called `{name}` in {}; choose another name, or change what is there and run `{}`, or take it out with `{}`",
        context.paths.manifest.display(),
        command(context, "lock", name),
        command(context, "remove", name),
    ))
    .into())
}

/// The manifest entry as text and back: what will be written is what is judged.
pub(super) fn parsed(
    wanted: &NewServer,
    manifest: &Path,
    home: Option<&Path>,
) -> anyhow::Result<Server> {
    let text = add_server("", wanted)?;
    let manifest = Manifest::parse(&text, manifest, home)
        .map_err(|diagnostics| UsageError(diagnostics.in_place("the new entry").to_string()))?;
    manifest
        .servers
        .get(&wanted.name)
        .cloned()
        .context("the new entry could not be read back")
}

fn manifest_text(context: &Context) -> anyhow::Result<String> {
    match std::fs::read_to_string(&context.paths.manifest) {
        Ok(text) => Ok(text),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(String::new()),
        Err(error) => Err(error)
            .with_context(|| format!("could not read {}", context.paths.manifest.display())),
    }
}

fn describe(arguments: &Add) -> anyhow::Result<NewServer> {
    Ok(NewServer {
        name: arguments.name.parse()?,
        source: arguments.source.clone(),
        program: arguments.program.clone(),
        args: arguments.arguments.clone(),
        config: config(&arguments.config, &arguments.config_from)?,
        runtime: arguments.runtime.clone(),
        build: arguments.build.clone(),
        build_egress: arguments.build_egress.clone(),
        profile: profile(arguments),
        egress: arguments.egress.clone(),
        env: environment(&arguments.env, &arguments.secret)?,
        exec: arguments.exec.clone(),
        read: absolute(&arguments.read)?,
        write: absolute(&arguments.write)?,
        allow: tool_names(&arguments.allow)?.into_iter().collect(),
    })
}

/// Puts in what a server.json says; the user's own words come after it, or stand.
fn take_up(wanted: &mut NewServer, offer: &Offer) {
    wanted.source.clone_from(&offer.source);
    wanted.args.splice(0..0, offer.args.iter().cloned());
    for (name, value) in &offer.env {
        wanted
            .env
            .entry(name.clone())
            .or_insert_with(|| value.clone());
    }
}

/// The profile to write; none stands for the default. Who names hosts wants a network.
fn profile(arguments: &Add) -> Option<String> {
    match &arguments.profile {
        Some(profile) => (profile != "offline").then(|| profile.clone()),
        None => (!arguments.egress.is_empty()).then(|| "web".to_owned()),
    }
}

fn environment(words: &[String], secrets: &[String]) -> anyhow::Result<BTreeMap<String, EnvValue>> {
    let mut variables: BTreeMap<String, EnvValue> = words
        .iter()
        .map(|word| match word.split_once('=') {
            Some((name, value)) => (name.to_owned(), EnvValue::Literal(value.to_owned())),
            None => (word.clone(), EnvValue::FromClient { name: word.clone() }),
        })
        .collect();
    for word in secrets {
        let Some((key, name)) = word.split_once('=') else {
            return Err(UsageError(format!("`{word}` is not KEY=NAME")).into());
        };
        let value = EnvValue::Secret(SecretUse {
            source: SecretSource::Stored(name.parse()?),
            delivery: Delivery::Value,
        });
        if variables.insert(key.to_owned(), value).is_some() {
            return Err(UsageError(format!("`{key}` is given twice")).into());
        }
    }
    Ok(variables)
}

/// The values for a bundle.
pub(super) fn config(
    given: &[String],
    from_client: &[String],
) -> anyhow::Result<BTreeMap<String, ConfigValue>> {
    let split = |word: &str| match word.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err(UsageError(format!("`{word}` is not KEY=VALUE"))),
    };
    let mut config = BTreeMap::new();
    for word in given {
        let (key, value) = split(word)?;
        let value = match config.remove(&key) {
            None => ConfigValue::Text(value),
            Some(ConfigValue::List(mut list)) => {
                list.push(value);
                ConfigValue::List(list)
            }
            Some(ConfigValue::Text(first)) => ConfigValue::List(vec![first, value]),
            Some(from @ (ConfigValue::FromClient { .. } | ConfigValue::Secret(_))) => from,
        };
        config.insert(key, value);
    }
    for word in from_client {
        let (key, name) = split(word)?;
        if config.contains_key(&key) {
            return Err(UsageError(format!("`{key}` is given twice")).into());
        }
        config.insert(key, ConfigValue::FromClient { name });
    }
    Ok(config)
}

/// A relative `path:` on the command line means the present folder, like every other path there, and
/// in the manifest that one's folder: what is below that stays relative, so that a repository can be
/// moved.
fn from_here(source: &str, manifest_folder: Option<&Path>) -> std::io::Result<String> {
    let relative = source.strip_prefix("path:").map(Path::new);
    let Some(relative) = relative.filter(|path| path.is_relative() && !path.starts_with("~"))
    else {
        return Ok(source.to_owned());
    };
    if relative.as_os_str().is_empty() {
        return Ok(source.to_owned());
    }
    let file = std::path::absolute(relative)?;
    let written = manifest_folder
        .and_then(|folder| file.strip_prefix(folder).ok())
        .unwrap_or(&file);
    let written = written.to_str().filter(|_| file.exists());
    Ok(written.map_or_else(|| source.to_owned(), |path| format!("path:{path}")))
}

/// Relative paths mean the present folder. `~` stays, which the manifest knows: the shell doesn't
/// expand it in `--write=~/notes` or between quotes.
fn absolute(paths: &[PathBuf]) -> anyhow::Result<Vec<String>> {
    paths
        .iter()
        .map(|path| {
            let of_home = path.starts_with("~");
            let whole = of_home.then(|| Ok(path.clone()));
            whole
                .unwrap_or_else(|| std::path::absolute(path))
                .ok()
                .and_then(|path| path.to_str().map(str::to_owned))
                .ok_or_else(|| {
                    UsageError(format!("`{}` is not a path in UTF-8", path.display())).into()
                })
        })
        .collect()
}

fn report(name: &ServerName, server: &Server) {
    let tools: Vec<&str> = server.tools.allow.iter().map(ToolName::as_str).collect();
    let tools = match tools.is_empty() {
        true => format!("none (`pinfold tools {name} --choose` changes that)"),
        false => tools.join(", "),
    };
    output::note(&format!("\nLocked `{name}`; allowed tools: {tools}"));
    output::note("Put this into the configuration of your MCP client:");
    output::data(&format!(
        "{{ \"mcpServers\": {{ \"{name}\": {{ \"command\": \"pinfold\", \"args\": [\"run\", \"{name}\"] }} }} }}"
    ));
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::cli::args::{Arguments, Command};

    fn described(words: &[&str]) -> NewServer {
        let start = ["pinfold", "add", "name", "npm:x"];
        let arguments = Arguments::try_parse_from(start.iter().chain(words)).unwrap();
        let Command::Add(add) = arguments.command else {
            panic!("{words:?}");
        };
        describe(&add).unwrap()
    }

    /// Tests run in the folder of the package.
    #[test]
    fn a_relative_source_means_the_present_folder() {
        let here = std::env::current_dir().unwrap();
        let elsewhere = Some(Path::new("/elsewhere"));
        let absolute = format!("path:{}/src/main.rs", here.display());
        assert_eq!(from_here("path:src/main.rs", elsewhere).unwrap(), absolute);
        assert_eq!(
            from_here("path:./src/main.rs", elsewhere).unwrap(),
            absolute
        );
        for (source, folder, written) in [
            ("path:src/main.rs", here.as_path(), "path:src/main.rs"),
            ("path:src/main.rs", &here.join("src"), "path:main.rs"),
            // Not here: as the manifest means it.
            ("path:nowhere.py", &here, "path:nowhere.py"),
            ("path:~/a.py", &here, "path:~/a.py"),
            ("path:/bin/sh", &here, "path:/bin/sh"),
            ("path:", &here, "path:"),
            ("npm:src", &here, "npm:src"),
        ] {
            assert_eq!(
                from_here(source, Some(folder)).unwrap(),
                written,
                "{source}"
            );
        }
    }

    #[test]
    fn whoever_names_hosts_gets_the_profile_for_them() {
        let egress = &["--egress", "a.test:443", "--egress", "*.b.test:1"][..];
        for (words, profile) in [
            (&[][..], None),
            (&["--profile", "offline"], None),
            (&["--profile", "web"], Some("web")),
            (egress, Some("web")),
            (
                &[egress, &["--profile", "browser"]].concat(),
                Some("browser"),
            ),
            // Refused later, by the policy.
            (&[egress, &["--profile", "offline"]].concat(), None),
        ] {
            let new = described(words);
            assert_eq!(new.profile.as_deref(), profile, "{words:?}");
            let named = words.contains(&"--egress");
            assert_eq!(new.egress.len(), if named { 2 } else { 0 }, "{words:?}");
        }
    }

    #[test]
    fn a_tilde_that_no_shell_expanded_is_the_home_folder() {
        assert_eq!(described(&["--write=~/notes"]).write, ["~/notes"]);
        assert_eq!(described(&["--read", "/a"]).read, ["/a"]);
        assert!(described(&["--read", "a~"]).read[0].starts_with('/'));
    }
}
