//! Files that were not granted: reading, changing, and finding out about them.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _, symlink};
use std::path::Path;

use nix::fcntl::{AT_FDCWD, OFlag};
use nix::sys::stat::{Mode, UtimensatFlags, utimensat};
use nix::sys::time::TimeSpec;
use nix::unistd::{AccessFlags, access, chown, getuid, mkfifo, truncate};
use rustix::fs::{XattrFlags, inotify, setxattr};

use super::{Attack, Group::Fs, listed};
use crate::sys::probes;

/// Landlock isn't asked, and there is no other wall in the base tier.
const NOT_HIDDEN: &str = "that a file exists, its size and times";
const NOT_UNWATCHED: &str = "changes in folders it may not read";

pub(super) const ATTACKS: &[Attack] = &[
    Attack::new(Fs, "home-listed", "List your home folder.", |targets| {
        listed(targets.home()?)
    }),
    Attack::new(Fs, "homes-listed", "List all homes, in /home.", |_| {
        listed(Path::new("/home"))
    }),
    Attack::new(Fs, "settings-listed", "List /etc.", |_| {
        listed(Path::new("/etc"))
    }),
    Attack::new(Fs, "programs-listed", "List /usr/bin.", |_| {
        listed(Path::new("/usr/bin"))
    }),
    Attack::new(Fs, "logs-listed", "List /var/log.", |_| {
        listed(Path::new("/var/log"))
    }),
    Attack::new(Fs, "password-hashes", "Open /etc/shadow.", |_| {
        File::open("/etc/shadow").map(|_| true)
    }),
    Attack::new(Fs, "file-read", "Read a file of yours.", |targets| {
        Ok(targets.told(&fs::read(targets.planted("file"))?))
    }),
    Attack::new(
        Fs,
        "file-read-by-link",
        "Read it through a symbolic link of one's own.",
        |targets| {
            let link = "pinfold-attack-link";
            symlink(targets.planted("file"), link)?;
            let text = fs::read(link);
            fs::remove_file(link)?;
            Ok(targets.told(&text?))
        },
    ),
    Attack::new(
        Fs,
        "file-read-by-hard-link",
        "Give it a second name among one's own files.",
        |targets| {
            let link = "pinfold-attack-name";
            fs::hard_link(targets.planted("file"), link)?;
            let text = fs::read(link);
            fs::remove_file(link)?;
            Ok(targets.told(&text?))
        },
    ),
    Attack::new(
        Fs,
        "file-read-by-descriptor",
        "Hold it by O_PATH, which nobody judges, and open that.",
        |targets| {
            let held = OpenOptions::new()
                .read(true)
                .custom_flags(OFlag::O_PATH.bits())
                .open(targets.planted("file"))?;
            let text = fs::read(format!("/proc/self/fd/{}", held.as_raw_fd()))?;
            Ok(targets.told(&text))
        },
    ),
    Attack::new(
        Fs,
        "file-read-by-process",
        "Read it by way of another process's root folder.",
        |targets| {
            let root = targets.proc("root")?;
            let path = targets.planted("file");
            let below = path.strip_prefix("/").map_err(io::Error::other)?;
            Ok(targets.told(&fs::read(root.join(below))?))
        },
    ),
    Attack::new(
        Fs,
        "file-written",
        "Write at the end of a file of yours.",
        |targets| {
            let mut file = OpenOptions::new()
                .append(true)
                .open(targets.planted("changed"))?;
            file.write_all(b"more").map(|()| true)
        },
    ),
    Attack::new(
        Fs,
        "file-emptied",
        "Empty it without opening it.",
        |targets| Ok(truncate(&targets.planted("changed"), 0).map(|()| true)?),
    ),
    Attack::new(Fs, "file-removed", "Remove a file of yours.", |targets| {
        fs::remove_file(targets.planted("removed")).map(|()| true)
    }),
    Attack::new(Fs, "file-renamed", "Rename a file of yours.", |targets| {
        fs::rename(targets.planted("renamed"), targets.planted("other")).map(|()| true)
    }),
    Attack::new(
        Fs,
        "file-made",
        "Make a file in a folder of yours.",
        |targets| File::create_new(targets.planted("made")).map(|_| true),
    ),
    Attack::new(
        Fs,
        "file-made-in-home",
        "Make a file in your home folder; it is removed again.",
        |targets| made_and_removed(targets.home()?),
    ),
    Attack::new(
        Fs,
        "file-made-for-all",
        "Make a file in /var/tmp; it is removed again.",
        |_| made_and_removed(Path::new("/var/tmp")),
    ),
    Attack::new(
        Fs,
        "folder-made",
        "Make a folder in a folder of yours.",
        |targets| fs::create_dir(targets.planted("below")).map(|()| true),
    ),
    Attack::new(
        Fs,
        "mode-changed",
        "Let everybody read a file of yours.",
        |targets| {
            let mode = fs::Permissions::from_mode(0o644);
            fs::set_permissions(targets.planted("dated"), mode).map(|()| true)
        },
    ),
    Attack::new(
        Fs,
        "owner-set",
        "Set the owner of a file of yours, to what it is.",
        |targets| Ok(chown(&targets.planted("dated"), Some(getuid()), None).map(|()| true)?),
    ),
    Attack::new(
        Fs,
        "times-changed",
        "Make a file of yours look older than it is.",
        |targets| {
            let long_ago = TimeSpec::new(1, 0);
            let path = targets.planted("dated");
            let follow = UtimensatFlags::FollowSymlink;
            utimensat(AT_FDCWD, &path, &long_ago, &long_ago, follow)?;
            Ok(true)
        },
    ),
    Attack::new(
        Fs,
        "attribute-set",
        "Attach an attribute to a file of yours.",
        |targets| {
            let path = targets.planted("dated");
            setxattr(path, "user.pinfold", b"x", XattrFlags::empty())?;
            Ok(true)
        },
    ),
    Attack::new(
        Fs,
        "set-user-id",
        "Make a file that runs as its owner.",
        |_| {
            let path = "pinfold-attack-owner";
            File::create_new(path)?;
            let set = fs::set_permissions(path, fs::Permissions::from_mode(0o4700));
            fs::remove_file(path)?;
            set.map(|()| true)
        },
    ),
    Attack::new(
        Fs,
        "named-pipe",
        "Make a named pipe, for which programs that open it wait.",
        |_| {
            let path = "pinfold-attack-pipe";
            mkfifo(path, Mode::S_IRUSR)?;
            fs::remove_file(path).map(|()| true)
        },
    ),
    Attack::new(
        Fs,
        "lease",
        "Take a lease on a file: whoever wants to write it must wait.",
        |_| {
            let path = "pinfold-attack-lease";
            File::create_new(path)?;
            let file = File::open(path)?;
            let lease = probes::LEASE.make(file.as_raw_fd().into());
            fs::remove_file(path)?;
            lease.map(|_| true)
        },
    ),
    Attack::new(
        Fs,
        "handle",
        "Ask for a file's handle, by which it is opened without a path.",
        |_| probes::HANDLE_OF_ROOT.make(0).map(|_| true),
    ),
    Attack::new(
        Fs,
        "size-by-stat",
        "Ask how large a file of yours is.",
        |targets| Ok(fs::metadata(targets.planted("file"))?.len() == targets.secret.len() as u64),
    )
    .in_base_tier(NOT_HIDDEN),
    Attack::new(
        Fs,
        "existence-by-access",
        "Ask whether a file of yours exists.",
        |targets| Ok(access(&targets.planted("file"), AccessFlags::F_OK).map(|()| true)?),
    )
    .in_base_tier(NOT_HIDDEN),
    Attack::new(
        Fs,
        "target-of-link",
        "Read where a link of yours leads to.",
        |targets| {
            let target = fs::read_link(targets.planted("link"))?;
            Ok(targets.told(target.as_os_str().as_encoded_bytes()))
        },
    )
    .in_base_tier(NOT_HIDDEN),
    Attack::new(
        Fs,
        "home-watched",
        "Watch your home folder for what comes and goes in it.",
        |targets| {
            let home = targets.home()?;
            let watch = inotify::init(inotify::CreateFlags::CLOEXEC)?;
            inotify::add_watch(watch, home, inotify::WatchFlags::CREATE)?;
            // A root of its own may have a folder of the same name.
            Ok(targets.is_home(&fs::metadata(home)?))
        },
    )
    .in_base_tier(NOT_UNWATCHED),
];

fn made_and_removed(folder: &Path) -> io::Result<bool> {
    let path = folder.join(format!(".pinfold-attack-{}", std::process::id()));
    File::create_new(&path)?;
    fs::remove_file(path).map(|()| true)
}
