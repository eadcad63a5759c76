//! Goldens, a table of damaged locks, and a round trip of made-up ones.

use std::collections::BTreeSet;

use proptest::prelude::*;
use serde_json::Value;

use super::super::error::FieldProblem;
use super::super::layout::{digest, serialise};
use super::*;

mod platforms;

const EXAMPLES: [(&str, &str); 8] = [
    (
        "empty",
        include_str!("../../../lockfile/examples/empty.lock"),
    ),
    ("https", HTTPS),
    (
        "native",
        include_str!("../../../lockfile/examples/native.lock"),
    ),
    ("npm", NPM),
    ("npm-platforms", PLATFORMS),
    (
        "npm-runtime",
        include_str!("../../../lockfile/examples/npm-runtime.lock"),
    ),
    (
        "path-script",
        include_str!("../../../lockfile/examples/path-script.lock"),
    ),
    ("pypi", PYPI),
];
const PLATFORMS: &str = include_str!("../../../lockfile/examples/npm-platforms.lock");
const HTTPS: &str = include_str!("../../../lockfile/examples/https.lock");
const PYPI: &str = include_str!("../../../lockfile/examples/pypi.lock");
const NPM: &str = include_str!("../../../lockfile/examples/npm.lock");
const SCHEMA: &str = include_str!("../../../lockfile/pinfold-lock-v1.schema.json");
const FORMAT: &str = include_str!("../../../lockfile/FORMAT.md");

fn read(text: &str) -> Result<Lock, LockError> {
    parse(text.as_bytes(), Path::new("pinfold.lock"))
}

#[test]
fn goldens_survive_byte_for_byte() {
    for (name, text) in EXAMPLES {
        let lock = read(text).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(serialise(&lock), text, "{name}");
        assert_eq!(digest(&lock), Digest::of(text.as_bytes()), "{name}");
    }
}

/// What pins an address pins no package of a registry.
#[test]
fn sha256_is_enough_where_the_manifest_says_it_and_nowhere_else() {
    let lock = read(HTTPS).unwrap();
    let bundle = &lock.servers[&"bundle".parse::<ServerName>().unwrap()];
    assert!(bundle.is_bundle());
    let archive = &lock.servers[&"archive".parse::<ServerName>().unwrap()];
    assert!(!archive.is_bundle());
    let integrity = &archive.artifacts[0].integrity;
    let sha512 = &read(NPM).unwrap().servers[&"everything".parse::<ServerName>().unwrap()]
        .artifacts[0]
        .integrity
        .clone();
    for (text, weak, other) in [(NPM, sha512, integrity), (HTTPS, integrity, sha512)] {
        let changed = text.replacen(weak.as_str(), other, 1);
        assert_ne!(changed, text);
        let said = read(&changed).unwrap_err().to_string();
        assert!(said.contains("integrity"), "{said}");
    }
}

#[test]
fn goldens_say_what_they_say() {
    let lock = read(NPM).unwrap();
    let server = &lock.servers[&"everything".parse::<ServerName>().unwrap()];
    assert_eq!(server.version.as_deref(), Some("2026.8.4"));
    assert_eq!(server.interpreter.as_ref().unwrap().kind, "node");
    assert_eq!(server.artifacts.len(), 3);
    assert_eq!(server.artifacts[0].publisher.as_deref(), Some("pcarleton"));
    assert_eq!(server.artifacts[2].publisher, None);
    assert_eq!(server.artifacts[0].signature, None);
    assert!(server.artifacts[1].signature.is_some());
    assert_eq!(server.artifacts[2].published, None);
    assert!(server.artifacts[2].install_script);
    assert_eq!(server.behaviour.tools.len(), 2);
    assert_eq!(server.confinement.layers, ["landlock", "seccomp"]);
}

/// Each kind of source has one algorithm, and nothing weaker passes for it.
#[test]
fn an_integrity_is_that_of_its_kind_of_source() {
    assert!(PYPI.contains("sha256-") && read(PYPI).is_ok());
    let as_npm = PYPI.replace("\"pypi:", "\"npm:");
    let as_pypi = NPM.replace("\"npm:", "\"pypi:");
    let short = PYPI.replace("\"sha256-", "\"sha256-A");
    for text in [as_npm, as_pypi, short] {
        let error = read(&text).unwrap_err().to_string();
        assert!(error.contains("integrity"), "{error}");
    }
}

#[test]
fn layout_does_not_matter_when_reading() {
    let compact: Value = serde_json::from_str(NPM).unwrap();
    assert_eq!(read(&compact.to_string()).unwrap(), read(NPM).unwrap());
}

/// What a damaged lock must be refused as.
#[derive(Debug, PartialEq)]
enum Refused {
    Json,
    Version(u64),
    Name,
    TreePath,
    ProgramPath,
    Integrity,
    Time,
    Order,
    Text,
}

fn refused_as(error: &LockError) -> Refused {
    match error {
        LockError::Json { line, .. } => {
            assert!(*line > 0);
            Refused::Json
        }
        LockError::UnknownVersion { found, .. } => Refused::Version(*found),
        LockError::Invalid { problem, .. } => match problem {
            FieldProblem::Name(_) => Refused::Name,
            FieldProblem::TreePath { .. } => Refused::TreePath,
            FieldProblem::ProgramPath { .. } => Refused::ProgramPath,
            FieldProblem::Integrity { .. } => Refused::Integrity,
            FieldProblem::Time { .. } => Refused::Time,
            FieldProblem::Order { .. } => Refused::Order,
            FieldProblem::Text { .. } => Refused::Text,
        },
        other => panic!("{other}"),
    }
}

#[test]
fn damaged_locks_are_refused() {
    let entry =
        "\"entry_point\": \"node_modules/@modelcontextprotocol/server-everything/dist/index.js\"";
    let at_entry = |path: &str| format!("\"entry_point\": \"{path}\"");
    let zod_path = "\"path\": \"node_modules/zod\"";
    let long = "x".repeat(5000);
    // (what is replaced in the npm example, by what, and the expected refusal)
    let table: Vec<(&str, String, Refused)> = vec![
        ("\"lockfile_version\": 1", "\"lockfile_version\": 2".into(), Refused::Version(2)),
        ("\"lockfile_version\": 1", "\"lockfile_version\": 0".into(), Refused::Version(0)),
        // A newer format is called newer, even when today's rules would call it damaged.
        (
            "\"lockfile_version\": 1,",
            "\"lockfile_version\": 9, \"new\": [1], \"servers\": 5,".into(),
            Refused::Version(9),
        ),
        ("\"lockfile_version\": 1", "\"lockfile_version\": \"1\"".into(), Refused::Json),
        ("\"lockfile_version\": 1", "\"lockfile_version\": 1.0".into(), Refused::Json),
        ("\"lockfile_version\": 1", "\"lockfile_version\": -1".into(), Refused::Json),
        ("\"lockfile_version\": 1,", String::new(), Refused::Json),
        (
            "\"lockfile_version\": 1,",
            "\"lockfile_version\": 1, \"lockfile_version\": 1,".into(),
            Refused::Json,
        ),
        ("\"lockfile_version\": 1,", "\"lockfile_version\": 1, \"extra\": 1,".into(), Refused::Json),
        ("  \"servers\": {", "  \"servers\": {}, \"servers\": {".into(), Refused::Json),
        // The same server twice: the first would be swallowed by a plain map.
        (
            "\"servers\": {",
            format!("\"servers\": {{\"everything\": {},", npm_server()),
            Refused::Json,
        ),
        ("\"everything\": {", "\"Everything\": {".into(), Refused::Name),
        ("\"everything\": {", "\"../evil\": {".into(), Refused::Name),
        ("\"version\": \"2026.8.4\",", String::new(), Refused::Json),
        ("\"published\": null, ", String::new(), Refused::Json),
        ("\"install_script\": true, ", String::new(), Refused::Json),
        ("\"install_script\": true", "\"install_script\": \"yes\"".into(), Refused::Json),
        ("\"size\": 812345", "\"size\": -1".into(), Refused::Json),
        ("\"size\": 812345", "\"size\": 1e3".into(), Refused::Json),
        ("\"size\": 812345", "\"size\": 18446744073709551616".into(), Refused::Json),
        ("\"landlock_abi\": 4", "\"landlock_abi\": 4294967296".into(), Refused::Json),
        ("\"landlock_abi\": 4", "\"landlock_abi\": 4, \"landlock_abi\": 1".into(), Refused::Json),
        ("\"platform\":", "\"plattform\":".into(), Refused::Json),
        ("\"add\": \"", "\"echo\": \"".into(), Refused::Json),
        ("\"add\": \"", "\"a dd\": \"".into(), Refused::Name),
        ("\"tree\": \"sha256:", "\"tree\": \"sha512:".into(), Refused::Name),
        ("\"tree\": \"sha256:", "\"tree\": \"sha256:F".into(), Refused::Name),
        ("\"instructions\": \"sha256:", "\"instructions\": \"".into(), Refused::Name),
        (entry, at_entry("/etc/passwd"), Refused::TreePath),
        (entry, at_entry("../evil.js"), Refused::TreePath),
        (entry, at_entry("a/../../evil.js"), Refused::TreePath),
        (entry, at_entry("a//b.js"), Refused::TreePath),
        (entry, at_entry("a/"), Refused::TreePath),
        (entry, at_entry("./a.js"), Refused::TreePath),
        (entry, at_entry("a\\\\b.js"), Refused::TreePath),
        (entry, at_entry("a\\u0000b.js"), Refused::Text),
        (entry, at_entry("a\\u001b[2Jb.js"), Refused::Text),
        (entry, at_entry("a\\u202ejs.b"), Refused::Text),
        (entry, at_entry(""), Refused::Text),
        (entry, at_entry(&long), Refused::Text),
        (zod_path, "\"path\": \"../zod\"".into(), Refused::TreePath),
        (zod_path, "\"path\": \"/zod\"".into(), Refused::TreePath),
        (zod_path, "\"path\": \"a/zod\"".into(), Refused::Order),
        (
            zod_path,
            "\"path\": \"node_modules/@modelcontextprotocol/server-everything\"".into(),
            Refused::Order,
        ),
        ("\"path\": \"/usr/bin/node\"", "\"path\": \"node\"".into(), Refused::ProgramPath),
        ("\"path\": \"/usr/bin/node\"", "\"path\": \"/usr/../node\"".into(), Refused::ProgramPath),
        ("\"integrity\": \"sha512-", "\"integrity\": \"sha1-".into(), Refused::Integrity),
        ("\"integrity\": \"sha512-", "\"integrity\": \"sha512-A".into(), Refused::Integrity),
        ("\"2026-11-20T12:00:00Z\"", "\"2026-11-20\"".into(), Refused::Time),
        ("\"2026-11-20T12:00:00Z\"", "\"2026-13-20T12:00:00Z\"".into(), Refused::Time),
        ("\"published\": null", "\"published\": \"yesterday\"".into(), Refused::Time),
        ("\"published\": null", "\"published\": \"absent\"".into(), Refused::Time),
        (
            "[\"landlock\", \"seccomp\"]",
            "[\"seccomp\", \"landlock\"]".into(),
            Refused::Order,
        ),
        ("[\"landlock\", \"seccomp\"]", "[\"seccomp\", \"seccomp\"]".into(), Refused::Order),
        ("\"protocol\": \"2025-11-25\"", "\"protocol\": \"\"".into(), Refused::Text),
        ("\"protocol\": \"2025-11-25\"", "\"protocol\": null".into(), Refused::Json),
        ("\n}\n", "\n} {}".into(), Refused::Json),
        ("\n}\n", "\n".into(), Refused::Json),
        ("{\n  \"lock", "\u{feff}{\n  \"lock".into(), Refused::Json),
        // Serde's derive would take the fields of a struct as an array.
        (
            "\"box\": {",
            "\"box\": [\"sha256:0000000000000000000000000000000000000000000000000000000000000000\", 4, []], \"old\": {".into(),
            Refused::Json,
        ),
    ];
    assert!(table.len() >= 25);
    read(NPM).unwrap();
    for (from, to, expected) in table {
        assert!(NPM.contains(from), "{from} is not in the example");
        let damaged = NPM.replacen(from, &to, 1);
        match read(&damaged) {
            Ok(_) => panic!("accepted with {to}"),
            Err(error) => assert_eq!(refused_as(&error), expected, "{to}: {error}"),
        }
    }
}

fn npm_server() -> String {
    let value: Value = serde_json::from_str(NPM).unwrap();
    value["servers"]["everything"].to_string()
}

#[test]
fn what_is_not_utf8_is_refused_with_its_place() {
    let mut bytes = NPM.as_bytes().to_vec();
    bytes[40] = 0xff;
    assert!(matches!(
        parse(&bytes, Path::new("pinfold.lock")),
        Err(LockError::NotUtf8 { offset: 40, .. })
    ));
}

#[test]
fn messages_name_the_file_the_place_and_the_cure() {
    let newer = NPM.replacen("\"lockfile_version\": 1", "\"lockfile_version\": 7", 1);
    let message = read(&newer).unwrap_err().to_string();
    assert!(
        message.contains("newer pinfold") && message.contains("pinfold.lock"),
        "{message}"
    );

    let moved = NPM.replacen("\"path\": \"node_modules/zod\"", "\"path\": \"/zod\"", 1);
    let message = read(&moved).unwrap_err().to_string();
    assert!(
        message.contains("servers.everything.artifacts[2].path"),
        "{message}"
    );

    let escape = NPM.replacen("\"platform\"", "\"\\u001b[2J\"", 1);
    let message = read(&escape).unwrap_err().to_string();
    assert!(
        message.contains("line 8") && !message.contains('\u{1b}'),
        "{message}"
    );
}

#[test]
fn the_schema_has_exactly_the_keys_of_the_format() {
    let schema: Value = serde_json::from_str(SCHEMA).unwrap();
    assert_eq!(
        schema["$schema"],
        "https://json-schema.org/draft/2020-12/schema"
    );
    let mut described = BTreeSet::new();
    collect_schema_keys(&schema, &mut described);
    let mut written = BTreeSet::new();
    for (_, text) in EXAMPLES {
        collect_keys(&serde_json::from_str(text).unwrap(), &mut written);
    }
    assert_eq!(described, written);
    for key in written {
        assert!(
            FORMAT.contains(&format!("`{key}`")),
            "FORMAT.md does not explain `{key}`"
        );
    }
}

/// Every object of the schema is closed, and requires all that it describes.
fn collect_schema_keys(schema: &Value, keys: &mut BTreeSet<String>) {
    if let Some(properties) = schema.get("properties").and_then(Value::as_object) {
        assert_eq!(schema["additionalProperties"], false, "{schema}");
        let required: BTreeSet<&str> = schema["required"]
            .as_array()
            .unwrap()
            .iter()
            .filter_map(Value::as_str)
            .collect();
        assert_eq!(required, properties.keys().map(String::as_str).collect());
        keys.extend(properties.keys().cloned());
    }
    match schema {
        Value::Object(members) => {
            members
                .values()
                .for_each(|member| collect_schema_keys(member, keys));
        }
        Value::Array(items) => items
            .iter()
            .for_each(|item| collect_schema_keys(item, keys)),
        _ => {}
    }
}

/// The fixed keys of a lock; names of servers and tools are not keys of the format.
fn collect_keys(value: &Value, keys: &mut BTreeSet<String>) {
    match value {
        Value::Object(members) => {
            for (key, member) in members {
                keys.insert(key.clone());
                match key.as_str() {
                    "servers" | "platforms" => {
                        member
                            .as_object()
                            .unwrap()
                            .values()
                            .for_each(|s| collect_keys(s, keys));
                    }
                    "tools" => {}
                    _ => collect_keys(member, keys),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| collect_keys(item, keys)),
        _ => {}
    }
}

fn any_digest() -> impl Strategy<Value = Digest> {
    any::<[u8; 32]>().prop_map(Digest::from_bytes)
}

/// Text with what JSON has to escape and what it has not.
fn any_text() -> impl Strategy<Value = String> {
    "[ -~äß→😀]{1,20}".prop_filter("the word for nothing", |text| text != ABSENT)
}

fn any_path() -> impl Strategy<Value = String> {
    "[a-z\"@é -]{1,6}(/[a-z.]{1,3}x){0,3}"
}

fn any_time() -> impl Strategy<Value = String> {
    (0_u64..4_000_000_000).prop_map(|seconds| {
        let time = std::time::UNIX_EPOCH + std::time::Duration::from_secs(seconds);
        humantime::format_rfc3339_seconds(time).to_string()
    })
}

fn any_integrity() -> impl Strategy<Value = String> {
    use base64::Engine as _;
    prop::collection::vec(any::<u8>(), 64).prop_map(|bytes| {
        format!(
            "sha512-{}",
            base64::engine::general_purpose::STANDARD.encode(bytes)
        )
    })
}

prop_compose! {
    fn any_artifact()(
        (name, version, path, url) in (any_text(), any_text(), any_path(), any_text()),
        (integrity, sha256, size) in (any_integrity(), any_digest(), any::<u64>()),
        published in prop::option::of(any_time()),
        install_script: bool,
        signature in prop::option::of(any_text()),
        publisher in prop::option::of(any_text()),
        provenance in prop::option::of(any_text()),
    ) -> Artifact {
        Artifact {
            name, version, path, url, integrity, sha256, size, published, install_script,
            publisher, signature, provenance,
        }
    }
}

prop_compose! {
    fn any_interpreter()(
        kind in any_text(),
        path in any_path(),
        version in prop::option::of(any_text()),
        sha256 in any_digest(),
        package in prop::option::of(any_package()),
    ) -> Interpreter {
        let path = if package.is_some() { path } else { format!("/{path}") };
        Interpreter { kind, path, version, sha256, package }
    }
}

prop_compose! {
    fn any_package()(
        source in any_text(),
        version in any_text(),
        tree in any_digest(),
        artifacts in any_artifacts(),
    ) -> RuntimePackage {
        RuntimePackage { source, version, tree, artifacts }
    }
}

prop_compose! {
    fn any_artifacts()(
        mut artifacts in prop::collection::vec(any_artifact(), 0..4),
    ) -> Vec<Artifact> {
        artifacts.sort_by(|a, b| a.path.cmp(&b.path));
        artifacts.dedup_by(|a, b| a.path == b.path);
        artifacts
    }
}

prop_compose! {
    /// Parts that share some artifacts with the platform in front, lack some and have their own.
    fn any_artifacts_and_parts()(
        artifacts in any_artifacts(),
        parts in prop::collection::btree_map(any_text(), any_part(), 0..3),
        shared: u8,
    ) -> (Vec<Artifact>, BTreeMap<String, PlatformPart>) {
        let parts = parts.into_iter().map(|(platform, mut part)| {
            for (index, artifact) in artifacts.iter().enumerate() {
                if shared >> index & 1 == 1 {
                    part.artifacts.retain(|own| own.path != artifact.path);
                    part.artifacts.push(artifact.clone());
                }
            }
            part.artifacts.sort_by(|a, b| a.path.cmp(&b.path));
            (platform, part)
        });
        let parts = parts.collect();
        (artifacts, parts)
    }
}

prop_compose! {
    fn any_part()(
        interpreter in prop::option::of(prop::option::of(any_interpreter())),
        (entry_point, tree) in (any_path(), any_digest()),
        artifacts in any_artifacts(),
    ) -> PlatformPart {
        let interpreter = match interpreter {
            Some(interpreter) => PartInterpreter::Recorded(interpreter),
            None => PartInterpreter::Unknown,
        };
        PlatformPart { interpreter, entry_point, tree, artifacts }
    }
}

prop_compose! {
    fn any_behaviour()(
        protocol in any_text(),
        instructions in prop::option::of(any_digest()),
        tools in prop::collection::btree_map("[A-Za-z0-9_.-]{1,12}", any_digest(), 0..4),
    ) -> Behaviour {
        let tools =
            tools.into_iter().map(|(name, digest)| (name.parse().unwrap(), digest)).collect();
        Behaviour { protocol, instructions, tools }
    }
}

prop_compose! {
    fn any_server()(
        (source, version) in (any_text(), prop::option::of(any_text())),
        (locked_at, platform) in (any_time(), any_text()),
        interpreter in prop::option::of(any_interpreter()),
        (entry_point, tree) in (any_path(), any_digest()),
        (artifacts, mut platforms) in any_artifacts_and_parts(),
        egress in prop::option::of(prop::collection::btree_set("[a-z]{1,8}:443", 0..3)),
        behaviour in any_behaviour(),
        policy in any_digest(),
        landlock_abi: u32,
        layers in prop::collection::btree_set("[a-z]{1,8}", 0..4),
    ) -> LockedServer {
        let layers = layers.into_iter().collect();
        let packages: BTreeSet<String> = artifacts
            .iter()
            .filter(|artifact: &&Artifact| artifact.install_script)
            .map(|artifact| artifact.name.clone())
            .collect();
        let build = egress.filter(|_| !packages.is_empty()).map(|egress| Build {
            packages: packages.into_iter().collect(),
            egress: egress.into_iter().collect(),
        });
        platforms.remove(&platform);
        LockedServer {
            source, version, locked_at, platform, interpreter, entry_point, tree, artifacts, build,
            platforms, behaviour, confinement: Confinement { policy, landlock_abi, layers },
        }
    }
}

prop_compose! {
    fn any_lock()(
        servers in prop::collection::btree_map("[a-z0-9][a-z0-9._-]{0,9}", any_server(), 0..4)
    ) -> Lock {
        let servers =
            servers.into_iter().map(|(name, server)| (name.parse().unwrap(), server)).collect();
        Lock { servers }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn every_lock_survives_the_round_trip(lock in any_lock()) {
        let text = serialise(&lock);
        prop_assert_eq!(read(&text).unwrap(), lock.clone());
        prop_assert_eq!(text.chars().last(), Some('\n'));
        // One line per artifact, whatever is in it.
        let artifacts: usize = lock.servers.values().map(|server| server.all_artifacts().count()).sum();
        let lines = text.lines().filter(|line| line.trim_start().starts_with("{\"name\": ")).count();
        prop_assert_eq!(lines, artifacts);
    }

    #[test]
    fn no_input_panics(text in "\\PC{0,200}") {
        let _ = read(&text);
        let _ = read(&format!("{{\"lockfile_version\":1,\"servers\":{text}}}"));
    }
}
