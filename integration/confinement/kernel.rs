//! Calls that give a way around the box, or that nobody needs, are refused or deadly.

use serde_json::json;

use super::Ground;

#[test]
fn memory_cannot_be_executed_as_a_program() {
    let mut ground = Ground::new(&[]);
    for way in [
        "
        memory = call('memfd_create', ctypes.c_char_p(b'x'), 0)
        os.write(memory, b'#!/bin/sh\\nexit 0\\n')
        return subprocess.run(['/proc/self/fd/%d' % memory], pass_fds=[memory]).returncode",
        "
        memory = call('memfd_create', ctypes.c_char_p(b'x'), 0x10)  # MFD_EXEC
        os.close(memory)",
        "
        # fexecve(3) of an open file
        program = os.open(sys.executable, os.O_RDONLY | os.O_CLOEXEC)
        def replace():
            words = (ctypes.c_char_p * 3)(b'python3', b'--version', None)
            null = os.open('/dev/null', os.O_WRONLY); os.dup2(null, 1); os.dup2(null, 2)
            call('execveat', program, ctypes.c_char_p(b''), words, None, 0x1000)
        checked(in_child(replace))",
    ] {
        ground.refused(way, json!({}));
    }
    // Sealed against execution it is only memory.
    ground.allowed(
        "os.close(call('memfd_create', ctypes.c_char_p(b'x'), 8))",
        json!({}),
    );
}

#[test]
fn no_namespace_can_be_made_or_entered() {
    const TEST: &str = "no_namespace_can_be_made_or_entered";
    let mut ground = Ground::new(&[]);
    for way in [
        "checked(in_child(lambda: call('unshare', 0x10000000)))",
        "
        pid = call('clone', 0x10000000 | signal.SIGCHLD, 0, 0, 0, 0)  # CLONE_NEWUSER
        if pid == 0:
            os._exit(0)
        os.waitpid(pid, 0)",
        "
        # clone3 keeps its flags in memory, where a filter can't look
        words = ctypes.create_string_buffer(struct.pack('=8Q', 0x10000000, 0, 0, 0, signal.SIGCHLD, 0, 0, 0))
        pid = call('clone3', words, 64)
        if pid == 0:
            os._exit(0)
        os.waitpid(pid, 0)",
        "
        own = os.open('/proc/self/ns/user', os.O_RDONLY)
        try:
            call('setns', own, 0)
        except OSError as error:
            if error.errno != errno.EINVAL:  # it is in that one already
                raise",
    ] {
        ground.refused_if_possible(TEST, way, json!({}));
    }
    // Threads and children still start.
    ground.allowed(
        "
        import threading
        thread = threading.Thread(target=lambda: None); thread.start(); thread.join()
        return in_child(lambda: None)",
        json!({}),
    );
}

#[test]
fn dangerous_calls_are_refused() {
    const TEST: &str = "dangerous_calls_are_refused";
    let mut ground = Ground::new(&[]);
    for way in [
        "os.close(call('io_uring_setup', 1, ctypes.create_string_buffer(120)))",
        "call('keyctl', 0, -3, 0, 0, 0)",
        // The segment would outlive the control: IPC_RMID.
        "call('shmctl', call('shmget', 0, 4096, 0o1600), 0, None)",
        "
        handle = ctypes.create_string_buffer(struct.pack('=II', 128, 0), 136)
        call('name_to_handle_at', -100, ctypes.c_char_p(b'/tmp'), handle, ctypes.create_string_buffer(4), 0)",
        "os.close(call('userfaultfd', 1))",
        "
        attributes = ctypes.create_string_buffer(struct.pack('=IIQ', 1, 64, 0) + bytes(24) + struct.pack('=Q', 0x61), 64)
        os.close(call('perf_event_open', attributes, 0, -1, -1, 0))",
        "checked(in_child(lambda: os.chroot('/proc')))",
        "call(103 if platform.machine() == 'x86_64' else 116, 10, None, 0)  # syslog",
        "
        handle = ctypes.create_string_buffer(struct.pack('=II', 128, 0), 136)
        mount = ctypes.create_string_buffer(4)
        path = ctypes.c_char_p(os.environ['HOME'].encode())
        call('name_to_handle_at', -100, path, handle, mount, 0)
        os.close(call('open_by_handle_at', os.open('/', os.O_RDONLY), handle, 0))",
    ] {
        ground.refused_if_possible(TEST, way, json!({}));
    }
}

#[cfg(target_arch = "x86_64")]
#[test]
fn calls_of_other_architectures_kill() {
    let mut ground = Ground::new(&[]);
    let x32 = "return in_child(lambda: call(0x40000000 + 39))";
    let i386 = "
        def ask():
            # mov eax, 20 (getpid); int 0x80; ret
            code = mmap.mmap(-1, 4096, prot=7)
            code.write(bytes.fromhex('b814000000cd80c3'))
            ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(code)))()
        return in_child(ask)";
    let killed = format!("ok: -{}", libc::SIGSYS);
    let nothing = json!({});
    // Without pinfold the kernel answers, if only that it doesn't know the interface.
    for code in [x32, i386] {
        assert_ne!(ground.bare(code, &nothing), killed);
        assert_eq!(ground.boxed(code, &nothing), killed, "{code}");
    }
    assert_eq!(ground.bare("return in_child(os.getpid)", &nothing), "ok: 0");
}

/// TIOCSTI puts characters into the terminal's input, as if they had been typed.
#[test]
fn nothing_can_be_typed_into_a_terminal() {
    const TEST: &str = "nothing_can_be_typed_into_a_terminal";
    let mut ground = Ground::new(&[]);
    let typing = "
        import fcntl
        pid, terminal = os.forkpty()
        if pid == 0:
            try:
                fcntl.ioctl(0, 0x5412, b'x')
                os._exit(0)
            except OSError as error:
                os._exit(error.errno)
        return checked(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))";
    ground.refused_if_possible(TEST, typing, json!({}));
    // There is no terminal in the box; the filter doesn't even ask what the descriptor is.
    let code = "import fcntl; fcntl.ioctl(0, number, b'x')";
    for number in [0x5412_u64, 0x1_0000_5412, 0x541c, 0x5423] {
        let number = json!({"number": number});
        let code =
            "call(16 if platform.machine() == 'x86_64' else 29, 0, number, ctypes.c_char_p(b'x'))";
        assert!(ground.bare(code, &number).starts_with("refused: ENOTTY"));
        ground.refused_inside(code, &number);
    }
    assert!(
        ground
            .boxed(code, &json!({"number": 0x5413}))
            .starts_with("refused: ENOTTY")
    );
}
