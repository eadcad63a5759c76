//! Other processes: signalling them, looking into them, changing them, learning of them.

use super::super::attack::{
    Attack,
    Effect::{Happens, ReachesVictim, Tells},
    Stopped,
};
use super::super::lacks;

const NOT_HIDDEN: Stopped =
    Stopped::ByNamespaces("A server can find out that a process exists, and its priorities");

/// The victim catches SIGUSR1.
pub(in super::super) const SIGNALS: &[Attack] = &[
    Attack::new(
        "signal",
        "Send a signal, as kill(1) does.",
        ReachesVictim,
        "os.kill(pid, signal.SIGUSR1)",
    ),
    Attack::new(
        "signal-deadly",
        "Send the signal that can't be caught.",
        ReachesVictim,
        "os.kill(pid, signal.SIGKILL); time.sleep(0.05)",
    ),
    Attack::new(
        "signal-to-group",
        "Send it to the whole group of processes.",
        ReachesVictim,
        "os.killpg(pid, signal.SIGUSR1)",
    ),
    Attack::new(
        "signal-to-thread",
        "Send it to a thread, naming process and thread.",
        ReachesVictim,
        "call('tgkill', pid, pid, signal.SIGUSR1)",
    ),
    Attack::new(
        "signal-to-thread-alone",
        "The same with the call that names the thread only.",
        ReachesVictim,
        "call('tkill', pid, signal.SIGUSR1)",
    ),
    Attack::new(
        "signal-by-descriptor",
        "Send it through a process descriptor.",
        ReachesVictim,
        "call('pidfd_send_signal', call('pidfd_open', pid, 0), signal.SIGUSR1, None, 0)",
    ),
    Attack::new(
        "signal-queued",
        "Queue it with data, as sigqueue(3) does.",
        ReachesVictim,
        "
        information = ctypes.create_string_buffer(struct.pack('=iii', signal.SIGUSR1, 0, -1), 128)
        call('rt_sigqueueinfo', pid, signal.SIGUSR1, information)",
    ),
    Attack::new(
        "signal-queued-to-thread",
        "Queue it for a thread.",
        ReachesVictim,
        "
        information = ctypes.create_string_buffer(struct.pack('=iii', signal.SIGUSR1, 0, -1), 128)
        call('rt_tgsigqueueinfo', pid, pid, signal.SIGUSR1, information)",
    ),
    Attack::new(
        "signal-by-pipe",
        "Have the kernel send it when a pipe becomes readable (F_SETOWN).",
        ReachesVictim,
        "
        import fcntl
        reader, writer = os.pipe()
        fcntl.fcntl(reader, fcntl.F_SETOWN, pid)
        fcntl.fcntl(reader, 10, signal.SIGUSR1)  # F_SETSIG
        fcntl.fcntl(reader, fcntl.F_SETFL, os.O_ASYNC | os.O_NONBLOCK)
        os.write(writer, b'x'); time.sleep(0.05)",
    ),
    Attack::new(
        "signal-by-pipe-to-thread",
        "The same with the call that can also name a thread (F_SETOWN_EX).",
        ReachesVictim,
        "
        import fcntl
        reader, writer = os.pipe()
        fcntl.fcntl(reader, 15, struct.pack('=ii', 0, pid))  # F_OWNER_TID
        fcntl.fcntl(reader, 10, signal.SIGUSR1)
        fcntl.fcntl(reader, fcntl.F_SETFL, os.O_ASYNC | os.O_NONBLOCK)
        os.write(writer, b'x'); time.sleep(0.05)",
    ),
    Attack::new(
        "signal-by-socket",
        "Have the kernel send it when a socket becomes readable (FIOSETOWN).",
        ReachesVictim,
        "
        import fcntl
        left, right = socket.socketpair()
        fcntl.ioctl(left, 0x8901, struct.pack('=i', pid))
        fcntl.ioctl(left, 0x5452, struct.pack('=i', 1))  # FIOASYNC
        right.send(b'x'); time.sleep(0.05)",
    ),
    Attack::new(
        "starter-signalled",
        "Reach the process that started the server, which could end the watch over it.",
        Happens,
        "os.kill(STARTER, 0); return True",
    ),
];

pub(in super::super) const LOOKING_IN: &[Attack] = &[
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
    ),
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
    ),
    Attack::new(
        "memory-by-file",
        "Read memory as a file.",
        Tells("memory"),
        "return os.pread(os.open('/proc/%d/mem' % pid, os.O_RDONLY), 64, address).decode('latin-1')",
    ),
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
    ),
    Attack::new(
        "memory-written-by-vector",
        "Write memory with process_vm_writev.",
        ReachesVictim,
        "
        page = ctypes.create_string_buffer(b'overwritten', 64)
        ours = ctypes.create_string_buffer(struct.pack('@PN', ctypes.addressof(page), 12))
        theirs = ctypes.create_string_buffer(struct.pack('@PN', address, 12))
        call('process_vm_writev', pid, ours, 1, theirs, 1, 0)",
    ),
    Attack::new(
        "memory-written-by-file",
        "Write memory as a file.",
        ReachesVictim,
        "os.pwrite(os.open('/proc/%d/mem' % pid, os.O_RDWR), b'overwritten', address)",
    ),
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
    ),
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
    ),
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
    ),
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

pub(in super::super) const STEERING: &[Attack] = &[
    Attack::new(
        "slowed-down",
        "Take away another process's share of the processor.",
        ReachesVictim,
        "os.setpriority(os.PRIO_PROCESS, pid, 19)",
    ),
    Attack::new(
        "slowed-down-as-group",
        "The same for its group.",
        ReachesVictim,
        "os.setpriority(os.PRIO_PGRP, pid, 19)",
    ),
    Attack::new(
        "bound-to-processor",
        "Bind it to one processor.",
        ReachesVictim,
        "os.sched_setaffinity(pid, {0})",
    )
    .unless_lacking(lacks::PROCESSORS),
    Attack::new(
        "scheduled-otherwise",
        "Change how it is scheduled.",
        ReachesVictim,
        "os.sched_setscheduler(pid, os.SCHED_BATCH, os.sched_param(0))",
    ),
    Attack::new(
        "scheduled-otherwise-by-newer-call",
        "The same with the newer call.",
        ReachesVictim,
        "call('sched_setattr', pid, ctypes.create_string_buffer(struct.pack('=IIQiIQQQ', 48, 3, 0, 19, 0, 0, 0, 0)), 0)",
    ),
    Attack::new(
        "disk-priority",
        "Put its disk accesses behind everybody else's.",
        ReachesVictim,
        "call('ioprio_set', 1, pid, 3 << 13)",
    ),
    Attack::new(
        "limit-set",
        "Take away its open files.",
        ReachesVictim,
        "call('prlimit64', pid, 7, ctypes.create_string_buffer(struct.pack('=QQ', 64, 64)), None)",
    ),
    Attack::new(
        "offered-to-be-killed",
        "Have it killed first when memory runs out.",
        ReachesVictim,
        "open('/proc/%d/oom_score_adj' % pid, 'w').write('900')",
    ),
    Attack::new(
        "pages-thrown-out",
        "Have its memory swapped out.",
        Happens,
        "
        vector = ctypes.create_string_buffer(struct.pack('@PN', address & -4096, 4096))
        return call('process_madvise', call('pidfd_open', pid, 0), vector, 1, 20, 0) == 4096",
    )
    .root(),
];

pub(in super::super) const LEARNING: &[Attack] = &[
    Attack::new(
        "processes-listed",
        "List all processes.",
        Happens,
        "return str(pid) in os.listdir('/proc')",
    ),
    Attack::new(
        "existence-by-signal",
        "Ask number by number which processes there are: the refusals differ.",
        Happens,
        "
        def there(number):
            try: os.kill(number, 0)
            except ProcessLookupError: return False
            except PermissionError: pass
            return True
        return there(pid) and not there(4194303)",
    )
    .stopped(NOT_HIDDEN),
    Attack::new(
        "existence-by-folder",
        "Ask whether its folder in /proc exists, and whose it is.",
        Happens,
        "return os.stat('/proc/%d' % pid).st_uid == os.getuid()",
    )
    .stopped(NOT_HIDDEN),
    Attack::new(
        "existence-by-descriptor",
        "Open a process descriptor, which also tells when it ends.",
        Happens,
        "return call('pidfd_open', pid, 0) > 0",
    )
    .stopped(NOT_HIDDEN),
    Attack::new(
        "priority-read",
        "Ask for its priority.",
        Tells("nice"),
        "return 'nice=%d' % os.getpriority(os.PRIO_PROCESS, pid)",
    )
    .stopped(NOT_HIDDEN),
    Attack::new(
        "priority-read-in-proc",
        "The same from the file in which all of its numbers are.",
        Tells("nice"),
        "return 'nice=%s' % open('/proc/%d/stat' % pid).read().rsplit(')')[1].split()[16]",
    ),
    Attack::new(
        "disk-priority-read",
        "Ask for its disk priority.",
        Happens,
        "return call('ioprio_get', 1, pid) >= 0",
    )
    .stopped(NOT_HIDDEN),
    Attack::new(
        "scheduling-read",
        "Ask how it is scheduled.",
        Happens,
        "return os.sched_getscheduler(pid) >= 0",
    )
    .stopped(NOT_HIDDEN),
    Attack::new(
        "processors-read",
        "Ask on which processors it may run.",
        Happens,
        "return len(os.sched_getaffinity(pid)) > 0",
    )
    .stopped(NOT_HIDDEN),
    Attack::new(
        "group-read",
        "Ask for its group of processes.",
        Happens,
        "return os.getpgid(pid) == pid",
    )
    .stopped(NOT_HIDDEN),
    Attack::new(
        "session-read",
        "Ask for its session, which tells from which terminal it was started.",
        Happens,
        "return os.getsid(pid) > 0",
    )
    .stopped(NOT_HIDDEN),
    Attack::new(
        "processor-time-read",
        "Read its clock of used processor time, which tells when it is busy.",
        Happens,
        "return time.clock_gettime_ns((~pid << 3) | 2) > 0",
    )
    // There is no clock of a process that isn't there.
    .also_refused_by("EINVAL")
    .stopped(NOT_HIDDEN),
    Attack::new(
        "limit-read",
        "Ask for its limits.",
        Tells("limit"),
        "
        answer = ctypes.create_string_buffer(16)
        call('prlimit64', pid, 7, None, answer)
        return 'nofile=%d' % struct.unpack_from('=Q', answer.raw)[0]",
    ),
];

pub(in super::super) const PRIVILEGES: &[Attack] = &[
    Attack::new(
        "other-user",
        "Become another user, whose processes and files are then one's own.",
        Happens,
        "os.setuid(12345); return os.getuid() == 12345",
    )
    // A user namespace has one user only.
    .also_refused_by("EINVAL")
    .root(),
    Attack::new(
        "other-groups",
        "Join groups.",
        Happens,
        "os.setgroups([0, 7]); return 7 in os.getgroups()",
    )
    .root(),
    Attack::new(
        "file-given-away",
        "Give a file of one's own to somebody else, where it counts as theirs.",
        Happens,
        "
        open(own + '/given', 'w').close(); os.chown(own + '/given', 12345, 12345)
        return os.stat(own + '/given').st_uid == 12345",
    )
    .also_refused_by("EINVAL")
    .root(),
    Attack::new(
        "before-everybody",
        "Get more of the processor than everybody else.",
        Happens,
        "return os.nice(-5) < 0",
    )
    .root(),
    Attack::new(
        "real-time",
        "Run before everything that isn't real-time, which can stop the machine.",
        Happens,
        "
        os.sched_setscheduler(0, os.SCHED_FIFO | os.SCHED_RESET_ON_FORK, os.sched_param(1))
        return os.sched_getscheduler(0) & 0xff == os.SCHED_FIFO",
    )
    .root(),
    Attack::new(
        "never-killed-for-memory",
        "Have everybody else killed first when memory runs out.",
        Happens,
        "
        with open('/proc/self/oom_score_adj', 'w') as file: file.write('-500')
        return '-500' in open('/proc/self/oom_score_adj').read()",
    )
    .root()
    .unless_lacking(lacks::RESOURCE_CAPABILITY),
    Attack::new(
        "capabilities-kept",
        "Keep capabilities over a change of user.",
        Happens,
        "call('prctl', 8, 1, 0, 0, 0); return call('prctl', 7, 0, 0, 0, 0) == 1",
    ),
    Attack::new(
        "end-of-watch-survived",
        "Don't end with the process that watches over the session.",
        Happens,
        "
        call('prctl', 1, 0, 0, 0, 0)  # PR_SET_PDEATHSIG
        answer = ctypes.c_int(-1)
        call('prctl', 2, ctypes.byref(answer), 0, 0, 0)
        return answer.value == 0",
    )
    .in_first_process(),
    Attack::new(
        "end-of-watch-as-a-hint",
        "End with it only as far as one heeds the signal.",
        Happens,
        "
        call('prctl', 1, signal.SIGURG, 0, 0, 0)
        answer = ctypes.c_int(-1)
        call('prctl', 2, ctypes.byref(answer), 0, 0, 0)
        return answer.value == signal.SIGURG",
    )
    .in_first_process(),
    Attack::new(
        "orphans-adopted",
        "Become the parent of one's orphans, away from who watches over the session.",
        Happens,
        "
        call('prctl', 36, 1, 0, 0, 0)  # PR_SET_CHILD_SUBREAPER
        answer = ctypes.c_int(0)
        call('prctl', 37, ctypes.byref(answer), 0, 0, 0)
        return answer.value == 1",
    ),
];
