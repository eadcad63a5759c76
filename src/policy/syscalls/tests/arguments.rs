//! The calls that are judged by their arguments, each on both sides of every line that is drawn.

use super::Answer::Allowed;
use super::*;

/// A call, its arguments, and what becomes of it.
type Row = (&'static str, Vec<u64>, Answer);

fn check(kinds: &[Kind], rows: &[Row]) {
    for kind in kinds {
        for architecture in ARCHITECTURES {
            let filter = Filter::new(&kind.rules, architecture);
            for (name, arguments, verdict) in rows {
                let Some(number) = filter.number(name) else {
                    continue;
                };
                let mut all = [0; 6];
                all[..arguments.len()].copy_from_slice(arguments);
                let found = filter.answer(number, all);
                assert_eq!(
                    found, *verdict,
                    "{name}({arguments:x?}) on {}",
                    architecture.name
                );
            }
        }
    }
}

/// `values` for the argument at `place`; the verdict must not depend on the upper half of the
/// register, which the kernel ignores in an int.
fn ints(name: &'static str, place: usize, values: &[u64], verdict: Answer) -> Vec<Row> {
    values
        .iter()
        .flat_map(|value| [*value, *value | 0xffff_ffff_0000_0000])
        .map(|value| {
            let mut arguments = vec![0; place];
            arguments.push(value);
            (name, arguments, verdict)
        })
        .collect()
}

#[test]
fn clone_makes_no_namespaces() {
    // linux/sched.h: CLONE_NEWNS, CGROUP, UTS, IPC, USER, PID, NET
    let namespaces: [u64; 7] = [
        0x0002_0000,
        0x0200_0000,
        0x0400_0000,
        0x0800_0000,
        0x1000_0000,
        0x2000_0000,
        0x4000_0000,
    ];
    let mut rows: Vec<Row> = vec![
        ("clone", vec![17], Allowed),          // fork: SIGCHLD
        ("clone", vec![0x3d_0f00], Allowed),   // a thread, as glibc makes it
        ("clone", vec![0x4100 | 17], Allowed), // vfork
        ("clone", vec![0x8000_0000], Allowed), // CLONE_IO
    ];
    for flag in namespaces {
        rows.push(("clone", vec![flag], EPERM));
        rows.push(("clone", vec![flag | 0x3d_0f00], EPERM));
    }
    // CLONE_NEWTIME shares its bit with the exit signal, and only clone3 and unshare know it.
    rows.push(("clone", vec![0x80], Allowed));
    check(&kinds(), &rows);
}

#[test]
fn memory_files_cannot_be_executed() {
    let mut rows = Vec::new();
    // MFD_CLOEXEC 1, ALLOW_SEALING 2, HUGETLB 4, NOEXEC_SEAL 8, EXEC 0x10
    rows.extend(ints("memfd_create", 1, &[8, 9, 0xb, 0xf], Allowed));
    rows.extend(ints(
        "memfd_create",
        1,
        &[0, 1, 3, 0x10, 0x11, 0x18, 0x19],
        ENOSYS,
    ));
    check(&kinds(), &rows);
}

#[test]
fn no_file_is_made_to_run_as_its_owner() {
    // O_RDWR 2, O_CREAT 0x40, O_TMPFILE 0x400000 with O_DIRECTORY
    let (create, temporary) = (0x42, 0x41_0002);
    let harmless = [0, 0o644, 0o777, 0o1777];
    let harmful = [0o4755, 0o2755, 0o6755, 0o4000, 0o2000];
    let mut rows: Vec<Row> = Vec::new();
    for flags in [create, temporary] {
        for mode in harmless {
            rows.push(("open", vec![0, flags, mode], Allowed));
            rows.push(("openat", vec![0, 0, flags, mode], Allowed));
        }
        for mode in harmful {
            rows.push(("open", vec![0, flags, mode], EPERM));
            rows.push(("openat", vec![0, 0, flags, mode], EPERM));
            rows.push(("openat", vec![0, 0, flags, mode | 1 << 32], EPERM));
        }
    }
    // Without a file to be made, the mode is not looked at.
    for mode in harmful {
        rows.push(("open", vec![0, 2, mode], Allowed));
        rows.push(("openat", vec![0, 0, 2, mode], Allowed));
    }
    rows.extend(ints("creat", 1, &harmless, Allowed));
    rows.extend(ints("creat", 1, &harmful, EPERM));
    check(&kinds(), &rows);

    // Modes can be changed at all only with a root of its own.
    for kind in kinds() {
        let changed = if kind.own_root { Allowed } else { EPERM };
        let mut rows = Vec::new();
        for (name, place) in [
            ("chmod", 1),
            ("fchmod", 1),
            ("fchmodat", 2),
            ("fchmodat2", 2),
        ] {
            rows.extend(ints(name, place, &harmless, changed));
            rows.extend(ints(name, place, &harmful, EPERM));
        }
        check(&[kind], &rows);
    }
}

#[test]
fn limits_and_priorities_are_those_of_the_caller() {
    let mut rows = Vec::new();
    for name in ["sched_setaffinity", "sched_setscheduler", "prlimit64"] {
        rows.extend(ints(name, 0, &[0], Allowed));
        rows.extend(ints(name, 0, &[1, 1234, 0xffff_ffff], EPERM));
    }
    // PRIO_PROCESS of oneself only; PRIO_PGRP 1, PRIO_USER 2
    rows.push(("setpriority", vec![0, 0, 5], Allowed));
    for (which, who) in [(0, 1), (0, 0xffff_ffff), (1, 0), (2, 0), (2, 1000)] {
        rows.push(("setpriority", vec![which, who, 5], ENOSYS));
    }
    check(&kinds(), &rows);
}

#[test]
fn prctl_does_what_is_listed() {
    let allowed: [u64; 14] = [
        2,
        3,
        15,
        16,
        21,
        22,
        23,
        29,
        30,
        38,
        39,
        41,
        42,
        0x5356_4d41,
    ];
    let mut rows = ints("prctl", 0, &allowed, Allowed);
    // PR_SET_PDEATHSIG: SIGKILL, which is what the monitor asked for, and nothing else.
    rows.push(("prctl", vec![1, 9], Allowed));
    for signal in [0, 1, 10, 15, 9 | 1 << 32, u64::MAX] {
        rows.push(("prctl", vec![1, signal], ENOSYS));
    }
    // Among the others: SET_DUMPABLE 4, SET_KEEPCAPS 8, CAPBSET_DROP 24, SET_SECUREBITS 28,
    // SET_CHILD_SUBREAPER 36, SET_MM 35, CAP_AMBIENT 47, SET_SYSCALL_USER_DISPATCH 59,
    // SET_PTRACER 0x59616d61
    let others: Vec<u64> = (0..80)
        .chain([0x5961_6d61, 0x5356_4d40, 0x5356_4d42, 0xffff_ffff])
        .filter(|option| !allowed.contains(option) && *option != 1)
        .collect();
    rows.extend(ints("prctl", 0, &others, ENOSYS));
    check(&kinds(), &rows);
}

#[test]
fn fcntl_does_what_is_listed_and_takes_no_leases() {
    // F_DUPFD to F_GETSIG, owners, locks of open files; F_GETLEASE 1025 to F_GET_SEALS 1034
    let allowed: Vec<u64> = (0..12)
        .chain([15, 16, 36, 37, 38])
        .chain([1025, 1026, 1027, 1028, 1030, 1031, 1032, 1033, 1034])
        .collect();
    let mut rows = ints("fcntl", 1, &allowed, Allowed);
    rows.extend(ints("fcntl", 1, &[1024], EPERM));
    // Among the others: F_GETOWNER_UIDS 17, F_CANCELLK 1029, hints of how files are written 1035 to
    // 1038, F_GETDELEG 1039, F_SETDELEG 1040
    let others: Vec<u64> = (12..64)
        .chain(1000..1100)
        .chain([0xffff_ffff])
        .filter(|command| !allowed.contains(command) && *command != 1024)
        .collect();
    rows.extend(ints("fcntl", 1, &others, ENOSYS));
    check(&kinds(), &rows);
}

#[test]
fn a_filter_of_its_own_has_no_listener() {
    let mut rows = Vec::new();
    // SECCOMP_FILTER_FLAG_TSYNC 1, LOG 2, SPEC_ALLOW 4, NEW_LISTENER 8, TSYNC_ESRCH 16
    rows.extend(ints("seccomp", 1, &[0, 1, 2, 4, 16], Allowed));
    rows.extend(ints("seccomp", 1, &[8, 9, 24], ENOSYS));
    check(&kinds(), &rows);
}

#[test]
fn personality_is_asked_for_and_not_changed() {
    let mut rows = ints("personality", 0, &[0, 0xffff_ffff], Allowed);
    // PER_LINUX32 8, ADDR_NO_RANDOMIZE 0x40000, READ_IMPLIES_EXEC 0x400000
    rows.extend(ints(
        "personality",
        0,
        &[1, 8, 0x4_0000, 0x40_0000, 0xffff_fffe],
        ENOSYS,
    ));
    check(&kinds(), &rows);
}

#[test]
fn ioctl_does_what_is_listed_and_types_into_no_terminal() {
    let allowed = [
        0x5401,
        0x5402,
        0x5403,
        0x5404,
        0x540f,
        0x5413,
        0x541b,
        0x5421,
        0x5450,
        0x5451,
        0x5452,
        0x8008_6601,
        0x4004_9409,
        0x4020_940d,
        0x8910,
        0x8913,
        0x8927,
        0x8933,
    ];
    let mut rows = ints("ioctl", 1, &allowed, Allowed);
    // TIOCSTI, TIOCLINUX, TIOCSETD
    let refused = [0x5412, 0x541c, 0x5423];
    rows.extend(ints("ioctl", 1, &refused, EPERM));
    // Among the others: FS_IOC_SETFLAGS 0x40086602, TIOCSCTTY 0x540e, TIOCSPGRP 0x5410, FIFREEZE
    let others: Vec<u64> = (0x5400..0x5500)
        .chain(0x8900..0x8940)
        .chain([0x4008_6602, 0xc004_5877, 0x8008_6600, 0x8008_6602, 0])
        .filter(|request| !allowed.contains(request) && !refused.contains(request))
        .collect();
    rows.extend(ints("ioctl", 1, &others, ENOSYS));
    check(&kinds(), &rows);
}

// linux/socket.h, linux/net.h, linux/in.h
const UNIX: u64 = 1;
const INET: u64 = 2;
const INET6: u64 = 10;
const NETLINK: u64 = 16;
const STREAM: u64 = 1;
const DATAGRAM: u64 = 2;
const RAW: u64 = 3;
const SEQUENCED: u64 = 5;
/// SOCK_CLOEXEC | SOCK_NONBLOCK
const FLAGS: u64 = 0o2_004_000;

#[test]
fn sockets_are_of_the_internet_with_network_and_of_netlink_routes() {
    for kind in kinds() {
        let internet = if kind.network { Allowed } else { EPERM };
        // With network, what is no plain TCP or UDP is not known to anybody.
        let other = if kind.network { ENOSYS } else { EPERM };
        let mut rows: Vec<Row> = Vec::new();
        for family in [INET, INET6] {
            for flags in [0, FLAGS] {
                for (socket, protocol, verdict) in [
                    (STREAM, 0, internet),
                    (STREAM, 6, internet),
                    (STREAM, 132, other), // SCTP
                    (STREAM, 262, other), // MPTCP
                    (STREAM, 17, other),
                    (DATAGRAM, 0, internet),
                    (DATAGRAM, 17, internet),
                    (DATAGRAM, 1, other),   // ping
                    (DATAGRAM, 136, other), // UDP-Lite
                    (DATAGRAM, 6, other),
                    (RAW, 0, other),
                    (RAW, 1, other),
                    (RAW, 255, other),
                    (SEQUENCED, 0, other),
                    (4, 0, other),
                    (10, 0, other), // SOCK_PACKET
                ] {
                    rows.push(("socket", vec![family, socket | flags, protocol], verdict));
                }
            }
        }
        for family in (0..64).chain([0xffff_ffff]) {
            let named =
                [INET, INET6, NETLINK].contains(&family) || (kind.own_sockets && family == UNIX);
            if !named {
                // The upper half of the register doesn't hide the family.
                for family in [family, family | 1 << 32] {
                    rows.push(("socket", vec![family, STREAM, 0], EPERM));
                    rows.push(("socket", vec![family, DATAGRAM | FLAGS, 0], EPERM));
                }
            }
        }
        if kind.own_sockets {
            for flags in [0, FLAGS] {
                rows.push(("socket", vec![UNIX, STREAM | flags, 0], Allowed));
                rows.push(("socket", vec![UNIX, STREAM | flags, 1], ENOSYS));
                for socket in [DATAGRAM, RAW, SEQUENCED] {
                    rows.push(("socket", vec![UNIX, socket | flags, 0], EPERM));
                }
            }
        }
        for socket in [RAW, DATAGRAM] {
            rows.push(("socket", vec![NETLINK, socket | FLAGS, 0], Allowed));
            for protocol in 1..24 {
                rows.push(("socket", vec![NETLINK, socket, protocol], ENOSYS));
            }
        }
        check(&[kind], &rows);
    }
}

#[test]
fn socket_pairs_are_streams() {
    let mut rows: Vec<Row> = Vec::new();
    for flags in [0, FLAGS] {
        for (family, socket, verdict) in [
            (UNIX, STREAM, Allowed),
            (UNIX, SEQUENCED, Allowed),
            (UNIX, DATAGRAM, EPERM),
            (UNIX, RAW, EPERM),
            (UNIX, 4, ENOSYS),
            (UNIX, 0, ENOSYS),
            (INET, STREAM, ENOSYS),
            (40, STREAM, ENOSYS),
            (0, STREAM, ENOSYS),
        ] {
            rows.push(("socketpair", vec![family, socket | flags, 0], verdict));
        }
    }
    check(&kinds(), &rows);
}

#[test]
fn sending_does_not_connect() {
    const FASTOPEN: u64 = 0x2000_0000;
    let mut rows = Vec::new();
    // MSG_NOSIGNAL 0x4000, MSG_DONTWAIT 0x40; the flags are the fourth argument, or the third
    for (name, place) in [("sendto", 3), ("sendmmsg", 3), ("sendmsg", 2)] {
        rows.extend(ints(name, place, &[0, 0x40, 0x4040], Allowed));
        rows.extend(ints(name, place, &[FASTOPEN, FASTOPEN | 0x4040], EPERM));
    }
    check(&kinds(), &rows);
}

#[test]
fn a_socket_stays_what_it_is() {
    // IPPROTO_TCP 6 and TCP_ULP 31; SOL_SOCKET 1, IPPROTO_IP 0, TCP_NODELAY 1, TCP_INFO 11
    let mut rows = Vec::new();
    for (level, option, verdict) in [
        (6, 31, EPERM),
        (6 | 1 << 32, 31, EPERM),
        (6, 31 | 1 << 32, EPERM),
        (6, 1, Allowed),
        (6, 30, Allowed),
        (6, 32, Allowed),
        (1, 31, Allowed),
        (0, 31, Allowed),
    ] {
        rows.push(("setsockopt", vec![3, level, option], verdict));
    }
    check(&kinds(), &rows);
}

#[test]
fn every_call_that_is_judged_has_a_table() {
    let text = include_str!("arguments.rs");
    for name in words(expected::JUDGED) {
        assert!(text.contains(&format!("\"{name}\"")), "{name}");
    }
}
