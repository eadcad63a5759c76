//! Egress by name: a server reaches the hosts that it was granted, and nothing else.
//!
//! Each test has two worlds of its own (`support::World`), in which every address is a decoy that
//! notes who calls: in one the server runs without pinfold, in the other behind it.

mod clients;
mod granted;
mod limits;
mod names;
mod npm_server;
mod protocols;
mod refusals;
mod server_name;
mod tier;
mod tunnel;
mod unread;
mod upstream;
mod zone;

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use self::zone::{ALLOWED, ZONE};
use crate::support::{Authority, Client, Home, Name, World, fixture, processes::wait_until};

/// What is different from test to test.
#[derive(Clone, Copy)]
struct Setting<'a> {
    /// A file of `fixtures`.
    server: &'a str,
    /// Lines for the server's table in the manifest; `HOME` in them is the user's folder.
    manifest: &'a str,
    zone: &'a [Name],
    /// Variables in pinfold's environment.
    environment: &'a [(&'a str, &'a str)],
}

const SETTING: Setting<'_> = Setting {
    server: "puppet.py",
    manifest: r#"egress = ["allowed.test:8443"]"#,
    zone: ZONE,
    environment: &[],
};

/// A server in a world.
struct Side {
    world: World,
    /// `None` when it has ended.
    client: Option<Client>,
    /// How much of the world's log was looked at.
    seen: usize,
}

/// The same server without pinfold and behind it.
struct Ground {
    certificate: PathBuf,
    bare: Side,
    boxed: Side,
    // Last, so that nobody is in it any more when it is removed.
    home: Home,
}

impl Ground {
    /// `None`, and said, where no world can be made.
    fn new(test: &str, setting: &Setting<'_>) -> Option<Self> {
        Self::in_home(test, setting, Home::new())
    }

    fn in_home(test: &str, setting: &Setting<'_>, home: Home) -> Option<Self> {
        let authority = Authority::new(test, &home, setting.zone, json!({}))?;
        let certificate = authority.certificate();
        write_manifest(&home, setting);
        home.succeed(["lock"]);

        let world = authority.world(&home, "bare");
        let mut command = Command::new(fixture(setting.server));
        home.environment(&mut command);
        command
            .env("NODE_EXTRA_CA_CERTS", &certificate)
            .current_dir(home.path());
        let bare = Side::start(world, &command);

        let world = authority.world(&home, "boxed");
        let mut command = home.pinfold(["run", "puppet"]);
        command.envs(setting.environment.iter().copied());
        let boxed = Side::start(world, &command);
        Some(Self {
            home,
            certificate,
            bare,
            boxed,
        })
    }

    /// What a snippet may know.
    fn arguments(&self, side: &Side, host: &str, port: u16) -> Value {
        let (name, path) = side.world.sockets();
        json!({
            "host": host,
            "port": port,
            "ca": self.certificate,
            "name": name,
            "path": path,
            "user": self.home.user(),
        })
    }

    /// Runs a snippet without pinfold: its answer. What reaches the world by it must begin with the
    /// trace, or with one of those that stand between bars; that is waited for.
    fn bare(&mut self, code: &str, host: &str, port: u16, trace: Option<&str>) -> String {
        let arguments = self.arguments(&self.bare, host, port);
        let answer = self.bare.run(code, &arguments);
        if let Some(trace) = trace {
            let before = self.bare.seen;
            wait_until(&format!("control: {trace} of {code}: {answer}"), || {
                let is_one =
                    |contact: &String| trace.split('|').any(|one| contact.starts_with(one));
                self.bare.world.contacts()[before..].iter().any(is_one)
            });
        }
        self.bare.news();
        answer
    }

    /// Runs a snippet behind pinfold: its answer, and what has reached the world by it.
    fn boxed(&mut self, code: &str, host: &str, port: u16) -> (String, Vec<String>) {
        let arguments = self.arguments(&self.boxed, host, port);
        let answer = self.boxed.run(code, &arguments);
        (answer, self.boxed.news())
    }

    /// Sees a snippet reach its host with pinfold and without.
    fn reaches(&mut self, what: &str, code: &str, host: &str, port: u16) {
        let control = self.bare(code, host, port, None);
        assert!(control.starts_with("ok:"), "control: {what}: {control}");
        let (answer, news) = self.boxed(code, host, port);
        assert!(answer.starts_with("ok:"), "{what}: {answer}\n{news:#?}");
        // A connection that is kept and used again is no new one.
        let arrived = news.iter().any(|contact| {
            let words: Vec<&str> = contact.split(' ').collect();
            words[0] == "http" || words[0] == "tcp" && ALLOWED.contains(&words[1])
        });
        assert!(arrived, "{what}: {answer}\n{news:#?}");
    }

    /// After everything else: one more connection goes through, so all that was under way before
    /// has arrived; then what has reached the world since the start.
    fn everything(&mut self) -> Vec<String> {
        let (answer, _) = self.boxed(EXCHANGE, "allowed.test", 8443);
        assert!(answer.starts_with("ok:"), "{answer}");
        self.boxed.world.contacts()
    }
}

impl Side {
    fn start(world: World, command: &Command) -> Self {
        let mut client = Client::start(&mut world.around(command));
        let answer = client.initialize();
        assert_eq!(answer["serverInfo"]["name"], "puppet", "{answer}");
        Self {
            world,
            client: Some(client),
            seen: 0,
        }
    }

    fn run(&mut self, code: &str, arguments: &Value) -> String {
        // The puppet in Node has no arguments.
        let arguments = json!({"code": code.replace("ARGUMENTS", &arguments.to_string()), "arguments": arguments});
        let client = self.client.as_mut().expect("it has not ended");
        client.call_text("do", arguments)
    }

    /// Ends the session: what was written to standard error in it.
    fn end(&mut self) -> String {
        let client = self.client.take().expect("it has not ended");
        client.close().1
    }

    fn news(&mut self) -> Vec<String> {
        let contacts = self.world.contacts();
        let news = contacts[self.seen..].to_vec();
        self.seen = contacts.len();
        news
    }
}

impl Drop for Side {
    /// Lets it end by itself, as it does when its client leaves.
    fn drop(&mut self) {
        let Some(client) = &mut self.client else {
            return;
        };
        client.close_input();
        let patience = Instant::now() + Duration::from_secs(10);
        while matches!(client.child.try_wait(), Ok(None)) && Instant::now() < patience {
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

/// The server `puppet`, which may read the user's folder.
fn write_manifest(home: &Home, setting: &Setting<'_>) {
    let user = home.user();
    let user = user.to_str().unwrap();
    let text = format!(
        "[servers.puppet]\nsource = \"path:{source}\"\nprofile = \"web\"\n\
         tools = {{ allow = [\"do\"] }}\nfiles = {{ read = [\"HOME\"] }}\n\
         env = {{ NODE_EXTRA_CA_CERTS = \"HOME/authority/authority.pem\" }}\n{more}\n",
        source = fixture(setting.server).display(),
        more = setting.manifest,
    );
    fs::create_dir_all(home.manifest().parent().unwrap()).unwrap();
    fs::write(home.manifest(), text.replace("HOME", user)).unwrap();
}

/// Connects, asks and is answered. Connecting alone says nothing: in the box that is pinfold's doing.
const EXCHANGE: &str = "
    one = socket.create_connection((host, port), 20)
    one.sendall(b'GET / HTTP/1.0\\r\\n\\r\\n')
    answer = one.recv(65536)
    if not answer: raise ConnectionResetError(errno.ECONNRESET, 'nothing came')
    return answer.decode()";
