//! Files: changing what wasn't granted.

use super::super::attack::{
    Attack,
    Effect::{ChangesFiles, Happens},
    Stopped,
};
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
        "Append to it.",
        ChangesFiles,
        "open(decoy, 'a').write('more')",
    ),
    Attack::new(
        "decoy-mapped",
        "Write into it through memory.",
        ChangesFiles,
        "
        with open(decoy, 'r+b') as file, mmap.mmap(file.fileno(), 0) as memory:
            memory[0] = 88",
    ),
    Attack::new(
        "decoy-removed",
        "Remove it.",
        ChangesFiles,
        "os.remove(decoy)",
    ),
    Attack::new(
        "decoy-renamed",
        "Rename it where it is.",
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
        "Leave a device node.",
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
        "Pretend that it is new.",
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
        "Remove one.",
        ChangesFiles,
        "os.removexattr(decoy, 'user.decoy')",
    )
    .unless_lacking(lacks::ATTRIBUTES),
    Attack::new(
        "granted-file-written",
        "Write where only reading is granted.",
        ChangesFiles,
        "open(readable + '/file', 'r+').write('x')",
    ),
    Attack::new(
        "granted-file-truncated",
        "Shorten it.",
        ChangesFiles,
        "os.truncate(readable + '/file', 0)",
    ),
    Attack::new(
        "granted-file-renamed",
        "Rename it.",
        ChangesFiles,
        "os.rename(readable + '/file', readable + '/renamed')",
    ),
    Attack::new(
        "granted-file-linked-to-writable",
        "Give it a second name where it could be written.",
        ChangesFiles,
        "os.link(readable + '/file', writable + '/hard'); open(writable + '/hard', 'w').write('x')",
    ),
    Attack::new(
        "granted-file-moved-to-writable",
        "Move it where it could be written.",
        ChangesFiles,
        "os.rename(readable + '/file', writable + '/moved')",
    ),
    Attack::new(
        "granted-folder-extended",
        "Make a file in a folder that may only be read.",
        ChangesFiles,
        "open(readable + '/made', 'x').close()",
    ),
    Attack::new(
        "granted-file-mode",
        "Change the mode of a file that is open for reading.",
        ChangesFiles,
        "os.fchmod(os.open(readable + '/file', os.O_RDONLY), 0o666)",
    ),
    Attack::new(
        "granted-file-owner",
        "Set its owner.",
        ChangesFiles,
        "os.fchown(os.open(readable + '/file', os.O_RDONLY), os.getuid(), os.getgid())",
    ),
    Attack::new(
        "granted-file-times",
        "Set its times.",
        ChangesFiles,
        "os.utime(os.open(readable + '/file', os.O_RDONLY), (1, 1))",
    ),
    Attack::new(
        "granted-file-attribute",
        "Set an attribute of it.",
        ChangesFiles,
        "os.setxattr(os.open(readable + '/file', os.O_RDONLY), 'user.planted', b'x')",
    )
    .unless_lacking(lacks::ATTRIBUTES),
    Attack::new(
        "granted-file-flags",
        "Set its flags, for example that backups leave it out.",
        ChangesFiles,
        r"
        import fcntl
        flags = struct.pack('=Q', 0x40)  # FS_IOC_SETFLAGS, FS_NODUMP_FL
        fcntl.ioctl(os.open(readable + '/file', os.O_RDONLY), 0x40086602, flags)",
    )
    .unless_lacking(lacks::FILE_FLAGS),
    Attack::new(
        "way-out-of-writable-folder",
        "Write through a link that lies in a folder which may be written.",
        ChangesFiles,
        "open(writable + '/way/made', 'x').close()",
    ),
    Attack::new(
        "own-code-changed",
        "Change the server's own pinned code for its next start.",
        ChangesFiles,
        "
        # Read-only by its mode, which its owner can change.
        path = tree + '/puppet.py'
        with contextlib.suppress(PermissionError): os.chmod(path, 0o644)
        open(path, 'a').write('# more')",
    ),
    Attack::new(
        "own-code-extended",
        "Put a module beside it.",
        ChangesFiles,
        "
        with contextlib.suppress(PermissionError): os.chmod(tree, 0o755)
        open(tree + '/json.py', 'x').close()",
    ),
    Attack::new(
        "own-code-renamed",
        "Move it away and something else into its place.",
        ChangesFiles,
        "
        with contextlib.suppress(PermissionError): os.chmod(tree, 0o755)
        os.rename(tree + '/puppet.py', tree + '/other.py')",
    ),
    Attack::new(
        "manifest-changed",
        "Grant oneself more in pinfold's manifest.",
        ChangesFiles,
        "open(manifest, 'a').write('# more')",
    ),
    Attack::new(
        "lock-replaced",
        "Put another lock in the place of pinfold's.",
        ChangesFiles,
        "open(lock + '.new', 'w').close(); os.rename(lock + '.new', lock)",
    ),
    Attack::new(
        "store-extended",
        "Put something into pinfold's store.",
        ChangesFiles,
        "os.mkdir(store + '/planted')",
    ),
    Attack::new(
        "own-log-emptied",
        "Empty the log that pinfold keeps of this very server.",
        ChangesFiles,
        "os.rename(state + '/stderr.log', state + '/other.log')",
    ),
    Attack::new(
        "own-home-turned",
        "Put a link in the place of the server's home, for pinfold to follow next time.",
        ChangesFiles,
        "
        os.rename(own, state + '/other')
        try:
            os.symlink(user, own)
            open(state + '/proof', 'w').close()
            os.remove(own)
        finally:
            os.rename(state + '/other', own)",
    ),
    Attack::new(
        "neighbour-changed",
        "Leave code for another server.",
        ChangesFiles,
        "open(neighbour + '/usercustomize.py', 'w').close()",
    ),
    Attack::new(
        "stray-in-tmp",
        "Leave something in /tmp, where other programs look for files by name.",
        ChangesFiles,
        "open('/tmp/' + stray, 'w').close()",
    ),
    Attack::new(
        "stray-in-var-tmp",
        "Leave something in /var/tmp, where it stays for weeks.",
        ChangesFiles,
        "open('/var/tmp/' + stray, 'w').close()",
    ),
    Attack::new(
        "stray-in-shared-memory",
        "Leave something in /dev/shm.",
        ChangesFiles,
        "open('/dev/shm/' + stray, 'w').close()",
    ),
    Attack::new(
        "program-for-others-left",
        "Leave a program that makes whoever runs it the user of the server.",
        Happens,
        "
        path = writable + '/trap'
        with open(path, 'wb') as file: file.write(open(sys.executable, 'rb').read())
        os.chmod(path, 0o4755)
        return os.stat(path).st_mode & 0o6000 != 0",
    ),
    Attack::new(
        "program-for-others-left-by-descriptor",
        "The same by the open file.",
        Happens,
        "
        handle = os.open(writable + '/trap-open', os.O_CREAT | os.O_RDWR, 0o755)
        os.write(handle, b'#!/bin/sh'); os.fchmod(handle, 0o4755)
        return os.fstat(handle).st_mode & 0o6000 != 0",
    ),
    Attack::new(
        "program-for-others-left-by-newest-call",
        "The same by a call that older filters don't know.",
        Happens,
        "
        with open(writable + '/trap-new', 'wb') as file: file.write(b'#!/bin/sh')
        call('fchmodat2', -100, writable + '/trap-new', 0o4755, 0)
        return os.stat(writable + '/trap-new').st_mode & 0o6000 != 0",
    ),
    Attack::new(
        "program-for-the-group-left",
        "Leave one that gives the group of the server.",
        Happens,
        "
        with open(writable + '/trap-group', 'wb') as file: file.write(b'#!/bin/sh')
        os.chmod(writable + '/trap-group', 0o2755)
        return os.stat(writable + '/trap-group').st_mode & 0o6000 != 0",
    ),
    Attack::new(
        "program-for-others-made-so",
        "Have it so from the start, for which no change of its mode is needed.",
        Happens,
        "
        handle = os.open(writable + '/trap-made', os.O_CREAT | os.O_RDWR, 0o4755)
        os.write(handle, b'#!/bin/sh')
        return os.fstat(handle).st_mode & 0o6000 != 0",
    )
    .root(),
    Attack::new(
        "granted-file-locked",
        "Lock a file that may be read, so that a program of the user waits for the lock.",
        Happens,
        "
        import fcntl
        fcntl.flock(os.open(readable + '/file', os.O_RDONLY), fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True",
    )
    .stopped(Stopped::Never("A file that may be read can also be locked")),
];
