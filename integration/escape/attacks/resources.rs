//! Taking more than one's share. Everything is bounded, so that it is safe without the box, too:
//! the limits of the suite are 200 processes, 256 MiB, 64 descriptors and 16 MiB for a file.

use super::super::attack::{Attack, Effect::Happens, Stopped};
use super::super::lacks;

pub(in super::super) const MANIFEST: &str =
    "limits = { processes = 200, memory = \"256MiB\", open_files = 64, file_size = \"16MiB\" }";

/// The kernel doesn't apply the limit of processes to root, and limits of memory are each process's.
const ROOT_IS_NOT_COUNTED: Stopped =
    Stopped::NeverForRoot("The kernel doesn't apply the limit on processes to root");
const NOT_IN_SUM: Stopped = Stopped::Never("Memory and process limits are per process");
const NOT_COUNTED: Stopped =
    Stopped::Never("Memory that is shared, or mapped as a stack, is not counted");
const DISK_NOT_IN_SUM: Stopped =
    Stopped::Never("The size of each file is limited, not what a server writes in all");
const LOCKED: Stopped = Stopped::Never("can be locked against being swapped out");

pub(in super::super) const PRELUDE: &str = "
LIMIT, MUCH = 256 << 20, 384 << 20
def touch(memory, size=MUCH):
    for offset in range(0, size, 4096):
        memory[offset] = 1
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
        return True",
    )
    .stopped(ROOT_IS_NOT_COUNTED)
    .patience(60),
    Attack::new(
        "fork-bomb-of-orphans",
        "Start 300 whose parents have gone, out of everybody's sight.",
        Happens,
        "
        for _ in range(300):
            if os.fork() == 0:
                if os.fork() == 0: time.sleep(60)
                os._exit(0)
            if os.wait()[1]: raise OSError(errno.EAGAIN, 'fork')
        return True",
    )
    .stopped(ROOT_IS_NOT_COUNTED)
    .patience(60),
    Attack::new(
        "fork-bomb-of-dead",
        "Leave 300 dead ones in the table of processes.",
        Happens,
        "
        for _ in range(300):
            if os.fork() == 0: os._exit(0)
        return True",
    )
    .stopped(ROOT_IS_NOT_COUNTED)
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
        return True",
    )
    .stopped(ROOT_IS_NOT_COUNTED)
    .patience(60),
];

pub(in super::super) const MEMORY: &[Attack] = &[
    Attack::new(
        "memory-hog",
        "Take memory, one large piece of it.",
        Happens,
        "touch(mmap.mmap(-1, MUCH, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)); return True",
    )
    .patience(60),
    Attack::new(
        "memory-hog-by-heap",
        "Take memory from the heap.",
        Happens,
        "touch(bytearray(MUCH)); return True",
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
        return True",
    )
    .patience(60),
    Attack::new(
        "memory-hog-shared",
        "Take memory that could be shared with children.",
        Happens,
        "touch(mmap.mmap(-1, MUCH)); return True",
    )
    .stopped(NOT_COUNTED)
    .patience(60),
    Attack::new(
        "memory-hog-as-stack",
        "Take memory that says it is a stack.",
        Happens,
        "touch(mapped(0x22 | 0x100)[1]); return True  # MAP_PRIVATE | MAP_ANONYMOUS | MAP_GROWSDOWN",
    )
    .stopped(NOT_COUNTED)
    .patience(60),
    Attack::new(
        "memory-hog-in-memory-files",
        "Take it in files that have no name and are memory.",
        Happens,
        "
        files = []
        for _ in range(24):
            files.append(call('memfd_create', 'x', 8))  # MFD_NOEXEC_SEAL
            for _ in range(16): os.write(files[-1], b'x' * (1 << 20))
        return True",
    )
    .stopped(NOT_COUNTED)
    .patience(60),
    Attack::new(
        "memory-hog-in-many",
        "Take it in many processes, each of which takes little.",
        Happens,
        "
        ready, done = os.pipe()
        for _ in range(6):
            if os.fork() == 0:
                touch(mmap.mmap(-1, 64 << 20, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS), 64 << 20)
                os.write(done, b'x'); time.sleep(60)
        os.close(done)
        told = b''
        while len(told) < 6:
            more = os.read(ready, 6)
            if not more: return False
            told += more
        return True",
    )
    .stopped(NOT_IN_SUM)
    .patience(60),
    Attack::new(
        "memory-hog-in-shared-memory",
        "Take it in files below /dev/shm, which are memory.",
        Happens,
        "
        paths = ['/dev/shm/%s-%d' % (stray, index) for index in range(24)]
        try:
            for path in paths: fill(path, 16 << 20)
        finally:
            for path in paths:
                with contextlib.suppress(OSError): os.remove(path)
        return True",
    )
    .patience(60),
    Attack::new(
        "memory-locked",
        "Lock memory, so that others' is swapped out.",
        Happens,
        "
        where, _ = mapped(0x22, 1 << 20)
        return call('mlock', where, 1 << 20) == 0",
    )
    .stopped(LOCKED),
    Attack::new(
        "memory-locked-at-mapping",
        "Lock it in the same call that takes it.",
        Happens,
        "return mapped(0x2022, 1 << 20)[0] > 0  # MAP_LOCKED",
    )
    .stopped(LOCKED),
    Attack::new(
        "memory-locked-in-future",
        "Lock all that will be taken.",
        Happens,
        "return call('mlockall', 2 | 4) == 0  # MCL_FUTURE | MCL_ONFAULT",
    )
    .stopped(LOCKED),
];

pub(in super::super) const FILES: &[Attack] = &[
    Attack::new(
        "file-of-much",
        "Write a file of 64 MiB.",
        Happens,
        "
        try: fill(own + '/much', 64 << 20)
        finally: os.remove(own + '/much')
        return True",
    )
    .patience(60),
    Attack::new(
        "file-of-nothing",
        "Make a file of a tebibyte in which there is nothing yet.",
        Happens,
        "
        try:
            with open(own + '/nothing', 'w') as file: os.ftruncate(file.fileno(), 1 << 40)
        finally: os.remove(own + '/nothing')
        return True",
    ),
    Attack::new(
        "file-reserved",
        "Reserve 64 MiB without writing.",
        Happens,
        "
        try:
            with open(own + '/reserved', 'w') as file: os.posix_fallocate(file.fileno(), 0, 64 << 20)
        finally: os.remove(own + '/reserved')
        return True",
    ),
    Attack::new(
        "file-at-far-end",
        "Write one byte far behind the end.",
        Happens,
        "
        try:
            with open(own + '/far', 'w') as file: os.pwrite(file.fileno(), b'x', 64 << 20)
        finally: os.remove(own + '/far')
        return True",
    ),
    Attack::new(
        "file-in-granted-folder",
        "Write a file of 64 MiB among the user's.",
        Happens,
        "
        try: fill(writable + '/much', 64 << 20)
        finally: os.remove(writable + '/much')
        return True",
    )
    .patience(60),
    Attack::new(
        "files-of-much-in-all",
        "Fill the disk with files, none of which is large.",
        Happens,
        "
        paths = [own + '/part-%d' % index for index in range(8)]
        try:
            for path in paths: fill(path, 15 << 20)
        finally:
            for path in paths:
                with contextlib.suppress(OSError): os.remove(path)
        return True",
    )
    .stopped(DISK_NOT_IN_SUM)
    .patience(60),
    Attack::new(
        "descriptors",
        "Open 500 files at the same time.",
        Happens,
        "handles = [os.open('/dev/null', os.O_RDONLY) for _ in range(500)]; return True",
    ),
    Attack::new(
        "descriptors-by-pipes",
        "Open 500 pipes, which are memory of the kernel.",
        Happens,
        "pipes = [os.pipe() for _ in range(250)]; return True",
    ),
    Attack::new(
        "descriptors-under-way",
        "Send 500 descriptors to oneself and not receive them.",
        Happens,
        "
        left, right = socket.socketpair()
        handle = os.open('/dev/null', os.O_RDONLY)
        for _ in range(50): socket.send_fds(left, [b'x'], [handle] * 10)
        return True",
    ),
    Attack::new(
        "watchers-used-up",
        "Take all watchers of files that the programs of a user may have together.",
        Happens,
        "
        def take():
            try:
                for _ in range(50): call('inotify_init1', 0)
            except OSError: pass
        reader, writer = os.pipe()
        for _ in range(5):
            if os.fork() == 0:
                take(); os.write(writer, b'x'); time.sleep(60)
        for _ in range(5): os.read(reader, 1)
        try: os.close(call('inotify_init1', 0))
        except OSError as error: return error.errno == errno.EMFILE
        return False",
    )
    .unless_lacking(lacks::FEW_WATCHERS)
    .stopped(Stopped::Never("share the number of watchers of files")),
    Attack::new(
        "limit-raised",
        "Ask for the limit back that was taken away.",
        Happens,
        "
        limit = ctypes.create_string_buffer(struct.pack('=QQ', 1000, 1000))
        return call('prlimit64', 0, 7, limit, None) == 0",
    ),
    Attack::new(
        "limit-of-child-raised",
        "Ask for the limit back for a child.",
        Happens,
        "
        child = os.fork()
        if child == 0:
            time.sleep(60); os._exit(0)
        limit = ctypes.create_string_buffer(struct.pack('=QQ', 1000, 1000))
        return call('prlimit64', child, 7, limit, None) == 0",
    ),
    Attack::new(
        "core-file",
        "Crash, and leave all of one's memory in a file.",
        Happens,
        "
        import resource
        child = os.fork()
        if child == 0:
            os.chdir(own)
            hard = resource.getrlimit(resource.RLIMIT_CORE)[1]
            resource.setrlimit(resource.RLIMIT_CORE, (hard, hard))
            os.abort()
        dumped = os.WCOREDUMP(os.waitpid(child, 0)[1])
        for name in os.listdir(own):
            if name.startswith('core'): os.remove(own + '/' + name)
        return dumped",
    )
    .unless_lacking(lacks::CORE_FILES),
];
