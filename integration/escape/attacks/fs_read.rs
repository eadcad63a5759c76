//! Files: reading what wasn't granted.

use super::super::attack::{
    Attack,
    Effect::{Happens, Tells},
};
use super::super::lacks;

pub(in super::super) const ATTACKS: &[Attack] = &[
    Attack::new(
        "key-by-path",
        "Open the user's private key by its name.",
        Tells("key"),
        "return open(key).read()",
    ),
    Attack::new(
        "key-read-write",
        "Ask for more than reading, should only plain reading be looked at.",
        Tells("key"),
        "return os.read(os.open(key, os.O_RDWR), 100).decode()",
    ),
    Attack::new(
        "key-by-folder-descriptor",
        "Hold the folder by O_PATH, which nobody judges, and open relative to it.",
        Tells("key"),
        "
        folder = os.open(user + '/.ssh', os.O_PATH)
        return os.read(os.open('id_ed25519', os.O_RDONLY, dir_fd=folder), 100).decode()",
    ),
    Attack::new(
        "key-by-openat2",
        "Open with the newer call, which takes its flags from memory.",
        Tells("key"),
        "
        how = ctypes.create_string_buffer(struct.pack('=QQQ', os.O_RDONLY, 0, 0))
        return os.read(call('openat2', -100, key, how, 24), 100).decode()",
    ),
    Attack::new(
        "key-by-working-directory",
        "Go into the folder first; going there is no opening.",
        Tells("key"),
        "os.chdir(user + '/.ssh'); return open('id_ed25519').read()",
    ),
    Attack::new(
        "key-by-proc-cwd",
        "Go into the folder and open by the link in /proc.",
        Tells("key"),
        "os.chdir(user + '/.ssh'); return open('/proc/self/cwd/id_ed25519').read()",
    )
    .in_first_process(),
    Attack::new(
        "key-by-proc-root",
        "Take the way through the link to the root in /proc.",
        Tells("key"),
        "return open('/proc/self/root' + key).read()",
    )
    .in_first_process(),
    Attack::new(
        "key-reopened",
        "Get a descriptor that can't read, and open it anew through /proc for reading.",
        Tells("key"),
        "return open('/proc/self/fd/%d' % os.open(key, os.O_PATH)).read()",
    )
    .in_first_process(),
    Attack::new(
        "key-by-symbolic-link",
        "Put a link in the server's own folder and open that.",
        Tells("key"),
        "os.symlink(key, own + '/symbolic'); return open(own + '/symbolic').read()",
    ),
    Attack::new(
        "key-by-hard-link",
        "Give the file a second name in the server's own folder.",
        Tells("key"),
        "os.link(key, own + '/hard'); return open(own + '/hard').read()",
    ),
    Attack::new(
        "key-by-hard-link-of-descriptor",
        "The same, naming the file by a descriptor.",
        Tells("key"),
        "
        source = '/proc/self/fd/%d' % os.open(key, os.O_PATH)
        call('linkat', -100, source, -100, own + '/linked', 0x400)  # AT_SYMLINK_FOLLOW
        return open(own + '/linked').read()",
    ),
    Attack::new(
        "key-moved-home",
        "Move the whole folder into the server's own.",
        Tells("key"),
        "
        os.rename(user + '/.ssh', own + '/moved')
        try: return open(own + '/moved/id_ed25519').read()
        finally: os.rename(own + '/moved', user + '/.ssh')",
    ),
    Attack::new(
        "key-exchanged",
        "Exchange the key with a file of one's own in one step.",
        Tells("key"),
        "
        open(own + '/bait', 'w').close()
        call('renameat2', -100, own + '/bait', -100, key, 2)  # RENAME_EXCHANGE
        return open(own + '/bait').read()",
    ),
    Attack::new(
        "key-by-child",
        "Have a child process read it.",
        Tells("key"),
        "
        reader, writer = os.pipe()
        checked(in_child(lambda: os.write(writer, open(key, 'rb').read())))
        return os.read(reader, 100).decode()",
    ),
    Attack::new(
        "key-by-new-interpreter",
        "Have a freshly executed interpreter read it.",
        Tells("key"),
        "
        words = [sys.executable, '-c', 'import sys; print(open(sys.argv[1]).read())', key]
        return subprocess.run(words, capture_output=True, text=True).stdout",
    ),
    Attack::new(
        "key-by-thread",
        "Have another thread read it, should only the first be confined.",
        Tells("key"),
        "
        import threading
        found = []
        def read():
            try: found.append(open(key).read())
            except OSError as error: found.append(error)
        thread = threading.Thread(target=read); thread.start(); thread.join()
        if isinstance(found[0], OSError): raise found[0]
        return found[0]",
    ),
    Attack::new(
        "key-by-asynchronous-io",
        "Open by name, but read with the old asynchronous calls (io_submit).",
        Tells("key"),
        "
        context = ctypes.c_ulong(0)
        call('io_setup', 1, ctypes.byref(context))
        buffer = ctypes.create_string_buffer(100)
        block = ctypes.create_string_buffer(struct.pack('=QIIHhIQQqQII', 0, 0, 0, 0, 0, os.open(key, os.O_RDONLY), ctypes.addressof(buffer), 100, 0, 0, 0, 0))
        blocks = (ctypes.c_void_p * 1)(ctypes.addressof(block))
        call('io_submit', context.value, 1, blocks)
        call('io_getevents', context.value, 1, 1, ctypes.create_string_buffer(32), None)
        return buffer.value.decode()",
    ),
    Attack::new(
        "link-in-granted-folder",
        "Follow a link that lies in a folder which may be read.",
        Tells("outside"),
        "return open(readable + '/link').read()",
    ),
    Attack::new(
        "linked-folder-in-granted-folder",
        "Follow a link to a folder.",
        Tells("outside"),
        "return open(readable + '/way/file').read()",
    ),
    Attack::new(
        "own-link-in-granted-folder",
        "Make the link oneself in a folder which may be written.",
        Tells("outside"),
        "
        os.symlink(outside + '/file', writable + '/own')
        return open(writable + '/own').read()",
    ),
    Attack::new(
        "dots-out-of-granted-folder",
        "Go up from a folder which may be read.",
        Tells("outside"),
        "return open(readable + '/../user/outside/file').read()",
    ),
    Attack::new(
        "dots-out-of-working-directory",
        "Go into a granted folder and up from there.",
        Tells("outside"),
        "os.chdir(readable); return open('../user/outside/file').read()",
    ),
    Attack::new(
        "hidden-name-listed",
        "List the folder of the keys.",
        Tells("hidden-name"),
        "return os.listdir(user + '/.ssh')",
    ),
    Attack::new(
        "hidden-name-by-reopened-folder",
        "List through a descriptor that was opened for nothing.",
        Tells("hidden-name"),
        "return os.listdir('/proc/self/fd/%d' % os.open(user + '/.ssh', os.O_PATH))",
    )
    .in_first_process(),
    Attack::new(
        "hidden-name-by-working-directory",
        "Go into the folder of the keys and list where one is.",
        Tells("hidden-name"),
        "os.chdir(user + '/.ssh'); return os.listdir('.')",
    ),
    Attack::new(
        "hidden-name-by-moved-folder",
        "Move the folder into a granted one and list it there.",
        Tells("hidden-name"),
        "
        os.rename(user + '/.ssh', writable + '/moved')
        return os.listdir(writable + '/moved')",
    ),
    Attack::new(
        "root-listed",
        "List the root of the machine for the first names to go on from.",
        Happens,
        "return {'usr', 'home', 'root', 'var'} <= set(os.listdir('/'))",
    ),
    Attack::new(
        "temporary-folder-listed",
        "List the machine's /tmp, where others leave things.",
        Tells("temporary-name"),
        "return os.listdir('/tmp')",
    ),
    Attack::new(
        "manifest-read",
        "Read pinfold's manifest, with what it tells other servers.",
        Tells("manifest"),
        "return open(manifest).read()",
    ),
    Attack::new(
        "store-listed",
        "List which code pinfold keeps.",
        Happens,
        "return os.path.isdir(store) and os.listdir(store) is not None",
    ),
    Attack::new(
        "neighbour-read",
        "Read what another server keeps in its home.",
        Tells("neighbour"),
        "return open(neighbour + '/data').read()",
    ),
    Attack::new(
        "neighbour-by-dots",
        "The same, going up from the server's own home.",
        Tells("neighbour"),
        "return open(os.path.relpath(neighbour, own) + '/data', opener=lambda path, flags: os.open(path, flags, dir_fd=os.open(own, os.O_PATH))).read()",
    ),
    Attack::new(
        "fifo-drained",
        "Read what the user's programs tell each other through a named pipe.",
        Tells("fifo"),
        "return os.read(os.open(folder + '/fifo', os.O_RDONLY | os.O_NONBLOCK), 100).decode()",
    ),
    Attack::new(
        "key-by-handle",
        "Open by handle, which names a file without a path.",
        Tells("key"),
        "
        handle = ctypes.create_string_buffer(struct.pack('=II', 128, 0), 136)
        call('name_to_handle_at', -100, key, handle, ctypes.create_string_buffer(4), 0)
        mount = os.open(user, os.O_RDONLY)
        return os.read(call('open_by_handle_at', mount, handle, os.O_RDONLY), 100).decode()",
    )
    .root(),
    Attack::new(
        "key-by-bind-mount",
        "In a namespace of one's own, mount the folder of the keys over a granted one.",
        Tells("key"),
        "
        uid = os.getuid()
        call('unshare', 0x10020000)  # CLONE_NEWUSER | CLONE_NEWNS
        call('mount', user + '/.ssh', own, None, 0x1000, None)  # MS_BIND
        return open(own + '/id_ed25519').read()",
    )
    .unless_lacking(lacks::USER_NAMESPACES),
    Attack::new(
        "key-by-detached-mount",
        "In a namespace of one's own, clone the mount below the folder and open in the clone.",
        Tells("key"),
        "
        call('unshare', 0x10020000)
        tree = call('open_tree', -100, user + '/.ssh', 1)  # OPEN_TREE_CLONE
        return os.read(os.open('id_ed25519', os.O_RDONLY, dir_fd=tree), 100).decode()",
    )
    .unless_lacking(lacks::USER_NAMESPACES),
];
