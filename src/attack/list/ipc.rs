//! Objects that the kernel shares among all processes of a user. Whatever is made is removed again.

use std::fs;
use std::io;
use std::path::Path;

use super::{Attack, Group::Ipc, listed, probe};
use crate::attack::targets::untried;
use crate::sys::probes::{self, Probe};

pub(super) const ATTACKS: &[Attack] = &[
    Attack::new(
        Ipc,
        "segment",
        "Make memory that outlives every process.",
        |_| made_and_removed(&probes::SEGMENT, &probes::SEGMENT_REMOVED),
    ),
    Attack::new(
        Ipc,
        "segments-counted",
        "Ask for all shared memory of the machine.",
        |_| probe(&probes::SEGMENTS),
    ),
    Attack::new(
        Ipc,
        "semaphore",
        "Make a semaphore that outlives every process.",
        |_| made_and_removed(&probes::SEMAPHORE, &probes::SEMAPHORE_REMOVED),
    ),
    Attack::new(
        Ipc,
        "semaphores-counted",
        "Ask for all semaphores of the machine.",
        |_| probe(&probes::SEMAPHORES),
    ),
    Attack::new(
        Ipc,
        "queue",
        "Make a queue of messages that outlives every process.",
        |_| made_and_removed(&probes::QUEUE, &probes::QUEUE_REMOVED),
    ),
    Attack::new(
        Ipc,
        "queues-counted",
        "Ask for all queues of the machine.",
        |_| probe(&probes::QUEUES),
    ),
    Attack::new(
        Ipc,
        "named-queue",
        "Make a queue with a name, which programs of yours might open.",
        |_| made_and_removed(&probes::NAMED_QUEUE, &probes::NAMED_QUEUE_REMOVED),
    ),
    Attack::new(
        Ipc,
        "shared-memory-read",
        "Read memory with a name that programs of yours share.",
        |targets| {
            let path = targets.shared_memory.as_ref();
            let path = path.ok_or_else(|| untried("/dev/shm can't be written"))?;
            Ok(targets.told(&fs::read(path)?))
        },
    ),
    Attack::new(
        Ipc,
        "shared-memory-listed",
        "List all shared memory that has a name.",
        |targets| match targets.shared_memory.as_deref().and_then(Path::file_name) {
            None => Err(untried("/dev/shm can't be written")),
            Some(name) => {
                for entry in fs::read_dir("/dev/shm")? {
                    if entry?.file_name() == name {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
        },
    ),
    Attack::new(Ipc, "objects-listed", "List such objects in /proc.", |_| {
        listed(Path::new("/proc/sysvipc"))
    }),
    Attack::new(
        Ipc,
        "session-keys",
        "List the keys of your session.",
        |_| probe(&probes::SESSION_KEYS),
    ),
    Attack::new(Ipc, "user-keys", "List all keys of yours.", |_| {
        probe(&probes::USER_KEYS)
    }),
    Attack::new(Ipc, "key-session", "Make a session of keys.", |_| {
        probe(&probes::KEY_SESSION)
    }),
    Attack::new(
        Ipc,
        "key",
        "Keep something in a keyring of the kernel.",
        |_| probe(&probes::KEY),
    ),
];

fn made_and_removed(make: &Probe, remove: &Probe) -> io::Result<bool> {
    let object = make.make(0)?;
    remove.make(object).map(|_| true)
}
