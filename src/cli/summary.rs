//! What was locked, for a person: `try` and `add` print it.

use std::collections::BTreeMap;

use super::{output, protocol};
use crate::lockfile::{Artifact, LockedServer};
use crate::policy::{EffectivePolicy, EgressPolicy};
use crate::relay::Introspection;
use crate::sandbox::{Layer, Plan};

/// Longest part of a tool description that is shown, in characters.
const MAX_DESCRIPTION: usize = 200;

/// Longest part of a version that is shown, in characters.
const MAX_VERSION: usize = 100;

/// The bytes and the box, a line each. `layers` are left out where they were said before.
pub(super) fn agreement(
    locked: &LockedServer,
    policy: &EffectivePolicy,
    layers: Option<String>,
    limitations: &[String],
) -> Vec<String> {
    let mut lines = bytes(locked);
    lines.push(format!("profile    {}", policy.profile));
    lines.push(format!("network    {}", network(policy.egress.as_ref())));
    let granted: Vec<String> = protocol::entries(&policy.protocol)
        .into_iter()
        .filter_map(|entry| entry.words)
        .collect();
    if !granted.is_empty() {
        let granted = output::foreign(&granted.join("; "), 400);
        lines.push(format!("protocol   {granted}"));
    }
    lines.extend(layers.map(|layers| format!("layers     {layers}")));
    let limitations = policy
        .limitations
        .iter()
        .map(String::as_str)
        .chain(limitations.iter().map(String::as_str));
    lines.extend(limitations.map(|text| format!("not yet    {text}")));
    lines
}

/// What was downloaded or copied, and what runs it. A bundle says what it likes of its version,
/// and so does an interpreter.
fn bytes(locked: &LockedServer) -> Vec<String> {
    let mut lines = Vec::new();
    let version = locked.version.as_deref().unwrap_or("(no version)");
    lines.push(format!(
        "source     {} → {}",
        output::foreign(&locked.source, 200),
        output::foreign(version, MAX_VERSION)
    ));
    if !locked.artifacts.is_empty() {
        let size = locked.artifacts.iter().map(|artifact| artifact.size).sum();
        lines.push(format!(
            "artifacts  {}, {}; every one matches {}",
            locked.artifacts.len(),
            output::size(size),
            match locked.source.starts_with("https:") {
                true => "the sha256 of the source",
                false => "its published digest",
            }
        ));
        lines.extend(vouched(locked).map(|text| format!("vouched    {text}")));
    }
    lines.push(format!("tree       {}", locked.tree));
    lines.push(match &locked.interpreter {
        Some(program) => format!(
            "runs on    {} {} ({}, {})",
            output::foreign(&program.kind, MAX_VERSION),
            output::foreign(program.version.as_deref().unwrap_or(""), MAX_VERSION),
            output::foreign(&program.path, 400),
            program.sha256
        ),
        None => "runs on    nothing: it is a program itself".to_owned(),
    });
    let scripts: Vec<&str> = locked
        .artifacts
        .iter()
        .filter(|artifact| artifact.install_script && !is_built(locked, artifact))
        .map(|artifact| artifact.name.as_str())
        .collect();
    if !scripts.is_empty() {
        lines.push(format!(
            "scripts    {} asks to run code at install; it was not run",
            output::foreign(&scripts.join(", "), 200)
        ));
    }
    if let Some(build) = &locked.build {
        lines.push(format!(
            "built      the install scripts of {} were run in a box{}; what they made is part of the tree",
            output::foreign(&build.packages.join(", "), 200),
            match build.egress.is_empty() {
                true => " without network".to_owned(),
                false => format!(" that reaches {}", output::foreign(&build.egress.join(", "), 200)),
            }
        ));
    }
    lines
}

fn is_built(locked: &LockedServer, artifact: &Artifact) -> bool {
    let build = locked.build.as_ref();
    build.is_some_and(|build| build.packages.contains(&artifact.name))
}

/// How many artifacts are signed, and for how many it is known who built them; those of every
/// platform and of the interpreter, what they share once. `None` for what comes from no registry:
/// nothing but the digest of its source vouches for it.
pub(super) fn vouched(locked: &LockedServer) -> Option<String> {
    if locked.source.starts_with("https:") && locked.runtime_package().is_none() {
        return None;
    }
    let all: BTreeMap<_, _> = locked
        .all_artifacts()
        .map(|one| ((&one.name, &one.version, one.sha256), one))
        .collect();
    let signed = all.values().filter(|one| one.signature.is_some());
    let built = all.values().filter(|one| one.provenance.is_some());
    Some(match (signed.count(), built.count()) {
        (0, 0) => {
            "nothing is signed: the registry offers neither signatures nor provenance".to_owned()
        }
        (signed, built) => format!(
            "{signed} of {} signed by their registry, {built} with provenance; all that is offered was verified",
            all.len()
        ),
    })
}

/// What may be reached, after the word for how that is held.
fn network(egress: Option<&EgressPolicy>) -> String {
    let Some(egress) = egress else {
        return "none".to_owned();
    };
    let rules: Vec<String> = egress.rules.iter().map(ToString::to_string).collect();
    let rules = if rules.is_empty() {
        "no host".to_owned()
    } else {
        output::foreign(&rules.join(", "), 400)
    };
    format!("{}: {rules}", egress.tier.name())
}

/// The layers in force, by name.
pub(super) fn layers(plan: &Plan) -> String {
    let names: Vec<String> = plan
        .layers
        .iter()
        .map(|layer| match plan.landlock_abi {
            Some(abi) if *layer == Layer::Landlock => format!("{layer} (ABI {abi})"),
            _ => layer.to_string(),
        })
        .collect();
    names.join(", ")
}

/// The tools with the first line of their descriptions.
pub(super) fn tools(introspection: &Introspection) -> Vec<String> {
    let width = introspection
        .tools
        .iter()
        .map(|tool| tool.name.len())
        .max()
        .unwrap_or(0)
        .min(40);
    introspection
        .tools
        .iter()
        .map(|tool| {
            let first = tool
                .description
                .as_deref()
                .unwrap_or("")
                .lines()
                .next()
                .unwrap_or("");
            let name = output::foreign(&tool.name, 128);
            format!(
                "  {name:width$}  {}",
                output::foreign(first, MAX_DESCRIPTION)
            )
            .trim_end()
            .to_owned()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lockfile::{Behaviour, Confinement, Digest, Interpreter};

    fn lines(version: &str, program: &str) -> String {
        let digest = Digest::of(b"x");
        let locked = LockedServer {
            source: "path:x.mcpb".to_owned(),
            version: Some(version.to_owned()),
            locked_at: String::new(),
            platform: "linux-x86_64".to_owned(),
            interpreter: Some(Interpreter {
                kind: "node".to_owned(),
                path: format!("/opt/{program}/node"),
                version: Some(program.to_owned()),
                sha256: digest,
                package: None,
            }),
            entry_point: "x.js".to_owned(),
            tree: digest,
            artifacts: Vec::new(),
            build: None,
            platforms: BTreeMap::new(),
            behaviour: Behaviour::default(),
            confinement: Confinement {
                policy: digest,
                landlock_abi: 4,
                layers: Vec::new(),
            },
        };
        bytes(&locked).join("\n")
    }

    #[test]
    fn what_a_bundle_and_an_interpreter_say_of_themselves_is_written_out() {
        let plain = lines("2.0", "v24.1");
        assert!(plain.contains("→ 2.0\n"), "{plain}");
        assert!(plain.contains("node v24.1 (/opt/v24.1/node"), "{plain}");
        let hostile = lines("2\u{1b}[2J\nsource", "v\u{1b}]0;x\u{7}\n\u{202e}");
        assert!(!hostile.contains(['\u{1b}', '\u{7}', '\u{202e}']));
        assert!(hostile.contains("→ 2\\x1b[2J\\x0asource"), "{hostile}");
        assert!(hostile.contains("/opt/v\\x1b]0;x\\x07\\x0a"), "{hostile}");
        assert_eq!(hostile.lines().count(), plain.lines().count());
    }
}
