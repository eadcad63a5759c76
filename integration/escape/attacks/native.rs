//! Attacks of the program in native.c.

use super::super::attack::{
    Attack,
    Effect::{ReachesVictim, Tells},
};
use super::super::lacks;

/// The exit code is the errno; a signal that killed the program kills the attempt.
pub(in super::super) const PRELUDE: &str = "
def run(*words):
    done = subprocess.run([native, *map(str, words)], capture_output=True, text=True, errors='replace')
    if done.returncode < 0:
        os.kill(os.getpid(), -done.returncode)
    checked(done.returncode)
    return done.stdout
";

pub(in super::super) const ATTACKS: &[Attack] = &[
    Attack::new(
        "key-by-ring",
        "Open and read by io_uring, which makes no call that a filter sees.",
        Tells("key"),
        "return run('ring-read', key)",
    )
    .unless_lacking(lacks::IO_URING),
    Attack::new(
        "connection-by-ring",
        "Make a socket and connect it by io_uring.",
        ReachesVictim,
        "run('ring-connect', ports['tcp'])",
    )
    .unless_lacking(lacks::IO_URING),
    Attack::new(
        "key-by-32-bit-calls",
        "Open and read by the interrupt and numbers of the 32-bit interface.",
        Tells("key"),
        "return run('old-read', key)",
    )
    .unless_lacking(lacks::OLD_INTERFACE),
    Attack::new(
        "connection-by-32-bit-calls",
        "Connect by the interrupt and numbers of the 32-bit interface.",
        ReachesVictim,
        "run('old-connect', ports['tcp'])",
    )
    .unless_lacking(lacks::OLD_INTERFACE),
    Attack::new(
        "key-by-sharing-child",
        "Read in a child that shares memory and descriptors, but is no thread.",
        Tells("key"),
        "return run('shared-child', key)",
    ),
    Attack::new(
        "key-by-raced-path",
        "Change the name in memory between the check and the use.",
        Tells("key"),
        "return run('raced-path', readable + '/file', key)",
    ),
];

pub(in super::super) const WEB: &[Attack] = &[Attack::new(
    "connection-by-raced-address",
    "Change the address in memory between the check and the use.",
    ReachesVictim,
    "run('raced-address', ports['tcp'])",
)];
