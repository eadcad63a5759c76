//! The kernel: what it offers below /dev, /proc and /sys.

use super::super::attack::{
    Attack,
    Effect::{Happens, ReachesVictim},
};
use super::super::lacks;

pub(in super::super) const ATTACKS: &[Attack] = &[
    Attack::new(
        "terminal-made",
        "Make a terminal, as programs do that want to look like a person.",
        Happens,
        "return os.open('/dev/ptmx', os.O_RDWR | os.O_NOCTTY) > 0",
    ),
    Attack::new(
        "typed-into-terminal",
        "Put characters into a terminal's input as if they had been typed (TIOCSTI).",
        Happens,
        "
        import fcntl
        child, terminal = os.forkpty()
        if child == 0:
            try:
                fcntl.ioctl(0, 0x5412, b'x')
                os._exit(0)
            except OSError as error:
                os._exit(error.errno)
        return checked(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])) == 0",
    )
    .unless_lacking(lacks::TYPING),
    Attack::new(
        "devices-listed",
        "List the machine's devices.",
        Happens,
        "return {'null', 'tty', 'ptmx'} <= set(os.listdir('/dev'))",
    ),
    Attack::new(
        "written-to-terminal",
        "Write to the user's terminal.",
        ReachesVictim,
        "os.write(os.open(terminal, os.O_WRONLY | os.O_NOCTTY), b'forged')",
    ),
    Attack::new(
        "virtual-machine",
        "Make a virtual machine of one's own.",
        Happens,
        "
        import fcntl
        return fcntl.ioctl(os.open('/dev/kvm', os.O_RDWR), 0xae00) >= 12  # KVM_GET_API_VERSION",
    )
    .unless_lacking(lacks::KVM),
    Attack::new(
        "file-system-server",
        "Open the device through which a process serves a file system.",
        Happens,
        "return os.open('/dev/fuse', os.O_RDWR) > 0",
    )
    .unless_lacking(lacks::FUSE),
    Attack::new(
        "tunnel",
        "Open the device through which a process is a network interface.",
        Happens,
        "return os.open('/dev/net/tun', os.O_RDWR) > 0",
    )
    .unless_lacking(lacks::TUN),
    Attack::new(
        "disk-by-device",
        "Read the disk below the file system.",
        Happens,
        "
        number = os.stat('/').st_dev
        for name in os.listdir('/dev'):
            if os.stat('/dev/' + name).st_rdev == number:
                return len(os.pread(os.open('/dev/' + name, os.O_RDONLY), 4096, 0)) == 4096
        return False",
    )
    .root()
    .unless_lacking(lacks::DISK),
    Attack::new(
        "disk-by-own-node",
        "The same through a device node of one's own.",
        Happens,
        "
        os.mknod(own + '/disk', 0o060600, os.stat('/usr').st_dev)
        try: return len(os.pread(os.open(own + '/disk', os.O_RDONLY), 4096, 0)) == 4096
        finally: os.remove(own + '/disk')",
    )
    .root()
    .unless_lacking(lacks::DISK),
    Attack::new(
        "memory-of-machine",
        "Read the machine's memory.",
        Happens,
        "return len(os.pread(os.open('/dev/mem', os.O_RDONLY), 16, 0xf0000)) == 16",
    )
    .root()
    .unless_lacking(lacks::MEM),
    Attack::new(
        "kernel-memory",
        "Read the kernel's memory as a core file.",
        Happens,
        "return open('/proc/kcore', 'rb').read(4) == b'\\x7fELF'",
    )
    .root()
    .unless_lacking(lacks::KCORE),
    Attack::new(
        "kernel-messages",
        "Read what the kernel has said.",
        Happens,
        "return call('syslog', 10, None, 0) > 0  # SYSLOG_ACTION_SIZE_BUFFER",
    )
    .root(),
    Attack::new(
        "kernel-messages-by-device",
        "The same through the device.",
        Happens,
        "return len(os.read(os.open('/dev/kmsg', os.O_RDONLY | os.O_NONBLOCK), 8192)) > 0",
    )
    .root(),
    Attack::new(
        "kernel-symbols",
        "Read the names of everything in the kernel.",
        Happens,
        "return len(open('/proc/kallsyms').readline()) > 0",
    )
    .unless_lacking(lacks::SYMBOLS),
    Attack::new(
        "kernel-configuration",
        "Read how the kernel is set up, to know what to try.",
        Happens,
        "return len(os.listdir('/proc/sys/kernel')) > 10",
    ),
    Attack::new(
        "setting-of-kernel",
        "Set what the kernel runs when a program crashes; here to what it is.",
        Happens,
        "
        text = open('/proc/sys/kernel/core_pattern').read()
        with open('/proc/sys/kernel/core_pattern', 'w') as file: file.write(text)
        return True",
    )
    .root(),
    Attack::new(
        "setting-of-device",
        "Set something in /sys; here to what it is.",
        Happens,
        "
        text = open('/sys/kernel/mm/ksm/pages_to_scan').read()
        with open('/sys/kernel/mm/ksm/pages_to_scan', 'w') as file: file.write(text)
        return True",
    )
    .root()
    .unless_lacking(lacks::MERGING),
    Attack::new(
        "out-of-control-group",
        "Move to another control group, out of the limits of one's own.",
        Happens,
        "
        for group in ['', '/unified', '/memory', '/pids']:
            path = '/sys/fs/cgroup%s/cgroup.procs' % group
            if os.path.exists(path):
                with open(path, 'w') as file: file.write(str(os.getpid()))
                return True
        return False",
    )
    .root()
    .unless_lacking(lacks::CONTROL_GROUPS),
];
