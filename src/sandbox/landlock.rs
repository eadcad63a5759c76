//! Landlock: every right of the ABI is handled, so what no rule grants is refused.

use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use landlock::{
    ABI, Access as _, AccessFs, AccessNet, BitFlags, CompatLevel, Compatible, NetPort, PathBeneath,
    Ruleset, RulesetAttr, RulesetCreatedAttr, RulesetStatus, Scope,
};

use nix::unistd::getpid;

use super::granted::{self, Granted};
use super::{Access, NAME_SERVER_PORT, Network, PathRule, SandboxError, SandboxSpec, own_root};

/// Restricts this process and everything it will start.
pub(super) fn restrict(spec: &SandboxSpec) -> Result<(), SandboxError> {
    let fail = |error: &dyn std::fmt::Display| SandboxError::Landlock(error.to_string());
    let Some(number) = spec.landlock_abi else {
        return Ok(());
    };
    let abi = abi(number)?;
    let mut ruleset = Ruleset::default()
        .set_compatibility(CompatLevel::HardRequirement)
        .handle_access(AccessFs::from_all(abi))
        .map_err(|error| fail(&error))?;
    if number >= 4 {
        ruleset = ruleset
            .handle_access(AccessNet::from_all(abi))
            .map_err(|error| fail(&error))?;
    }
    if number >= 6 {
        ruleset = ruleset
            .scope(Scope::from_all(abi))
            .map_err(|error| fail(&error))?;
    }
    let mut created = ruleset.create().map_err(|error| fail(&error))?;
    let own = spec.namespaces.iter();
    let own = own.flat_map(|own| of_own_root(own.files.iter().map(|file| file.path.as_path())));
    for rule in spec.filesystem.iter().cloned().chain(own) {
        let Some((file, mut access)) = open(&rule, abi)? else {
            continue;
        };
        if spec.own_sockets && access.contains(AccessFs::MakeDir) {
            access |= AccessFs::MakeSock;
        }
        created = created
            .add_rule(PathBeneath::new(file, access))
            .map_err(|error| fail(&error))?;
    }
    if number >= 4 {
        let ports: &[u16] = match &spec.network {
            Network::Off => &[],
            Network::Ports(ports) | Network::Relayed(ports) => ports,
        };
        let name_server = matches!(spec.network, Network::Relayed(_)).then_some(NAME_SERVER_PORT);
        for port in ports.iter().copied().chain(name_server) {
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

/// The rules for what a root of its own adds: memory file systems, and `files` that are made in it.
pub(super) fn of_own_root<'f>(
    files: impl Iterator<Item = &'f Path>,
) -> impl Iterator<Item = PathRule> {
    let rule = |path: &Path, access| PathRule {
        path: path.to_owned(),
        access,
    };
    let scratch = own_root::SCRATCH.map(|path| rule(path.as_ref(), Access::Write));
    let files = files.map(move |path| rule(path, Access::Read));
    scratch.into_iter().chain(files)
}

/// The rule's file, opened, and the rights that make sense for its type; `None` when it is gone.
fn open(rule: &PathRule, abi: ABI) -> Result<Option<(OwnedFd, BitFlags<AccessFs>)>, SandboxError> {
    let opened = granted::open(&of_this_process(&rule.path)).map_err(|errno| {
        SandboxError::LandlockPath {
            path: rule.path.clone(),
            source: errno.into(),
        }
    })?;
    Ok(opened.map(|Granted { file, is_folder }| (file, rights_on(rule.access, is_folder, abi))))
}

/// What a rule gives on a file, or on a folder and what is in it.
pub(super) fn rights_on(access: Access, is_folder: bool, abi: ABI) -> BitFlags<AccessFs> {
    let all = if is_folder {
        AccessFs::from_all(abi)
    } else {
        AccessFs::from_file(abi)
    };
    rights(access) & all
}

/// `/proc/self` is a link, and the one that is meant.
fn of_this_process(path: &Path) -> PathBuf {
    match path.strip_prefix("/proc/self") {
        Ok(below) => Path::new("/proc").join(getpid().to_string()).join(below),
        Err(_) => path.to_owned(),
    }
}

fn rights(access: Access) -> BitFlags<AccessFs> {
    let read = AccessFs::ReadFile | AccessFs::ReadDir;
    match access {
        Access::List => AccessFs::ReadDir.into(),
        Access::Read => read,
        Access::Execute => read | AccessFs::Execute,
        // No device nodes, and sockets only where the spec lets it have its own.
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
        Access::WriteExecute => rights(Access::Write) | AccessFs::Execute,
        Access::Device => AccessFs::ReadFile | AccessFs::WriteFile | AccessFs::IoctlDev,
    }
}

pub(super) fn abi(number: u32) -> Result<ABI, SandboxError> {
    Ok(match number {
        1 => ABI::V1,
        2 => ABI::V2,
        3 => ABI::V3,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_that_leads_through_a_link_is_refused() {
        let place = tempfile::tempdir().unwrap();
        let folder = place.path().canonicalize().unwrap().join("folder");
        let link = folder.with_file_name("link");
        std::fs::create_dir_all(folder.join("inner")).unwrap();
        std::os::unix::fs::symlink(&folder, &link).unwrap();
        let opened = |path: PathBuf| {
            let rule = PathRule {
                path,
                access: Access::Read,
            };
            open(&rule, ABI::V4).map(|found| found.is_some())
        };
        for path in [link.clone(), link.join("inner")] {
            assert!(matches!(
                opened(path),
                Err(SandboxError::LandlockPath { .. })
            ));
        }
        for path in [folder.clone(), folder.join("inner")] {
            assert!(opened(path).unwrap());
        }
        // What is gone grants nothing.
        assert!(!opened(folder.join("gone")).unwrap());
    }

    /// By itself, without the filter that stops most of this before Landlock is asked. It binds the
    /// thread that asks for it, and what that starts.
    #[test]
    fn alone_it_closes_files_ports_signals_and_abstract_sockets() {
        use std::net::{TcpListener, TcpStream};
        use std::os::linux::net::SocketAddrExt as _;
        use std::os::unix::net::{SocketAddr, UnixListener, UnixStream};

        let Some(number) = crate::sys::landlock_abi() else {
            return;
        };
        let number = number.min(9);
        let place = tempfile::tempdir().unwrap();
        let folder = place.path().canonicalize().unwrap();
        let [granted, other] = ["granted", "other"].map(|name| folder.join(name));
        for path in [&granted, &other] {
            std::fs::File::create(path).unwrap();
        }
        let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = tcp.local_addr().unwrap();
        let name = format!("pinfold-landlock-{}", std::process::id());
        let name = SocketAddr::from_abstract_name(name).unwrap();
        let _listener = UnixListener::bind_addr(&name).unwrap();
        let mut decoy = std::process::Command::new("sleep")
            .arg("60")
            .spawn()
            .unwrap();
        let pid = nix::unistd::Pid::from_raw(i32::try_from(decoy.id()).unwrap());
        let spec = SandboxSpec {
            program: granted.clone(),
            arguments: vec![],
            environment: vec![],
            working_directory: folder.clone(),
            filesystem: vec![PathRule {
                path: granted.clone(),
                access: Access::Read,
            }],
            network: Network::Off,
            own_sockets: false,
            namespaces: None,
            landlock_abi: Some(number),
            limits: crate::sandbox::ResourceLimits::default(),
            own_folders: vec![],
            filters: vec![],
            own_list: None,
            observed: false,
        };
        let works = || {
            [
                std::fs::read(&granted).is_ok(),
                std::fs::read(&other).is_ok(),
                TcpStream::connect(port).is_ok(),
                nix::sys::signal::kill(pid, None).is_ok(),
                UnixStream::connect_addr(&name).is_ok(),
            ]
        };
        let (before, after) = std::thread::scope(|threads| {
            let thread = threads.spawn(|| {
                let before = works();
                nix::sys::prctl::set_no_new_privs().unwrap();
                restrict(&spec).unwrap();
                (before, works())
            });
            thread.join().unwrap()
        });
        decoy.kill().unwrap();
        decoy.wait().unwrap();
        assert_eq!(before, [true; 5], "control");
        let (ports, scopes) = (number < 4, number < 6);
        assert_eq!(after, [true, false, ports, scopes, scopes]);
    }
}
