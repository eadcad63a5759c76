//! Taking more than one's share of disks, files, processor time and other things that are counted.

use super::super::attack::{Attack, Effect::Happens, Stopped};
use super::super::lacks;

pub(in super::super) const FILES_MANIFEST: &str =
    "limits = { open_files = 64, file_size = \"16MiB\" }";

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
        "Take nearly all watchers of files that the programs of a user may have together.",
        Happens,
        "
        reader, writer = os.pipe()
        for _ in range(5):
            if os.fork() == 0:
                count = 0
                with contextlib.suppress(OSError):
                    for _ in range(50):
                        call('inotify_init1', 0); count += 1
                os.write(writer, bytes([count])); time.sleep(60)
        taken = sum(os.read(reader, 1)[0] for _ in range(5))
        return taken > watchers * 0.8",
    )
    .unless_lacking(lacks::FEW_WATCHERS)
    .stopped(Stopped::ByNamespaces("share the number of watchers of files")),
    Attack::new(
        "timers-used-up",
        "Make 2000 timers. Each may have a signal waiting, and those are counted for the user.",
        Happens,
        "
        timer = ctypes.c_int(0)
        for _ in range(2000): call('timer_create', 1, None, ctypes.byref(timer))
        return True",
    ),
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

pub(in super::super) const PROCESSOR_MANIFEST: &str = "limits = { processor_time = \"1s\" }";

pub(in super::super) const PROCESSOR: &[Attack] = &[
    Attack::new(
        "processor-hog",
        "Use the processor for 1.6 seconds.",
        Happens,
        "
        while time.process_time() < 1.6: pass
        return True",
    )
    .patience(60),
    Attack::new(
        "processor-hog-in-many",
        "Use it in many processes, each of which uses little.",
        Happens,
        "
        for _ in range(16):
            if os.fork() == 0:
                while time.process_time() < 0.1: pass
                os._exit(0)
            os.wait()
        return held()",
    )
    .patience(60),
    Attack::new(
        "processor-hog-unaccounted",
        "Use it in children whose end one has asked not to be told of: nobody is charged for them.",
        Happens,
        "
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        for _ in range(16):
            child = os.fork()
            if child == 0:
                while time.process_time() < 0.1: pass
                os._exit(0)
            with contextlib.suppress(ChildProcessError): os.waitpid(child, 0)
        return held()",
    )
    .stopped(Stopped::Never(
        "Processor time of children that nobody waits for",
    ))
    .patience(60),
];

pub(in super::super) const DISK_MANIFEST: &str = "limits = { disk = \"48MiB\" }";

pub(in super::super) const DISK: &[Attack] = &[
    Attack::new(
        "disk-hog",
        "Fill the disk with files, none of which is large.",
        Happens,
        "
        paths = [own + '/part-%d' % index for index in range(6)]
        try:
            for path in paths: fill(path, 15 << 20)
            time.sleep(hold and 7)
        finally:
            for path in paths:
                with contextlib.suppress(OSError): os.remove(path)
        return True",
    )
    .patience(60),
    Attack::new(
        "disk-hog-without-names",
        "Fill it with files that have no name any more.",
        Happens,
        "
        files = []
        for index in range(6):
            path = own + '/nameless-%d' % index
            files.append(open(path, 'wb', buffering=0)); os.remove(path)
            for _ in range(15): files[-1].write(b'x' * (1 << 20))
        time.sleep(hold and 7)
        return True",
    )
    .stopped(Stopped::Never("Files that have no name any more"))
    .patience(60),
];
