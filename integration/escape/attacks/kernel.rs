//! The kernel: parts of it that no server needs and that have been ways out before.

use super::super::attack::{Attack, Effect::Happens};
use super::super::lacks;

/// CLONE_NEWUSER 0x10000000, NEWNS 0x20000, NEWNET 0x40000000, NEWPID 0x20000000, NEWUTS
/// 0x04000000, NEWIPC 0x08000000, NEWCGROUP 0x02000000, NEWTIME 0x80.
pub(in super::super) const NAMESPACES: &[Attack] = &[
    Attack::new(
        "user-namespace",
        "Make a user namespace, in which one has every capability.",
        Happens,
        "
        call('unshare', 0x10000000)
        return 'CapEff:\\t000001ffffffffff' in open('/proc/self/status').read()",
    )
    .unless_lacking(lacks::USER_NAMESPACES),
    Attack::new(
        "user-namespace-by-clone",
        "Make it together with a child.",
        Happens,
        "
        child = call('clone', 0x10000000 | signal.SIGCHLD, 0, 0, 0, 0)
        if child == 0: os._exit(0)
        return os.waitpid(child, 0)[1] == 0",
    )
    .unless_lacking(lacks::USER_NAMESPACES),
    Attack::new(
        "user-namespace-by-clone3",
        "The same with the call whose flags lie in memory, where a filter can't look.",
        Happens,
        "
        words = ctypes.create_string_buffer(struct.pack('=8Q', 0x10000000, 0, 0, 0, signal.SIGCHLD, 0, 0, 0))
        child = call('clone3', words, 64)
        if child == 0: os._exit(0)
        return os.waitpid(child, 0)[1] == 0",
    )
    .unless_lacking(lacks::USER_NAMESPACES),
    Attack::new(
        "namespace-in-namespace",
        "Make one inside another, for kernel code that few have tried.",
        Happens,
        "
        uid, gid = os.getuid(), os.getgid()
        for _ in range(3):
            call('unshare', 0x10000000)
            open('/proc/self/setgroups', 'w').write('deny')
            open('/proc/self/uid_map', 'w').write('%d %d 1' % (uid, uid))
            open('/proc/self/gid_map', 'w').write('%d %d 1' % (gid, gid))
        return True",
    )
    .unless_lacking(lacks::USER_NAMESPACES),
    Attack::new(
        "network-namespace",
        "Be the administrator of a network: packet filters, tunnels, raw sockets.",
        Happens,
        "
        call('unshare', 0x50000000)
        return socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0).fileno() > 0",
    )
    .unless_lacking(lacks::USER_NAMESPACES),
    Attack::new(
        "process-namespace",
        "Be the first process of a namespace.",
        Happens,
        "
        call('unshare', 0x30000000)
        return in_child(lambda: os._exit(os.getpid())) == 1",
    )
    .unless_lacking(lacks::USER_NAMESPACES),
    Attack::new(
        "name-namespace",
        "Give the machine another name, in a namespace.",
        Happens,
        "
        call('unshare', 0x14000000)
        socket.sethostname('elsewhere')
        return socket.gethostname() == 'elsewhere'",
    )
    .unless_lacking(lacks::USER_NAMESPACES),
    Attack::new(
        "object-namespace",
        "Make a namespace of System V objects.",
        Happens,
        "call('unshare', 0x18000000); return True",
    )
    .unless_lacking(lacks::USER_NAMESPACES),
    Attack::new(
        "group-namespace",
        "Make a namespace of control groups.",
        Happens,
        "call('unshare', 0x12000000); return True",
    )
    .unless_lacking(lacks::USER_NAMESPACES),
    Attack::new(
        "time-namespace",
        "Make a namespace of clocks, whose flag looks like an exit signal to clone(2).",
        Happens,
        "call('unshare', 0x10000080); return True",
    )
    .unless_lacking(lacks::USER_NAMESPACES),
    Attack::new(
        "own-namespace-entered",
        "Enter the namespace one is in, which gives back what one had in it.",
        Happens,
        "call('setns', os.open('/proc/self/ns/uts', os.O_RDONLY), 0x04000000); return True",
    )
    .root(),
    Attack::new(
        "root-changed",
        "Change the root folder.",
        Happens,
        "os.chroot('/proc'); return os.path.exists('/self')",
    )
    .root(),
    Attack::new(
        "root-changed-in-namespace",
        "Change it as the administrator of a namespace.",
        Happens,
        "call('unshare', 0x10000000); os.chroot('/proc'); return os.path.exists('/self')",
    )
    .unless_lacking(lacks::USER_NAMESPACES),
    Attack::new(
        "mount",
        "Mount a file system of one's own.",
        Happens,
        "
        call('unshare', 0x10020000)
        call('mount', 'none', own, 'tmpfs', 0, None)
        return os.stat(own).st_dev != os.stat(temporary).st_dev",
    )
    .unless_lacking(lacks::USER_NAMESPACES),
    Attack::new(
        "mount-by-newer-calls",
        "Mount one with the calls that older filters don't know.",
        Happens,
        "
        call('unshare', 0x10020000)
        context = call('fsopen', 'tmpfs', 0)
        call('fsconfig', context, 6, None, None, 0)  # FSCONFIG_CMD_CREATE
        mount = call('fsmount', context, 0, 0)
        return call('move_mount', mount, '', -100, own, 4) == 0  # MOVE_MOUNT_F_EMPTY_PATH",
    )
    .unless_lacking(lacks::USER_NAMESPACES),
    Attack::new(
        "mount-taken-away",
        "Take away a mount, and see what was below.",
        Happens,
        "
        call('unshare', 0x10020000)
        call('mount', 'none', own, 'tmpfs', 0, None)
        return call('umount2', own, 2) == 0",
    )
    .unless_lacking(lacks::USER_NAMESPACES),
    Attack::new(
        "mount-made-writable",
        "Change the flags of a mount.",
        Happens,
        "
        call('unshare', 0x10020000)
        call('mount', 'none', own, 'tmpfs', 0, None)
        for attributes in [(1, 0, 0, 0), (0, 1, 0, 0)]:  # MOUNT_ATTR_RDONLY set and cleared
            words = ctypes.create_string_buffer(struct.pack('=QQQQ', *attributes))
            call('mount_setattr', -100, own, 0, words, 32)
            assert bool(os.statvfs(own).f_flag & os.ST_RDONLY) == bool(attributes[0])
        return not os.statvfs(own).f_flag & os.ST_RDONLY",
    )
    .unless_lacking(lacks::USER_NAMESPACES),
    Attack::new(
        "mounts-listed",
        "List the mounts with the newest call, which needs no /proc.",
        Happens,
        "
        request = ctypes.create_string_buffer(struct.pack('=IIQQ', 24, 0, 0xffffffffffffffff, 0))
        return call('listmount', request, ctypes.create_string_buffer(8 * 512), 512, 0) > 0",
    )
    .unless_lacking(lacks::LISTMOUNT),
];

pub(in super::super) const SURFACE: &[Attack] = &[
    Attack::new(
        "ring",
        "Set up io_uring, through which files and sockets are opened without their calls.",
        Happens,
        "return call('io_uring_setup', 1, ctypes.create_string_buffer(120)) > 0",
    )
    .unless_lacking(lacks::IO_URING),
    Attack::new(
        "page-faults-handled",
        "Handle one's own page faults, which stops the kernel in the middle of a copy.",
        Happens,
        "
        import fcntl
        faults = call('userfaultfd', 1)  # UFFD_USER_MODE_ONLY
        fcntl.ioctl(faults, 0xc018aa3f, struct.pack('=QQQ', 0xaa, 0, 0))
        return True",
    )
    .unless_lacking(lacks::USERFAULTFD),
    Attack::new(
        "counters",
        "Count events of the processor, fine enough to see what others do.",
        Happens,
        "
        attributes = ctypes.create_string_buffer(struct.pack('=IIQ', 1, 64, 1) + bytes(24) + struct.pack('=Q', 0x60), 64)
        counter = call('perf_event_open', attributes, 0, -1, -1, 0)
        return len(os.read(counter, 8)) == 8",
    )
    .unless_lacking(lacks::COUNTERS),
    Attack::new(
        "program-in-kernel",
        "Load something into the kernel's own machine (bpf).",
        Happens,
        "
        attributes = ctypes.create_string_buffer(struct.pack('=IIIII', 2, 4, 4, 1, 0), 128)
        return call('bpf', 0, attributes, 128) > 0",
    )
    .root(),
    Attack::new(
        "filter-with-listener",
        "Install a filter of one's own that asks a process, which then sees what was decided.",
        Happens,
        "
        code = ctypes.create_string_buffer(struct.pack('=HBBI', 6, 0, 0, 0x7fff0000))
        program = ctypes.create_string_buffer(struct.pack('@HP', 1, ctypes.addressof(code)))
        call('prctl', 38, 1, 0, 0, 0)
        return call('seccomp', 1, 8, program) > 0",
    ),
    Attack::new(
        "randomisation-off",
        "Have every child's memory laid out alike.",
        Happens,
        "call('personality', 0x0040000); return call('personality', 0xffffffff) == 0x0040000",
    ),
    Attack::new(
        "readable-is-executable",
        "Have everything that is readable be executable.",
        Happens,
        "call('personality', 0x0400000); return call('personality', 0xffffffff) == 0x0400000",
    ),
    Attack::new(
        "pages-given-to-pipe",
        "Put one's own pages into a pipe, which has been a way to write others' files.",
        Happens,
        "
        reader, writer = os.pipe()
        page = ctypes.create_string_buffer(4096)
        vector = ctypes.create_string_buffer(struct.pack('@PN', ctypes.addressof(page), 4096))
        return call('vmsplice', writer, vector, 1, 0) == 4096",
    ),
    Attack::new(
        "secret-memory",
        "Take memory that not even the kernel can look into.",
        Happens,
        "return call('memfd_secret', 0) > 0",
    )
    .unless_lacking(lacks::SECRET_MEMORY),
    Attack::new(
        "cached-pages-counted",
        "Ask which pages of a file are in memory, which tells who has read it lately.",
        Happens,
        "
        handle = os.open(readable + '/file', os.O_RDONLY)
        range_ = ctypes.create_string_buffer(struct.pack('=QQ', 0, 4096))
        return call('cachestat', handle, range_, ctypes.create_string_buffer(40), 0) == 0",
    ),
    Attack::new(
        "memory-policy",
        "Choose the memory node of one's pages.",
        Happens,
        "call('set_mempolicy', 0, None, 0); return True",
    )
    .unless_lacking(lacks::MEMORY_NODES),
    Attack::new(
        "pages-moved",
        "Have one's pages moved between memory nodes, as side channels need.",
        Happens,
        "
        page = ctypes.create_string_buffer(b'x', 4096)
        pages = (ctypes.c_ulong * 1)(ctypes.addressof(page) & -4096)
        status = (ctypes.c_int * 1)(-1)
        return call('move_pages', 0, 1, pages, None, status, 0) == 0",
    )
    .unless_lacking(lacks::MEMORY_NODES),
    Attack::new(
        "segments-described",
        "Write a descriptor table of one's own for the processor.",
        Happens,
        "
        entry = ctypes.create_string_buffer(struct.pack('=IIII', 0, 0, 0xfffff, 0x51))
        return call('modify_ldt', 1, entry, 16) == 0",
    )
    .unless_lacking(lacks::DESCRIPTOR_TABLES),
    Attack::new(
        "ports-of-machine",
        "Talk to the machine's hardware by its ports.",
        Happens,
        "return call('ioperm', 0x80, 1, 1) == 0",
    )
    .root()
    .unless_lacking(lacks::PORTS),
    Attack::new(
        "all-ports-of-machine",
        "The same for all of them at once.",
        Happens,
        "return call('iopl', 3) == 0",
    )
    .root()
    .unless_lacking(lacks::PORTS),
    Attack::new(
        "clock-state",
        "Ask for the state of the machine's clock, in nanoseconds and with its error.",
        Happens,
        "return call('adjtimex', ctypes.create_string_buffer(256)) >= 0",
    ),
    Attack::new(
        "wake-alarm",
        "Have the machine woken up.",
        Happens,
        "return call('timer_create', 8, None, ctypes.byref(ctypes.c_int(0))) == 0  # CLOCK_REALTIME_ALARM",
    )
    .root()
    .unless_lacking(lacks::WAKE_ALARM),
    Attack::new(
        "modules-listed",
        "Ask which security modules there are to get past.",
        Happens,
        "
        size = ctypes.c_uint(4096)
        return call(461, ctypes.create_string_buffer(4096), ctypes.byref(size), 0) > 0  # lsm_list_modules",
    )
    .unless_lacking(lacks::SECURITY_MODULES),
    Attack::new(
        "device-numbers-asked",
        "Ask for a disk by its number instead of by a path (ustat).",
        Happens,
        "return call('ustat', os.stat(own).st_dev, ctypes.create_string_buffer(64)) == 0",
    )
    .unless_lacking(lacks::USTAT),
    Attack::new(
        "own-child-traced",
        "Debug a child of one's own, through code that has often been wrong.",
        Happens,
        "return checked(in_child(lambda: call('ptrace', 0, 0, 0, 0))) == 0",
    ),
    Attack::new(
        "own-memory-by-vector",
        "Read one's own memory by the call that reads others'.",
        Happens,
        "
        page = ctypes.create_string_buffer(b'content', 64)
        copy = ctypes.create_string_buffer(64)
        ours = ctypes.create_string_buffer(struct.pack('@PN', ctypes.addressof(copy), 64))
        theirs = ctypes.create_string_buffer(struct.pack('@PN', ctypes.addressof(page), 64))
        call('process_vm_readv', os.getpid(), ours, 1, theirs, 1, 0)
        return copy.value == b'content'",
    ),
    Attack::new(
        "made-undumpable",
        "Hide one's files in /proc from who watches.",
        Happens,
        "call('prctl', 4, 0, 0, 0, 0); return call('prctl', 3, 0, 0, 0, 0) == 0",
    ),
    Attack::new(
        "call-of-other-interface",
        "Make a call by the numbers of x32, which a filter may not know.",
        Happens,
        "return call(0x40000000 + 39) == os.getpid()",
    )
    .unless_lacking(lacks::X32),
    Attack::new(
        "blocks-of-file",
        "Ask where on the disk a file lies.",
        Happens,
        "
        import fcntl
        handle = os.open(tree, os.O_RDONLY)
        handle = os.open('puppet.py', os.O_RDONLY, dir_fd=handle)
        answer = fcntl.ioctl(handle, 0xc020660b, struct.pack('=QQIIII', 0, 1 << 30, 0, 0, 1, 0) + bytes(56))
        return struct.unpack_from('=I', answer, 20)[0] > 0  # FS_IOC_FIEMAP",
    )
    .unless_lacking(lacks::FILE_BLOCKS),
    Attack::new(
        "file-leased",
        "Take a lease on a file that may be read: whoever wants to write it must wait.",
        Happens,
        "
        import fcntl
        handle = os.open(readable + '/file', os.O_RDONLY)
        fcntl.fcntl(handle, fcntl.F_SETLEASE, fcntl.F_RDLCK)
        return fcntl.fcntl(handle, fcntl.F_GETLEASE) == fcntl.F_RDLCK",
    ),
];

/// What lies below /dev, /proc and /sys.
pub(in super::super) const INTERFACES: &[Attack] = &[
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
        super::super::attack::Effect::ReachesVictim,
        "os.write(os.open(terminal, os.O_WRONLY | os.O_NOCTTY), b'forged')",
    ),
    Attack::new(
        "virtual-machine",
        "Make a virtual machine.",
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
