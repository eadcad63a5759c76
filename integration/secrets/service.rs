//! The desktop's Secret Service: real ones where this machine has them, and every way in which one
//! can fail to answer.

use std::fs;
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use super::refused::refusal;
use super::{Puppet, answer, backwards, holding, set};
use crate::support::processes::wait_until;
use crate::support::{Client, Home, Ran, Tier, skip};

/// A session bus of the test's own.
struct Bus {
    daemon: Child,
    socket: PathBuf,
}

impl Bus {
    /// `None`, and a skip, where there is no dbus-daemon. `starts` is what a bus starts when somebody
    /// asks for the Secret Service.
    fn start(home: &Home, starts: Option<&str>) -> Option<Self> {
        let socket = home.path().join("bus");
        let services = home.path().join("services");
        fs::create_dir(&services).unwrap();
        if let Some(program) = starts {
            let text = format!("[D-BUS Service]\nName=org.freedesktop.secrets\nExec={program}\n");
            fs::write(services.join("org.freedesktop.secrets.service"), text).unwrap();
        }
        let settings = home.path().join("bus.conf");
        let text = format!(
            "<busconfig><type>session</type><listen>unix:path={}</listen><servicedir>{}</servicedir>\
             <policy context=\"default\"><allow send_destination=\"*\" eavesdrop=\"true\"/><allow eavesdrop=\"true\"/><allow own=\"*\"/></policy></busconfig>",
            socket.display(),
            services.display()
        );
        fs::write(&settings, text).unwrap();
        let daemon = Command::new("dbus-daemon")
            .arg("--nofork")
            .arg(format!("--config-file={}", settings.display()))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        let Ok(daemon) = daemon else {
            skip("secrets: service", "there is no dbus-daemon here");
            return None;
        };
        let bus = Self { daemon, socket };
        wait_until("the bus listens", || bus.socket.exists());
        Some(bus)
    }

    fn address(&self) -> String {
        format!("unix:path={}", self.socket.display())
    }
}

impl Drop for Bus {
    fn drop(&mut self) {
        let _ = self.daemon.kill();
        let _ = self.daemon.wait();
    }
}

/// A puppet whose secret is said to be with the Secret Service.
fn puppet() -> Puppet {
    let puppet = Puppet::new(Tier::Full);
    assert_eq!(
        set(&puppet.home, "a", "zq8-value", &["--store", "files"]).code,
        Some(0)
    );
    let puppet = puppet.with("TOKEN = { secret = \"a\" }");
    puppet.client().close();
    let decision = puppet.home.path().join("data/pinfold/secrets/.store");
    fs::write(decision, "secret-service\n").unwrap();
    puppet
}

fn run(puppet: &Puppet, address: &str) -> Client {
    let mut command = puppet.home.pinfold(["run", puppet.name]);
    Client::start(command.env("DBUS_SESSION_BUS_ADDRESS", address))
}

/// The secret is in a file, too, and isn't taken from there.
#[test]
fn one_that_is_absent_or_says_nothing() {
    let puppet = puppet();
    let home = &puppet.home;
    let nowhere = format!("unix:path={}", home.path().join("nowhere").display());
    let message = refusal(run(&puppet, &nowhere));
    assert!(message.contains("Secret Service"), "{message}");

    // A peer that takes the connection and says nothing.
    let socket = home.path().join("silent");
    let _silent = UnixListener::bind(&socket).unwrap();
    let message = refusal(run(&puppet, &format!("unix:path={}", socket.display())));
    assert!(message.contains("did not answer"), "{message}");
    let listed = Ran::of(home.pinfold(["secret", "list"]).env(
        "DBUS_SESSION_BUS_ADDRESS",
        format!("unix:path={}", socket.display()),
    ));
    assert_eq!(listed.code, Some(4), "{listed:?}");
}

#[test]
fn one_that_nobody_offers_or_that_never_comes() {
    let puppet = puppet();
    {
        let Some(bus) = Bus::start(&puppet.home, None) else {
            return;
        };
        let message = refusal(run(&puppet, &bus.address()));
        assert!(message.contains("there is none"), "{message}");
        // So a first secret goes into a file.
        let home = Home::new();
        let mut command = home.pinfold(["secret", "set", "b"]);
        command.env("DBUS_SESSION_BUS_ADDRESS", bus.address());
        let ran = Ran::with_input(&mut command, "zq8-b");
        assert_eq!(ran.code, Some(0), "{ran:?}");
        assert!(home.path().join("data/pinfold/secrets/b").exists());
    }
    fs::remove_dir_all(puppet.home.path().join("services")).unwrap();
    fs::remove_file(puppet.home.path().join("bus")).unwrap_or_default();
    // The bus starts it and waits for it to come.
    let Some(bus) = Bus::start(&puppet.home, Some("/bin/sleep 20")) else {
        return;
    };
    let message = refusal(run(&puppet, &bus.address()));
    assert!(message.contains("did not answer"), "{message}");
}

/// gnome-keyring, with a keyring that a password opens.
#[test]
fn a_real_one_unlocked_and_locked() {
    let puppet = Puppet::new(Tier::Full);
    let home = &puppet.home;
    let Some(bus) = Bus::start(home, None) else {
        return;
    };
    let daemon = |home: &Home| {
        let mut command = Command::new("gnome-keyring-daemon");
        home.environment(&mut command);
        for name in ["LD_LIBRARY_PATH", "PATH"] {
            if let Some(value) = std::env::var_os(name) {
                command.env(name, value);
            }
        }
        command.env("DBUS_SESSION_BUS_ADDRESS", bus.address());
        command.env("XDG_RUNTIME_DIR", home.path());
        command
    };
    let mut keyring = match daemon(home)
        .args(["--foreground", "--components=secrets", "--unlock"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
    {
        Ok(keyring) => keyring,
        Err(_) => {
            skip("secrets: gnome-keyring", "there is no gnome-keyring here");
            return;
        }
    };
    {
        use std::io::Write as _;
        keyring
            .stdin
            .take()
            .unwrap()
            .write_all(b"password")
            .unwrap();
    }
    let with_bus = |words: &[&'static str]| {
        let mut command = home.pinfold(words.iter().copied());
        command.env("DBUS_SESSION_BUS_ADDRESS", bus.address());
        command
    };
    wait_until("the keyring keeps a secret", || {
        let mut command = with_bus(&["secret", "set", "a", "--store", "secret-service"]);
        Ran::with_input(&mut command, "zq8-kept").code == Some(0)
    });
    assert!(!home.path().join("data/pinfold/secrets/a").exists());
    puppet.write("TOKEN = { secret = \"a\" }");
    let ran = Ran::of(&mut with_bus(&["lock", "puppet"]));
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let mut client = run(&puppet, &bus.address());
    client.initialize();
    let said = answer(&mut client, "return os.environ['TOKEN'][::-1]");
    assert_eq!(said, format!("ok: \"{}\"", backwards("zq8-kept")));
    client.close();
    let ran = Ran::of(&mut with_bus(&["secret", "list"]));
    assert!(ran.stdout.contains("used by puppet (TOKEN)"), "{ran:?}");
    assert_eq!(
        holding(home.path(), &super::spellings("zq8-kept"), &[]),
        Vec::<PathBuf>::new()
    );

    // Started anew, without its password.
    keyring.kill().unwrap();
    keyring.wait().unwrap();
    let mut keyring = daemon(home)
        .args(["--foreground", "--components=secrets", "--start"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    wait_until("it is locked", || {
        let message = refusal(run(&puppet, &bus.address()));
        assert!(message.contains("Secret Service"), "{message}");
        message.contains("locked")
    });
    // It isn't said that there are none.
    let ran = Ran::of(&mut with_bus(&["secret", "list"]));
    assert!(
        ran.code == Some(4) && ran.stderr.contains("locked"),
        "{ran:?}"
    );
    keyring.kill().unwrap();
    keyring.wait().unwrap();
}
