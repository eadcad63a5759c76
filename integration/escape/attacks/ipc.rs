//! Objects that the kernel shares among all processes of a user.

use super::super::attack::{
    Attack,
    Effect::{Happens, ReachesVictim, Tells},
};
use super::super::lacks;

/// shmat(2) returns an address, so `call` can't tell its errors; `c_long` keeps all of it.
pub(in super::super) const PRELUDE: &str = "
def attach(segment):
    ctypes.set_errno(0)
    libc.syscall.restype = ctypes.c_long
    where = libc.syscall(ctypes.c_long(NUMBERS['shmat'][HERE]), ctypes.c_long(segment), None, ctypes.c_long(0))
    if where == -1:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return where
";

pub(in super::super) const SYSTEM_V: &[Attack] = &[
    Attack::new(
        "segment-read",
        "Read memory that programs of the user share.",
        Tells("shm"),
        "return ctypes.string_at(attach(segment), 64).rstrip(b'\\0').decode()",
    ),
    Attack::new(
        "segment-written",
        "Write memory that programs of the user share.",
        ReachesVictim,
        "ctypes.memmove(attach(segment), b'overwritten', 12)",
    ),
    Attack::new(
        "segment-opened-up",
        "Let everybody read and write it.",
        ReachesVictim,
        "
        words = ctypes.create_string_buffer(256)
        call('shmctl', segment, 2, words)  # IPC_STAT
        mode = struct.unpack_from('=I', words.raw, 20)[0]
        struct.pack_into('=I', words, 20, mode | 0o666)
        call('shmctl', segment, 1, words)  # IPC_SET",
    ),
    Attack::new(
        "segment-left-behind",
        "Leave memory that outlives every process.",
        Happens,
        "
        mine = call('shmget', 0, 4096, 0o1600)
        return call('shmctl', mine, 0, None) == 0  # IPC_RMID",
    ),
    Attack::new(
        "segments-listed",
        "Ask for all segments of the machine.",
        Happens,
        "return call('shmctl', 0, 14, ctypes.create_string_buffer(256)) >= 0  # SHM_INFO",
    ),
    Attack::new(
        "segments-listed-in-proc",
        "Read the list of shared memory in /proc.",
        Happens,
        "return ' %d ' % segment in open('/proc/sysvipc/shm').read()",
    ),
    Attack::new(
        "semaphore-taken",
        "Take a semaphore for which programs of the user will wait.",
        ReachesVictim,
        "call('semop', semaphore, ctypes.create_string_buffer(struct.pack('=Hhh', 0, -1, 0)), 1)",
    ),
    Attack::new(
        "semaphore-set",
        "Set a semaphore of the user's programs.",
        ReachesVictim,
        "call('semctl', semaphore, 0, 16, 99)  # SETVAL",
    ),
    Attack::new(
        "message-taken",
        "Take a message that was meant for another program.",
        Tells("queue"),
        "
        message = ctypes.create_string_buffer(256)
        length = call('msgrcv', queue, message, 200, 0, 0o4000)  # IPC_NOWAIT
        return message.raw[8:8 + length].decode()",
    ),
    Attack::new(
        "message-forged",
        "Send one in another program's name.",
        ReachesVictim,
        "call('msgsnd', queue, ctypes.create_string_buffer(struct.pack('@l', 1) + b'forged'), 6, 0)",
    ),
    Attack::new(
        "queue-removed",
        "Remove a queue of messages.",
        ReachesVictim,
        "call('msgctl', queue, 0, None)",
    ),
];

pub(in super::super) const POSIX: &[Attack] = &[
    Attack::new(
        "posix-message-taken",
        "Take a message from a queue with a name.",
        Tells("posix-queue"),
        "
        handle = call('mq_open', name, os.O_RDONLY, 0, None)
        message = ctypes.create_string_buffer(8192)
        call('mq_timedreceive', handle, message, 8192, None, None)
        return message.value.decode()",
    ),
    Attack::new(
        "posix-message-forged",
        "Send a message in another program's name to a queue with a name.",
        ReachesVictim,
        "call('mq_timedsend', call('mq_open', name, os.O_WRONLY, 0, None), 'forged', 6, 1, None)",
    ),
    Attack::new(
        "posix-queue-removed",
        "Remove a queue with a name.",
        ReachesVictim,
        "call('mq_unlink', name)",
    ),
    Attack::new(
        "posix-queue-left-behind",
        "Leave a queue that outlives every process.",
        Happens,
        "
        call('mq_open', name + '-mine', os.O_CREAT | os.O_RDWR, 0o600, None)
        return call('mq_unlink', name + '-mine') == 0",
    ),
    Attack::new(
        "posix-segment-read",
        "Read memory with a name that programs of the user share.",
        Tells("posix-shm"),
        "return open('/dev/shm/' + name).read()",
    ),
    Attack::new(
        "posix-segment-written",
        "Write memory with a name.",
        ReachesVictim,
        "
        with open('/dev/shm/' + name, 'r+b') as file, mmap.mmap(file.fileno(), 0) as memory:
            memory[0] = 88",
    ),
    Attack::new(
        "posix-segment-removed",
        "Remove memory with a name.",
        ReachesVictim,
        "os.remove('/dev/shm/' + name)",
    ),
    Attack::new(
        "posix-segments-listed",
        "List all shared memory that has a name.",
        Happens,
        "return name in os.listdir('/dev/shm')",
    ),
    Attack::new(
        "fifo-forged",
        "Write into a named pipe from which a program of the user reads.",
        Happens,
        "return os.write(os.open(folder + '/fifo', os.O_WRONLY | os.O_NONBLOCK), b'forged') == 6",
    ),
];

/// KEYCTL_SEARCH 10, READ 11, DESCRIBE 6, REVOKE 3, UPDATE 2, LINK 8; the user's keyring is -4, the
/// session's -3, one's own process's -2.
pub(in super::super) const KEYS: &[Attack] = &[
    Attack::new(
        "key-read-by-search",
        "Search the user's keyring for a key, and read it.",
        Tells("user-key"),
        "
        found = call('keyctl', 10, -4, 'user', name, 0)
        secret = ctypes.create_string_buffer(256)
        call('keyctl', 11, found, secret, 256)
        return secret.value.decode()",
    )
    .unless_lacking(lacks::KEYRINGS),
    Attack::new(
        "key-read-by-number",
        "Read a key by its number.",
        Tells("user-key"),
        "
        call('keyctl', 8, -4, -2, 0, 0)  # what one holds one may read
        secret = ctypes.create_string_buffer(256)
        call('keyctl', 11, user_key, secret, 256)
        return secret.value.decode()",
    )
    .unless_lacking(lacks::KEYRINGS),
    Attack::new(
        "key-read-by-request",
        "Request it, which searches the session's keyring.",
        Tells("user-key"),
        "
        call('keyctl', 8, -4, -2, 0, 0)
        found = call('request_key', 'user', name, None, -2)
        secret = ctypes.create_string_buffer(256)
        call('keyctl', 11, found, secret, 256)
        return secret.value.decode()",
    )
    .unless_lacking(lacks::KEYRINGS),
    Attack::new(
        "key-described",
        "Ask what a key is called and whose it is.",
        Happens,
        "
        text = ctypes.create_string_buffer(256)
        call('keyctl', 6, user_key, text, 256)
        return name in text.value.decode()",
    )
    .unless_lacking(lacks::KEYRINGS),
    Attack::new(
        "keys-listed",
        "List the keys in the user's keyring.",
        Happens,
        "
        numbers = ctypes.create_string_buffer(4096)
        length = call('keyctl', 11, -4, numbers, 4096)
        return user_key in struct.unpack('=%di' % (length // 4), numbers.raw[:length])",
    )
    .unless_lacking(lacks::KEYRINGS),
    Attack::new(
        "keys-listed-in-proc",
        "Read the list of keys in /proc.",
        Happens,
        "return '%08x' % user_key in open('/proc/keys').read()",
    )
    .unless_lacking(lacks::KEYRINGS),
    Attack::new(
        "key-replaced",
        "Put another secret in the place of the user's.",
        ReachesVictim,
        "call('add_key', 'user', name, b'replaced', 8, -4)",
    )
    .unless_lacking(lacks::KEYRINGS),
    Attack::new(
        "key-revoked",
        "Make a key of the user useless.",
        ReachesVictim,
        "
        call('keyctl', 8, -4, -2, 0, 0)
        call('keyctl', 3, user_key, 0, 0, 0)",
    )
    .unless_lacking(lacks::KEYRINGS),
    Attack::new(
        "key-planted",
        "Leave a key for programs of the user to find.",
        Happens,
        "
        planted = call('add_key', 'user', name + '-planted', b'x', 1, -4)
        return call('keyctl', 9, planted, -4, 0, 0) == 0  # KEYCTL_UNLINK",
    )
    .unless_lacking(lacks::KEYRINGS),
    Attack::new(
        "session-of-keys-joined",
        "Make a session of keys, which stays as long as somebody is in it.",
        Happens,
        "return call('keyctl', 1, 0, 0, 0, 0) > 0  # KEYCTL_JOIN_SESSION_KEYRING",
    )
    .unless_lacking(lacks::KEYRINGS),
];
