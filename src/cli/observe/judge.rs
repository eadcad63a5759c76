//! What was observed of a server, held against what its manifest grants now.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::super::context::Context;
use super::super::exit::DriftError;
use super::client::Answered;
use crate::config::{ConfigValue, EgressTier, EnvValue, Server};
use crate::launch::{Explanation, Launcher, RightSource, StateFolder};
use crate::lockfile::{LockedServer, ServerName, is_hidden};
use crate::observe::{
    Granted, NotProposed, Observed, Proposal, Situation, ThisMachine, Unused, propose, unused,
};
use crate::policy::{Origin, proposed_list};
use crate::sandbox::Access;

/// Where programs are looked for by name; as in a launch, and where shells look besides.
const PROGRAMS: [&str; 6] = [
    "/usr/local/bin",
    "/usr/bin",
    "/bin",
    "/usr/local/sbin",
    "/usr/sbin",
    "/sbin",
];

/// Everything that a report speaks of.
pub(super) struct Judged {
    pub name: ServerName,
    pub observed: Observed,
    pub proposal: Proposal,
    pub unused: Unused,
    /// Folders of the manifest's grants and the server's own, whose use is worth telling.
    pub worth_telling: Vec<PathBuf>,
    /// Names of variables that the manifest sets: whether they are read can't be seen.
    pub variables: Vec<String>,
    /// System calls that its box lets through.
    pub allowed_calls: usize,
    /// A list of system calls that would have been enough.
    pub calls: BTreeSet<String>,
    /// Whether it is to be limited to these.
    pub limits_calls: bool,
    /// What `egress` stands for while it is missing.
    pub egress_before: Vec<String>,
    /// Whether the policy is still the one that was observed.
    pub is_current: bool,
    /// Of the calls that were just made.
    pub answers: Vec<Answered>,
}

/// Judges what is kept of `name`.
///
/// # Errors
/// When nothing was observed yet, or the manifest can't be explained.
pub(super) async fn judge(
    context: &Context,
    name: &str,
    answers: Option<Vec<Answered>>,
) -> anyhow::Result<Judged> {
    let manifest = context.manifest()?;
    let lock = context.lock()?;
    let (name, server, locked) = context.server(name, &manifest, &lock)?;
    let state = StateFolder::planned(context.paths.server_state(&name));
    let observed = super::load(&state.observed_path())?.ok_or_else(|| {
        DriftError(format!(
            "nothing was observed of `{name}` yet: put `pinfold observe {name}` in the place of `pinfold run {name}` in your client's config for a while, or run `pinfold observe {name} --call 'TOOL {{ARGUMENTS}}'`"
        ))
    })?;
    let launcher = Launcher::new(&context.paths, &context.store, &context.environment);
    let staging = context.store.staging()?;
    let found = launcher.explain(&staging, &name, server, locked).await?;
    let situation = situation(context, &launcher, server, locked, &found);
    let proposal = nameable(propose(&observed, &situation, &ThisMachine));
    let granted = granted(server, &found);
    let manifest_grants = found.policy.granted_paths();
    let [allowed, conditional, _] =
        super::super::explain::calls(&found.calls.allow, &found.calls.deny);
    let egress = found.policy.egress.as_ref();
    Ok(Judged {
        unused: unused(&granted, &observed),
        is_current: observed.policy == found.policy.digest().to_string(),
        worth_telling: manifest_grants
            .into_iter()
            .chain([state.home(), state.temporary()])
            .collect(),
        variables: server.env.keys().cloned().collect(),
        allowed_calls: allowed.len() + conditional.len() + found.unlisted.len(),
        calls: enough_calls(&observed)?,
        limits_calls: false,
        egress_before: match &server.egress {
            Some(_) => Vec::new(),
            None => egress
                .iter()
                .flat_map(|egress| &egress.rules)
                .map(ToString::to_string)
                .collect(),
        },
        name,
        observed,
        proposal,
        answers: answers.unwrap_or_default(),
    })
}

/// What was made, and what nothing but the present list refused.
fn enough_calls(observed: &Observed) -> anyhow::Result<BTreeSet<String>> {
    let made = observed.system_calls.iter();
    let made = made.chain(observed.unlisted.keys()).cloned().collect();
    Ok(proposed_list(&made)?)
}

/// Without the lines that no manifest takes: a server chooses the names that it asks for, and one of
/// them would have all the others refused.
fn nameable(proposal: Proposal) -> Proposal {
    let (lines, hidden): (Vec<_>, Vec<_>) = proposal
        .lines
        .into_iter()
        .partition(|line| !line.value.chars().any(is_hidden));
    let mut not_proposed = proposal.not_proposed;
    not_proposed.extend(hidden.into_iter().map(|line| {
        NotProposed {
        what: line.value,
        why: "its name holds a control or invisible character, and no manifest names such a thing"
            .to_owned(),
        during: line.during,
    }
    }));
    Proposal {
        lines,
        not_proposed,
        ..proposal
    }
}

fn situation(
    context: &Context,
    launcher: &Launcher<'_>,
    server: &Server,
    locked: &LockedServer,
    found: &Explanation,
) -> Situation {
    let policy = &found.policy;
    let mut readable = BTreeSet::new();
    let mut writable = BTreeSet::new();
    for right in &found.rights {
        // These names mean something else outside.
        if matches!(right.source, RightSource::Scratch | RightSource::ShortName) {
            continue;
        }
        match right.access {
            Access::Write | Access::WriteExecute => drop(writable.insert(right.path.clone())),
            Access::List => {}
            Access::Read | Access::Execute | Access::Device => {
                readable.insert(right.path.clone());
            }
        }
    }
    // As written, too, where that leads through links.
    for grant in &policy.grants {
        if grant.origin == Origin::Manifest {
            let path = PathBuf::from(&grant.path);
            match grant.access {
                Access::Write => writable.insert(path),
                _ => readable.insert(path),
            };
        }
    }
    Situation {
        profile: policy.profile.clone(),
        named: named(server),
        home: context.paths.home.clone(),
        own: launcher.own_folders().private,
        code: locked
            .trees()
            .map(|tree| context.store.tree(tree))
            .collect(),
        readable: readable.into_iter().collect(),
        writable: writable.into_iter().collect(),
        programs: PROGRAMS.map(PathBuf::from).to_vec(),
        has_named_network: policy
            .egress
            .as_ref()
            .is_some_and(|egress| egress.tier == EgressTier::Names),
    }
}

/// Absolute paths in what the manifest tells the server, also behind `--flag=`; with links resolved,
/// too.
fn named(server: &Server) -> Vec<PathBuf> {
    let literal = |value: &EnvValue| match value {
        EnvValue::Literal(text) => Some(text.clone()),
        _ => None,
    };
    let config = |value: &ConfigValue| match value {
        ConfigValue::Text(text) => vec![text.clone()],
        ConfigValue::List(entries) => entries.clone(),
        _ => Vec::new(),
    };
    let arguments = server.args.iter().cloned();
    let variables = server.env.values().filter_map(literal);
    let values = server.config.values().flat_map(config);
    let mut named = BTreeSet::new();
    for text in arguments.chain(variables).chain(values) {
        let path = match text.split_once('=') {
            Some((flag, path)) if flag.starts_with('-') => path,
            _ => text.as_str(),
        };
        // Without a slash at its end.
        let path: PathBuf = Path::new(path).components().collect();
        if path.is_absolute() {
            named.extend(std::fs::canonicalize(&path));
            named.insert(path);
        }
    }
    named.into_iter().collect()
}

fn granted(server: &Server, found: &Explanation) -> Granted {
    let of = |access: Access| {
        let grants = found.policy.grants.iter();
        grants
            .filter(|grant| grant.origin == Origin::Manifest && grant.access == access)
            .map(|grant| {
                let resolved = grant.resolved.clone();
                let path = resolved.unwrap_or_else(|| PathBuf::from(&grant.path));
                (grant.path.clone(), path)
            })
            .collect()
    };
    let program = |place: usize| {
        let mut rights = found.rights.iter();
        rights.find_map(|right| match right.source {
            RightSource::Exec(of) if of == place => Some(right.path.clone()),
            _ => None,
        })
    };
    Granted {
        read: of(Access::Read),
        write: of(Access::Write),
        exec: server
            .exec
            .iter()
            .enumerate()
            .map(|(place, written)| {
                let path = program(place).unwrap_or_else(|| PathBuf::from(written));
                (written.clone(), path)
            })
            .collect(),
        egress: server
            .egress
            .iter()
            .flatten()
            .map(ToString::to_string)
            .collect(),
        tools: server.tools.allow.iter().map(ToString::to_string).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observe::Proposed;

    #[test]
    fn a_name_that_no_manifest_takes_keeps_no_other_out() {
        let line = |value: &str| Proposed {
            key: "files.write",
            value: value.to_owned(),
            asked: BTreeSet::new(),
            during: BTreeSet::from(["do".to_owned()]),
            note: None,
        };
        let all = [
            "/srv/a\"]\nexec = [\"/bin/sh\"]",
            "/srv/plain",
            "/srv/\u{202e}txt",
        ];
        let proposal = nameable(Proposal {
            lines: all.map(line).into(),
            habits: 7,
            ..Proposal::default()
        });
        assert_eq!(proposal.lines, [line("/srv/plain")]);
        assert_eq!(proposal.habits, 7);
        let refused: Vec<&str> = proposal
            .not_proposed
            .iter()
            .map(|one| one.what.as_str())
            .collect();
        assert_eq!(refused, [all[0], all[2]]);
    }
}
