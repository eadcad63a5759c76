//! Files: changing what wasn't granted.

use super::super::attack::{Attack, Effect::ChangesFiles};
use super::super::lacks;

pub(in super::super) const ATTACKS: &[Attack] = &[
    Attack::new(
        "decoy-truncated-by-opening",
        "Empty a file of the user by opening it for writing.",
        ChangesFiles,
        "open(decoy, 'w').close()",
    ),
    Attack::new(
        "decoy-truncated-by-call",
        "Shorten it without opening it.",
        ChangesFiles,
        "os.truncate(decoy, 1)",
    ),
    Attack::new(
        "decoy-truncated-while-read",
        "Open it for reading and ask for truncation in the same call.",
        ChangesFiles,
        "os.close(os.open(decoy, os.O_RDONLY | os.O_TRUNC))",
    ),
    Attack::new(
        "decoy-appended",
        "Append to a file of the user.",
        ChangesFiles,
        "open(decoy, 'a').write('more')",
    ),
    Attack::new(
        "decoy-mapped",
        "Write into a file of the user through memory.",
        ChangesFiles,
        "
        with open(decoy, 'r+b') as file, mmap.mmap(file.fileno(), 0) as memory:
            memory[0] = 88",
    ),
    Attack::new(
        "decoy-removed",
        "Remove a file of the user.",
        ChangesFiles,
        "os.remove(decoy)",
    ),
    Attack::new(
        "decoy-renamed",
        "Rename a file of the user where it is.",
        ChangesFiles,
        "os.rename(decoy, decoy + '2')",
    ),
    Attack::new(
        "decoy-taken",
        "Move it into a granted folder.",
        ChangesFiles,
        "os.rename(decoy, writable + '/taken')",
    ),
    Attack::new(
        "decoy-replaced",
        "Move a file of one's own over it.",
        ChangesFiles,
        "open(own + '/mine', 'w').close(); os.rename(own + '/mine', decoy)",
    ),
    Attack::new(
        "decoy-linked",
        "Give it a second name in a granted folder.",
        ChangesFiles,
        "os.link(decoy, writable + '/linked')",
    ),
    Attack::new(
        "file-made",
        "Make a file among the user's.",
        ChangesFiles,
        "open(outside + '/made', 'x').close()",
    ),
    Attack::new(
        "file-made-by-folder-descriptor",
        "Hold the folder by O_PATH and make it relative to that.",
        ChangesFiles,
        "os.close(os.open('made', os.O_CREAT | os.O_WRONLY, dir_fd=os.open(outside, os.O_PATH)))",
    ),
    Attack::new(
        "file-made-without-name",
        "Make a file without a name and give it one afterwards.",
        ChangesFiles,
        "
        handle = os.open(outside, os.O_TMPFILE | os.O_WRONLY)
        call('linkat', -100, '/proc/self/fd/%d' % handle, -100, outside + '/made', 0x400)",
    ),
    Attack::new(
        "own-file-linked-outside",
        "Make it in one's own folder and give it a second name among the user's.",
        ChangesFiles,
        "open(own + '/twin', 'w').close(); os.link(own + '/twin', outside + '/twin')",
    ),
    Attack::new(
        "own-file-moved-outside",
        "Make it in one's own folder and move it.",
        ChangesFiles,
        "open(own + '/moved', 'w').close(); os.rename(own + '/moved', outside + '/moved')",
    ),
    Attack::new(
        "folder-made",
        "Make a folder among the user's.",
        ChangesFiles,
        "os.mkdir(outside + '/made')",
    ),
    Attack::new(
        "folder-removed",
        "Remove an empty folder of the user.",
        ChangesFiles,
        "os.rmdir(user + '/empty')",
    ),
    Attack::new(
        "link-made",
        "Leave a link where a program of the user will follow it.",
        ChangesFiles,
        "os.symlink('/', outside + '/link')",
    ),
    Attack::new(
        "fifo-made",
        "Leave a named pipe, at which a program of the user will wait.",
        ChangesFiles,
        "os.mkfifo(outside + '/fifo')",
    ),
    Attack::new(
        "socket-made",
        "Leave a socket where an agent of the user is looked for.",
        ChangesFiles,
        "socket.socket(socket.AF_UNIX).bind(outside + '/socket')",
    ),
    Attack::new(
        "device-made",
        "Leave a device node among the user's files.",
        ChangesFiles,
        "os.mknod(outside + '/null', 0o020666, os.makedev(1, 3))",
    )
    .root(),
    Attack::new(
        "start-of-shell",
        "Leave a line that the user's next shell runs.",
        ChangesFiles,
        "open(user + '/.bashrc', 'a').write('touch ~/owned')",
    ),
    Attack::new(
        "start-of-desktop",
        "Leave a program that the user's next session starts.",
        ChangesFiles,
        "open(user + '/.config/autostart/x.desktop', 'w').write('[Desktop Entry]')",
    ),
    Attack::new(
        "mode-changed",
        "Let everybody read the key.",
        ChangesFiles,
        "os.chmod(key, 0o644)",
    ),
    Attack::new(
        "mode-changed-by-descriptor-path",
        "The same through /proc and a descriptor that was opened for nothing.",
        ChangesFiles,
        "os.chmod('/proc/self/fd/%d' % os.open(key, os.O_PATH), 0o644)",
    ),
    Attack::new(
        "mode-changed-by-newest-call",
        "The same with a call that older filters don't know.",
        ChangesFiles,
        "call('fchmodat2', -100, key, 0o644, 0)",
    ),
    Attack::new(
        "owner-set-again",
        "Set the owner that it has, which clears what goes with a changed owner.",
        ChangesFiles,
        "os.chown(key, os.getuid(), os.getgid())",
    ),
    Attack::new(
        "times-set",
        "Pretend that a file is old, so that a build or backup passes over it.",
        ChangesFiles,
        "os.utime(decoy, (1, 1))",
    ),
    Attack::new(
        "times-set-to-now",
        "Pretend that a file has just changed.",
        ChangesFiles,
        "os.utime(decoy)",
    ),
    Attack::new(
        "attribute-set",
        "Set an extended attribute.",
        ChangesFiles,
        "os.setxattr(decoy, 'user.planted', b'x')",
    )
    .unless_lacking(lacks::ATTRIBUTES),
    Attack::new(
        "attribute-removed",
        "Remove an extended attribute.",
        ChangesFiles,
        "os.removexattr(decoy, 'user.decoy')",
    )
    .unless_lacking(lacks::ATTRIBUTES),
];
