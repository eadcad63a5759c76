//! What some machines don't have. Each is asked for without pinfold, so that an attack which is
//! merely wrong can't hide behind it.

use super::attack::Lack;

const fn lack(what: &'static str, probe: &'static str) -> Lack {
    Lack { what, probe }
}

/// Some let them be made, but give no rights in them.
pub(super) const USER_NAMESPACES: Lack = lack(
    "user namespaces",
    "call('unshare', 0x10020000); call('mount', 'none', own, 'tmpfs', 0, None)",
);

pub(super) const ATTRIBUTES: Lack = lack(
    "a file system with attributes",
    "open(own + '/probe', 'w').close(); os.setxattr(own + '/probe', 'user.probe', b'x')",
);

pub(super) const FILE_FLAGS: Lack = lack(
    "a file system with flags",
    "
    import fcntl
    fcntl.ioctl(os.open(own, os.O_RDONLY), 0x40086602, struct.pack('=Q', 0))",
);

pub(super) const FILE_BLOCKS: Lack = lack(
    "a file system that says where its blocks are",
    "
    import fcntl
    fcntl.ioctl(os.open(decoy, os.O_RDONLY), 0xc020660b, struct.pack('=QQIIII', 0, 1, 0, 0, 0, 0))",
);

pub(super) const FANOTIFY: Lack = lack("fanotify", "call('fanotify_init', 0xe00, 0)");
pub(super) const LISTMOUNT: Lack = lack("listmount (Linux 6.8)", "known('listmount')");
pub(super) const SECURITY_MODULES: Lack = lack("lsm_list_modules (Linux 6.8)", "known(461)");
pub(super) const IO_URING: Lack = lack("io_uring", "known('io_uring_setup')");
pub(super) const USERFAULTFD: Lack = lack("userfaultfd", "call('userfaultfd', 1)");
pub(super) const SECRET_MEMORY: Lack = lack("secret memory", "known('memfd_secret')");
pub(super) const KCMP: Lack = lack("kcmp", "known('kcmp')");
pub(super) const MEMORY_NODES: Lack = lack("calls for memory nodes", "known('move_pages')");
pub(super) const USTAT: Lack = lack("ustat, as on aarch64", "known('ustat')");
pub(super) const PORTS: Lack = lack("ports and their calls", "known('iopl')");
pub(super) const X32: Lack = lack("x32", "call(0x40000000 + 39)");
pub(super) const DESCRIPTOR_TABLES: Lack = lack(
    "tables of segments",
    "call('modify_ldt', 0, ctypes.create_string_buffer(8), 8)",
);

pub(super) const COUNTERS: Lack = lack(
    "event counters for everybody",
    "
    attributes = ctypes.create_string_buffer(struct.pack('=IIQ', 1, 64, 1) + bytes(24) + struct.pack('=Q', 0x61), 64)
    call('perf_event_open', attributes, 0, -1, -1, 0)",
);

pub(super) const TRACING: Lack = lack(
    "leave to trace processes that allow it",
    "
    path = '/proc/sys/kernel/yama/ptrace_scope'
    return not os.path.exists(path) or int(open(path).read()) < 2",
);

pub(super) const TRACING_OF_ALL: Lack = lack(
    "leave to trace processes that aren't children",
    "os.open('/proc/%d/mem' % STARTER, os.O_RDONLY)",
);

pub(super) const COPIED_DESCRIPTORS: Lack = lack(
    "leave to copy descriptors",
    "call('pidfd_getfd', call('pidfd_open', os.getpid(), 0), 1, 0)",
);

pub(super) const PERSONALITY: Lack = lack(
    "leave to change its personality",
    "call('personality', 0x0040000)",
);

pub(super) const CACHED_PAGES: Lack = lack("cachestat", "known('cachestat')");

pub(super) const REAL_TIME: Lack = lack(
    "real-time scheduling for root, outside of its first control group",
    "os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))",
);

pub(super) const WAKE_ALARM: Lack = lack(
    "a clock that wakes it",
    "return bool(os.listdir('/sys/class/rtc')) and time.clock_getres(8) > 0",
);

pub(super) const PROCESSORS: Lack = lack(
    "more than one processor",
    "return len(os.sched_getaffinity(0)) > 1",
);

pub(super) const RESOURCE_CAPABILITY: Lack = lack(
    "CAP_SYS_RESOURCE for root",
    "
    line = [line for line in open('/proc/self/status') if line.startswith('CapEff')][0]
    return int(line.split()[1], 16) >> 24 & 1 == 1",
);

pub(super) const TYPING: Lack = lack(
    "TIOCSTI for anybody",
    "return open('/proc/sys/dev/tty/legacy_tiocsti').read().strip() == '1'",
);

pub(super) const SYMBOLS: Lack = lack("names in its kernel", "open('/proc/kallsyms').close()");
pub(super) const KVM: Lack = lack("/dev/kvm", "os.open('/dev/kvm', os.O_RDWR)");
pub(super) const FUSE: Lack = lack("/dev/fuse", "os.open('/dev/fuse', os.O_RDWR)");
pub(super) const TUN: Lack = lack("/dev/net/tun", "os.open('/dev/net/tun', os.O_RDWR)");
pub(super) const MEM: Lack = lack("/dev/mem", "os.open('/dev/mem', os.O_RDONLY)");
pub(super) const KCORE: Lack = lack("/proc/kcore", "os.open('/proc/kcore', os.O_RDONLY)");

pub(super) const DISK: Lack = lack(
    "a disk that root may read",
    "
    number = os.stat('/').st_dev
    name = [name for name in os.listdir('/dev') if os.stat('/dev/' + name).st_rdev == number]
    return bool(name) and os.open('/dev/' + name[0], os.O_RDONLY) > 0",
);

pub(super) const MERGING: Lack = lack(
    "a setting of merged pages",
    "os.stat('/sys/kernel/mm/ksm/pages_to_scan')",
);

pub(super) const CONTROL_GROUPS: Lack = lack(
    "control groups",
    "return bool(os.listdir('/sys/fs/cgroup'))",
);

pub(super) const OLD_INTERFACE: Lack =
    lack("a 32-bit interface", "run('old-read', readable + '/file')");

pub(super) const IPV6: Lack = lack(
    "IPv6",
    "socket.socket(socket.AF_INET6, socket.SOCK_STREAM).bind(('::1', 0))",
);

pub(super) const MPTCP: Lack = lack(
    "MPTCP",
    "socket.socket(socket.AF_INET, socket.SOCK_STREAM, 262)",
);

pub(super) const SMC: Lack = lack("SMC", "socket.socket(43, socket.SOCK_STREAM, 0)");

pub(super) const SMC_OVER_TCP: Lack = lack(
    "SMC in the place of TCP",
    "socket.socket().setsockopt(socket.IPPROTO_TCP, 31, b'smc')",
);

pub(super) const SOCKET_LIST: Lack = lack(
    "a list of sockets",
    "socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 4)",
);

pub(super) const CIPHER_SOCKETS: Lack = lack(
    "sockets for ciphers",
    "socket.socket(38, socket.SOCK_SEQPACKET, 0)",
);

pub(super) const VSOCK: Lack = lack("vsock", "socket.socket(40, socket.SOCK_STREAM, 0)");

pub(super) const NETFILTER: Lack = lack(
    "packet filters",
    "socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 12)",
);

pub(super) const INTERFACES: Lack = lack(
    "a network",
    "return any(open('/sys/class/net/%s/address' % name).read().strip('0:\\n') for name in os.listdir('/sys/class/net'))",
);

pub(super) const KEYRINGS: Lack = lack("keyrings", "call('keyctl', 0, -4, 1, 0, 0)");
pub(super) const MACHINE_ID: Lack = lack(
    "/etc/machine-id",
    "return len(open('/etc/machine-id').read()) > 8",
);

pub(super) const CORE_FILES: Lack = lack(
    "core files",
    "
    import resource
    return resource.getrlimit(resource.RLIMIT_CORE)[1] != 0",
);

pub(super) const FEW_WATCHERS: Lack = lack(
    "a limit of at most 240 watchers of files",
    "return int(open('/proc/sys/fs/inotify/max_user_instances').read()) <= 240",
);

pub(super) const LOCKED_MEMORY: Lack = lack(
    "leave to lock 4 MiB of memory",
    "
    import resource
    return resource.getrlimit(resource.RLIMIT_MEMLOCK)[0] % (1 << 64) >= 5 << 20",
);
