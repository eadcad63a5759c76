//! The box, tried from inside before the server's first instruction.
//!
//! A layer whose installation reported success but which isn't there would be
//! the worst failure: silent. So the kernel's own record is read back, and two
//! forbidden things are attempted.

use std::fs;
use std::io;
use std::net::{Ipv4Addr, UdpSocket};
use std::os::unix::fs::OpenOptionsExt;

use nix::sys::socket::{AddressFamily, SockFlag, SockType, socket};

use super::{Network, SandboxError, SandboxSpec};

pub(super) fn run(spec: &SandboxSpec) -> Result<(), SandboxError> {
    recorded_by_the_kernel()?;
    if spec.landlock_abi.is_some() {
        forbidden_folder_is_closed()?;
    }
    forbidden_sockets_are_closed(spec)?;
    network_is_relayed(spec)
}

/// Where every address is local, a socket has the address that it is connected with. Connecting a
/// datagram socket sends nothing (connect(2)).
fn network_is_relayed(spec: &SandboxSpec) -> Result<(), SandboxError> {
    /// Nobody has it (RFC 5737).
    const ELSEWHERE: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
    if !matches!(spec.network, Network::Relayed(_)) {
        return Ok(());
    }
    let own = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).and_then(|socket| {
        socket.connect((ELSEWHERE, 9))?;
        socket.local_addr()
    });
    match own {
        Ok(address) if address.ip() == ELSEWHERE => Ok(()),
        Ok(address) => Err(failure(&format!(
            "{} is the address of its network, which is not relayed",
            address.ip()
        ))),
        Err(error) => Err(failure(&format!("its network can't be tried: {error}"))),
    }
}

fn recorded_by_the_kernel() -> Result<(), SandboxError> {
    let status = fs::read_to_string("/proc/self/status")
        .map_err(|error| failure(&format!("/proc/self/status can't be read: {error}")))?;
    let field = |name: &str| {
        status
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
            .map(str::trim)
            .unwrap_or("missing")
    };
    let expected = [("NoNewPrivs", "1"), ("Seccomp", "2")];
    for (name, value) in expected {
        if field(name) != value {
            return Err(failure(&format!("{name} is {}, not {value}", field(name))));
        }
    }
    for name in ["CapInh", "CapPrm", "CapEff", "CapAmb"] {
        if field(name).bytes().any(|digit| digit != b'0') {
            return Err(failure(&format!("{name} is {}, not empty", field(name))));
        }
    }
    Ok(())
}

/// No policy grants the root folder (`policy` refuses such a grant), so listing it must fail.
fn forbidden_folder_is_closed() -> Result<(), SandboxError> {
    let attempt = fs::OpenOptions::new()
        .read(true)
        .custom_flags(nix::fcntl::OFlag::O_DIRECTORY.bits())
        .open("/");
    match attempt {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Ok(()),
        Err(error) => Err(failure(&format!(
            "opening / failed with `{error}` instead of being refused"
        ))),
        Ok(_) => Err(failure("/ can be listed")),
    }
}

fn forbidden_sockets_are_closed(spec: &SandboxSpec) -> Result<(), SandboxError> {
    let opens = |family| socket(family, SockType::Stream, SockFlag::SOCK_CLOEXEC, None).is_ok();
    own_sockets_are_its_own(spec)?;
    if !spec.own_sockets && opens(AddressFamily::Unix) {
        return Err(failure("a UNIX socket can be made"));
    }
    if spec.network == Network::Off && (opens(AddressFamily::Inet) || opens(AddressFamily::Inet6)) {
        return Err(failure(
            "an internet socket can be made although network is off",
        ));
    }
    Ok(())
}

fn own_sockets_are_its_own(spec: &SandboxSpec) -> Result<(), SandboxError> {
    if spec.own_sockets && (spec.namespaces.is_none() || !spec.network.is_own()) {
        return Err(failure(
            "without a root and a network of its own, UNIX sockets are those of the machine",
        ));
    }
    Ok(())
}

fn failure(what: &str) -> SandboxError {
    SandboxError::SelfCheck(what.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sandbox::{Namespaces, ResourceLimits};

    #[test]
    fn unix_sockets_need_a_root_and_a_network_of_their_own() {
        let namespaces = || {
            Some(Namespaces {
                links: vec![],
                short_name: None,
                files: vec![],
                shared_memory: 0,
                temporary: 0,
            })
        };
        let refused = |own_sockets, namespaces, network| {
            let spec = SandboxSpec {
                program: "/bin/true".into(),
                arguments: vec![],
                environment: vec![],
                working_directory: "/".into(),
                filesystem: vec![],
                network,
                own_sockets,
                namespaces,
                landlock_abi: None,
                limits: ResourceLimits::default(),
                own_folders: vec![],
                filters: vec![],
                own_list: None,
                observed: false,
            };
            own_sockets_are_its_own(&spec).is_err()
        };
        let relayed = || Network::Relayed(vec![443]);
        assert!(!refused(true, namespaces(), relayed()));
        assert!(refused(true, None, relayed()));
        assert!(refused(true, namespaces(), Network::Ports(vec![443])));
        assert!(!refused(false, None, Network::Ports(vec![443])));
    }
}
