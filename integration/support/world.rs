//! An Internet for one test: names, addresses and servers in a network namespace, and a record of
//! what reached them. Nothing of the machine is touched (fixtures/world).

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use serde_json::{Map, Value, json};

use super::{Home, fixture, skip};

/// A name, and the records of it: each question is answered with the next round, and the last one
/// stays. A record is an address or the name that this one is an alias of. `*.` is any name below.
pub(crate) type Name = (&'static str, &'static [&'static [&'static str]]);

/// Settings that would lead a client past the world's names and addresses.
const PROXIES: &[&str] = &[
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "ALL_PROXY",
    "NO_PROXY",
    "http_proxy",
    "https_proxy",
    "all_proxy",
    "no_proxy",
];

/// Certificates for all names of a zone.
pub(crate) struct Authority {
    folder: PathBuf,
    zone: Value,
    pages: Value,
}

/// One world; as many as one likes can use the same authority.
pub(crate) struct World {
    folder: PathBuf,
    flags: &'static str,
}

/// The options of unshare(1) that this user may use here.
fn flags() -> Option<&'static str> {
    static FLAGS: OnceLock<Option<&'static str>> = OnceLock::new();
    *FLAGS.get_or_init(|| {
        ["-nm", "-rnm"].into_iter().find(|flags| {
            Command::new("unshare")
                .args([flags, "sh", "-c", "mount --bind /etc/hosts /etc/hosts"])
                .output()
                .is_ok_and(|output| output.status.success())
        })
    })
}

impl Authority {
    /// `None`, and said, where no world can be made. `pages` are answers in JSON by host and path.
    pub(crate) fn new(test: &str, home: &Home, zone: &[Name], pages: Value) -> Option<Self> {
        if flags().is_none() {
            skip(test, "no network namespace can be made here");
            return None;
        }
        if Command::new("openssl").arg("version").output().is_err() {
            skip(test, "there is no openssl");
            return None;
        }
        let folder = home.user().join("authority");
        fs::create_dir(&folder).unwrap();
        let mut records = Map::new();
        let mut alternatives = Vec::new();
        for (name, rounds) in zone {
            records.insert((*name).to_owned(), json!(rounds));
            alternatives.push(format!("DNS:{name}"));
        }
        openssl(
            &folder,
            "-subj /CN=World -keyout authority.key -out authority.pem -addext keyUsage=critical,keyCertSign",
        );
        let subject = alternatives.join(",");
        openssl(
            &folder,
            &format!(
                "-subj /CN=Servers -keyout key.pem -out certificate.pem -CA authority.pem -CAkey authority.key -addext basicConstraints=critical,CA:FALSE -addext subjectAltName={subject}"
            ),
        );
        Some(Self {
            folder,
            zone: records.into(),
            pages,
        })
    }

    /// What a client must trust.
    pub(crate) fn certificate(&self) -> PathBuf {
        self.folder.join("authority.pem")
    }

    /// A world whose files are in a folder of this name.
    pub(crate) fn world(&self, home: &Home, name: &str) -> World {
        let folder = home.path().join(name);
        fs::create_dir(&folder).unwrap();
        let spec = json!({
            "folder": folder,
            "zone": self.zone,
            "pages": self.pages,
            "certificate": self.folder.join("certificate.pem"),
            "key": self.folder.join("key.pem"),
            "socket": folder.join("socket"),
            "abstract": format!("{}", folder.display()),
        });
        fs::write(folder.join("spec"), spec.to_string()).unwrap();
        World {
            folder,
            flags: flags().expect("it was asked before"),
        }
    }
}

fn openssl(folder: &Path, arguments: &str) {
    let output = Command::new("openssl")
        .current_dir(folder)
        .args(
            "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 3650"
                .split(' '),
        )
        .args(arguments.split(' '))
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
}

impl World {
    /// `command` in this world. Its settings of proxies are those that were set for it, not the
    /// machine's.
    pub(crate) fn around(&self, command: &Command) -> Command {
        let mut wrapped = Command::new("unshare");
        wrapped
            .args([OsStr::new(self.flags), OsStr::new("/usr/bin/python3")])
            .arg("-B")
            .arg(fixture("world"))
            .arg(self.folder.join("spec"))
            .arg(command.get_program())
            .args(command.get_args())
            .env_clear();
        for (name, value) in command.get_envs() {
            let inherited = std::env::var_os(name);
            let of_the_machine =
                PROXIES.iter().any(|proxy| name == *proxy) && inherited.as_deref() == value;
            if let Some(value) = value.filter(|_| !of_the_machine) {
                wrapped.env(name, value);
            }
        }
        if let Some(folder) = command.get_current_dir() {
            wrapped.current_dir(folder);
        }
        wrapped
    }

    /// The name of its UNIX socket that is no path, and the path of the other.
    pub(crate) fn sockets(&self) -> (String, PathBuf) {
        (
            format!("{}", self.folder.display()),
            self.folder.join("socket"),
        )
    }

    /// The process that was started last as the command.
    pub(crate) fn process(&self) -> i32 {
        let text = fs::read_to_string(self.folder.join("pid")).unwrap();
        text.parse().unwrap()
    }

    /// What has reached it, in order: `tcp ADDRESS PORT`, `udp ADDRESS PORT`, `dns NAME TYPE
    /// SERVER`, `tls NAME`, `http HOST PATH`, `proxy TARGET`, `unix path`, `unix abstract`.
    pub(crate) fn contacts(&self) -> Vec<String> {
        let log = fs::read_to_string(self.folder.join("log")).unwrap_or_default();
        log.lines()
            .map(|line| {
                let contact: Value = serde_json::from_str(line).unwrap();
                let words = [
                    "kind", "name", "type", "host", "path", "target", "address", "port",
                ]
                .into_iter()
                .filter_map(|key| match &contact[key] {
                    Value::Null => None,
                    Value::String(text) => Some(text.clone()),
                    other => Some(other.to_string()),
                });
                words.collect::<Vec<_>>().join(" ")
            })
            .collect()
    }
}
