//! Processes: slowing others down, and learning of them.

use super::super::attack::{
    Attack,
    Effect::{Happens, ReachesVictim, Tells},
    Stopped,
};
use super::super::lacks;

const NOT_HIDDEN: Stopped = Stopped::ByNamespaces("that a process exists, and its priorities");

pub(in super::super) const STEERING: &[Attack] = &[
    Attack::new(
        "slowed-down",
        "Take away another process's share of the processor.",
        ReachesVictim,
        "os.setpriority(os.PRIO_PROCESS, pid, 19)",
    ),
    Attack::new(
        "slowed-down-as-group",
        "Take it away from a whole group of processes.",
        ReachesVictim,
        "os.setpriority(os.PRIO_PGRP, pid, 19)",
    ),
    Attack::new(
        "bound-to-processor",
        "Bind it to one processor.",
        ReachesVictim,
        "os.sched_setaffinity(pid, {min(os.sched_getaffinity(pid))})",
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
        "List all processes in /proc.",
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
        "Ask for the priority of another process.",
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
    ),
    Attack::new(
        "scheduling-read",
        "Ask how another process is scheduled.",
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
        // 0 is an answer: its leader is outside of this pid namespace.
        "return os.getsid(pid) >= 0",
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
        "Ask for the limits of another process.",
        Tells("limit"),
        "
        answer = ctypes.create_string_buffer(16)
        call('prlimit64', pid, 7, None, answer)
        return 'nofile=%d' % struct.unpack_from('=Q', answer.raw)[0]",
    ),
];
