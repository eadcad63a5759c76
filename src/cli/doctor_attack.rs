//! `pinfold doctor --attack`: harmless attacks on this machine, without the box and in each tier of it.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{ExitCode, Stdio};
use std::time::Duration;

use anyhow::Context as _;
use serde_json::{Value, json};

use super::context::Context;
use super::exit::{Exit, UsageError};
use super::output;
use super::signals::{self, StopSignals};
use crate::attack::{self, Attempt, Group, Outcome, Planted, Targets, Tier, Verdict, judge};
use crate::config::Layers;
use crate::launch::{LaunchError, Launcher, StateFolder, attack_box};
use crate::policy::{EffectivePolicy, Places, PolicyError, Runtime, decide_environment};
use crate::sandbox::{Refusal, Requirement};

/// As long as in the box.
const PATIENCE: Duration = Duration::from_secs(120);

/// By name of the attack.
type Outcomes = BTreeMap<String, Outcome>;

/// What came of the attacks in one tier, or why this machine can't have it.
struct Attacked {
    tier: Tier,
    landlock_abi: Option<u32>,
    tried: Result<Outcomes, Refusal>,
}

/// Everything that is known at the end.
struct Report {
    outside: Outcomes,
    boxes: Vec<Attacked>,
}

/// The attacking process: tries every attack on the targets that its argument describes.
pub fn attacker(targets: Option<String>) -> ExitCode {
    let targets = targets.and_then(|text| serde_json::from_str::<Targets>(&text).ok());
    let Some(targets) = targets else {
        output::error(&UsageError("this verb is pinfold's own".to_owned()).into());
        return Exit::Usage.into();
    };
    attack::run(&targets, |attempt| {
        // It can't fail: the names and outcomes are plain text and numbers.
        output::data(&serde_json::to_string(&attempt).unwrap_or_default());
    });
    Exit::Success.into()
}

pub(super) async fn run(manifest: Option<&Path>, as_json: bool) -> anyhow::Result<Exit> {
    let context = Context::open(manifest)?;
    let mut stop = StopSignals::listen()?;
    // When the command is stopped, what was planted goes, and the box with it.
    let report = tokio::select! {
        report = attacks(&context) => report?,
        signal = stop.first() => return Ok(signals::code(signal)),
    };
    if as_json {
        output::data(&report.json().to_string());
    } else {
        for line in report.text() {
            output::data(&line);
        }
    }
    Ok(if report.is_good() {
        Exit::Success
    } else {
        Exit::Drift
    })
}

async fn attacks(context: &Context) -> anyhow::Result<Report> {
    let outside = outside(context).await?;
    let mut boxes = Vec::new();
    for tier in Tier::ALL {
        boxes.push(inside(context, tier).await?);
    }
    // Nothing was attacked, so nothing can be said.
    if boxes.iter().all(|of| of.tried.is_err())
        && let Some(Err(refusal)) = boxes.pop().map(|of| of.tried)
    {
        return Err(LaunchError::Machine(refusal).into());
    }
    Ok(Report { outside, boxes })
}

/// Files and sockets to aim at, and what an attacker is told of them and of this machine.
fn plant(context: &Context, policy: &EffectivePolicy) -> anyhow::Result<(Planted, Targets)> {
    let planted = Planted::new().context("could not make what the attacks aim at")?;
    let nowhere = Places {
        home: "/".into(),
        temporary: "/".into(),
        programs: String::new(),
    };
    let decision = decide_environment(&context.environment, &policy.environment, &nowhere);
    let limits = policy.limits;
    let told = Targets {
        variables: decision.withheld,
        memory: limits.memory.unwrap_or(u64::MAX),
        file_size: limits.file_size.unwrap_or(u64::MAX),
        open_files: limits.open_files.unwrap_or(u64::MAX),
        ..planted.targets(context.environment.get("HOME").map(Into::into))?
    };
    Ok((planted, told))
}

/// The control: the same attacks without the box.
async fn outside(context: &Context) -> anyhow::Result<Outcomes> {
    let policy = EffectivePolicy::ungranted(Runtime::Native)?;
    let (planted, targets) = plant(context, &policy)?;
    let attacker = tokio::process::Command::new("/proc/self/exe")
        .arg0("pinfold")
        .arg(attack::VERB)
        .arg(serde_json::to_string(&targets)?)
        .current_dir(planted.folder())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        // A client may keep what a server says in a file.
        .stderr(planted.log()?)
        .kill_on_drop(true)
        .spawn()
        .context("could not start the attacks without the box")?;
    let output = tokio::time::timeout(PATIENCE, attacker.wait_with_output())
        .await
        .context("the attacks without the box did not end")??;
    Ok(outcomes(&output.stdout))
}

/// The attacks in a box of this tier.
///
/// A machine that can't have one of the tiers is no error: the other is what its servers get. Where
/// Landlock is missing or too old, that is the full tier with as much of it as there is.
async fn inside(context: &Context, tier: Tier) -> anyhow::Result<Attacked> {
    let attacked = attacked(context, tier, Requirement::Required).await?;
    match &attacked.tried {
        Err(refusal) if stands_without_landlock(tier, refusal) => {
            self::attacked(context, tier, Requirement::Preferred).await
        }
        _ => Ok(attacked),
    }
}

async fn attacked(
    context: &Context,
    tier: Tier,
    landlock: Requirement,
) -> anyhow::Result<Attacked> {
    let policy = policy(tier, landlock)?;
    let (_planted, mut targets) = plant(context, &policy)?;
    targets.own_processes = tier == Tier::Full;
    let launcher = Launcher::new(&context.paths, &context.store, &context.environment);
    let staging = context.store.staging()?;
    let state = StateFolder::create(staging.folder().join("box"))?;
    let arguments = vec![attack::VERB.to_owned(), serde_json::to_string(&targets)?];
    let landlock_abi = launcher.probe.landlock_abi;
    let tried = match attack_box(&launcher, &state, &policy, arguments).await {
        Ok(output) => Ok(outcomes(&output.stdout)),
        Err(LaunchError::Machine(refusal)) if may_be_missing(tier, &refusal) => Err(refusal),
        Err(error) => return Err(error.into()),
    };
    Ok(Attacked {
        tier,
        landlock_abi,
        tried,
    })
}

/// The box of a tier.
fn policy(tier: Tier, landlock: Requirement) -> Result<EffectivePolicy, PolicyError> {
    let mut policy = EffectivePolicy::ungranted(Runtime::Native)?;
    policy.layers = Layers {
        namespaces: match tier {
            Tier::Full => Requirement::Required,
            Tier::Base => Requirement::Off,
        },
        landlock,
    };
    Ok(policy)
}

const fn lacks_landlock(refusal: &Refusal) -> bool {
    matches!(
        refusal,
        Refusal::NoLandlock { .. } | Refusal::OldLandlock { .. }
    )
}

/// Whether a tier that was refused so may be tried with as much of Landlock as there is.
const fn stands_without_landlock(tier: Tier, refusal: &Refusal) -> bool {
    matches!(tier, Tier::Full) && lacks_landlock(refusal)
}

/// Whether a machine may be without this tier; anything else is an error.
const fn may_be_missing(tier: Tier, refusal: &Refusal) -> bool {
    matches!(tier, Tier::Full) || lacks_landlock(refusal)
}

/// What an attacker has said; an attack that it has not spoken of is missing.
fn outcomes(text: &[u8]) -> Outcomes {
    let lines = text.split(|byte| *byte == b'\n');
    lines
        .filter_map(|line| serde_json::from_slice::<Attempt>(line).ok())
        .map(|attempt| (attempt.attack, attempt.outcome))
        .collect()
}

impl Attacked {
    fn verdict(&self, attack: &attack::Attack, outside: Option<&Outcome>) -> Option<Verdict> {
        let tried = self.tried.as_ref().ok()?;
        let inside = tried.get(attack.name);
        Some(judge(attack, self.tier, self.landlock_abi, outside, inside))
    }
}

impl Report {
    fn verdicts(&self, of: &Attacked) -> Vec<(&'static attack::Attack, Verdict)> {
        attack::all()
            .filter_map(|attack| {
                let outside = self.outside.get(attack.name);
                Some((attack, of.verdict(attack, outside)?))
            })
            .collect()
    }

    fn is_good(&self) -> bool {
        let mut verdicts = self.boxes.iter().flat_map(|of| self.verdicts(of));
        verdicts.all(|(_, verdict)| verdict.is_good())
    }

    /// How many there are of each verdict.
    fn counts(&self, of: &Attacked) -> BTreeMap<&'static str, usize> {
        const NAMES: [&str; 5] = ["held", "GOT THROUGH", "documented", "dead here", "UNCLEAR"];
        let mut counts: BTreeMap<_, _> = NAMES.into_iter().map(|name| (name, 0)).collect();
        for (_, verdict) in self.verdicts(of) {
            *counts.entry(verdict.name()).or_default() += 1;
        }
        counts
    }

    fn text(&self) -> Vec<String> {
        let there: Vec<&Attacked> = self.boxes.iter().filter(|of| of.tried.is_ok()).collect();
        let mut lines = Vec::new();
        for group in Group::ALL {
            let mut header = format!("{:30}", group.name());
            for of in &there {
                header.push_str(&format!("{:27}", format!("{} tier", of.tier.name())));
            }
            lines.push(header.trim_end().to_owned());
            for attack in attack::all().filter(|attack| attack.group == group) {
                let mut line = format!("  {:28}", attack.name);
                for of in &there {
                    if let Some(verdict) = of.verdict(attack, self.outside.get(attack.name)) {
                        line.push_str(&format!("{:27}", short(&verdict)));
                    }
                }
                lines.push(line.trim_end().to_owned());
            }
        }
        lines.push(String::new());
        for of in &self.boxes {
            lines.extend(self.summary(of));
        }
        lines
    }

    fn summary(&self, of: &Attacked) -> Vec<String> {
        let name = of.tier.name();
        if let Err(reason) = &of.tried {
            return vec![format!("{name} tier: not on this machine: {reason}")];
        }
        let counts = self.counts(of);
        let mut lines = vec![format!(
            "{name} tier: {} held, {} got through, {} documented in THREAT_MODEL.md, {} unclear, {} dead here (they fail without pinfold, too)",
            counts["held"],
            counts["GOT THROUGH"],
            counts["documented"],
            counts["UNCLEAR"],
            counts["dead here"]
        )];
        for (attack, verdict) in self.verdicts(of) {
            let what = match &verdict {
                Verdict::GotThrough => String::new(),
                Verdict::Documented(words) => format!(" ({words})"),
                Verdict::Unclear(why) => format!(" In the box: {why}"),
                Verdict::Held(_) | Verdict::Dead(_) => continue,
            };
            let (name, idea) = (attack.name, attack.idea);
            lines.push(format!("  {} {name}: {idea}{what}", verdict.name()));
        }
        lines
    }

    fn json(&self) -> Value {
        let tiers: Vec<Value> = self
            .boxes
            .iter()
            .map(|of| match &of.tried {
                Ok(_) => json!({
                    "tier": of.tier.name(),
                    "available": true,
                    "counts": self
                        .counts(of)
                        .into_iter()
                        .map(|(name, count)| (key(name), count))
                        .collect::<BTreeMap<_, _>>(),
                }),
                Err(reason) => json!({
                    "tier": of.tier.name(),
                    "available": false,
                    "reason": reason.to_string(),
                }),
            })
            .collect();
        let attacks: Vec<Value> = attack::all()
            .map(|attack| {
                let outside = self.outside.get(attack.name);
                let mut entry = json!({
                    "name": attack.name,
                    "group": attack.group.name(),
                    "idea": attack.idea,
                    "live": outside == Some(&Outcome::Happened),
                });
                for of in &self.boxes {
                    if let Some(verdict) = of.verdict(attack, outside) {
                        entry[of.tier.name()] = json!({
                            "verdict": key(verdict.name()),
                            "how": how(&verdict),
                        });
                    }
                }
                entry
            })
            .collect();
        json!({ "ok": self.is_good(), "tiers": tiers, "attacks": attacks })
    }
}

/// A verdict's name as a JSON word.
fn key(name: &str) -> String {
    name.to_lowercase().replace(' ', "-")
}

fn how(verdict: &Verdict) -> &str {
    match verdict {
        Verdict::Held(text) | Verdict::Dead(text) | Verdict::Unclear(text) => text,
        Verdict::Documented(words) => words,
        Verdict::GotThrough => "it happened",
    }
}

/// A cell of the table.
fn short(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Held(how) => format!("held ({how})"),
        other => other.name().to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sandbox::testing::machine;
    use crate::sandbox::{NamespaceSupport, Probe, plan};

    /// As [`inside`] goes on from refusal to refusal, on a machine that is only said to be there.
    fn planned(tier: Tier, machine: &Probe) -> Result<Option<u32>, (Refusal, bool)> {
        let tried = |landlock| {
            let policy = policy(tier, landlock).unwrap();
            let asked = policy.requirements(&policy.confinement()).unwrap();
            plan(&asked, machine).map(|plan| {
                assert_eq!(plan.has_namespaces(), tier == Tier::Full);
                plan.landlock_abi
            })
        };
        let first = tried(Requirement::Required);
        let last = match &first {
            Err(refusal) if stands_without_landlock(tier, refusal) => tried(Requirement::Preferred),
            _ => first,
        };
        last.map_err(|refusal| {
            let is_fine = may_be_missing(tier, &refusal);
            (refusal, is_fine)
        })
    }

    #[test]
    fn each_tier_is_attacked_where_the_machine_can_have_it() {
        use NamespaceSupport::{Refused, Works};
        let refused = || Refused("EPERM".to_owned());
        // Landlock, namespaces, and the Landlock ABI of the full and the base tier, if they are there
        let table = [
            (Some(7), Works, Some(Some(7)), Some(Some(7))),
            (Some(7), refused(), None, Some(Some(7))),
            (Some(2), Works, Some(Some(2)), None), // Linux 6.1
            (None, Works, Some(None), None),
            // Nothing can be attacked, and that is an error of the command.
            (Some(2), refused(), None, None),
            (None, refused(), None, None),
        ];
        for (landlock_abi, namespaces, full, base) in table {
            let machine = machine(landlock_abi, namespaces);
            for (tier, expected) in [(Tier::Full, full), (Tier::Base, base)] {
                match planned(tier, &machine) {
                    Ok(abi) => assert_eq!(Some(abi), expected, "{tier:?} {machine:?}"),
                    Err((refusal, is_fine)) => {
                        assert!(expected.is_none() && is_fine, "{refusal} {machine:?}");
                    }
                }
                // What every tier needs is no matter of tiers.
                let broken = Probe {
                    seccomp: false,
                    ..machine.clone()
                };
                let (refusal, is_fine) = planned(tier, &broken).unwrap_err();
                assert!(matches!(refusal, Refusal::NoSeccomp { .. }), "{refusal}");
                assert_eq!(is_fine, tier == Tier::Full);
            }
        }
    }
}
