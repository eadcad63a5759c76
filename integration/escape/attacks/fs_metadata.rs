//! Files: finding out about those that can't be opened.

use super::super::attack::{
    Attack,
    Effect::{Happens, Tells},
    Stopped,
};
use super::super::lacks;

/// Landlock isn't asked, and there is no other wall in the base tier.
const NOT_HIDDEN: Stopped = Stopped::ByNamespaces("that a file exists, its size and times");
const NOT_UNWATCHED: Stopped = Stopped::ByNamespaces("changes in folders it may not read");

pub(in super::super) const ATTACKS: &[Attack] = &[
    Attack::new(
        "size-by-stat",
        "Ask how large a file of the user is.",
        Tells("size"),
        "return os.stat(user + '/sized').st_size",
    )
    .stopped(NOT_HIDDEN),
    Attack::new(
        "time-by-stat",
        "Ask when the user last changed it.",
        Tells("time"),
        "return int(os.lstat(user + '/sized').st_mtime)",
    )
    .stopped(NOT_HIDDEN),
    Attack::new(
        "size-by-statx",
        "The same with the newer call.",
        Tells("size"),
        "
        answer = ctypes.create_string_buffer(256)
        call('statx', -100, user + '/sized', 0, 0x7ff, answer)
        return struct.unpack_from('=Q', answer.raw, 40)[0]",
    )
    .stopped(NOT_HIDDEN),
    Attack::new(
        "size-by-descriptor",
        "Hold the file by O_PATH, which nobody judges, and ask the descriptor.",
        Tells("size"),
        "return os.fstat(os.open(user + '/sized', os.O_PATH)).st_size",
    )
    .stopped(NOT_HIDDEN),
    Attack::new(
        "target-of-link",
        "Read where a link of the user leads to.",
        Tells("link"),
        "return os.readlink(user + '/link')",
    )
    .stopped(NOT_HIDDEN),
    Attack::new(
        "attribute-read",
        "Read an extended attribute, in which browsers keep where a file came from.",
        Tells("xattr"),
        "return os.getxattr(decoy, 'user.decoy').decode()",
    )
    .stopped(NOT_HIDDEN)
    .unless_lacking(lacks::ATTRIBUTES),
    Attack::new(
        "disk-of-folder",
        "Ask how full the disk is on which a folder of the user lies.",
        Happens,
        "return os.statvfs(user + '/outside').f_blocks > 0",
    )
    .stopped(NOT_HIDDEN),
    Attack::new(
        "existence-by-access",
        "Ask name by name which files there are.",
        Tells("oracle"),
        "return ''.join('01'[os.access(user + '/oracle/%d' % index, os.F_OK)] for index in range(16))",
    )
    .stopped(NOT_HIDDEN),
    Attack::new(
        "existence-by-refusal",
        "Open name by name: what isn't there is refused otherwise than what is.",
        Tells("oracle"),
        "
        def there(path):
            try: os.close(os.open(path, os.O_RDONLY))
            except FileNotFoundError: return False
            except PermissionError: pass
            return True
        return ''.join('01'[there(user + '/oracle/%d' % index)] for index in range(16))",
    )
    .stopped(NOT_HIDDEN),
    Attack::new(
        "existence-by-working-directory",
        "Go into the folder and ask from there.",
        Tells("oracle"),
        "
        os.chdir(user + '/oracle')
        return ''.join('01'[os.path.exists(str(index))] for index in range(16))",
    )
    .stopped(NOT_HIDDEN),
    Attack::new(
        "name-by-watching",
        "Watch a folder of the user and learn the names of what comes and goes in it.",
        Tells("busy"),
        "
        watch = call('inotify_init1', 0)
        call('inotify_add_watch', watch, folder + '/busy', 0xfff)
        ready, _, _ = select.select([watch], [], [], 2)
        return os.read(watch, 4096).decode('latin-1') if ready else None",
    )
    .stopped(NOT_UNWATCHED),
    Attack::new(
        "name-by-watching-descriptor",
        "The same through /proc and a descriptor that was opened for nothing.",
        Tells("busy"),
        "
        watch = call('inotify_init1', 0)
        path = '/proc/self/fd/%d' % os.open(folder + '/busy', os.O_PATH)
        call('inotify_add_watch', watch, path, 0xfff)
        ready, _, _ = select.select([watch], [], [], 2)
        return os.read(watch, 4096).decode('latin-1') if ready else None",
    )
    .stopped(NOT_UNWATCHED),
    Attack::new(
        "name-by-fanotify",
        "Watch with the newer interface, which names files by handle and name.",
        Tells("busy"),
        "
        watch = call('fanotify_init', 0xe00, os.O_RDONLY)  # FAN_REPORT_DFID_NAME | FAN_REPORT_FID
        call('fanotify_mark', watch, 1, 0x40000300, -100, folder + '/busy')
        ready, _, _ = select.select([watch], [], [], 2)
        return os.read(watch, 4096).decode('latin-1') if ready else None",
    )
    .unless_lacking(lacks::FANOTIFY),
    Attack::new(
        "handle-by-name",
        "Ask for the handle of a file, which tells its inode and that it exists.",
        Happens,
        "
        handle = ctypes.create_string_buffer(struct.pack('=II', 128, 0), 136)
        call('name_to_handle_at', -100, key, handle, ctypes.create_string_buffer(4), 0)
        return any(handle.raw[8:])",
    ),
];
