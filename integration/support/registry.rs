//! An npm registry on the loopback interface: documents, tarballs, faults on request, and a
//! record of who asked with which credential.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};

use super::package::{Package, integrity};
use super::{Client, Home, Ran};

/// What goes wrong with an answer.
#[derive(Clone)]
pub(crate) enum Fault {
    Status(u16),
    /// The body ends in the middle.
    Cut,
    /// The answer is right, after this time.
    Slow(Duration),
    /// A part of the body comes, and then nothing more.
    Stall,
    /// Another document than the right one: about these versions.
    Instead(Vec<Package>),
    /// Something that is no document.
    Garbage,
    /// The right answer, announced as this long.
    Announced(usize),
    /// The body never ends; so many megabytes of it are sent.
    Huge(usize),
    /// The answer is a redirect to the same path at another address.
    Redirect(SocketAddr),
}

/// What somebody asked for.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) path: String,
    agent: String,
    pub(crate) authorization: Option<String>,
}

/// Serves until it is dropped.
pub(crate) struct Registry {
    pub(crate) address: SocketAddr,
    shared: Arc<Shared>,
}

struct Planned {
    /// How the `User-Agent` begins of whom it happens to.
    agent: String,
    /// Part of a path.
    part: String,
    fault: Fault,
    /// How often it still happens.
    left: usize,
}

#[derive(Default)]
struct Shared {
    packages: Mutex<Vec<Package>>,
    faults: Mutex<Vec<Planned>>,
    requests: Mutex<Vec<Request>>,
    /// Asked of everybody, when set.
    token: Mutex<Option<String>>,
    stopped: AtomicBool,
}

impl Registry {
    pub(crate) fn new(packages: impl IntoIterator<Item = Package>) -> Self {
        Self::at(Ipv4Addr::LOCALHOST, packages)
    }

    /// On an address of the loopback network, so that it is another host.
    pub(crate) fn at(host: Ipv4Addr, packages: impl IntoIterator<Item = Package>) -> Self {
        let listener = TcpListener::bind((host, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared::default());
        let registry = Self {
            address,
            shared: Arc::clone(&shared),
        };
        packages
            .into_iter()
            .for_each(|package| registry.publish(package));
        std::thread::spawn(move || {
            for connection in listener.incoming().flatten() {
                if shared.stopped.load(Ordering::SeqCst) {
                    return;
                }
                let shared = Arc::clone(&shared);
                std::thread::spawn(move || shared.serve(&connection, address));
            }
        });
        registry
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/", self.address)
    }

    /// Adds a version, or replaces it.
    pub(crate) fn publish(&self, package: Package) {
        let mut packages = self.shared.packages.lock().unwrap();
        packages.retain(|old| (&old.name, &old.version) != (&package.name, &package.version));
        packages.push(package);
    }

    /// Takes a version away.
    pub(crate) fn unpublish(&self, name: &str, version: &str) {
        let mut packages = self.shared.packages.lock().unwrap();
        packages.retain(|old| (old.name.as_str(), old.version.as_str()) != (name, version));
    }

    /// From now on nothing goes wrong.
    pub(crate) fn mend(&self) {
        self.shared.faults.lock().unwrap().clear();
    }

    /// The next `times` answers to paths that hold `part` go wrong.
    pub(crate) fn fail(&self, part: &str, fault: Fault, times: usize) {
        self.fail_for("", part, fault, times);
    }

    /// As [`Self::fail`], only for programs whose `User-Agent` begins like this.
    pub(crate) fn fail_for(&self, agent: &str, part: &str, fault: Fault, times: usize) {
        self.shared.faults.lock().unwrap().push(Planned {
            agent: agent.to_owned(),
            part: part.to_owned(),
            fault,
            left: times,
        });
    }

    /// From now on everything but this token is answered with 401.
    pub(crate) fn require_token(&self, token: &str) {
        *self.shared.token.lock().unwrap() = Some(token.to_owned());
    }

    pub(crate) fn requests(&self) -> Vec<Request> {
        self.shared.requests.lock().unwrap().clone()
    }

    /// How many requests had `part` in their path.
    pub(crate) fn count(&self, part: &str) -> usize {
        let requests = self.requests();
        requests
            .iter()
            .filter(|request| request.path.contains(part))
            .count()
    }

    /// pinfold with this registry as the user's own choice.
    pub(crate) fn pinfold<'a>(
        &self,
        home: &Home,
        arguments: impl IntoIterator<Item = &'a str>,
    ) -> Command {
        let mut command = home.pinfold(arguments);
        self.choose(home, &mut command);
        command
    }

    /// The environment in which npm and pinfold ask this registry and no other.
    pub(crate) fn choose(&self, home: &Home, command: &mut Command) {
        for name in ["HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"] {
            command.env_remove(name);
        }
        command
            .env("npm_config_registry", self.url())
            .env("NPM_CONFIG_USERCONFIG", home.user().join(".npmrc"));
    }

    pub(crate) fn run<'a>(&self, home: &Home, arguments: impl IntoIterator<Item = &'a str>) -> Ran {
        Ran::of(&mut self.pinfold(home, arguments))
    }

    /// `pinfold add NAME SOURCE --allow-all`
    pub(crate) fn add(&self, home: &Home, name: &str, source: &str) -> Ran {
        self.run(home, ["add", name, source, "--allow-all"])
    }

    /// The same, which must succeed; then what its tool says.
    pub(crate) fn add_and_ask(&self, home: &Home, name: &str, source: &str) -> String {
        let ran = self.add(home, name, source);
        assert_eq!(ran.code, Some(0), "{ran:#?}");
        say(&mut home.client(name))
    }

    /// The control: npm itself, in an empty project below the home. Returns the project.
    pub(crate) fn npm_install(&self, home: &Home, more: &[&str]) -> (PathBuf, Ran) {
        let project = home.path().join("project");
        std::fs::create_dir_all(&project).unwrap();
        std::fs::write(project.join("package.json"), "{}").unwrap();
        let mut command = Command::new("npm");
        home.environment(&mut command);
        self.choose(home, &mut command);
        command
            .current_dir(&project)
            .env("npm_config_cache", home.path().join("npm-cache"))
            .args(["install", "--no-audit", "--no-fund", "--no-update-notifier"])
            .args(more);
        let ran = Ran::of(&mut command);
        (project, ran)
    }
}

/// Initializes a started server and asks its tool `say`.
pub(crate) fn say(client: &mut Client) -> String {
    client.initialize();
    client.call_text("say", json!({}))
}

/// `pinfold run NAME` answers the client with an error that holds all of `says`, then ends
/// with 125.
pub(crate) fn refused(home: &Home, name: &str, says: &[&str]) {
    let mut client = home.client(name);
    let answer = client.request("initialize", json!({"protocolVersion": "2025-11-25"}));
    let message = answer["error"]["message"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    for words in says {
        assert!(message.contains(words), "no `{words}` in {answer}");
    }
    let (status, stderr) = client.close();
    assert_eq!(status.code(), Some(125), "{stderr}");
}

impl Drop for Registry {
    fn drop(&mut self) {
        self.shared.stopped.store(true, Ordering::SeqCst);
        // Wakes the listener up, which then ends and closes the port.
        let _ = TcpStream::connect(self.address);
    }
}

impl Shared {
    fn serve(&self, connection: &TcpStream, own: SocketAddr) {
        let _ = connection.set_read_timeout(Some(Duration::from_secs(60)));
        let Some(request) = read_request(connection) else {
            return;
        };
        self.requests.lock().unwrap().push(request.clone());
        let token = self.token.lock().unwrap().clone();
        let expected = token.map(|token| format!("Bearer {token}"));
        if expected.is_some() && request.authorization != expected {
            return answer(connection, 401, "", b"{}", 2);
        }
        let body = self.body(&request.path, own);
        match (self.fault(&request), body) {
            (Some(Fault::Status(status)), _) => answer(connection, status, "", b"{}", 2),
            (Some(Fault::Redirect(to)), _) => {
                let location = format!("Location: http://{to}{}\r\n", request.path);
                answer(connection, 302, &location, b"", 0);
            }
            (Some(Fault::Instead(packages)), _) => {
                let all: Vec<&Package> = packages.iter().collect();
                let body = packument(&all, own).to_string().into_bytes();
                answer(connection, 200, "", &body, body.len());
            }
            (Some(Fault::Garbage), _) => {
                let body = b"<html>Sign in to the hotel's network</html>";
                answer(connection, 200, "", body, body.len());
            }
            (_, None) => answer(connection, 404, "", b"{}", 2),
            (Some(Fault::Cut), Some(body)) => {
                answer(connection, 200, "", &body[..body.len() / 2], body.len());
            }
            (Some(Fault::Stall), Some(body)) => {
                answer(connection, 200, "", &body[..body.len() / 2], body.len());
                // Longer than anybody is patient; ends when the other side does.
                let _ = connection.set_read_timeout(Some(Duration::from_secs(300)));
                let _ = (&mut &*connection).read(&mut [0]);
            }
            (Some(Fault::Announced(length)), Some(body)) => {
                answer(connection, 200, "", &body, length);
            }
            (Some(Fault::Huge(megabytes)), Some(_)) => endless(connection, megabytes),
            (Some(Fault::Slow(pause)), Some(body)) => {
                std::thread::sleep(pause);
                answer(connection, 200, "", &body, body.len());
            }
            (None, Some(body)) => answer(connection, 200, "", &body, body.len()),
        }
    }

    fn fault(&self, request: &Request) -> Option<Fault> {
        let mut faults = self.faults.lock().unwrap();
        let planned = faults.iter_mut().find(|planned| {
            planned.left > 0
                && request.path.contains(planned.part.as_str())
                && request.agent.starts_with(planned.agent.as_str())
        })?;
        planned.left -= 1;
        Some(planned.fault.clone())
    }

    fn body(&self, path: &str, own: SocketAddr) -> Option<Vec<u8>> {
        let packages = self.packages.lock().unwrap();
        let path = path
            .trim_start_matches('/')
            .replace("%2f", "/")
            .replace("%2F", "/");
        if let Some(package) = packages
            .iter()
            .find(|package| tarball_path(package) == path)
        {
            return Some(package.bytes());
        }
        let versions: Vec<&Package> = packages.iter().filter(|p| p.name == path).collect();
        versions.last()?;
        Some(packument(&versions, own).to_string().into_bytes())
    }
}

fn tarball_path(package: &Package) -> String {
    let base = package.name.rsplit('/').next().unwrap_or_default();
    format!("{}/-/{base}-{}.tgz", package.name, package.version)
}

/// The document about a package; the version published last is `latest`.
fn packument(versions: &[&Package], own: SocketAddr) -> Value {
    let mut times = BTreeMap::new();
    let mut all = BTreeMap::new();
    for package in versions {
        let bytes = package.bytes();
        let url = package.tarball_url.clone();
        let url = url.unwrap_or_else(|| format!("http://{own}/{}", tarball_path(package)));
        let digest = package.integrity.clone();
        let digest = digest.unwrap_or_else(|| Some(integrity(&bytes)));
        let mut manifest = package.manifest.clone();
        manifest["dist"] = json!({"tarball": url});
        if let Some(digest) = digest {
            manifest["dist"]["integrity"] = json!(digest);
        }
        all.insert(package.version.clone(), manifest);
        if let Some(time) = &package.published {
            times.insert(package.version.clone(), time.clone());
        }
    }
    let latest = versions.last().map(|package| &package.version);
    json!({
        "name": versions[0].name,
        "dist-tags": {"latest": latest},
        "versions": all,
        "time": times,
    })
}

fn read_request(connection: &TcpStream) -> Option<Request> {
    let mut lines = BufReader::new(connection).lines();
    let first = lines.next()?.ok()?;
    let path = first.split(' ').nth(1)?.to_owned();
    let (mut authorization, mut agent) = (None, String::new());
    for line in lines {
        let line = line.ok()?;
        if line.is_empty() {
            break;
        }
        let (name, value) = line.split_once(':')?;
        if name.eq_ignore_ascii_case("authorization") {
            authorization = Some(value.trim().to_owned());
        }
        if name.eq_ignore_ascii_case("user-agent") {
            agent = value.trim().to_owned();
        }
    }
    Some(Request {
        path,
        agent,
        authorization,
    })
}

fn answer(mut connection: &TcpStream, status: u16, headers: &str, body: &[u8], announced: usize) {
    let head = format!(
        "HTTP/1.1 {status} Answer\r\nContent-Type: application/json\r\nContent-Length: {announced}\r\nConnection: close\r\n{headers}\r\n"
    );
    // Whoever asked may have gone.
    let _ = connection.write_all(head.as_bytes());
    let _ = connection.write_all(body);
}

/// A document that is valid so far, and goes on and on; its length is not announced.
fn endless(mut connection: &TcpStream, megabytes: usize) {
    let head = "HTTP/1.1 200 Answer\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n{\"readme\":\"";
    let _ = connection.write_all(head.as_bytes());
    let piece = vec![b'x'; 1 << 20];
    for _ in 0..megabytes {
        if connection.write_all(&piece).is_err() {
            return;
        }
    }
}

/// The different credentials of some requests.
pub(crate) fn credentials(requests: &[Request]) -> BTreeSet<Option<String>> {
    requests
        .iter()
        .map(|request| request.authorization.clone())
        .collect()
}
