//! `pinfold doctor`: this kernel and this machine, layer by layer.

use std::path::Path;

use serde_json::{Value, json};

use super::context::Context;
use super::exit::Exit;
use super::{doctor_daemon, output};
use crate::launch::{LaunchError, Launcher, try_box, without_uv};
use crate::policy::{EffectivePolicy, Runtime};
use crate::resolve::interpreter::find_program;
use crate::store::{Store, StoreError};

/// One line of the report.
struct Check {
    name: &'static str,
    ok: bool,
    found: String,
}

pub(super) async fn run(manifest: Option<&Path>, as_json: bool) -> anyhow::Result<Exit> {
    let (context, problem) = Context::for_looking(manifest)?;
    // The box is tried all the same: it needs a place for a moment only.
    let place = problem.as_ref().map(|_| throw_away()).transpose();
    let launcher = Launcher::new(&context.paths, &context.store, &context.environment);
    let mut checks = kernel(&launcher);
    checks.push(match &place {
        Ok(None) => live_box(&context.store, &launcher).await?,
        Ok(Some((_, store))) => live_box(store, &launcher).await?,
        Err(error) => Check {
            name: "box",
            ok: false,
            found: format!("there is no place to try it in: {}", output::chain(error)),
        },
    });
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
    checks.push(store(&context, problem));
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

fn store(context: &Context, problem: Option<StoreError>) -> Check {
    let counted = || {
        let trees = context.store.trees()?.len();
        Ok((trees, context.store.artifacts()?.len()))
    };
    match problem.map_or_else(counted, Err) {
        Ok((trees, artifacts)) => Check {
            name: "store",
            ok: true,
            found: format!(
                "{} ({trees} trees, {artifacts} artifacts)",
                context.paths.store().display()
            ),
        },
        Err(problem) => Check {
            name: "store",
            ok: false,
            found: format!("no server can be locked or run: {problem}"),
        },
    }
}

/// A store that is gone with the folder.
fn throw_away() -> anyhow::Result<(tempfile::TempDir, Store)> {
    let place = tempfile::Builder::new()
        .prefix("pinfold-doctor-")
        .tempdir()?;
    let store = Store::open(place.path().join("store"))?;
    Ok((place, store))
}

/// Programs and a network are only needed by the servers that use them, a daemon by none.
fn needed(name: &str) -> bool {
    !matches!(
        name,
        "egress" | "node" | "npm" | "python" | "uv" | "daemon" | "inotify"
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
async fn live_box(store: &Store, launcher: &Launcher<'_>) -> anyhow::Result<Check> {
    let staging = store.staging()?;
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
    [("node", "node"), ("python", "python3"), ("uv", "uv")]
        .into_iter()
        .map(|(name, program)| match find_program(program, search_path) {
            Err(error) if name == "uv" => Check {
                name,
                ok: false,
                found: format!("needed to lock servers of `pypi:`: {}", without_uv(&error)),
            },
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
