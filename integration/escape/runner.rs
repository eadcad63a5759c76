//! Runs a suite: each attack without pinfold first, then in every box.

use std::fs;
use std::rc::Rc;

use super::attack::Attack;
use super::native;
use super::report::{Report, Verdict, judge_bare, judge_boxed};
use super::subject::{Outcome, Subject};
use super::world::{self, Places, Traces, World};
use crate::support::{Home, fixture};

/// A kind of box.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tier {
    /// Landlock, the system call filter, limits; no namespaces.
    Base,
}

impl Tier {
    const ALL: &'static [Self] = &[Self::Base];

    const fn name(self) -> &'static str {
        match self {
            Self::Base => "base",
        }
    }

    const fn namespaces(self) -> bool {
        match self {
            Self::Base => false,
        }
    }

    /// Lines for the server's table in the manifest.
    const fn manifest(self) -> &'static str {
        match self {
            Self::Base => "",
        }
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
            report.add_boxed(attack, lives, tier.name(), tier.namespaces(), verdict);
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
    let bare = home.path().join("bare");
    let native = suite
        .manifest
        .contains("NATIVE")
        .then(|| native::compile(home.path()));
    let bare = World::new(bare.clone(), Places::bare(&bare), world::secrets());
    let secrets: Vec<_> = Tier::ALL.iter().map(|_| world::secrets()).collect();
    let mut manifest = String::new();
    for (tier, secrets) in Tier::ALL.iter().zip(&secrets) {
        let root = home.path().join(tier.name());
        for granted in ["readable", "writable"] {
            fs::create_dir_all(root.join(granted)).unwrap();
        }
        manifest += &format!(
            "# {}\n[servers.{}]\nsource = \"path:{}\"\ntools = {{ allow = [\"do\"] }}\n\
             files = {{ read = [\"{root}/readable\"], write = [\"{root}/writable\"] }}\n{}\n{}\n",
            secrets["manifest"],
            tier.name(),
            fixture("puppet.py").display(),
            suite.manifest,
            tier.manifest(),
            root = root.display(),
        );
    }
    if let Some(program) = native {
        manifest = manifest.replace("NATIVE", program.to_str().unwrap());
    }
    fs::create_dir_all(home.manifest().parent().unwrap()).unwrap();
    fs::write(home.manifest(), manifest).unwrap();
    home.succeed(["lock"]);
    let boxes = Tier::ALL
        .iter()
        .zip(secrets)
        .map(|(tier, secrets)| {
            let root = home.path().join(tier.name());
            let world = World::new(root, Places::boxed(&home, tier.name()), secrets);
            (*tier, Subject::boxed(&home, tier.name(), world))
        })
        .collect();
    (Subject::bare(&home, bare), boxes)
}
