//! Taking more than one's share of processes and memory. Everything is bounded, so that it is safe
//! without the box, too. What was taken is held for a while: some limits are looked after, not
//! enforced by the kernel.

use super::super::attack::{Attack, Effect::Happens, Stopped};
use super::super::lacks;

pub(in super::super) const PROCESSES_MANIFEST: &str = "limits = { processes = 200 }";
pub(in super::super) const MEMORY_MANIFEST: &str =
    "limits = { memory = \"128MiB\", open_files = 64 }";

/// What the kernel holds for a process is in no file of /proc.
const NOT_SEEN: Stopped = Stopped::Never("Memory that no process has mapped or open");

pub(in super::super) const PRELUDE: &str = "
MUCH = 192 << 20
def touch(memory, size=MUCH):
    ctypes.memset(ctypes.addressof(ctypes.c_char.from_buffer(memory)), 1, size)
def mapped(flags, size=MUCH):
    '''mmap(2) as it is: the module refuses some flags.'''
    libc.mmap.restype = ctypes.c_void_p
    libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t] + [ctypes.c_int] * 3 + [ctypes.c_long]
    where = libc.mmap(None, size, 3, flags, -1, 0)
    if where == ctypes.c_void_p(-1).value:
        raise OSError(ctypes.get_errno(), 'mmap')
    return where, (ctypes.c_char * size).from_address(where)
def fill(path, size):
    block = b'x' * (1 << 20)
    with open(path, 'wb', buffering=0) as file:
        for _ in range(size >> 20): file.write(block)
def held(*things):
    time.sleep(hold)
    return True
def told(reader, count):
    '''Whether this many children have said that they are ready.'''
    words = b''
    while len(words) < count:
        more = os.read(reader, count)
        if not more: return False
        words += more
    return held()
";

pub(in super::super) const PROCESSES: &[Attack] = &[
    Attack::new(
        "fork-bomb",
        "Start 300 processes.",
        Happens,
        "
        for _ in range(300):
            if os.fork() == 0:
                time.sleep(60); os._exit(0)
        return held()",
    )
    .patience(60),
    Attack::new(
        "fork-bomb-of-orphans",
        "Start 300 processes whose parents have gone, out of everybody's sight.",
        Happens,
        "
        for _ in range(300):
            if os.fork() == 0:
                if os.fork() == 0: time.sleep(60)
                os._exit(0)
            if os.wait()[1]: raise OSError(errno.EAGAIN, 'fork')
        return held()",
    )
    .patience(60),
    Attack::new(
        "fork-bomb-of-dead",
        "Leave 300 dead processes in the table.",
        Happens,
        "
        for _ in range(300):
            if os.fork() == 0: os._exit(0)
        return held()",
    )
    .patience(60),
    Attack::new(
        "thread-bomb",
        "Start 300 threads of one process.",
        Happens,
        "
        import threading
        threading.stack_size(65536)
        try:
            for _ in range(300): threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
        except RuntimeError:
            raise OSError(errno.EAGAIN, 'thread')
        return held()",
    )
    .patience(60),
];

pub(in super::super) const MEMORY: &[Attack] = &[
    Attack::new(
        "memory-hog",
        "Take memory, one large piece of it.",
        Happens,
        "
        own_memory = mmap.mmap(-1, MUCH, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        touch(own_memory); return held()",
    )
    .patience(60),
    Attack::new(
        "memory-hog-by-heap",
        "Take memory from the heap.",
        Happens,
        "pieces = bytearray(MUCH); touch(pieces); return held()",
    )
    .patience(60),
    Attack::new(
        "memory-hog-in-pieces",
        "Take it in small pieces, none of which is worth a refusal.",
        Happens,
        "
        pieces = []
        for _ in range(MUCH >> 20):
            pieces.append(mmap.mmap(-1, 1 << 20, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS))
            touch(pieces[-1], 1 << 20)
        return held()",
    )
    .patience(60),
    Attack::new(
        "memory-hog-shared",
        "Take memory that could be shared with children, which the kernel's limit doesn't count.",
        Happens,
        "shared = mmap.mmap(-1, MUCH); touch(shared); return held()",
    )
    .patience(60),
    Attack::new(
        "memory-hog-as-stack",
        "Take memory that says it is a stack, which the kernel's limit doesn't count either.",
        Happens,
        "touch(mapped(0x22 | 0x100)[1]); return held()  # MAP_PRIVATE | MAP_ANONYMOUS | MAP_GROWSDOWN",
    )
    .patience(60),
    Attack::new(
        "memory-hog-in-memory-files",
        "Take it in files that have no name and are memory.",
        Happens,
        "
        for _ in range(12):
            file = call('memfd_create', 'x', 8)  # MFD_NOEXEC_SEAL
            for _ in range(16): os.write(file, b'x' * (1 << 20))
        return held()",
    )
    .patience(60),
    Attack::new(
        "memory-hog-under-way",
        "Send such files to oneself and don't receive them, so that nobody has them open.",
        Happens,
        "
        left, right = socket.socketpair()
        for _ in range(12):
            file = call('memfd_create', 'x', 8)
            for _ in range(16): os.write(file, b'x' * (1 << 20))
            socket.send_fds(left, [b'x'], [file]); os.close(file)
        return held()",
    )
    .stopped(NOT_SEEN)
    .patience(60),
    Attack::new(
        "memory-hog-not-in-use",
        "Take shared memory and say that it isn't needed: it stays, but isn't counted as used.",
        Happens,
        "
        shared = mmap.mmap(-1, MUCH)
        for start in range(0, MUCH, 16 << 20):
            for offset in range(start, start + (16 << 20), 4096): shared[offset] = 1
            shared.madvise(mmap.MADV_DONTNEED, start, 16 << 20)
        held()
        return all(shared[offset] == 1 for offset in range(0, MUCH, 1 << 20))",
    )
    .stopped(NOT_SEEN)
    .patience(60),
    Attack::new(
        "memory-hog-in-sockets",
        "Fill the buffers of sockets, which are the kernel's memory.",
        Happens,
        "
        reader, writer = os.pipe()
        for _ in range(15):
            if os.fork() == 0:
                for _ in range(28):
                    for end in socket.socketpair():
                        end.setblocking(False)
                        with contextlib.suppress(BlockingIOError):
                            while True: end.send(bytes(32768))
                        end.detach()
                os.write(writer, b'x'); time.sleep(60)
        os.close(writer)
        return told(reader, 15)",
    )
    .stopped(NOT_SEEN)
    .patience(60),
    Attack::new(
        "memory-hog-in-many",
        "Take it in many processes, each of which takes little.",
        Happens,
        "
        reader, writer = os.pipe()
        for _ in range(6):
            if os.fork() == 0:
                piece = mmap.mmap(-1, 32 << 20, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
                touch(piece, 32 << 20)
                os.write(writer, b'x'); time.sleep(60)
        os.close(writer)
        return told(reader, 6)",
    )
    .patience(60),
    Attack::new(
        "memory-hog-in-orphans",
        "Take it in processes whose parents have gone.",
        Happens,
        "
        reader, writer = os.pipe()
        for _ in range(6):
            if os.fork() == 0:
                if os.fork() == 0:
                    piece = mmap.mmap(-1, 32 << 20, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
                    touch(piece, 32 << 20)
                    os.write(writer, b'x'); time.sleep(60)
                os._exit(0)
            os.wait()
        os.close(writer)
        return told(reader, 6)",
    )
    .patience(60),
    Attack::new(
        "memory-hog-in-shared-memory",
        "Take it in files below /dev/shm, which are memory.",
        Happens,
        "
        paths = ['/dev/shm/%s-%d' % (stray, index) for index in range(12)]
        try:
            for path in paths: fill(path, 16 << 20)
            held()
        finally:
            for path in paths:
                with contextlib.suppress(OSError): os.remove(path)
        return True",
    )
    .patience(60),
    Attack::new(
        "memory-hog-in-page-tables",
        "Read a byte here and there of 96 GiB of nothing: only the tables that lead there take memory.",
        Happens,
        "
        size = 96 << 30
        libc.mmap.restype = ctypes.c_void_p
        libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t] + [ctypes.c_int] * 3 + [ctypes.c_long]
        libc.madvise.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
        where = libc.mmap(None, size, 1, 0x4022, -1, 0)  # PROT_READ, MAP_NORESERVE
        libc.madvise(where, size, 15)  # MADV_NOHUGEPAGE
        memory = (ctypes.c_char * size).from_address(where)
        for offset in range(0, size, 2 << 20): memory[offset]
        return held()",
    )
    .patience(60),
    Attack::new(
        "memory-hog-not-looked-at",
        "Fill files in memory, map them, close them, and never touch what is mapped.",
        Happens,
        "
        libc.mmap.restype = ctypes.c_void_p
        libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t] + [ctypes.c_int] * 3 + [ctypes.c_long]
        for _ in range(12):
            file = call('memfd_create', 'x', 8)
            for _ in range(16): os.write(file, b'x' * (1 << 20))
            libc.mmap(None, 16 << 20, 1, 1, file, 0)  # PROT_READ, MAP_SHARED
            os.close(file)
        return held()",
    )
    .stopped(NOT_SEEN)
    .patience(60),
    Attack::new(
        "memory-locked",
        "Lock memory, so that others' is swapped out.",
        Happens,
        "
        where, _ = mapped(0x22, 4 << 20)
        return call('mlock', where, 4 << 20) == 0",
    )
    .unless_lacking(lacks::LOCKED_MEMORY),
    Attack::new(
        "memory-locked-at-mapping",
        "Lock it in the same call that takes it.",
        Happens,
        "return mapped(0x2022, 4 << 20)[0] > 0  # MAP_LOCKED",
    )
    .unless_lacking(lacks::LOCKED_MEMORY),
    Attack::new(
        "memory-locked-in-future",
        "Lock all that will be taken.",
        Happens,
        "
        call('mlockall', 2 | 4)  # MCL_FUTURE | MCL_ONFAULT
        return mapped(0x22, 4 << 20)[0] > 0",
    )
    .unless_lacking(lacks::LOCKED_MEMORY),
];
