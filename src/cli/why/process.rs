//! `--why "env NAME"`, `syscall NAME` and `run`.

use super::answer::{Finding, Ground, Word};
use crate::cli::explain::{Explained, calls};
use crate::config::env_names::refused_variable;
use crate::policy::{Origin, VariableSource};

/// Whether the server sees a variable; never its value.
pub(super) fn judge_variable(name: &str, explained: &Explained<'_>) -> Finding {
    let about = format!("see the variable {name}");
    let none_now = "there is none now, in the environment of this command";
    if let Some(variable) = explained
        .variables()
        .into_iter()
        .find(|one| one.name == name)
    {
        let (reason, ground) = match variable.source {
            VariableSource::Passed => (
                "it passes from the client to every server".to_owned(),
                Ground::Default,
            ),
            VariableSource::Manifest(_) => ("its value is written there".to_owned(), env(name)),
            VariableSource::Client { name: from } => {
                (format!("the client's {from} passes as it"), env(name))
            }
            VariableSource::Secret(_) => ("a secret is its value".to_owned(), env(name)),
            VariableSource::Pinfold => (
                "pinfold gives it a value of its own, not the client's".to_owned(),
                Ground::Pinfold,
            ),
        };
        let finding = Finding::new(Word::Yes, about, reason, ground);
        return finding.note_if(!variable.present, none_now);
    }
    let bundle = explained.found.bundle.as_ref();
    if bundle.is_some_and(|bundle| bundle.environment.contains_key(name)) {
        let reason = "the bundle's manifest.json sets it";
        return Finding::new(Word::Yes, about, reason, Ground::Server);
    }
    if refused_variable(name).is_some() {
        let reason = "no server is given it";
        return Finding::new(Word::No, about, reason, Ground::Pinfold);
    }
    let finding = Finding::new(Word::No, about, "nothing passes it on", env(name));
    finding.note(
        "for a token or password: `pinfold secret set`, and `{ secret = \"…\" }` as the value",
    )
}

fn env(name: &str) -> Ground {
    Ground::Manifest(format!("env.{name}"))
}

pub(super) fn judge_call(name: &str, explained: &Explained<'_>) -> Finding {
    let rules = &explained.found.calls;
    let about = format!("make the system call {name}");
    let [always, sometimes, never] = calls(&rules.allow, &rules.deny);
    let has = |list: &[String]| list.iter().any(|one| one == name);
    let is_denied = rules.deny.iter().any(|rule| has(&rule.calls));
    let base = || Ground::Part(Origin::Base);
    if has(&always) {
        let finding = Finding::new(Word::Yes, about, "the filter lets it through", base());
        return finding.note_if(
            is_denied,
            "with some dangerous arguments it is refused (EPERM)",
        );
    }
    if has(&sometimes) {
        let reason = "the filter lets it through with some arguments only";
        return Finding::new(Word::Yes, about, reason, base());
    }
    if explained.found.unlisted.contains(name) {
        let reason = "the server's own list of system calls doesn't have it (ENOSYS)";
        let ground = Ground::Manifest("system_calls".to_owned());
        return Finding::new(Word::No, about, reason, ground);
    }
    let reason = if has(&never) {
        "it is refused as dangerous (EPERM)"
    } else {
        "no server was seen to need it (ENOSYS)"
    };
    Finding::new(Word::No, about, reason, base())
}

pub(super) fn judge_run(explained: &Explained<'_>) -> Finding {
    let about = "be started".to_owned();
    match &explained.refusal {
        None => Finding::new(Word::Yes, about, "nothing is in the way", Ground::Lock),
        Some(refusal) => Finding::new(Word::No, about, refusal.clone(), Ground::Lock),
    }
}
