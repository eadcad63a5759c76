//! The kernel: namespaces, calls that no server needs, and what is below /dev, /proc and /sys.

use std::fs::File;
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{Pid, chroot, sethostname};
use rustix::mount::{FsOpenFlags, fsopen};

use super::{Attack, Group::Kernel, listed, probe};
use crate::sys::probes::{self, Probe};

pub(super) const ATTACKS: &[Attack] = &[
    Attack::new(
        Kernel,
        "user-namespace",
        "Make a user namespace, in which one has every capability.",
        |_| Ok(unshare(CloneFlags::CLONE_NEWUSER).map(|()| true)?),
    ),
    Attack::new(
        Kernel,
        "user-namespace-by-clone",
        "Make it together with a child.",
        |_| child_ends(&probes::CLONE_USER),
    ),
    Attack::new(
        Kernel,
        "user-namespace-by-clone3",
        "The same by the call whose flags lie in memory, where a filter can't look.",
        |_| child_ends(&probes::CLONE3_USER),
    ),
    Attack::new(
        Kernel,
        "network-namespace",
        "Be the administrator of a network of one's own.",
        |_| Ok(unshare(CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWNET).map(|()| true)?),
    ),
    Attack::new(
        Kernel,
        "mount",
        "Mount a file system of one's own, in a namespace of one's own.",
        |_| {
            // Without it, or if it were shared, the machine would see the mount.
            unshare(CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWNS)?;
            let none: Option<&str> = None;
            mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none)?;
            mount(Some("none"), ".", Some("tmpfs"), MsFlags::empty(), none)?;
            Ok(true)
        },
    ),
    Attack::new(
        Kernel,
        "mount-by-newer-calls",
        "Prepare one by the calls that older filters don't know.",
        |_| {
            // Where this is refused the next step is tried all the same; it mounts nothing.
            let _ = unshare(CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWNS);
            fsopen("tmpfs", FsOpenFlags::FSOPEN_CLOEXEC)?;
            Ok(true)
        },
    ),
    Attack::new(Kernel, "root-changed", "Change one's root folder.", |_| {
        let _ = unshare(CloneFlags::CLONE_NEWUSER);
        Ok(chroot("/").map(|()| true)?)
    }),
    Attack::new(
        Kernel,
        "machine-renamed",
        "Give the machine another name, in a namespace of one's own.",
        |_| {
            unshare(CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWUTS)?;
            Ok(sethostname("elsewhere").map(|()| true)?)
        },
    ),
    Attack::new(
        Kernel,
        "ring",
        "Set up io_uring, through which files and sockets are opened without their calls.",
        |_| probe(&probes::IO_URING),
    ),
    Attack::new(
        Kernel,
        "asynchronous-input",
        "Set up the older interface of that kind.",
        |_| probe(&probes::ASYNCHRONOUS_IO),
    ),
    Attack::new(
        Kernel,
        "page-faults-handled",
        "Handle one's own page faults, which stops the kernel in the middle of a copy.",
        |_| probe(&probes::PAGE_FAULTS),
    ),
    Attack::new(
        Kernel,
        "counter",
        "Count events of the processor, fine enough to see what others do.",
        |_| probe(&probes::COUNTER),
    ),
    Attack::new(
        Kernel,
        "program-in-kernel",
        "Load something into the kernel's own machine (bpf).",
        |_| probe(&probes::BPF_MAP),
    ),
    Attack::new(
        Kernel,
        "randomisation-off",
        "Have every child's memory laid out alike.",
        |_| probe(&probes::NO_RANDOMISATION),
    ),
    Attack::new(
        Kernel,
        "readable-is-executable",
        "Have everything that is readable be executable.",
        |_| probe(&probes::READ_IS_EXECUTE),
    ),
    Attack::new(
        Kernel,
        "secret-memory",
        "Take memory that not even the kernel can look into.",
        |_| probe(&probes::SECRET_MEMORY),
    ),
    Attack::new(
        Kernel,
        "memory-policy",
        "Choose the memory node of one's pages.",
        |_| probe(&probes::MEMORY_POLICY),
    ),
    Attack::new(
        Kernel,
        "segments-read",
        "Use the descriptor table of the processor.",
        |_| probe(&probes::DESCRIPTOR_TABLE),
    ),
    Attack::new(
        Kernel,
        "clock-state",
        "Ask for the state of the machine's clock, in nanoseconds and with its error.",
        |_| probe(&probes::CLOCK_STATE),
    ),
    Attack::new(
        Kernel,
        "wake-alarm",
        "Have the machine woken up; the timer is not set.",
        |_| probe(&probes::WAKE_ALARM),
    ),
    Attack::new(
        Kernel,
        "modules-listed",
        "Ask which security modules there are to get past.",
        |_| probe(&probes::SECURITY_MODULES),
    ),
    Attack::new(
        Kernel,
        "call-of-other-interface",
        "Make a call by the numbers of x32, which a filter may not know.",
        |_| probe(&probes::OTHER_INTERFACE),
    ),
    Attack::new(
        Kernel,
        "everything-watched",
        "Watch files by the interface that can watch a whole file system.",
        |_| probe(&probes::FANOTIFY),
    ),
    Attack::new(
        Kernel,
        "kernel-messages",
        "Read what the kernel has said.",
        |_| probe(&probes::KERNEL_LOG),
    ),
    Attack::new(
        Kernel,
        "kernel-messages-by-device",
        "The same through the device.",
        |_| opens("/dev/kmsg"),
    ),
    Attack::new(
        Kernel,
        "kernel-symbols",
        "Read the names of everything in the kernel.",
        |_| opens("/proc/kallsyms"),
    ),
    Attack::new(
        Kernel,
        "kernel-settings",
        "Read how the kernel is set up, to know what to try.",
        |_| listed(Path::new("/proc/sys/kernel")),
    ),
    Attack::new(
        Kernel,
        "devices-listed",
        "List the machine's devices in /sys.",
        |_| listed(Path::new("/sys/class")),
    ),
    Attack::new(
        Kernel,
        "terminal-made",
        "Make a terminal, as programs do that want to look like a person.",
        |_| opens("/dev/ptmx"),
    ),
    Attack::new(
        Kernel,
        "terminal",
        "Open the terminal that pinfold was started on.",
        |_| opens("/dev/tty"),
    ),
    Attack::new(
        Kernel,
        "virtual-machine",
        "Open the device that makes virtual machines.",
        |_| opens("/dev/kvm"),
    ),
    Attack::new(
        Kernel,
        "file-system-server",
        "Open the device through which a process serves a file system.",
        |_| opens("/dev/fuse"),
    ),
];

fn opens(path: &str) -> io::Result<bool> {
    // O_NONBLOCK and O_NOCTTY: opening alone must change nothing.
    File::options()
        .read(true)
        .custom_flags(nix::libc::O_NONBLOCK | nix::libc::O_NOCTTY)
        .open(path)
        .map(|_| true)
}

fn child_ends(probe: &Probe) -> io::Result<bool> {
    let child = i32::try_from(probe.make(0)?).map_err(io::Error::other)?;
    let ended = waitpid(Pid::from_raw(child), None)?;
    Ok(matches!(ended, WaitStatus::Exited(_, 0)))
}
