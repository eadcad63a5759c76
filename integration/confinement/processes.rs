//! Other processes can be neither signalled, nor looked into, nor changed.

use std::process::Command;

use serde_json::json;

use super::{Decoy, Ground};
use crate::support::{Client, Home, fixture};

#[test]
fn no_other_process_can_be_signalled() {
    let mut ground = Ground::new(&[]);
    for way in [
        "os.kill(pid, number)",
        "call(234 if platform.machine() == 'x86_64' else 131, pid, pid, number)  # tgkill",
        "call('pidfd_send_signal', call('pidfd_open', pid, 0), number, None, 0)",
        "
        # rt_sigqueueinfo, as sigqueue(3) would
        information = ctypes.create_string_buffer(struct.pack('=iii', number, 0, -1), 128)
        call(129 if platform.machine() == 'x86_64' else 138, pid, number, information)",
    ] {
        let [mut first, mut second] = [Decoy::new(), Decoy::new()];
        let control = ground.bare(way, &json!({"pid": first.pid(), "number": libc::SIGTERM}));
        assert_eq!(control, "ok: null", "{way}");
        first.0.wait().unwrap();
        for number in [0, libc::SIGTERM, libc::SIGKILL, libc::SIGSTOP] {
            ground.refused_inside(way, &json!({"pid": second.pid(), "number": number}));
        }
        assert!(second.is_alive(), "{way}");
    }
}

/// A signal that the kernel sends for a descriptor goes to whom its owner named (fcntl(2), F_SETOWN).
#[test]
fn a_descriptor_cannot_send_the_signal_either() {
    let code = "
        import fcntl
        reader, writer = os.pipe()
        fcntl.fcntl(reader, fcntl.F_SETOWN, pid)
        fcntl.fcntl(reader, 10, signal.SIGTERM)  # F_SETSIG
        fcntl.fcntl(reader, fcntl.F_SETFL, os.O_ASYNC | os.O_NONBLOCK)
        os.write(writer, b'x')";
    let [mut first, mut second] = [Decoy::new(), Decoy::new()];
    let mut ground = Ground::new(&[]);
    ground.bare(code, &json!({"pid": first.pid()}));
    first.0.wait().unwrap();
    // The call succeeds; the signal isn't delivered.
    ground.boxed(code, &json!({"pid": second.pid()}));
    ground.boxed("time.sleep(0.2)", &json!({}));
    assert!(second.is_alive());
}

#[test]
fn the_monitor_cannot_be_signalled() {
    let mut ground = Ground::new(&[]);
    ground.refused("os.kill(os.getppid(), 0)", json!({}));
    for number in [libc::SIGTERM, libc::SIGKILL, libc::SIGSTOP] {
        ground.refused_inside("os.kill(os.getppid(), number)", &json!({"number": number}));
    }
}

#[test]
fn no_other_process_can_be_looked_into() {
    let decoy = Decoy::new();
    let mut ground = Ground::new(&[]);
    let pid = json!({"pid": decoy.pid()});
    for way in [
        "return open('/proc/%d/environ' % pid).read()",
        "return open('/proc/%d/cmdline' % pid).read()",
        "return open('/proc/%d/maps' % pid).read()[:10]",
        "os.close(os.open('/proc/%d/mem' % pid, os.O_RDWR))",
        "return os.listdir('/proc/%d/fd' % pid)",
        "return os.listdir('/proc/%d/cwd/' % pid)",
        "return len(os.listdir('/proc'))",
        "
        # process_vm_readv of the first page of its code
        start = int(open('/proc/%d/maps' % pid).read().split('-')[0], 16)
        page = ctypes.create_string_buffer(64)
        ours = ctypes.create_string_buffer(struct.pack('@PN', ctypes.addressof(page), 64))
        theirs = ctypes.create_string_buffer(struct.pack('@PN', start, 64))
        return call('process_vm_readv', pid, ours, 1, theirs, 1, 0)",
        "os.close(call('pidfd_getfd', call('pidfd_open', pid, 0), 0, 0))",
        "call('kcmp', os.getpid(), pid, 0, 0, 0)",
    ] {
        if way.contains("kcmp") {
            // Not every kernel is built with it.
            ground.refused_if_possible("no_other_process_can_be_looked_into", way, pid.clone());
        } else {
            ground.refused(way, pid.clone());
        }
    }
    // Without the file of its addresses to look at first.
    let blind = "
        page = ctypes.create_string_buffer(64)
        one = ctypes.create_string_buffer(struct.pack('@PN', ctypes.addressof(page), 64))
        return call(name, pid, one, 1, one, 1, 0)";
    ground.refused_inside(
        blind,
        &json!({"name": "process_vm_readv", "pid": decoy.pid()}),
    );
    // Its own it may look at: runtimes do.
    ground.allowed("return len(open('/proc/self/status').read())", json!({}));
    // Its parent's environment holds what the client passed.
    ground.refused("open('/proc/%d/environ' % os.getppid()).read()", json!({}));
    ground.refused("open('/proc/%d/mem' % os.getppid(), 'rb')", json!({}));
}

#[test]
fn no_other_process_can_be_traced_or_changed() {
    let mut decoy = Decoy::new();
    let mut ground = Ground::new(&[]);
    for way in [
        // PTRACE_SEIZE needs no stop; the tracer's end detaches.
        "checked(in_child(lambda: call('ptrace', 0x4206, pid, 0, 0)))",
        "call('prlimit64', pid, 7, None, ctypes.create_string_buffer(16))",
        "call('prlimit64', pid, 7, ctypes.create_string_buffer(struct.pack('=QQ', 64, 64)), None)",
        "os.sched_setaffinity(pid, os.sched_getaffinity(0))",
        "os.sched_setscheduler(pid, os.SCHED_BATCH, os.sched_param(0))",
        "os.setpriority(os.PRIO_PROCESS, pid, 19)",
        "checked(in_child(lambda: (os.setpgid(0, 0), os.setpriority(os.PRIO_PGRP, 0, 19))))",
    ] {
        ground.refused(way, json!({"pid": decoy.pid()}));
    }
    assert!(decoy.is_alive());
}

/// A client that opened a file without O_CLOEXEC hands it to everything that it starts.
#[test]
fn a_leaked_descriptor_does_not_come_in() {
    let home = Home::new();
    let secret = home.user().join("secret");
    std::fs::write(&secret, "do not tell").unwrap();
    home.add_path("puppet", &fixture("puppet.py"), &[]);
    let leaking = |program: Command| {
        let mut command = Command::new("sh");
        command
            .args(["-c", r#"exec 7<"$0" 9<"$0"; exec "$@""#])
            .arg(&secret)
            .arg(program.get_program())
            .args(program.get_args());
        home.environment(&mut command);
        command.current_dir(home.path());
        Client::start(&mut command)
    };
    let look = json!({"code": "return os.pread(7, 100, 0).decode()"});
    let mut bare = leaking(Command::new(fixture("puppet.py")));
    bare.initialize();
    assert_eq!(bare.call_text("do", look.clone()), r#"ok: "do not tell""#);
    let mut boxed = leaking(home.pinfold(["run", "puppet"]));
    boxed.initialize();
    assert!(boxed.call_text("do", look).starts_with("refused: EBADF"));
    let list = json!({"code": "
        open_ones = []
        for number in range(4096):
            try:
                os.fstat(number)
                open_ones.append(number)
            except OSError:
                pass
        return open_ones"});
    assert_eq!(boxed.call_text("do", list), "ok: [0, 1, 2]");
}
