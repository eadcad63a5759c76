//! The kernel: calls that no server needs and that have been ways out before.

use super::super::attack::{Attack, Effect::Happens};
use super::super::lacks;

pub(in super::super) const ATTACKS: &[Attack] = &[
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
    )
    .unless_lacking(lacks::PERSONALITY),
    Attack::new(
        "readable-is-executable",
        "Have everything that is readable be executable.",
        Happens,
        "call('personality', 0x0400000); return call('personality', 0xffffffff) == 0x0400000",
    )
    .unless_lacking(lacks::PERSONALITY),
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
    )
    .unless_lacking(lacks::CACHED_PAGES),
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
