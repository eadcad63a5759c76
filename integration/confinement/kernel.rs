//! Calls of other architectures, the filter's conditions, and what programs need of the kernel.

use serde_json::json;

use super::Ground;

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

/// TIOCSTI puts characters into the terminal's input, as if they had been typed. There is no
/// terminal in the box; the filter doesn't even ask what the descriptor is.
#[test]
fn nothing_can_be_typed_into_a_terminal() {
    let mut ground = Ground::new(&[]);
    let code =
        "call(16 if platform.machine() == 'x86_64' else 29, 0, number, ctypes.c_char_p(b'x'))";
    for number in [0x5412_u64, 0x1_0000_5412, 0x541c, 0x5423] {
        let number = json!({"number": number});
        assert!(ground.bare(code, &number).starts_with("refused: ENOTTY"));
        ground.refused_inside(code, &number);
    }
    // TIOCGWINSZ
    assert!(
        ground
            .boxed(code, &json!({"number": 0x5413}))
            .starts_with("refused: ENOTTY")
    );
}

#[test]
fn threads_children_and_sealed_memory_are_there() {
    let mut ground = Ground::new(&[]);
    ground.allowed(
        "
        import threading
        thread = threading.Thread(target=lambda: None); thread.start(); thread.join()
        return in_child(lambda: None)",
        json!({}),
    );
    // MFD_NOEXEC_SEAL: it is only memory.
    ground.allowed(
        "os.close(call('memfd_create', ctypes.c_char_p(b'x'), 8))",
        json!({}),
    );
    // Whoever supervises children of his own asks for this in each.
    ground.allowed("call('prctl', 1, signal.SIGKILL, 0, 0, 0)", json!({}));
}
