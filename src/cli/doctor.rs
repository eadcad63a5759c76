//! `pinfold doctor`: this kernel and this machine, layer by layer.

use std::path::Path;

use serde_json::{Value, json};

use super::context::Context;
use super::exit::Exit;
use super::{doctor_daemon, output};
use crate::launch::{LaunchError, Launcher, try_box};
use crate::policy::{EffectivePolicy, Runtime};
use crate::resolve::interpreter::find_program;

/// One line of the report.
struct Check {
    name: &'static str,
    ok: bool,
    found: String,
}

pub(super) async fn run(manifest: Option<&Path>, as_json: bool) -> anyhow::Result<Exit> {
    let context = Context::open(manifest)?;
    let launcher = Launcher::new(&context.paths, &context.store, &context.environment);
    let mut checks = kernel(&launcher);
    checks.push(live_box(&context, &launcher).await?);
    checks.push(egress(&launcher)?);
    checks.extend(programs(&context));
    let (ok, found) = doctor_daemon::daemon(&context.paths).await;
    checks.push(Check {
        name: "daemon",
        ok,
        found,
    });
    let (ok, found) = doctor_daemon::inotify();
    checks.push(Check {
        name: "inotify",
        ok,
        found,
    });
    checks.push(Check {
        name: "store",
        ok: true,
        found: format!(
            "{} ({} trees, {} artifacts)",
            context.paths.store().display(),
            context.store.trees()?.len(),
            context.store.artifacts()?.len()
        ),
    });
    let able = checks
        .iter()
        .filter(|check| needed(check.name))
        .all(|check| check.ok);
    if as_json {
        let list: Vec<Value> = checks
            .iter()
            .map(|check| json!({ "name": check.name, "ok": check.ok, "found": check.found }))
            .collect();
        output::data(&json!({ "ok": able, "checks": list }).to_string());
    } else {
        for check in &checks {
            let mark = if check.ok { "ok     " } else { "missing" };
            output::data(&format!("{mark}  {:12}  {}", check.name, check.found));
        }
    }
    Ok(if able { Exit::Success } else { Exit::Machine })
}

/// Programs and a network are only needed by the servers that use them, a daemon by none.
fn needed(name: &str) -> bool {
    !matches!(
        name,
        "egress" | "node" | "npm" | "python" | "daemon" | "inotify"
    )
}

fn kernel(launcher: &Launcher<'_>) -> Vec<Check> {
    let probe = &launcher.probe;
    let landlock = match probe.landlock_abi {
        Some(abi) => format!(
            "ABI {abi} on Linux {}{}",
            probe.kernel,
            probe
                .landlock_errata
                .map_or(String::new(), |mask| format!(", errata fixed {mask:#x}"))
        ),
        None => format!(
            "not on Linux {}: it needs 6.7 or newer, with `landlock` in the lsm= boot parameter",
            probe.kernel
        ),
    };
    let seccomp = if probe.seccomp {
        "filters can be installed"
    } else {
        "CONFIG_SECCOMP_FILTER is off"
    };
    let proc = if probe.proc {
        "mounted"
    } else {
        "not mounted: processes of a session could not be ended"
    };
    vec![
        Check {
            name: "landlock",
            ok: probe.landlock_abi >= Some(4),
            found: landlock,
        },
        Check {
            name: "seccomp",
            ok: probe.seccomp,
            found: seccomp.to_owned(),
        },
        Check {
            name: "proc",
            ok: probe.proc,
            found: proc.to_owned(),
        },
    ]
}

/// Builds a real box around a real program: what counts is not what the kernel says it can do.
async fn live_box(context: &Context, launcher: &Launcher<'_>) -> anyhow::Result<Check> {
    let staging = context.store.staging()?;
    let policy = EffectivePolicy::ungranted(Runtime::Native)?;
    let judged = launcher.plan(&policy, &policy.confinement());
    let tried = match judged {
        Ok(_) => try_box(launcher, &staging, &policy).await,
        Err(error) => Err(error),
    };
    Ok(match tried {
        Ok(plan) => {
            let mut layers: Vec<String> = plan.layers.iter().map(ToString::to_string).collect();
            layers.extend(
                plan.limitations
                    .iter()
                    .map(|text| format!("not yet: {text}")),
            );
            Check {
                name: "box",
                ok: true,
                found: format!("built and checked: {}", layers.join(", ")),
            }
        }
        Err(error @ (LaunchError::Machine(_) | LaunchError::Sandbox(_))) => Check {
            name: "box",
            ok: false,
            found: error.to_string(),
        },
        Err(error) => return Err(error.into()),
    })
}

/// Whether a server with network can be held to names of hosts; what the box has taught is known.
fn egress(launcher: &Launcher<'_>) -> anyhow::Result<Check> {
    let policy = EffectivePolicy::web(Runtime::Native)?;
    let (ok, found) = match launcher.plan(&policy, &policy.confinement()) {
        Ok(_) => (
            true,
            "by name: servers with a network reach what `egress` names".to_owned(),
        ),
        Err(error @ LaunchError::Machine(_)) => (false, error.to_string()),
        Err(error) => return Err(error.into()),
    };
    Ok(Check {
        name: "egress",
        ok,
        found,
    })
}

fn programs(context: &Context) -> Vec<Check> {
    let search_path = context.search_path();
    [("node", "node"), ("python", "python3")]
        .into_iter()
        .map(|(name, program)| match find_program(program, search_path) {
            Ok(path) => Check {
                name,
                ok: true,
                found: path.display().to_string(),
            },
            Err(error) => Check {
                name,
                ok: false,
                found: error.to_string(),
            },
        })
        .collect()
}
