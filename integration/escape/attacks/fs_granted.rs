//! Files: more than was granted, and what is the server's or pinfold's own.

use super::super::attack::{
    Attack,
    Effect::{ChangesFiles, Happens},
    Stopped,
};
use super::super::lacks;

pub(in super::super) const ATTACKS: &[Attack] = &[
    Attack::new(
        "granted-file-written",
        "Write where only reading is granted.",
        ChangesFiles,
        "open(readable + '/file', 'r+').write('x')",
    ),
    Attack::new(
        "granted-file-truncated",
        "Shorten a file where only reading is granted.",
        ChangesFiles,
        "os.truncate(readable + '/file', 0)",
    ),
    Attack::new(
        "granted-file-renamed",
        "Rename a file where only reading is granted.",
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
        "Set the owner of a file that is open for reading.",
        ChangesFiles,
        "os.fchown(os.open(readable + '/file', os.O_RDONLY), os.getuid(), os.getgid())",
    ),
    Attack::new(
        "granted-file-times",
        "Set the times of a file that is open for reading.",
        ChangesFiles,
        "os.utime(os.open(readable + '/file', os.O_RDONLY), (1, 1))",
    ),
    Attack::new(
        "granted-file-attribute",
        "Set an attribute of a file that is open for reading.",
        ChangesFiles,
        "os.setxattr(os.open(readable + '/file', os.O_RDONLY), 'user.planted', b'x')",
    )
    .unless_lacking(lacks::ATTRIBUTES),
    Attack::new(
        "granted-file-flags",
        "Set flags of a file that is open for reading, for example that backups leave it out.",
        ChangesFiles,
        r"
        import fcntl
        flags = struct.pack('=Q', 0x40)  # FS_IOC_SETFLAGS, FS_NODUMP_FL
        fcntl.ioctl(os.open(readable + '/file', os.O_RDONLY), 0x40086602, flags)",
    )
    .unless_lacking(lacks::FILE_FLAGS),
    Attack::new(
        "granted-file-hint",
        "Tell the kernel how a file will be written that is open for reading.",
        Happens,
        "
        import fcntl
        handle = os.open(readable + '/file', os.O_RDONLY)
        fcntl.fcntl(handle, 1036, struct.pack('=Q', 2))  # F_SET_RW_HINT, RWH_WRITE_LIFE_SHORT
        return fcntl.fcntl(handle, 1035, bytes(8)) == struct.pack('=Q', 2)",
    ),
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
        "Put a module beside the server's own code.",
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
    Attack::new(
        "granted-pages-in-memory",
        "Ask which pages of a file that may be read are in memory, which tells who has read it lately.",
        Happens,
        "
        handle = os.open(readable + '/file', os.O_RDONLY)
        os.pread(handle, 1, 0)
        libc.mmap.restype = ctypes.c_void_p
        libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t] + [ctypes.c_int] * 3 + [ctypes.c_long]
        where = libc.mmap(None, 4096, 1, 2, handle, 0)  # PROT_READ, MAP_PRIVATE
        pages = ctypes.create_string_buffer(1)
        call('mincore', where, 4096, pages)
        return pages.raw[0] & 1 == 1",
    )
    .stopped(Stopped::Never("which pages of it are in memory")),
];
