//! Manifests that are accepted, and every mistake that is reported.

use std::os::unix::fs::PermissionsExt as _;

use super::*;
use crate::config::{EgressTier, Environment};

const HOME: &str = "/home/ada";

fn parse(text: &str) -> Result<Manifest, Diagnostics> {
    Manifest::parse(text, Path::new("/m/pinfold.toml"), Some(Path::new(HOME)))
}

fn good(text: &str) -> Manifest {
    parse(text).unwrap_or_else(|error| panic!("{error}"))
}

/// Codes and places (line, column) of the mistakes.
fn mistakes(text: &str) -> Vec<(Code, usize, usize)> {
    let diagnostics = parse(text).unwrap_err();
    let place = |item: &Diagnostic| {
        let (line, column) = diagnostics.position(item);
        (item.code, line, column)
    };
    diagnostics.items().iter().map(place).collect()
}

/// A server `s` with one more line in its table.
fn with_line(line: &str) -> String {
    format!("[servers.s]\nsource = \"npm:x\"\n{line}\n[servers.s.tools]\nallow = []\n")
}

#[test]
fn a_full_manifest_is_read() {
    let manifest = good(
        r#"
[settings]
release_age = "0s"

[servers.everything]
source = "npm:@a/everything@^2026.8"
args = ["--flag", ""]
profile = "web"
egress = ["*.example.com:443", "API.example.com:443"]
egress_tier = "names"
tls_server_name = "off"
env = { KEY = "value", LANG = { from = "CLIENT_LANG" } }
exec = ["git", "/usr/bin/sh"]

[servers.everything.files]
read = ["~/src/docs", "/opt//data/./x/"]
write = ["/var/tmp/x"]

[servers.everything.tools]
allow = ["echo", "a.B-c_1"]

[servers.everything.limits]
memory = "1GiB"
processor_time = "90s"
cpu = "1.5"
disk = "2GiB"
processes = 64
open_files = 1_024
file_size = 0x400
connections = 16
egress = "2GiB"

[servers.small]
source = "path:server.py"
tools.allow = []
"#,
    );
    assert_eq!(manifest.settings.release_age, Duration::ZERO);
    let server = &manifest.servers[&"everything".parse::<ServerName>().unwrap()];
    assert_eq!(server.source_text, "npm:@a/everything@^2026.8");
    assert_eq!(server.source.to_string(), server.source_text);
    assert_eq!(server.args, ["--flag", ""]);
    assert_eq!(server.profile, "web");
    assert_eq!(server.env["KEY"], EnvValue::Literal("value".into()));
    assert_eq!(
        server.env["LANG"],
        EnvValue::FromClient {
            name: "CLIENT_LANG".into()
        }
    );
    assert_eq!(server.exec, ["git", "/usr/bin/sh"]);
    assert_eq!(
        server.files.read,
        [Path::new("/home/ada/src/docs"), Path::new("/opt/data/x")]
    );
    assert_eq!(server.files.write, [Path::new("/var/tmp/x")]);
    let egress = server.egress.iter().flatten().map(ToString::to_string);
    assert!(egress.eq(["*.example.com:443", "api.example.com:443"]));
    assert_eq!(server.egress_tier, Some(EgressTier::Names));
    assert_eq!(server.check_server_name, Some(false));
    assert_eq!(server.tools.allow.len(), 2);
    assert_eq!(
        server.limits,
        Limits {
            memory: Some(1 << 30),
            processes: Some(64),
            processor_time: Some(90_000),
            cpu: Some(150),
            disk: Some(2 << 30),
            open_files: Some(1024),
            file_size: Some(1024),
            connections: Some(16),
            egress: Some(2 << 30),
        }
    );
    let small = &manifest.servers[&"small".parse::<ServerName>().unwrap()];
    assert_eq!(
        small.source,
        Source::Path {
            written: "server.py".into(),
            file: "/m/server.py".into()
        }
    );
    assert_eq!(small.profile, "offline");
    assert_eq!(small.limits, Limits::default());
    assert_eq!(small.egress, None);
    assert_eq!((small.egress_tier, small.check_server_name), (None, None));
}

#[test]
fn an_empty_manifest_has_the_defaults() {
    let manifest = good("");
    assert_eq!(manifest, Manifest::default());
    assert_eq!(manifest.settings.release_age, Duration::from_secs(259_200));
}

#[test]
fn every_mistake_is_reported_at_once_with_its_place() {
    let text = r#"[setings]
[servers.Bad]
[servers.a]
sorce = "npm:x"
args = "x"
env = { LD_PRELOAD = "x", 1A = "x", OK = 5 }
[servers.a.files]
read = ["docs", "/"]
[servers.a.tools]
allow = ["echo", "echo", "a b"]
deny = []
[servers.a.limits]
memory = "lots"
procesess = 1
"#;
    use Code::{Duplicate, InvalidValue, MissingKey, RefusedVariable, UnknownKey, WrongType};
    assert_eq!(
        mistakes(text),
        [
            (UnknownKey, 1, 2),
            (InvalidValue, 2, 10),
            (MissingKey, 3, 10),
            (UnknownKey, 4, 1),
            (WrongType, 5, 8),
            (RefusedVariable, 6, 9),
            (InvalidValue, 6, 27),
            (WrongType, 6, 42),
            (InvalidValue, 8, 9),
            (InvalidValue, 8, 17),
            (Duplicate, 10, 18),
            (InvalidValue, 10, 26),
            (UnknownKey, 11, 1),
            (InvalidValue, 13, 10),
            (UnknownKey, 14, 1),
        ]
    );
    let shown = parse(text).unwrap_err().to_string();
    for part in [
        "/m/pinfold.toml:4:1",
        "did you mean `settings`?",
        "did you mean `source`?",
        "did you mean `processes`?",
        "known here: allow",
        "dynamic loader",
        "sorce = \"npm:x\"",
    ] {
        assert!(shown.contains(part), "{part} is missing in\n{shown}");
    }
}

#[test]
fn each_line_that_is_wrong_is_refused() {
    for (line, code) in [
        ("args = [1]", Code::WrongType),
        ("args = [\"a\\u0000b\"]", Code::InvalidValue),
        ("args = { a = 1 }", Code::WrongType),
        ("profile = \"\"", Code::InvalidValue),
        ("profile = \"../x\"", Code::InvalidValue),
        ("profile = 1", Code::WrongType),
        ("network = []", Code::UnknownKey),
        ("egress = \"api.example.com:443\"", Code::WrongType),
        ("egress = [443]", Code::WrongType),
        ("egress = [\"api.example.com\"]", Code::InvalidValue),
        ("egress_tier = \"hosts\"", Code::InvalidValue),
        ("egress_tier = true", Code::WrongType),
        ("tls_server_name = \"on\"", Code::InvalidValue),
        ("tls_server_name = false", Code::WrongType),
        ("env = []", Code::WrongType),
        ("env = { A = \"x\\u0000\" }", Code::InvalidValue),
        ("env = { A = { form = \"B\" } }", Code::UnknownKey),
        ("env = { A = { secret = \"B\" } }", Code::InvalidValue),
        ("env = { A = { from = \"B-C\" } }", Code::InvalidValue),
        ("env = { A = {} }", Code::MissingKey),
        ("env = { NODE_OPTIONS = \"x\" }", Code::RefusedVariable),
        (
            "env = { PATH = { from = \"PATH\" } }",
            Code::RefusedVariable,
        ),
        ("exec = [\"\"]", Code::InvalidValue),
        ("exec = [\"..\"]", Code::InvalidValue),
        ("exec = [\"./x\"]", Code::InvalidValue),
        ("exec = [\"/usr/../x\"]", Code::InvalidValue),
        ("exec = [\"a\\u001bb\"]", Code::InvalidValue),
        ("files = 1", Code::WrongType),
        ("files = { raed = [] }", Code::UnknownKey),
        ("files = { read = [\"\"] }", Code::InvalidValue),
        ("files = { read = [\"//\"] }", Code::InvalidValue),
        ("files = { read = [\"/./\"] }", Code::InvalidValue),
        ("files = { read = [\"~\"] }", Code::InvalidValue),
        ("files = { read = [\"~bob/x\"] }", Code::InvalidValue),
        ("files = { write = [\"~/../x\"] }", Code::InvalidValue),
        ("files = { write = [\"/a/../b\"] }", Code::InvalidValue),
        ("files = { write = [\"/a\\nb\"] }", Code::InvalidValue),
        ("limits = { memory = 0 }", Code::InvalidValue),
        ("limits = { memory = -1 }", Code::InvalidValue),
        ("limits = { processor_time = 5 }", Code::WrongType),
        ("limits = { processor_time = \"long\" }", Code::InvalidValue),
        ("limits = { cpu = true }", Code::WrongType),
        ("limits = { cpu = 0 }", Code::InvalidValue),
        ("limits = { cpu = \"0%\" }", Code::InvalidValue),
        ("limits = { cpu = 9000 }", Code::InvalidValue),
        ("limits = { cpu = \"fast\" }", Code::InvalidValue),
        ("layers = { seccomp = \"off\" }", Code::UnknownKey),
        ("layers = { namespaces = \"no\" }", Code::InvalidValue),
        ("layers = { landlock = \"off\" }", Code::InvalidValue),
        (
            "layers = { landlock = \"off\", namespaces = \"preferred\" }",
            Code::InvalidValue,
        ),
        ("limits = { memory = 1.5 }", Code::WrongType),
        (
            "limits = { memory = \"99999999999TiB\" }",
            Code::InvalidValue,
        ),
        ("limits = { processes = \"64\" }", Code::WrongType),
        ("limits = { processes = 99999999 }", Code::InvalidValue),
        ("limits = { connections = 0 }", Code::InvalidValue),
        ("limits = { connections = 65537 }", Code::InvalidValue),
        ("limits = { connections = \"1GiB\" }", Code::WrongType),
        ("limits = { egress = 0 }", Code::InvalidValue),
        ("limits = { egress = \"much\" }", Code::InvalidValue),
        ("limits = { gpu = 1 }", Code::UnknownKey),
    ] {
        let found = mistakes(&with_line(line));
        assert_eq!(
            found.iter().map(|item| item.0).collect::<Vec<_>>(),
            [code],
            "{line}"
        );
        assert!(found[0].1 == 3, "{line}: {found:?}");
    }
    good(&with_line(""));
    good(&with_line("limits = { connections = 65536 }"));
}

#[test]
fn sources_release_ages_and_tools_are_checked() {
    for text in [
        "[servers.s]\nsource = \"oci:x\"\ntools.allow = []\n",
        "[servers.s]\nsource = \"npm:x@file:y\"\ntools.allow = []\n",
        "[servers.s]\nsource = 5\ntools.allow = []\n",
        "[servers.s]\nsource = \"npm:x\"\n",
        "[servers.s]\nsource = \"npm:x\"\ntools = {}\n",
        "[servers.s]\nsource = \"npm:x\"\ntools = []\n",
        "[servers.s]\nsource = \"npm:x\"\ntools.allow = \"*\"\n",
        "[servers.s]\nsource = \"npm:x\"\ntools.allow = [\"*\"]\n",
        "[[servers]]\nsource = \"npm:x\"\n",
        "servers = 1\n",
        "settings = 1\n",
        "[settings]\nrelease_age = 72\n",
        "[settings]\nrelease_age = \"-1h\"\n",
        "[settings]\nrelease_age = \"soon\"\n",
        "[settings]\nrelease_age = \"99999y\"\n",
        "[settings]\nrelease_age = \"99999999999999999999999h\"\n",
        "[settings]\nrelease-age = \"1h\"\n",
    ] {
        assert_eq!(mistakes(text).len(), 1, "{text}");
    }
    good("[settings]\nrelease_age = \"7days\"\n");
}

#[test]
fn without_a_home_tilde_is_a_mistake() {
    let text = with_line("files = { read = [\"~/x\"] }");
    assert!(Manifest::parse(&text, Path::new("/m/p.toml"), None).is_err());
    assert_eq!(
        good(&with_line("files = { read = [\"~//x\"] }"))
            .servers
            .values()
            .next()
            .unwrap()
            .files
            .read,
        [Path::new("/home/ada/x")]
    );
}

#[test]
fn syntax_errors_and_duplicates_come_with_the_other_mistakes() {
    let found = mistakes(
        "[servers.a]\nsource = \"npm:x\"\nsource = \"npm:y\"\nsorce = 1\nargs = [\ntools.allow = []\n",
    );
    assert_eq!(found[0], (Code::Syntax, 3, 1));
    assert!(found.contains(&(Code::UnknownKey, 4, 1)), "{found:?}");
    assert!(
        found.iter().all(|item| item.0 != Code::MissingKey),
        "{found:?}"
    );

    let twice = format!("{}{}", with_line(""), with_line(""));
    assert!(
        mistakes(&twice).iter().all(|item| item.0 == Code::Syntax),
        "{twice}"
    );
    for text in [
        "=",
        "[",
        "a = ",
        "\u{0}",
        "[servers.a\n",
        "a = \"\\q\"",
        "\u{feff}[x]",
    ] {
        assert!(parse(text).is_err(), "{text:?}");
    }
    let deep = format!("a = {}{}", "[".repeat(5000), "]".repeat(5000));
    assert!(parse(&deep).is_err());
}

#[test]
fn loading_says_what_is_wrong_with_the_file() {
    let folder = crate::lockfile::private_test_folder();
    let file = folder.path().join("pinfold.toml");
    let environment = Environment::from_pairs([("HOME", HOME)]);
    let paths = Paths::resolve(&environment, Some(&file)).unwrap();
    let mode = |bits| {
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(bits)).unwrap();
    };

    let error = Manifest::load(&paths).unwrap_err();
    assert!(matches!(error, ConfigError::MissingManifest { .. }));
    assert!(error.to_string().contains("pinfold add"), "{error}");

    std::fs::write(&file, with_line("")).unwrap();
    mode(0o600);
    let (manifest, digest) = Manifest::load_with_digest(&paths).unwrap();
    assert_eq!(manifest, Manifest::load(&paths).unwrap());
    assert_eq!(digest, Digest::of(with_line("").as_bytes()));

    mode(0o620);
    assert!(matches!(
        Manifest::load(&paths),
        Err(ConfigError::Read(GuardedReadError::WritableByOthers { .. }))
    ));
    mode(0o600);
    std::fs::write(&file, b"# \xff\n").unwrap();
    assert!(matches!(
        Manifest::load(&paths),
        Err(ConfigError::NotUtf8 { offset: 2, .. })
    ));
    std::fs::write(&file, "x = 1").unwrap();
    assert!(matches!(
        Manifest::load(&paths),
        Err(ConfigError::Invalid(_))
    ));
    std::fs::File::options()
        .write(true)
        .open(&file)
        .unwrap()
        .set_len(MAX_MANIFEST_BYTES + 1)
        .unwrap();
    assert!(matches!(
        Manifest::load(&paths),
        Err(ConfigError::Read(GuardedReadError::TooLarge { .. }))
    ));
}

#[test]
fn hostile_files_are_refused_in_reasonable_time() {
    let size = 4 << 20;
    for (start, unit, end) in [
        ("", "a\n", ""),
        ("", "a.", "a = 1"),
        ("[", "a.", "a]"),
        ("a = ", "[", ""),
        ("a = ", "{a=", ""),
        ("", "[[a]]\n", ""),
        ("a = \"\"\"", "\\u0000", "\"\"\""),
        ("[servers.s]\nargs = [", "\"\",", "]"),
        ("[servers.s]\nargs = [", "1,", "]"),
    ] {
        let text = format!("{start}{}{end}", unit.repeat(size / unit.len()));
        let begin = std::time::Instant::now();
        assert!(
            parse(&text).unwrap_err().to_string().contains("error["),
            "{start}{unit}"
        );
        // Linear work takes far less even on a busy machine; quadratic work far more.
        assert!(
            begin.elapsed().as_secs() < 120,
            "{start}{unit}: {:?}",
            begin.elapsed()
        );
    }
}
