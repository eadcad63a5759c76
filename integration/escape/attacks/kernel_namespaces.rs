//! The kernel: namespaces and mounts, which give back every capability.

use super::super::attack::{Attack, Effect::Happens};
use super::super::lacks;

/// CLONE_NEWUSER 0x10000000, NEWNS 0x20000, NEWNET 0x40000000, NEWPID 0x20000000, NEWUTS
/// 0x04000000, NEWIPC 0x08000000, NEWCGROUP 0x02000000, NEWTIME 0x80.
pub(in super::super) const ATTACKS: &[Attack] = &[
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
        "Change the root folder of the server.",
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
