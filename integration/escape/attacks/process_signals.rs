//! Processes: signals to others.

use super::super::attack::{
    Attack,
    Effect::{Happens, ReachesVictim},
};

/// The victim catches SIGUSR1.
pub(in super::super) const ATTACKS: &[Attack] = &[
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
        "Queue a signal with data for a thread.",
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
