//! A server in a box and in a group: the stub is told both, as `launch` tells it.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};

use nix::fcntl::OFlag;
use pinfold::cgroup::{Limits, ServerGroup};
use pinfold::policy::syscall_rules;
use pinfold::sandbox::{
    Access, GO, Link, Namespaces, Network, PathRule, ResourceLimits, SandboxSpec, StepFailure,
    compile, stub,
};

use super::{Ground, group_of, proc};
use crate::support::processes::wait_until;
use crate::support::{Tier, skip};

/// A server of a test, and its monitor.
pub(super) struct Boxed {
    pub monitor: Child,
    control: UnixStream,
}

/// A shell that runs `script`.
fn spec(tier: Tier, script: &str) -> SandboxSpec {
    let system = ["/bin", "/lib", "/lib64", "/usr"];
    let is_link =
        |path: &&str| std::fs::symlink_metadata(path).is_ok_and(|found| found.is_symlink());
    let links = system.into_iter().filter(is_link).map(|path| Link {
        path: path.into(),
        target: std::fs::read_link(path).unwrap(),
    });
    let folders = system
        .into_iter()
        .filter(|path| !is_link(path) && std::path::Path::new(path).exists());
    let namespaces = (tier == Tier::Full).then(|| Namespaces {
        links: links.collect(),
        short_name: None,
        files: Vec::new(),
        shared_memory: 1 << 20,
        temporary: 1 << 20,
    });
    let network = Network::Off;
    let rules = syscall_rules(&network, namespaces.is_some(), false).unwrap();
    SandboxSpec {
        program: "/bin/sh".into(),
        arguments: vec!["sh".into(), "-c".into(), script.into()],
        environment: vec![("PATH".into(), "/usr/bin:/bin".into())],
        working_directory: "/".into(),
        filesystem: folders
            .map(|path| PathRule {
                path: path.into(),
                access: Access::Execute,
            })
            // A shell gives the first to what it starts in the background.
            .chain(["/dev/null", "/dev/zero"].map(|path| PathRule {
                path: path.into(),
                access: Access::Device,
            }))
            .collect(),
        network,
        own_sockets: false,
        namespaces,
        landlock_abi: None,
        limits: ResourceLimits::default(),
        own_folders: Vec::new(),
        filters: compile(&rules).unwrap(),
        own_list: None,
        observed: false,
    }
}

impl Boxed {
    /// Starts it as `launch` does. `group` is the descriptor through which it gets into its group.
    pub(super) fn start(
        tier: Tier,
        script: &str,
        group: Option<OwnedFd>,
    ) -> Result<Self, StepFailure> {
        let memory = spec(tier, script).to_sealed_memory().unwrap();
        let (status, status_end) = nix::unistd::pipe2(OFlag::O_CLOEXEC).unwrap();
        let (mut control, control_end) = UnixStream::pair().unwrap();
        let mut inherited = vec![
            memory.as_raw_fd(),
            status_end.as_raw_fd(),
            control_end.as_raw_fd(),
        ];
        inherited.extend(group.as_ref().map(AsRawFd::as_raw_fd));
        let mut command = Command::new(env!("CARGO_BIN_EXE_pinfold"));
        command
            .arg(stub::VERB)
            .args(inherited.iter().map(ToString::to_string))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        pinfold::sys::keep_across_exec(&mut command, inherited);
        let mut monitor = command.spawn().unwrap();
        drop((memory, status_end, control_end, group));
        let mut status = File::from(status);
        let mut first = [0];
        status.read_exact(&mut first).unwrap();
        if first != [stub::READY] {
            let mut record = first.to_vec();
            status.read_to_end(&mut record).unwrap();
            monitor.wait().unwrap();
            return Err(serde_json::from_slice(&record).unwrap());
        }
        control.write_all(&[GO]).unwrap();
        let mut rest = String::new();
        status.read_to_string(&mut rest).unwrap();
        assert_eq!(rest, "");
        Ok(Self { monitor, control })
    }

    /// What it says until it closes its output.
    pub(super) fn output(&mut self) -> String {
        let mut text = String::new();
        let mut output = self.monitor.stdout.take().unwrap();
        output.read_to_string(&mut text).unwrap();
        text
    }

    /// The code with which the monitor ends.
    pub(super) fn ended(mut self) -> i32 {
        let code = self.monitor.wait().unwrap().code().unwrap();
        drop(self.control);
        code
    }
}

/// Both, but for those that this machine doesn't have.
pub(super) fn tiers(test: &str) -> Vec<Tier> {
    let full = Boxed::start(Tier::Full, "exit 0", None);
    match full {
        Ok(boxed) => {
            assert_eq!(boxed.ended(), 0);
            vec![Tier::Base, Tier::Full]
        }
        Err(failure) => {
            skip(test, &format!("no full tier here: {}", failure.message));
            vec![Tier::Base]
        }
    }
}

const TELLS: &str = "cat /proc/self/cgroup; exec >&-; sleep 600 & wait";

#[test]
fn the_server_is_in_its_group_and_its_monitor_is_not() {
    let test = "the_server_is_in_its_group_and_its_monitor_is_not";
    let Some(ground) = Ground::new(test) else {
        return;
    };
    for tier in tiers(test) {
        let group = ServerGroup::make(ground.path(), &Limits::default()).unwrap();
        let place = group.path().to_owned();
        let mut boxed = Boxed::start(tier, TELLS, Some(group.entrance().unwrap())).unwrap();
        let told = boxed.output();
        let own = told.lines().find_map(|line| line.strip_prefix("0::"));
        match tier {
            // The namespace begins at its own group.
            Tier::Full => assert_eq!(own, Some("/"), "{told}"),
            Tier::Base => assert!(own.unwrap().ends_with("/server"), "{told}"),
        }
        let outside = group_of(std::process::id().cast_signed());
        let monitor = boxed.monitor.id().cast_signed();
        assert_eq!(group_of(monitor), outside);

        // Of this box: the server, its `sleep`, and in the full tier process 1.
        let members = || pinfold::cgroup::Group::at(&place).processes();
        let expected = if tier == Tier::Full { 3 } else { 2 };
        wait_until("all of the box", || members().len() == expected);
        let inside = members();
        for pid in inside.iter().copied().chain([monitor]) {
            for entry in std::fs::read_dir(format!("/proc/{pid}/fd"))
                .into_iter()
                .flatten()
            {
                let open = std::fs::read_link(entry.unwrap().path()).unwrap_or_default();
                assert!(!open.ends_with("cgroup.procs"), "{pid} holds {open:?}");
            }
        }
        group.kill();
        assert_eq!(boxed.ended(), 128 + 9);
        drop(group);
        assert!(!place.exists());
    }
}

/// The control is [`the_server_is_in_its_group_and_its_monitor_is_not`], and a server without a group.
#[test]
fn a_server_that_can_not_enter_its_group_is_not_started() {
    let test = "a_server_that_can_not_enter_its_group_is_not_started";
    for tier in tiers(test) {
        let control = Boxed::start(tier, "echo fine", None).unwrap();
        assert_eq!(control.ended(), 0);
        let no_entrance: OwnedFd = File::open("/dev/null").unwrap().into();
        let failure = Boxed::start(tier, "echo fine", Some(no_entrance))
            .err()
            .unwrap();
        assert_eq!(failure.step, "cgroup", "{}", failure.message);
    }
}

/// A server that detaches itself from everything is still in its group.
#[test]
fn nobody_gets_out_of_a_group_by_detaching() {
    let test = "nobody_gets_out_of_a_group_by_detaching";
    let Some(ground) = Ground::new(test) else {
        return;
    };
    for tier in tiers(test) {
        let group = ServerGroup::make(ground.path(), &Limits::default()).unwrap();
        let script = "for n in 1 2 3; do (setsid sh -c 'trap \"\" TERM; sleep 600' &) ; done; echo done; exec >&-; sleep 600";
        let mut boxed = Boxed::start(tier, script, Some(group.entrance().unwrap())).unwrap();
        let members = || pinfold::cgroup::Group::at(group.path()).processes();
        // The server, and three that are of no session, parent or group of processes of its own.
        wait_until("all that it starts", || members().len() >= 4);
        let pids = members();
        group.kill();
        assert_eq!(boxed.monitor.wait().unwrap().code(), Some(128 + 9));
        wait_until("all to end", || members().is_empty());
        for pid in pids {
            assert!(
                !proc(&format!("{pid}/cgroup")).contains("/server\n"),
                "{pid}"
            );
        }
    }
}
