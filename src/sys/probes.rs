//! System calls of one fixed form each, to see whether they are answered: the raw part of
//! `pinfold doctor --attack`.
//!
//! The table is closed: nobody else can make a [`Probe`], so that what is said of its safety can be
//! read off it.

use std::ffi::CStr;
use std::io;

use super::syscalls::number;

/// Words of eight bytes that a call may read and write.
const BUFFER_WORDS: usize = 512;

/// One call with everything but at most one number settled.
#[derive(Clone, Copy, Debug)]
pub struct Probe {
    call: Call,
    arguments: &'static [Argument],
    /// What is in the buffer before: (index of the word, value). Both architectures are
    /// little-endian.
    words: &'static [(usize, u64)],
    /// Whether there are two processes afterwards.
    forks: bool,
}

#[derive(Clone, Copy, Debug)]
enum Call {
    Name(&'static str),
    /// Of a call that [`number`] has no name for.
    Number(i64),
}

#[derive(Clone, Copy, Debug)]
enum Argument {
    Is(i64),
    /// What the caller gives: a process, a descriptor, or the number of an object; never an address.
    Given,
    /// The number of this process.
    Own,
    /// An address in the buffer, in words from its start.
    Buffer(usize),
    Text(&'static CStr),
}

use Argument::{Buffer, Given, Is, Own, Text};

const fn call(name: &'static str, arguments: &'static [Argument]) -> Probe {
    Probe {
        call: Call::Name(name),
        arguments,
        words: &[],
        forks: false,
    }
}

const fn socket(family: i64, kind: i64, protocol: i64) -> [Argument; 3] {
    [Is(family), Is(kind), Is(protocol)]
}

impl Probe {
    const fn with(mut self, words: &'static [(usize, u64)]) -> Self {
        self.words = words;
        self
    }

    const fn forking(mut self) -> Self {
        self.forks = true;
        self
    }

    /// Makes the call; returns what the kernel answers. A descriptor that it answers with stays open
    /// until the process ends, and a child that it makes ends at once, to be waited for.
    ///
    /// # Errors
    /// What the kernel says; `ENOSYS` on an architecture that has no such call.
    pub fn make(&self, given: i64) -> io::Result<i64> {
        let mut buffer = [0_u64; BUFFER_WORDS];
        for (index, value) in self.words {
            buffer[*index] = *value;
        }
        let start = buffer.as_mut_ptr();
        let mut values = [0_i64; 6];
        for (value, argument) in values.iter_mut().zip(self.arguments) {
            *value = match argument {
                Is(number) => *number,
                Given => given,
                Own => i64::from(std::process::id()),
                Buffer(index) => {
                    start.wrapping_add(*index).expose_provenance().cast_signed() as i64
                }
                Text(text) => text.as_ptr().expose_provenance().cast_signed() as i64,
            };
        }
        let number = match self.call {
            Call::Name(name) => number(name),
            Call::Number(number) => Some(number),
        };
        let Some(number) = number else {
            return Err(io::Error::from_raw_os_error(libc::ENOSYS));
        };
        let [a, b, c, d, e, f] = values;
        // SAFETY: the calls of this file read and write no memory but literals and the buffer, which lives longer and is larger than any of them needs; they close, unmap and share nothing, and a child that one makes does nothing but end.
        let answer = unsafe { libc::syscall(number, a, b, c, d, e, f) };
        if self.forks && answer == 0 {
            super::exit_without_cleanup(0);
        }
        if answer == -1 {
            Err(io::Error::last_os_error())
        } else {
            Ok(answer)
        }
    }
}

// ---- namespaces and processes ------------------------------------------------------------------

/// clone(2) with `CLONE_NEWUSER`.
pub const CLONE_USER: Probe = call("clone", &[Is(0x1000_0000 | 17)]).forking();
/// clone3(2), `struct clone_args`: flags `CLONE_NEWUSER`, exit signal SIGCHLD.
pub const CLONE3_USER: Probe = call("clone3", &[Buffer(0), Is(64)])
    .with(&[(0, 0x1000_0000), (4, 17)])
    .forking();
/// prlimit(2): reads `RLIMIT_NOFILE` of a process.
pub const LIMIT_OF: Probe = call("prlimit64", &[Given, Is(7), Is(0), Buffer(0)]);
/// kcmp(2), `KCMP_VM`.
pub const COMPARE_WITH: Probe = call("kcmp", &[Own, Given, Is(1), Is(0), Is(0)]);
/// get_robust_list(2).
pub const LOCKS_OF: Probe = call("get_robust_list", &[Given, Buffer(0), Buffer(8)]);
/// ioprio_get(2), `IOPRIO_WHO_PROCESS`.
pub const DISK_PRIORITY_OF: Probe = call("ioprio_get", &[Is(1), Given]);
/// sched_getscheduler(2).
pub const SCHEDULER_OF: Probe = call("sched_getscheduler", &[Given]);
/// pidfd_open(2).
pub const DESCRIPTOR_OF: Probe = call("pidfd_open", &[Given, Is(0)]);

// ---- the kernel --------------------------------------------------------------------------------

/// io_uring_setup(2), `struct io_uring_params` of zeros.
pub const IO_URING: Probe = call("io_uring_setup", &[Is(1), Buffer(0)]);
/// io_setup(2).
pub const ASYNCHRONOUS_IO: Probe = call("io_setup", &[Is(1), Buffer(0)]);
/// userfaultfd(2), `UFFD_USER_MODE_ONLY`.
pub const PAGE_FAULTS: Probe = call("userfaultfd", &[Is(1)]);
/// perf_event_open(2): the task clock of this process, without the kernel's part.
pub const COUNTER: Probe = call(
    "perf_event_open",
    &[Buffer(0), Is(0), Is(-1), Is(-1), Is(0)],
)
.with(&[(0, 64 << 32 | 1), (1, 1), (5, 0x60)]);
/// bpf(2), `BPF_MAP_CREATE`: an array of one element.
pub const BPF_MAP: Probe =
    call("bpf", &[Is(0), Buffer(0), Is(72)]).with(&[(0, 4 << 32 | 2), (1, 1 << 32 | 4)]);
/// personality(2), `ADDR_NO_RANDOMIZE`.
pub const NO_RANDOMISATION: Probe = call("personality", &[Is(0x4_0000)]);
/// personality(2), `READ_IMPLIES_EXEC`.
pub const READ_IS_EXECUTE: Probe = call("personality", &[Is(0x40_0000)]);
/// memfd_secret(2).
pub const SECRET_MEMORY: Probe = call("memfd_secret", &[Is(0)]);
/// set_mempolicy(2), `MPOL_DEFAULT`.
pub const MEMORY_POLICY: Probe = call("set_mempolicy", &[Is(0), Is(0), Is(0)]);
/// modify_ldt(2): reads.
pub const DESCRIPTOR_TABLE: Probe = call("modify_ldt", &[Is(0), Buffer(0), Is(64)]);
/// adjtimex(2): reads.
pub const CLOCK_STATE: Probe = call("adjtimex", &[Buffer(0)]);
/// syslog(2), `SYSLOG_ACTION_SIZE_BUFFER`.
pub const KERNEL_LOG: Probe = call("syslog", &[Is(10), Is(0), Is(0)]);
/// lsm_list_modules(2), 461 on every architecture.
pub const SECURITY_MODULES: Probe = Probe {
    call: Call::Number(461),
    ..call("", &[Buffer(0), Buffer(256), Is(0)])
}
.with(&[(256, 2048)]);
/// getpid(2) by its number in the x32 interface.
pub const OTHER_INTERFACE: Probe = Probe {
    call: Call::Number(0x4000_0000 + 39),
    ..call("", &[])
};
/// timer_create(2), `CLOCK_REALTIME_ALARM`.
pub const WAKE_ALARM: Probe = call("timer_create", &[Is(8), Is(0), Buffer(0)]);
/// fanotify_init(2), `FAN_REPORT_DFID_NAME | FAN_REPORT_FID`.
pub const FANOTIFY: Probe = call("fanotify_init", &[Is(0xe00), Is(0)]);
/// name_to_handle_at(2) of the root folder; `struct file_handle` with room for 128 bytes.
pub const HANDLE_OF_ROOT: Probe = call(
    "name_to_handle_at",
    &[Is(-100), Text(c"/"), Buffer(0), Buffer(256), Is(0)],
)
.with(&[(0, 128)]);
/// ftruncate(2) of standard error, to nothing.
pub const EMPTY_LOG: Probe = call("ftruncate", &[Is(2), Is(0)]);
/// fcntl(2), `F_SETLEASE`, `F_RDLCK`, of a descriptor.
pub const LEASE: Probe = call("fcntl", &[Given, Is(1024), Is(0)]);

// ---- sockets -----------------------------------------------------------------------------------

/// socket(2), AF_INET, SOCK_STREAM.
pub const INET: Probe = call("socket", &socket(2, 1, 0));
/// The same with something in the half of the register that the kernel ignores.
pub const INET_HIDDEN: Probe = call("socket", &socket(1 << 32 | 2, 1, 0));
/// AF_INET6, SOCK_STREAM.
pub const INET6: Probe = call("socket", &socket(10, 1, 0));
/// AF_INET, SOCK_STREAM, IPPROTO_MPTCP.
pub const MULTIPATH: Probe = call("socket", &socket(2, 1, 262));
/// AF_INET, SOCK_RAW, IPPROTO_ICMP.
pub const RAW: Probe = call("socket", &socket(2, 3, 1));
/// AF_INET, SOCK_DGRAM, IPPROTO_ICMP.
pub const PING: Probe = call("socket", &socket(2, 2, 1));
/// AF_PACKET, SOCK_RAW.
pub const PACKET: Probe = call("socket", &socket(17, 3, 0));
/// AF_UNIX, SOCK_STREAM.
pub const UNIX: Probe = call("socket", &socket(1, 1, 0));
/// AF_VSOCK, SOCK_STREAM.
pub const VSOCK: Probe = call("socket", &socket(40, 1, 0));
/// AF_ALG, SOCK_SEQPACKET.
pub const CIPHERS: Probe = call("socket", &socket(38, 5, 0));
/// AF_NETLINK, SOCK_RAW, NETLINK_SOCK_DIAG.
pub const NETLINK_SOCKETS: Probe = call("socket", &socket(16, 3, 4));
/// AF_NETLINK, SOCK_RAW, NETLINK_XFRM.
pub const NETLINK_TUNNELS: Probe = call("socket", &socket(16, 3, 6));
/// AF_NETLINK, SOCK_RAW, NETLINK_AUDIT.
pub const NETLINK_AUDIT: Probe = call("socket", &socket(16, 3, 9));
/// AF_NETLINK, SOCK_RAW, NETLINK_NETFILTER.
pub const NETLINK_FILTERS: Probe = call("socket", &socket(16, 3, 12));
/// AF_NETLINK, SOCK_RAW, NETLINK_KOBJECT_UEVENT.
pub const NETLINK_DEVICES: Probe = call("socket", &socket(16, 3, 15));
/// AF_NETLINK, SOCK_RAW, NETLINK_GENERIC.
pub const NETLINK_GENERIC: Probe = call("socket", &socket(16, 3, 16));
/// AF_CAN, SOCK_RAW.
pub const CAN: Probe = call("socket", &socket(29, 3, 1));
/// AF_BLUETOOTH, SOCK_RAW, BTPROTO_HCI.
pub const BLUETOOTH: Probe = call("socket", &socket(31, 3, 1));
/// AF_XDP, SOCK_RAW.
pub const EXPRESS: Probe = call("socket", &socket(44, 3, 0));

// ---- objects shared among processes ------------------------------------------------------------

/// shmget(2), `IPC_PRIVATE`, one page.
pub const SEGMENT: Probe = call("shmget", &[Is(0), Is(4096), Is(0o1600)]);
/// shmctl(2), `IPC_RMID`.
pub const SEGMENT_REMOVED: Probe = call("shmctl", &[Given, Is(0), Is(0)]);
/// shmctl(2), `SHM_INFO`.
pub const SEGMENTS: Probe = call("shmctl", &[Is(0), Is(14), Buffer(0)]);
/// semget(2), `IPC_PRIVATE`, one semaphore.
pub const SEMAPHORE: Probe = call("semget", &[Is(0), Is(1), Is(0o1600)]);
/// semctl(2), `IPC_RMID`.
pub const SEMAPHORE_REMOVED: Probe = call("semctl", &[Given, Is(0), Is(0), Is(0)]);
/// semctl(2), `SEM_INFO`.
pub const SEMAPHORES: Probe = call("semctl", &[Is(0), Is(0), Is(19), Buffer(0)]);
/// msgget(2), `IPC_PRIVATE`.
pub const QUEUE: Probe = call("msgget", &[Is(0), Is(0o1600)]);
/// msgctl(2), `IPC_RMID`.
pub const QUEUE_REMOVED: Probe = call("msgctl", &[Given, Is(0), Is(0)]);
/// msgctl(2), `MSG_INFO`.
pub const QUEUES: Probe = call("msgctl", &[Is(0), Is(12), Buffer(0)]);
/// mq_open(2), `O_CREAT | O_RDWR`.
pub const NAMED_QUEUE: Probe = call(
    "mq_open",
    &[Text(c"pinfold-attack"), Is(0o102), Is(0o600), Is(0)],
);
/// mq_unlink(2).
pub const NAMED_QUEUE_REMOVED: Probe = call("mq_unlink", &[Text(c"pinfold-attack")]);
/// keyctl(2), `KEYCTL_READ` of the session's keyring.
pub const SESSION_KEYS: Probe = call("keyctl", &[Is(11), Is(-3), Buffer(0), Is(4096)]);
/// keyctl(2), `KEYCTL_READ` of the user's keyring.
pub const USER_KEYS: Probe = call("keyctl", &[Is(11), Is(-4), Buffer(0), Is(4096)]);
/// keyctl(2), `KEYCTL_JOIN_SESSION_KEYRING`, without a name.
pub const KEY_SESSION: Probe = call("keyctl", &[Is(1), Is(0)]);
/// add_key(2), into the keyring of the process.
pub const KEY: Probe = call(
    "add_key",
    &[
        Text(c"user"),
        Text(c"pinfold-attack"),
        Buffer(0),
        Is(8),
        Is(-2),
    ],
);

// ---- shares of the machine ---------------------------------------------------------------------

/// mlock(2) of the buffer.
pub const LOCK_MEMORY: Probe = call("mlock", &[Buffer(0), Is(4096)]);
/// mlockall(2), `MCL_FUTURE | MCL_ONFAULT`.
pub const LOCK_ALL_MEMORY: Probe = call("mlockall", &[Is(2 | 4)]);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_is_answered_and_refused() {
        // proc_pid_stat(5), field 41; whoever runs the tests may have chosen another (chrt(1)).
        let stat = std::fs::read_to_string("/proc/thread-self/stat").unwrap();
        let (_, after_name) = stat.rsplit_once(')').unwrap();
        let policy = after_name.split_whitespace().nth(38).unwrap().parse().ok();
        assert_eq!(SCHEDULER_OF.make(0).ok(), policy);
        let nobody = SCHEDULER_OF.make(i64::from(i32::MAX)).unwrap_err();
        assert_eq!(nobody.raw_os_error(), Some(libc::ESRCH));
        assert!(CLOCK_STATE.make(0).is_ok_and(|state| state >= 0));
    }

    #[test]
    fn a_call_that_the_architecture_lacks_is_refused() {
        let unknown = call("no_such_call", &[]).make(0).unwrap_err();
        assert_eq!(unknown.raw_os_error(), Some(libc::ENOSYS));
    }
}
