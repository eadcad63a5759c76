//! More than one's share. Nothing is used up: memory is reserved and not touched, files are empty.

use std::fs::File;
use std::io;

use nix::sys::resource::{Resource, getrlimit, setrlimit};

use super::{Attack, Group::Resources, probe};
use crate::sys::probes;

pub(super) const ATTACKS: &[Attack] = &[
    Attack::new(
        Resources,
        "memory",
        "Reserve more memory than the limit.",
        |targets| {
            let mut memory: Vec<u8> = Vec::new();
            let size = usize::try_from(targets.memory).map_err(io::Error::other)?;
            memory
                .try_reserve_exact(size)
                .map_err(|_| nix::Error::ENOMEM)?;
            Ok(std::hint::black_box(&memory).capacity() >= size)
        },
    ),
    Attack::new(
        Resources,
        "large-file",
        "Make a file larger than the limit; it has no content.",
        |targets| {
            let path = "pinfold-attack-large";
            let file = File::create_new(path)?;
            // First, because the limit kills.
            std::fs::remove_file(path)?;
            file.set_len(targets.file_size.saturating_add(1))
                .map(|()| true)
        },
    ),
    Attack::new(
        Resources,
        "descriptors",
        "Open more descriptors than the limit.",
        |targets| {
            let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
            setrlimit(Resource::RLIMIT_NOFILE, hard, hard)?;
            let file = File::open("/dev/null")?;
            let copies: io::Result<Vec<File>> =
                (0..=targets.open_files).map(|_| file.try_clone()).collect();
            copies.map(|_| true)
        },
    ),
    Attack::new(
        Resources,
        "core-file",
        "Leave one's memory, secrets included, in a file when one crashes.",
        |_| {
            let (_, hard) = getrlimit(Resource::RLIMIT_CORE)?;
            setrlimit(Resource::RLIMIT_CORE, hard, hard)?;
            // At 1 there is none, neither in a file nor for a program (core(5)).
            Ok(hard > 1)
        },
    ),
    Attack::new(
        Resources,
        "memory-locked",
        "Lock memory, so that others' is swapped out; here one page.",
        |_| probe(&probes::LOCK_MEMORY),
    ),
    Attack::new(
        Resources,
        "memory-locked-in-future",
        "Lock all that will be taken.",
        |_| probe(&probes::LOCK_ALL_MEMORY),
    ),
    Attack::new(
        Resources,
        "before-others",
        "Come before other programs on the processor.",
        |_| {
            rustix::process::setpriority_process(None, -1)?;
            Ok(true)
        },
    ),
];
