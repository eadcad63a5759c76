//! What takes too much is stopped at its limit, and the client is told which limit it was.

use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::{Client, Home, Tier, fixture};

/// What is done, the limits in the manifest, and the words of the reason.
struct Greed {
    name: &'static str,
    code: &'static str,
    limits: &'static str,
    says: &'static [&'static str],
}

const GREED: &[Greed] = &[
    Greed {
        name: "a fork bomb",
        code: "
            for _ in range(200):
                try:
                    if os.fork() == 0:
                        time.sleep(30); os._exit(0)
                except BlockingIOError:
                    break
            time.sleep(40)",
        limits: "processes = 40",
        says: &["was ended", "limits.processes"],
    },
    Greed {
        name: "a fork bomb of threads",
        code: "
            import threading
            try:
                for _ in range(200):
                    threading.Thread(target=time.sleep, args=(30,), daemon=True).start()
            except RuntimeError:
                pass
            time.sleep(40)",
        limits: "processes = 40",
        says: &["was ended", "limits.processes"],
    },
    Greed {
        name: "memory in many processes",
        code: "
            for _ in range(8):
                if os.fork() == 0:
                    own = bytearray(48 << 20); time.sleep(30); os._exit(0)
            time.sleep(40)",
        limits: "memory = \"192MiB\"",
        says: &["was ended", "limits.memory"],
    },
    Greed {
        name: "memory in processes whose name is no text",
        code: "
            ctypes.CDLL(None).prctl(15, ctypes.c_char_p(b'\\xff\\xfe'), 0, 0, 0)
            for _ in range(8):
                if os.fork() == 0:
                    own = bytearray(48 << 20); time.sleep(30); os._exit(0)
            time.sleep(40)",
        limits: "memory = \"192MiB\"",
        says: &["was ended", "limits.memory"],
    },
    Greed {
        name: "memory in files",
        code: "
            for _ in range(8):
                own = call('memfd_create', ctypes.c_char_p(b'x'), 8)
                os.write(own, bytes(48 << 20))
            time.sleep(40)",
        limits: "memory = \"192MiB\"",
        says: &["was ended", "limits.memory"],
    },
    Greed {
        name: "a file that is too large",
        code: "
            signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
            with open(os.environ['HOME'] + '/large', 'wb') as file:
                for _ in range(64):
                    file.write(bytes(1 << 20))
            time.sleep(40)",
        limits: "file_size = \"16MiB\"",
        says: &["limits.file_size"],
    },
    Greed {
        name: "many files",
        code: "
            for number in range(64):
                with open(os.environ['HOME'] + '/file%d' % number, 'wb') as file:
                    file.write(bytes(1 << 20))
            time.sleep(40)",
        limits: "disk = \"32MiB\"",
        says: &["was ended", "limits.disk"],
    },
    Greed {
        name: "processor time",
        code: "
            for _ in range(2):
                if os.fork() == 0:
                    end = time.monotonic() + 20
                    while time.monotonic() < end: pass
                    os._exit(0)
            time.sleep(40)",
        limits: "processor_time = \"1s\"",
        says: &["was ended", "limits.processor_time"],
    },
];

fn in_tier(tier: Tier) {
    for Greed {
        name,
        code,
        limits,
        says,
    } in GREED
    {
        let home = Home::new();
        home.add_path("puppet", &fixture("puppet.py"), &[]);
        let mut text = std::fs::read_to_string(home.manifest()).unwrap();
        text.push_str(&format!("\n[servers.puppet.limits]\n{limits}\n"));
        std::fs::write(home.manifest(), text).unwrap();
        home.succeed(["lock", "puppet"]);
        home.set_tier("puppet", tier);

        let mut client = home.client("puppet");
        client.initialize();
        let answer = client.call("do", json!({"code": code}));
        let message = answer["error"]["message"].as_str().unwrap_or_default();
        for word in *says {
            assert!(message.contains(word), "{name} in {tier:?}: {answer}");
        }
        let status = client.child.wait().unwrap();
        assert_ne!(status.code(), Some(0), "{name}");
    }
}

#[test]
fn the_session_ends_and_the_client_is_told_why() {
    in_tier(Tier::Full);
}

#[test]
fn the_session_ends_and_the_client_is_told_why_in_the_base_tier() {
    in_tier(Tier::Base);
}

/// The same without pinfold, and in a box whose limits are wider: nothing stops it.
#[test]
fn nothing_else_would_have_stopped_it() {
    let home = Home::new();
    home.add_path("puppet", &fixture("puppet.py"), &[]);
    for Greed { name, code, .. } in GREED {
        // The pauses are for pinfold to notice.
        let code = code.replace("time.sleep(40)", "time.sleep(1)");
        let mut bare = Command::new(fixture("puppet.py"));
        home.environment(&mut bare);
        // The leader of a group, so that its children can be ended.
        std::os::unix::process::CommandExt::process_group(&mut bare, 0);
        let mut bare = Client::start(&mut bare);
        for client in [&mut bare, &mut home.client("puppet")] {
            client.initialize();
            let started = Instant::now();
            let outcome = client.call_text("do", json!({"code": code}));
            assert!(outcome.starts_with("ok:"), "{name}: {outcome}");
            assert!(started.elapsed() < Duration::from_secs(120), "{name}");
        }
        let group = nix::unistd::Pid::from_raw(i32::try_from(bare.child.id()).unwrap());
        nix::sys::signal::killpg(group, nix::sys::signal::Signal::SIGKILL).unwrap();
    }
}
