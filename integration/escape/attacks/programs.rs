//! Processes: executing what wasn't granted.

use super::super::attack::{Attack, Effect::Happens, Stopped};

pub(in super::super) const ATTACKS: &[Attack] = &[
    Attack::new(
        "program",
        "Run a program of the machine.",
        Happens,
        "return subprocess.run(['/bin/echo', 'hello'], capture_output=True, text=True).stdout == 'hello\\n'",
    ),
    Attack::new(
        "program-by-search",
        "Run one by its name, wherever it is found.",
        Happens,
        "return subprocess.run(['echo', 'hello'], capture_output=True, text=True, env={'PATH': '/usr/bin:/bin'}).stdout == 'hello\\n'",
    ),
    Attack::new(
        "shell",
        "Run a line in the shell.",
        Happens,
        "return subprocess.run('echo hello', shell=True, capture_output=True, text=True).stdout == 'hello\\n'",
    ),
    Attack::new(
        "program-by-spawning",
        "Run one without a fork of one's own.",
        Happens,
        "return os.waitpid(os.posix_spawn('/bin/true', ['true'], {}), 0)[1] == 0",
    ),
    Attack::new(
        "program-by-proc-root",
        "Run one by another path to the same file.",
        Happens,
        "return subprocess.run(['/proc/self/root/bin/true']).returncode == 0",
    ),
    Attack::new(
        "program-by-descriptor",
        "Run what a descriptor names that was opened for nothing.",
        Happens,
        "
        program = os.open('/bin/true', os.O_PATH)
        return subprocess.run(['/proc/self/fd/%d' % program], pass_fds=[program]).returncode == 0",
    ),
    Attack::new(
        "program-by-descriptor-alone",
        "Run an open file without any path, which could also be memory (fexecve(3)).",
        Happens,
        "
        program = os.open(sys.executable, os.O_RDONLY)
        def replace():
            words = (ctypes.c_char_p * 4)(b'python3', b'-c', b'', None)
            call('execveat', program, '', words, None, 0x1000)  # AT_EMPTY_PATH
        return checked(in_child(replace)) == 0",
    ),
    Attack::new(
        "program-by-folder-descriptor",
        "Run one relative to a folder that was opened for nothing.",
        Happens,
        "
        folder = os.open('/bin', os.O_PATH)
        def replace():
            words = (ctypes.c_char_p * 2)(b'true', None)
            call('execveat', folder, 'true', words, None, 0)
        return checked(in_child(replace)) == 0",
    ),
    Attack::new(
        "memory-as-program",
        "Run memory that was never a file.",
        Happens,
        "
        memory = call('memfd_create', 'x', 0)
        os.write(memory, open(sys.executable, 'rb').read())
        return subprocess.run(['/proc/self/fd/%d' % memory, '-c', ''], pass_fds=[memory]).returncode == 0",
    ),
    Attack::new(
        "memory-as-program-on-request",
        "The same, asking for memory that may be executed.",
        Happens,
        "
        memory = call('memfd_create', 'x', 0x10)  # MFD_EXEC
        os.write(memory, open(sys.executable, 'rb').read())
        return subprocess.run(['/proc/self/fd/%d' % memory, '-c', ''], pass_fds=[memory]).returncode == 0",
    ),
    Attack::new(
        "own-program",
        "Run a program that the server wrote itself.",
        Happens,
        "
        path = own + '/program'
        with open(path, 'wb') as copy: copy.write(open(sys.executable, 'rb').read())
        with contextlib.suppress(PermissionError): os.chmod(path, 0o700)
        return subprocess.run([path, '-c', '']).returncode == 0",
    ),
    Attack::new(
        "own-program-in-temporary-folder",
        "The same in its other folder.",
        Happens,
        "
        path = temporary + '/program'
        handle = os.open(path, os.O_CREAT | os.O_WRONLY, 0o700)
        os.write(handle, open(sys.executable, 'rb').read()); os.close(handle)
        return subprocess.run([path, '-c', '']).returncode == 0",
    ),
    Attack::new(
        "own-program-in-granted-folder",
        "The same in a folder of the user that it may write.",
        Happens,
        "
        path = writable + '/program'
        handle = os.open(path, os.O_CREAT | os.O_WRONLY, 0o700)
        os.write(handle, open(sys.executable, 'rb').read()); os.close(handle)
        return subprocess.run([path, '-c', '']).returncode == 0",
    ),
    Attack::new(
        "own-script",
        "Run a script that the server wrote itself, by a granted interpreter.",
        Happens,
        r"
        path = own + '/script'
        handle = os.open(path, os.O_CREAT | os.O_WRONLY, 0o700)
        os.write(handle, b'#!%s\n' % sys.executable.encode()); os.close(handle)
        return subprocess.run([path]).returncode == 0",
    ),
    Attack::new(
        "own-program-by-linker",
        "Have the dynamic linker, which may be executed, run a program that the server wrote.",
        Happens,
        "
        linkers = ['/lib64/ld-linux-x86-64.so.2', '/lib/ld-linux-aarch64.so.1', '/lib/ld-musl-x86_64.so.1', '/lib/ld-musl-aarch64.so.1']
        linker = next(path for path in linkers if os.path.exists(path))
        with open(own + '/linked', 'wb') as copy: copy.write(open(sys.executable, 'rb').read())
        return subprocess.run([linker, own + '/linked', '-c', '']).returncode == 0",
    )
    .stopped(Stopped::ByNamespaces("The dynamic linker may be executed")),
    Attack::new(
        "program-by-linker",
        "Have it run a program of the machine.",
        Happens,
        "
        linkers = ['/lib64/ld-linux-x86-64.so.2', '/lib/ld-linux-aarch64.so.1', '/lib/ld-musl-x86_64.so.1', '/lib/ld-musl-aarch64.so.1']
        linker = next(path for path in linkers if os.path.exists(path))
        return subprocess.run([linker, '/bin/true'], stderr=subprocess.DEVNULL).returncode == 0",
    ),
];
