//! Processes: more rights than the server was given.

use super::super::attack::{Attack, Effect::Happens};
use super::super::lacks;

pub(in super::super) const ATTACKS: &[Attack] = &[
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
        "Join groups of the machine.",
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
        "return os.nice(-5) < os.nice(5)",
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
    .root()
    .unless_lacking(lacks::REAL_TIME),
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
