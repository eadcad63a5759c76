//! Runs a suite: each attack without pinfold first, then in every box.

use std::fs;
use std::rc::Rc;

use super::attack::Attack;
use super::decoys;
use super::native;
use super::places::Places;
use super::report::{Report, Verdict, judge_bare, judge_boxed};
use super::subject::{Outcome, Subject};
use super::world::{Traces, World};
use crate::support::{Home, Tier, fixture};

/// The boxes that every attack is tried in.
const TIERS: &[Tier] = &[Tier::Full, Tier::Base];

/// Those that this machine can build; `doctor` tries it.
fn tiers(home: &Home) -> Vec<Tier> {
    let full = home.run(["doctor"]).stdout.contains("own-root");
    TIERS
        .iter()
        .copied()
        .filter(|tier| full || *tier == Tier::Base)
        .collect()
}

const fn name(tier: Tier) -> &'static str {
    match tier {
        Tier::Full => "full",
        Tier::Base => "base",
    }
}

/// Lines for the server's table in the manifest.
fn manifest(tier: Tier, suite: &Suite) -> &'static str {
    match tier {
        Tier::Full => "layers = { namespaces = \"required\" }",
        // Hosts can't be limited there.
        Tier::Base if suite.manifest.contains("profile = ") => {
            "layers = { namespaces = \"off\" }\negress_tier = \"ports\""
        }
        Tier::Base => "layers = { namespaces = \"off\" }",
    }
}

/// Attacks that are tried in the same session.
#[derive(Clone, Copy, Debug)]
pub(super) struct Suite {
    pub(super) name: &'static str,
    /// Lines for the server's table in the manifest: profile, limits, exec. `NATIVE` is the path of
    /// the program of native.c.
    pub(super) manifest: &'static str,
    /// Python that comes before the code of each attack.
    pub(super) prelude: &'static str,
    pub(super) attacks: &'static [&'static [Attack]],
}

/// Runs all of it; the report is the caller's to judge.
pub(super) fn run(suite: &Suite) -> Report {
    let mut report = Report::new(suite.name);
    let (mut bare, mut boxes) = subjects(suite);
    report.boxes = boxes.iter().map(|(tier, _)| name(*tier)).collect();
    for attack in suite.attacks.iter().copied().flatten() {
        if !attack.for_this_user() {
            report.needs_root.push(attack.name);
            continue;
        }
        let (outcome, traces) = attempt(&mut bare, attack, suite.prelude);
        let verdict = judge_bare(attack, &outcome, &traces);
        let lack = match verdict {
            Verdict::Succeeded(_) => None,
            _ => lack(&mut bare, attack, suite.prelude),
        };
        let lives = report.add_bare(attack, &verdict, lack);
        for (tier, subject) in &mut boxes {
            let (outcome, traces) = attempt(subject, attack, suite.prelude);
            let verdict = judge_boxed(attack, &outcome, &traces);
            report.add_boxed(attack, lives, name(*tier), *tier == Tier::Full, verdict);
        }
    }
    report
}

fn attempt(subject: &mut Subject, attack: &Attack, prelude: &str) -> (Outcome, Traces) {
    let (outcome, answer) = subject.attempt(attack, prelude);
    let traces = subject.world.traces(&answer);
    subject.world.heal(&traces);
    if !traces.log.is_empty() {
        subject.restart();
    }
    (outcome, traces)
}

/// What the machine lacks that the attack needs.
fn lack(bare: &mut Subject, attack: &Attack, prelude: &str) -> Option<&'static str> {
    let lack = attack.excuse()?;
    let probe = Attack {
        code: lack.probe,
        ..*attack
    };
    match attempt(bare, &probe, prelude).0 {
        Outcome::Refused(_) | Outcome::Killed(_) => Some(lack.what),
        Outcome::Returned(found) if found == false => Some(lack.what),
        _ => None,
    }
}

/// One subject without pinfold and one in each box, with nothing in common but the user.
fn subjects(suite: &Suite) -> (Subject, Vec<(Tier, Subject)>) {
    let home = Rc::new(Home::new());
    let tiers = tiers(&home);
    let bare = home.path().join("bare");
    let native = suite
        .manifest
        .contains("NATIVE")
        .then(|| native::compile(home.path()));
    let bare = World::new(bare.clone(), Places::bare(&bare), decoys::secrets());
    let secrets: Vec<_> = tiers.iter().map(|_| decoys::secrets()).collect();
    let mut text = String::new();
    for (tier, secrets) in tiers.iter().zip(&secrets) {
        let root = home.path().join(name(*tier));
        for granted in ["readable", "writable"] {
            fs::create_dir_all(root.join(granted)).unwrap();
        }
        text += &format!(
            "# {}\n[servers.{}]\nsource = \"path:{}\"\ntools = {{ allow = [\"do\"] }}\n\
             files = {{ read = [\"{root}/readable\"], write = [\"{root}/writable\"] }}\n{}\n{}\n",
            secrets["manifest"],
            name(*tier),
            fixture("puppet.py").display(),
            suite.manifest,
            manifest(*tier, suite),
            root = root.display(),
        );
    }
    if let Some(program) = native {
        text = text.replace("NATIVE", program.to_str().unwrap());
    }
    fs::create_dir_all(home.manifest().parent().unwrap()).unwrap();
    fs::write(home.manifest(), text).unwrap();
    home.succeed(["lock"]);
    let boxes = tiers
        .iter()
        .zip(secrets)
        .map(|(tier, secrets)| {
            let root = home.path().join(name(*tier));
            let world = World::new(root, Places::boxed(&home, name(*tier)), secrets);
            (*tier, Subject::boxed(&home, name(*tier), world))
        })
        .collect();
    (Subject::bare(&home, bare), boxes)
}
