//! Processes: looking into others and changing what is in them.

use super::super::attack::{
    Attack,
    Effect::{Happens, ReachesVictim, Tells},
};
use super::super::lacks;

pub(in super::super) const ATTACKS: &[Attack] = &[
    Attack::new(
        "memory-by-tracing",
        "Read memory as a debugger.",
        Tells("memory"),
        "
        call('ptrace', 0x4206, pid, 0, 0)  # PTRACE_SEIZE
        call('ptrace', 0x4207, pid, 0, 0)  # PTRACE_INTERRUPT
        os.waitpid(pid, 0x40000000)
        words = b''
        for offset in range(0, 32, 8):
            word = ctypes.c_ulong(0)
            call('ptrace', 2, pid, address + offset, ctypes.byref(word))
            words += struct.pack('@L', word.value)
        call('ptrace', 17, pid, 0, 0)
        return words.decode('latin-1')",
    )
    .unless_lacking(lacks::TRACING),
    Attack::new(
        "memory-by-vector",
        "Read memory with process_vm_readv.",
        Tells("memory"),
        "
        page = ctypes.create_string_buffer(64)
        ours = ctypes.create_string_buffer(struct.pack('@PN', ctypes.addressof(page), 64))
        theirs = ctypes.create_string_buffer(struct.pack('@PN', address, 64))
        call('process_vm_readv', pid, ours, 1, theirs, 1, 0)
        return page.value.decode()",
    )
    .unless_lacking(lacks::TRACING),
    Attack::new(
        "memory-by-file",
        "Read another process's memory as a file.",
        Tells("memory"),
        "return os.pread(os.open('/proc/%d/mem' % pid, os.O_RDONLY), 64, address).decode('latin-1')",
    )
    .unless_lacking(lacks::TRACING),
    Attack::new(
        "memory-written-by-tracing",
        "Write memory as a debugger.",
        ReachesVictim,
        "
        call('ptrace', 0x4206, pid, 0, 0)
        call('ptrace', 0x4207, pid, 0, 0)
        os.waitpid(pid, 0x40000000)
        call('ptrace', 5, pid, address, 0x41414141)
        call('ptrace', 17, pid, 0, 0)",
    )
    .unless_lacking(lacks::TRACING),
    Attack::new(
        "memory-written-by-vector",
        "Write memory with process_vm_writev.",
        ReachesVictim,
        "
        page = ctypes.create_string_buffer(b'overwritten', 64)
        ours = ctypes.create_string_buffer(struct.pack('@PN', ctypes.addressof(page), 12))
        theirs = ctypes.create_string_buffer(struct.pack('@PN', address, 12))
        call('process_vm_writev', pid, ours, 1, theirs, 1, 0)",
    )
    .unless_lacking(lacks::TRACING),
    Attack::new(
        "memory-written-by-file",
        "Write another process's memory as a file.",
        ReachesVictim,
        "os.pwrite(os.open('/proc/%d/mem' % pid, os.O_RDWR), b'overwritten', address)",
    )
    .unless_lacking(lacks::TRACING),
    Attack::new(
        "environment-read",
        "Read the variables that another process was started with.",
        Tells("victims-environment"),
        "return open('/proc/%d/environ' % pid).read()",
    ),
    Attack::new(
        "arguments-read",
        "Read its command line, on which people put passwords.",
        Tells("argument"),
        "return open('/proc/%d/cmdline' % pid).read()",
    ),
    Attack::new(
        "starters-environment",
        "Read the variables of the process that started the server.",
        Happens,
        "return 'PATH=' in open('/proc/%d/environ' % STARTER, errors='replace').read()",
    ),
    Attack::new(
        "starters-memory",
        "Read the memory of the process that started the server.",
        Happens,
        "return os.open('/proc/%d/mem' % STARTER, os.O_RDONLY) > 0",
    )
    .unless_lacking(lacks::TRACING_OF_ALL),
    Attack::new(
        "addresses-read",
        "Read where things lie in another process's memory.",
        Happens,
        "return '[stack]' in open('/proc/%d/maps' % pid).read()",
    ),
    Attack::new(
        "open-file-by-proc",
        "Open anew what another process has open, even if it has no name any more.",
        Tells("open-file"),
        "return open('/proc/%d/fd/%d' % (pid, hidden)).read()",
    ),
    Attack::new(
        "open-file-by-copy",
        "Copy a descriptor out of another process.",
        Tells("open-file"),
        "return os.pread(call('pidfd_getfd', call('pidfd_open', pid, 0), hidden, 0), 100, 0).decode()",
    )
    .unless_lacking(lacks::COPIED_DESCRIPTORS),
    Attack::new(
        "open-files-listed",
        "List what another process has open.",
        Happens,
        "return str(hidden) in os.listdir('/proc/%d/fd' % pid)",
    ),
    Attack::new(
        "key-by-victims-root",
        "Take the way through another process's root, which isn't confined.",
        Tells("key"),
        "return open('/proc/%d/root%s' % (pid, key)).read()",
    ),
    Attack::new(
        "key-by-victims-folder",
        "Take the way through another process's working folder.",
        Tells("key"),
        "return open('/proc/%d/cwd/../user/.ssh/id_ed25519' % pid).read()",
    ),
    Attack::new(
        "namespace-entered",
        "Enter the namespaces of another process.",
        Happens,
        "
        call('setns', call('pidfd_open', pid, 0), 0x08000000)  # CLONE_NEWIPC
        return True",
    )
    .root(),
    Attack::new(
        "objects-compared",
        "Ask the kernel whether two processes share something, which tells kernel addresses apart.",
        Happens,
        "return call('kcmp', os.getpid(), pid, 1, 0, 0) > 0",
    )
    .unless_lacking(lacks::KCMP),
    Attack::new(
        "counters-of-another",
        "Count what another process does on the processor.",
        Happens,
        "
        attributes = ctypes.create_string_buffer(struct.pack('=IIQ', 1, 64, 1) + bytes(24) + struct.pack('=Q', 0x61), 64)
        return call('perf_event_open', attributes, pid, -1, -1, 0) > 0",
    )
    .unless_lacking(lacks::COUNTERS),
    Attack::new(
        "robust-list-of-another",
        "Ask where another process keeps its locks, which is an address in it.",
        Happens,
        "
        head, length = ctypes.c_ulong(0), ctypes.c_ulong(0)
        call('get_robust_list', pid, ctypes.byref(head), ctypes.byref(length))
        return head.value > 0",
    ),
    Attack::new(
        "pages-of-another",
        "Ask on which memory node another process's pages lie.",
        Happens,
        "
        pages = (ctypes.c_ulong * 1)(address & -4096)
        status = (ctypes.c_int * 1)(-1)
        call('move_pages', pid, 1, pages, None, status, 0)
        return status[0] >= 0",
    )
    .unless_lacking(lacks::MEMORY_NODES),
];
