//! Landlock: every right of the ABI is handled, so what no rule grants is refused.

use landlock::{
    ABI, Access as _, AccessFs, AccessNet, BitFlags, CompatLevel, Compatible, NetPort, PathBeneath,
    PathFd, Ruleset, RulesetAttr, RulesetCreatedAttr, RulesetStatus, Scope,
};

use super::{Access, Network, PathRule, SandboxError, SandboxSpec};

/// Restricts this process and everything it will start.
pub(super) fn restrict(spec: &SandboxSpec) -> Result<(), SandboxError> {
    let fail = |error: &dyn std::fmt::Display| SandboxError::Landlock(error.to_string());
    let abi = abi(spec.landlock_abi)?;
    let mut ruleset = Ruleset::default()
        .set_compatibility(CompatLevel::HardRequirement)
        .handle_access(AccessFs::from_all(abi))
        .and_then(|ruleset| ruleset.handle_access(AccessNet::from_all(abi)))
        .map_err(|error| fail(&error))?;
    if spec.landlock_abi >= 6 {
        ruleset = ruleset
            .scope(Scope::from_all(abi))
            .map_err(|error| fail(&error))?;
    }
    let mut created = ruleset.create().map_err(|error| fail(&error))?;
    for rule in &spec.filesystem {
        let Some((file, access)) = open(rule, abi)? else {
            continue;
        };
        created = created
            .add_rule(PathBeneath::new(file, access))
            .map_err(|error| fail(&error))?;
    }
    if let Network::Ports(ports) = &spec.network {
        for &port in ports {
            created = created
                .add_rule(NetPort::new(port, AccessNet::ConnectTcp))
                .map_err(|error| fail(&error))?;
        }
    }
    let status = created.restrict_self().map_err(|error| fail(&error))?;
    if status.ruleset == RulesetStatus::FullyEnforced {
        Ok(())
    } else {
        Err(SandboxError::LandlockPartial)
    }
}

/// The rule's file, opened, and the rights that make sense for its type.
///
/// A path that is gone since the parent looked grants nothing, which is the safe side.
fn open(rule: &PathRule, abi: ABI) -> Result<Option<(PathFd, BitFlags<AccessFs>)>, SandboxError> {
    let Ok(metadata) = std::fs::metadata(&rule.path) else {
        return Ok(None);
    };
    let file = PathFd::new(&rule.path).map_err(|error| SandboxError::LandlockPath {
        path: rule.path.clone(),
        message: error.to_string(),
    })?;
    let mut access = rights(rule.access) & AccessFs::from_all(abi);
    if !metadata.is_dir() {
        access &= AccessFs::from_file(abi);
    }
    Ok(Some((file, access)))
}

fn rights(access: Access) -> BitFlags<AccessFs> {
    let read = AccessFs::ReadFile | AccessFs::ReadDir;
    match access {
        Access::Read => read,
        Access::Execute => read | AccessFs::Execute,
        // No device nodes and no sockets: nobody needs them in a server's own folder.
        Access::Write => {
            read | AccessFs::WriteFile
                | AccessFs::Truncate
                | AccessFs::MakeReg
                | AccessFs::MakeDir
                | AccessFs::MakeSym
                | AccessFs::MakeFifo
                | AccessFs::RemoveFile
                | AccessFs::RemoveDir
                | AccessFs::Refer
        }
        Access::Device => AccessFs::ReadFile | AccessFs::WriteFile | AccessFs::IoctlDev,
    }
}

fn abi(number: u32) -> Result<ABI, SandboxError> {
    Ok(match number {
        4 => ABI::V4,
        5 => ABI::V5,
        6 => ABI::V6,
        7 => ABI::V7,
        8 => ABI::V8,
        9 => ABI::V9,
        other => {
            return Err(SandboxError::Landlock(format!(
                "no rights are known for ABI {other}"
            )));
        }
    })
}
