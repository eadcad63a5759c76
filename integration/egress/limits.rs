//! Many connections: pinfold holds what it must and no more, and the limits that the manifest sets.

use std::fs;
use std::time::{Duration, Instant};

use super::{EXCHANGE, Ground, SETTING, Setting};

/// So many exchanges, one after the other; how many were answered.
const ONE_AFTER_THE_OTHER: &str = "
    answered = 0
    for _ in range(100):
        with socket.create_connection((host, port), 30) as one:
            one.sendall(b'GET / HTTP/1.0\\r\\n\\r\\n')
            answered += one.recv(65536).startswith(b'HTTP/1.1 200')
    return answered";

/// All connections are open and answered before the first is closed.
const AT_ONCE: &str = "
    import asyncio
    async def main():
        opened = await asyncio.gather(*(asyncio.open_connection(host, port) for _ in range(200)))
        async def ask(reader, writer):
            writer.write(b'GET / HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n')
            length = int((await reader.readuntil(b'\\r\\n\\r\\n')).split(b'Content-Length: ')[1].split()[0])
            await reader.readexactly(length)
            return 1
        answered = 0
        for _ in range(2):
            answered += sum(await asyncio.gather(*(ask(*one) for one in opened)))
        for _, writer in opened:
            writer.close()
        return answered
    return asyncio.run(main())";

/// Opens so many connections as the port says, holds them and says how many were answered; then
/// closes one, and tries one more for a while.
const HELD: &str = "
    def exchange():
        one = socket.create_connection((host, port), 10)
        one.sendall(b'GET / HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n')
        return one, one.recv(65536)
    held = []
    for _ in range(5):
        try: held.append(exchange())
        except OSError: held.append((None, b''))
    answered = [bool(answer) for _, answer in held]
    held[0][0].close()
    deadline = time.monotonic() + 20
    again = False
    while not again and time.monotonic() < deadline:
        with contextlib.suppress(OSError):
            again = bool(exchange()[1])
        time.sleep(0.05)
    return answered + [again]";

const MUCH: &str = "
    one = socket.create_connection((host, port), 10)
    one.sendall(b'GET /bulk/4194304 HTTP/1.0\\r\\n\\r\\n')
    received = 0
    with contextlib.suppress(OSError):
        while data := one.recv(65536):
            received += len(data)
    return received";

/// KiB in a round of 1200 connections.
const LEAST_LEAK: u64 = 600;

/// Descriptors and resident memory in KiB of the process that relays.
fn held(ground: &Ground) -> (usize, u64) {
    let process = ground.boxed.world.process();
    let descriptors = fs::read_dir(format!("/proc/{process}/fd")).unwrap().count();
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let resident = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .and_then(|rest| rest.trim().trim_end_matches(" kB").parse().ok())
        .unwrap();
    (descriptors, resident)
}

/// The same, once what was just closed is closed.
fn settled(ground: &Ground, descriptors: usize) -> (usize, u64) {
    let patience = Instant::now() + Duration::from_secs(10);
    loop {
        let now = held(ground);
        if now.0 <= descriptors || Instant::now() > patience {
            return now;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn many_connections_leave_nothing_behind() {
    let test = "egress::many_connections_leave_nothing_behind";
    let Some(mut ground) = Ground::new(test, &SETTING) else {
        return;
    };
    let before = held(&ground);
    // The control: connections are what is counted.
    let (answer, _) = ground.boxed(
        "sys.kept = [socket.create_connection((host, port), 10) for _ in range(20)]
[one.sendall(b'GET / HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n') or one.recv(1) for one in sys.kept]",
        "allowed.test",
        8443,
    );
    assert!(answer.starts_with("ok:"), "{answer}");
    assert!(
        // Something else may have been open for a moment before.
        held(&ground).0 >= before.0 + 35,
        "{before:?} {:?}",
        held(&ground)
    );
    let (answer, _) = ground.boxed("[one.close() for one in sys.kept]", "", 0);
    assert!(answer.starts_with("ok:"), "{answer}");

    // Memory that was needed at once is kept for the next time; what leaks, leaks every time.
    let mut residents = vec![before.1];
    for _ in 0..6 {
        round(&mut ground);
        let (descriptors, resident) = settled(&ground, before.0);
        assert!(descriptors <= before.0, "{descriptors}, before {before:?}");
        let grown = resident.saturating_sub(residents[residents.len() - 1]);
        residents.push(resident);
        if grown <= LEAST_LEAK {
            return;
        }
    }
    panic!("each round needs more memory: {residents:?} KiB");
}

fn round(ground: &mut Ground) {
    // In one call all of them might take longer than a call may.
    for (code, times, expected) in [
        (ONE_AFTER_THE_OTHER, 10, "ok: 100"),
        (AT_ONCE, 1, "ok: 400"),
    ] {
        for _ in 0..times {
            let (answer, _) = ground.boxed(code, "allowed.test", 8443);
            assert_eq!(answer, expected);
        }
    }
}

#[test]
fn connections_at_one_time_are_limited() {
    let setting = Setting {
        manifest: "egress = [\"allowed.test:8443\"]\nlimits = { connections = 4 }",
        ..SETTING
    };
    let test = "egress::connections_at_one_time_are_limited";
    let Some(mut ground) = Ground::new(test, &setting) else {
        return;
    };
    let control = ground.bare(HELD, "allowed.test", 8443, None);
    assert_eq!(control, "ok: [true, true, true, true, true, true]");
    let (answer, _) = ground.boxed(HELD, "allowed.test", 8443);
    assert_eq!(answer, "ok: [true, true, true, true, false, true]");
    let stderr = ground.boxed.end();
    assert!(stderr.contains("limits.connections"), "{stderr}");
}

#[test]
fn bytes_are_limited() {
    let setting = Setting {
        manifest: "egress = [\"allowed.test:8443\"]\nlimits = { egress = \"1MiB\" }",
        ..SETTING
    };
    let Some(mut ground) = Ground::new("egress::bytes_are_limited", &setting) else {
        return;
    };
    let received = |answer: String| answer["ok: ".len()..].parse::<u64>().unwrap();
    let control = ground.bare(MUCH, "allowed.test", 8443, None);
    assert!(received(control) > 4 << 20);
    let (answer, _) = ground.boxed(MUCH, "allowed.test", 8443);
    // What was under way at the limit may still arrive.
    assert!(received(answer) <= (1 << 20) + (1 << 19));
    let (answer, news) = ground.boxed(EXCHANGE, "allowed.test", 8443);
    assert!(!answer.starts_with("ok:"), "{answer}");
    assert!(news.is_empty(), "{news:#?}");
    let stderr = ground.boxed.end();
    assert!(stderr.contains("limits.egress"), "{stderr}");
}
