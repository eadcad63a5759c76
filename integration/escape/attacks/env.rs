//! What the server was started with, and what it can learn of the machine.

use super::super::attack::{
    Attack,
    Effect::{ChangesFiles, Happens, SpoilsLog, Tells},
    Stopped,
};

/// A careless client has left these open: 7 to a file, 8 to a folder, 9 to a file to append to.
pub(in super::super) const INHERITED: &[Attack] = &[
    Attack::new(
        "variables",
        "Look for secrets among the variables of the environment.",
        Tells("client"),
        "return dict(os.environ)",
    ),
    Attack::new(
        "variables-in-proc",
        "Read them as they were at the start, should they have been removed later.",
        Tells("client"),
        "return open('/proc/self/environ').read()",
    )
    .in_first_process(),
    Attack::new(
        "variables-in-memory",
        "Look for them above the stack, where the kernel put them.",
        Tells("client"),
        "
        line = [line for line in open('/proc/self/maps') if '[stack]' in line][0]
        first, last = [int(word, 16) for word in line.split()[0].split('-')]
        stack = ctypes.string_at(last - 65536, 65536)
        return stack.decode('latin-1')",
    )
    .in_first_process(),
    Attack::new(
        "open-file",
        "Read a file that was left open.",
        Tells("descriptor"),
        "return os.pread(7, 100, 0).decode()",
    ),
    Attack::new(
        "open-folder",
        "Open something in a folder that was left open.",
        Tells("key"),
        "return os.read(os.open('id_ed25519', os.O_RDONLY, dir_fd=8), 100).decode()",
    ),
    Attack::new(
        "open-folder-listed",
        "List a folder that was left open.",
        Tells("hidden-name"),
        "return os.listdir(8)",
    ),
    Attack::new(
        "open-folder-entered",
        "Go into a folder that was left open.",
        Tells("hidden-name"),
        "os.fchdir(8); return os.listdir('.')",
    ),
    Attack::new(
        "open-file-written",
        "Write to a file that was left open.",
        ChangesFiles,
        "os.write(9, b'more')",
    ),
    Attack::new(
        "working-folder",
        "Look around where the client was.",
        Happens,
        "return '.ssh' in os.listdir('.')",
    ),
];

pub(in super::super) const LOG: &[Attack] = &[
    Attack::new(
        "log-emptied",
        "Empty the client's log through standard error.",
        SpoilsLog,
        "with contextlib.suppress(OSError): os.ftruncate(2, 0)",
    ),
    Attack::new(
        "log-emptied-by-name",
        "Open standard error anew by its name, which begins at its start.",
        SpoilsLog,
        "open('/dev/stderr', 'w').close()",
    )
    .in_first_process(),
    Attack::new(
        "log-emptied-by-descriptor",
        "Open it anew through /proc.",
        SpoilsLog,
        "open('/proc/self/fd/2', 'w').close()",
    )
    .in_first_process(),
    Attack::new(
        "log-emptied-by-name-of-call",
        "Shorten it by the path in /proc.",
        SpoilsLog,
        "with contextlib.suppress(OSError): os.truncate('/proc/self/fd/2', 0)",
    )
    .in_first_process(),
    Attack::new(
        "log-overwritten",
        "Go back to its start and write over what the client had said.",
        SpoilsLog,
        "os.lseek(2, 0, os.SEEK_SET); os.write(2, b'all is well' + b' ' * 200)",
    ),
    Attack::new(
        "log-overwritten-in-place",
        "Write at its start without going there.",
        SpoilsLog,
        "os.pwrite(2, b'all is well' + b' ' * 200, 0)",
    ),
    Attack::new(
        "log-forged",
        "Write a line into it that looks like the client's.",
        SpoilsLog,
        "os.write(2, forged.encode() + b'\\n'); time.sleep(0.1)",
    ),
    Attack::new(
        "log-read",
        "Read what the client had said before.",
        Tells("log"),
        "return os.pread(os.open('/proc/self/fd/2', os.O_RDONLY), 100, 0).decode()",
    )
    .in_first_process(),
    Attack::new(
        "log-opened-up",
        "Let everybody read the client's log.",
        SpoilsLog,
        "os.fchmod(2, 0o666)",
    ),
    Attack::new(
        "log-flooded",
        "Fill the disk through it.",
        SpoilsLog,
        "
        line = b'x' * 4095 + b'\\n'
        for _ in range(4096): os.write(2, line)",
    )
    .patience(30),
];

pub(in super::super) const MACHINE: &[Attack] = &[
    Attack::new(
        "identity-of-machine",
        "Read the number by which services know this machine.",
        Happens,
        "return len(open('/etc/machine-id').read()) > 8",
    )
    .unless_lacking(super::super::lacks::MACHINE_ID),
    Attack::new(
        "identity-of-start",
        "Read the number of this start of the machine.",
        Happens,
        "return len(open('/proc/sys/kernel/random/boot_id').read()) == 37",
    ),
    Attack::new(
        "command-line-of-kernel",
        "Read what the kernel was started with.",
        Happens,
        "return len(open('/proc/cmdline').read()) > 1",
    ),
    Attack::new(
        "logs-of-machine",
        "Look for what the machine's programs have written down.",
        Happens,
        "return 'log' in os.listdir('/var')",
    ),
    Attack::new(
        "programs-installed",
        "List what is installed, to look for something with a hole.",
        Happens,
        "return len(os.listdir('/usr/bin')) > 10",
    ),
    Attack::new(
        "settings-of-machine",
        "Look through the machine's settings.",
        Happens,
        "return 'passwd' in os.listdir('/etc')",
    ),
    Attack::new(
        "devices-of-machine",
        "List the machine's devices.",
        Happens,
        "return len(os.listdir('/sys/class')) > 5",
    ),
    Attack::new(
        "name-of-machine",
        "Ask for the machine's name.",
        Happens,
        "return os.uname().nodename == machine",
    )
    .stopped(Stopped::ByNamespaces("the machine's name")),
    Attack::new(
        "mounts-of-machine",
        "Read what is mounted where, with the names of servers and users in it.",
        Tells("mounts"),
        "return open('/proc/self/mountinfo').read()",
    )
    .in_first_process()
    .stopped(Stopped::ByNamespaces("which file systems are mounted")),
    Attack::new(
        "mounts-by-other-file",
        "The same by the older file.",
        Happens,
        "return ' / ' in open('/proc/self/mounts').read()",
    )
    .in_first_process(),
];
