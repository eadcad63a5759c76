//! The whole of `resolve` against a registry on the loopback interface and an npm that answers
//! from a script.

use std::cell::RefCell;

use serde_json::{Value, json};

use super::*;
use crate::fetch::tests::{TestServer, answer, client, run, serve_with};

const DAY: Duration = Duration::from_secs(24 * 3600);

/// A registry with documents by package name.
fn registry(documents: Vec<Value>) -> TestServer {
    serve_with(move |head| {
        let path = head
            .split(' ')
            .nth(1)
            .unwrap_or_default()
            .trim_start_matches('/');
        let name = path.replace("%2f", "/");
        match documents.iter().find(|document| document["name"] == name) {
            Some(document) => answer("200 OK", "", document.to_string().as_bytes()),
            None => answer("404 Not Found", "", b"{}"),
        }
    })
}

fn integrity(letter: char) -> String {
    format!("sha512-{}==", letter.to_string().repeat(85) + "A")
}

fn document(name: &str, version: &str, published: &str) -> Value {
    json!({
        "name": name,
        "dist-tags": { "latest": version },
        "time": { version: published },
        "versions": { version: {
            "name": name, "version": version, "dependencies": { "dep": "^1", "fs": "1" },
            "optionalDependencies": { "fs": "1" }, "bin": { "x": "x.js" },
            "dist": {
                "tarball": format!("https://registry.npmjs.org/{name}/-/x-{version}.tgz"),
                "integrity": integrity('A'),
                "signatures": [{ "keyid": "k", "sig": "s" }],
            },
        } },
    })
}

fn entry(name: &str, version: &str) -> Value {
    json!({
        "version": version,
        "resolved": format!("https://registry.npmjs.org/{name}/-/x-{version}.tgz"),
        "integrity": integrity('A'),
    })
}

type Files = Vec<(String, Vec<u8>)>;

/// An npm that always says the same.
struct Npm {
    output: NpmOutput,
    asked: RefCell<Vec<(Vec<String>, Files)>>,
}

impl Npm {
    fn choosing(packages: Value) -> Self {
        let lock = json!({ "lockfileVersion": 3, "packages": packages }).to_string();
        let output = NpmOutput {
            success: true,
            package_lock: Some(lock.into_bytes()),
            ..NpmOutput::default()
        };
        Self {
            output,
            asked: RefCell::default(),
        }
    }

    fn file(&self, name: &str) -> Option<Vec<u8>> {
        let asked = self.asked.borrow();
        asked[0]
            .1
            .iter()
            .find(|(file, _)| file == name)
            .map(|(_, content)| content.clone())
    }
}

impl NpmRunner for Npm {
    async fn run(
        &self,
        arguments: &[String],
        files: &[(&str, Vec<u8>)],
    ) -> Result<NpmOutput, Box<dyn std::error::Error + Send + Sync>> {
        let files = files
            .iter()
            .map(|(name, content)| ((*name).to_owned(), content.clone()));
        self.asked
            .borrow_mut()
            .push((arguments.to_vec(), files.collect()));
        Ok(self.output.clone())
    }
}

fn settings(server: &TestServer) -> NpmSettings {
    let registry = server.url("/").to_string();
    let environment = |name: &str| match name {
        "npm_config_registry" => Some(registry.clone().into()),
        "NPM_CONFIG_GLOBALCONFIG" => Some("/nonexistent".into()),
        _ => None,
    };
    NpmSettings::load(&environment, None).unwrap()
}

fn resolve_with(
    documents: Vec<Value>,
    npm: &Npm,
    range: Option<&str>,
    release_age: Duration,
) -> Result<NpmResolution, ResolveError> {
    let server = registry(documents);
    let request = NpmRequest {
        name: "@s/top".to_owned(),
        range: range.map(str::to_owned),
        release_age,
        now: humantime::parse_rfc3339("2026-06-10T00:00:00Z").unwrap(),
        platform: Platform::current(),
    };
    run(resolve(
        &request,
        &settings(&server),
        &client(),
        npm,
        &|_| (),
    ))
}

fn ordinary() -> (Vec<Value>, Value) {
    let documents = vec![
        document("@s/top", "1.0.0", "2026-06-01T10:00:00.123Z"),
        document("dep", "1.1.0", "2026-05-01T00:00:00Z"),
    ];
    let packages = json!({
        "": { "name": "pinfold-closure" },
        "node_modules/@s/top": entry("@s/top", "1.0.0"),
        "node_modules/dep": entry("dep", "1.1.0"),
        "node_modules/dep/node_modules/inner": { "version": "3.0.0", "inBundle": true },
        "node_modules/other": { "version": "1.0.0", "optional": true, "os": ["win32"] },
    });
    (documents, packages)
}

#[test]
fn a_closure_is_resolved_to_exact_artifacts() {
    let (documents, packages) = ordinary();
    let npm = Npm::choosing(packages);
    let found = resolve_with(documents, &npm, Some("^1"), 3 * DAY).unwrap();
    assert_eq!(
        (found.version.as_str(), found.root_path.as_str()),
        ("1.0.0", "node_modules/@s/top")
    );
    assert_eq!(found.packages.len(), 2);
    let top = &found.packages[0];
    assert_eq!(top.url, "@s/top/-/x-1.0.0.tgz");
    assert_eq!(top.download_url.host_str(), Some("127.0.0.1"));
    assert_eq!(top.integrity, integrity('A'));
    assert_eq!(top.published.as_deref(), Some("2026-06-01T10:00:00Z"));
    assert_eq!(top.signatures.len(), 1);

    let arguments = npm.asked.borrow()[0].0.join(" ");
    assert!(
        arguments.starts_with("install --package-lock-only --ignore-scripts"),
        "{arguments}"
    );
    assert!(
        arguments.contains("--before=2026-06-07T00:00:00.000Z"),
        "{arguments}"
    );
    let manifest: Value = serde_json::from_slice(&npm.file("package.json").unwrap()).unwrap();
    assert_eq!(manifest["dependencies"], json!({ "@s/top": "^1" }));
    assert!(npm.file("package-lock.json").is_none());
    let npmrc = String::from_utf8(npm.file("settings.npmrc").unwrap()).unwrap();
    assert!(npmrc.starts_with("registry=\"http://127.0.0.1:"), "{npmrc}");
}

#[test]
fn young_versions_are_refused_even_when_npm_chose_them() {
    for young in ["@s/top", "dep"] {
        let (mut documents, packages) = ordinary();
        let document = documents
            .iter_mut()
            .find(|document| document["name"] == young)
            .unwrap();
        for time in document["time"].as_object_mut().unwrap().values_mut() {
            *time = json!("2026-06-09T00:00:00Z");
        }
        let npm = Npm::choosing(packages);
        let error = resolve_with(documents.clone(), &npm, None, 3 * DAY).unwrap_err();
        assert!(
            matches!(&error, ResolveError::TooYoung { name, .. } if name == young),
            "{error}"
        );
        assert!(error.to_string().contains("less than 72h ago"), "{error}");
        assert!(resolve_with(documents.clone(), &npm, None, Duration::ZERO).is_ok());
        // Asked for exactly, the package itself may be young, and what it needs may not.
        let exact = resolve_with(documents, &npm, Some("1.0.0"), 3 * DAY);
        assert_eq!(exact.is_ok(), young == "@s/top");
    }
}

#[test]
fn a_young_version_that_was_asked_for_is_put_before_npm() {
    let (mut documents, packages) = ordinary();
    documents[0]["time"] = json!({ "1.0.0": "2026-06-09T00:00:00Z" });
    let npm = Npm::choosing(packages);
    resolve_with(documents, &npm, Some("1.0.0"), 3 * DAY).unwrap();
    assert!(
        npm.asked.borrow()[0]
            .0
            .iter()
            .any(|argument| argument.starts_with("--before="))
    );
    let lock: Value = serde_json::from_slice(&npm.file("package-lock.json").unwrap()).unwrap();
    let top = &lock["packages"]["node_modules/@s/top"];
    assert_eq!(top["version"], "1.0.0");
    assert_eq!(top["dependencies"], json!({ "dep": "^1" }));
    assert_eq!(top["optionalDependencies"], json!({ "fs": "1" }));
    assert_eq!(top["integrity"], integrity('A'));
}

#[test]
fn without_times_only_the_exact_version_passes_the_age_rule() {
    let (mut documents, mut packages) = ordinary();
    documents[0].as_object_mut().unwrap().remove("time");
    packages.as_object_mut().unwrap().remove("node_modules/dep");
    packages
        .as_object_mut()
        .unwrap()
        .remove("node_modules/dep/node_modules/inner");
    let npm = Npm::choosing(packages);
    let error = resolve_with(documents.clone(), &npm, None, DAY).unwrap_err();
    assert!(
        matches!(error, ResolveError::NoPublishTime { .. }),
        "{error}"
    );
    assert!(
        error.to_string().contains("settings.release_age"),
        "{error}"
    );
    assert!(resolve_with(documents.clone(), &npm, Some("1.0.0"), DAY).is_ok());
    let open = resolve_with(documents, &npm, None, Duration::ZERO).unwrap();
    assert_eq!(open.packages[0].published, None);
}

/// Resolves after one change to what npm says of the top package.
fn with_entry(field: &str, value: Value) -> Result<NpmResolution, ResolveError> {
    let (documents, mut packages) = ordinary();
    let top = packages["node_modules/@s/top"].as_object_mut().unwrap();
    if value.is_null() {
        top.remove(field);
    } else {
        top.insert(field.to_owned(), value);
    }
    resolve_with(documents, &Npm::choosing(packages), None, DAY)
}

/// Resolves after one change to what the registry says of the top package.
fn with_dist(field: &str, value: Value) -> Result<NpmResolution, ResolveError> {
    let (mut documents, mut packages) = ordinary();
    documents[0]["versions"]["1.0.0"]["dist"][field] = value;
    packages["node_modules/@s/top"]
        .as_object_mut()
        .unwrap()
        .remove("integrity");
    packages["node_modules/@s/top"]
        .as_object_mut()
        .unwrap()
        .remove("resolved");
    resolve_with(documents, &Npm::choosing(packages), None, DAY)
}

#[test]
fn digests_of_npm_and_the_registry_must_agree() {
    assert!(with_entry("integrity", json!(integrity('A'))).is_ok());
    assert_eq!(
        with_entry("integrity", Value::Null).unwrap().packages[0].integrity,
        integrity('A')
    );
    for wrong in [integrity('B'), "sha1-AAAA".to_owned(), String::new()] {
        let result = with_entry("integrity", json!(wrong));
        assert!(
            matches!(result, Err(ResolveError::IntegrityMismatch { .. })),
            "{wrong}"
        );
    }
    assert!(with_dist("integrity", json!(integrity('B'))).is_ok());
    for weak in [json!("sha1-AAAA"), Value::Null] {
        let result = with_dist("integrity", weak);
        assert!(matches!(result, Err(ResolveError::NoIntegrity { .. })));
    }
}

#[test]
fn tarballs_come_from_where_the_registry_says() {
    assert!(with_entry("resolved", Value::Null).is_ok());
    for foreign in [
        "https://evil.example/@s/top/-/x-1.0.0.tgz",
        "https://registry.npmjs.org/@s/top/-/x-0.9.9.tgz",
        "https://registry.npmjs.org/other/-/x-1.0.0.tgz",
    ] {
        let result = with_entry("resolved", json!(foreign));
        assert!(
            matches!(result, Err(ResolveError::ForeignSource { .. })),
            "{foreign}"
        );
    }
    let elsewhere = with_dist("tarball", json!("https://cdn.example/top.tgz")).unwrap();
    assert_eq!(elsewhere.packages[0].url, "https://cdn.example/top.tgz");
    // The host of the registry itself, which is on this machine here.
    let own = "http://127.0.0.1:4/top.tgz?x";
    let found = with_dist("tarball", json!(own)).unwrap();
    assert_eq!(found.packages[0].url, own);
    for unusable in [
        "file:///etc/passwd",
        "top.tgz",
        "https://u:p@cdn.example/top.tgz",
        "https://cdn.example/top.tgz?x",
        "https://169.254.169.254/latest",
        "https://10.0.0.1/top.tgz",
        "https://[fd00::1]/top.tgz",
    ] {
        let error = with_dist("tarball", json!(unusable)).unwrap_err();
        assert!(
            matches!(error, ResolveError::Packument { .. }),
            "{unusable}"
        );
        assert!(!error.to_string().contains("u:p"));
    }
}

#[test]
fn npm_must_answer_what_was_asked() {
    let (documents, packages) = ordinary();
    let npm = Npm::choosing(packages.clone());
    let other = resolve_with(documents.clone(), &npm, Some("1.0.1"), Duration::ZERO);
    assert!(matches!(other, Err(ResolveError::OtherVersion { .. })));
    let other = resolve_with(documents.clone(), &npm, Some("1.0.1"), DAY);
    assert!(matches!(other, Err(ResolveError::NoMatchingVersion { .. })));

    let alias = with_entry("name", json!("dep"));
    assert!(matches!(alias, Err(ResolveError::PackageLock { .. })));
    let unknown = with_entry("version", json!("2.0.0"));
    assert!(matches!(unknown, Err(ResolveError::NotPublished { .. })));

    let mut without = packages;
    without["node_modules/ghost"] = entry("ghost", "1.0.0");
    let result = resolve_with(documents.clone(), &Npm::choosing(without), None, DAY);
    assert!(
        matches!(result, Err(ResolveError::NoSuchPackage { package, .. }) if package == "ghost")
    );

    let mut silent = Npm::choosing(json!({}));
    silent.output.package_lock = None;
    let result = resolve_with(documents.clone(), &silent, None, DAY);
    assert!(matches!(result, Err(ResolveError::NoPackageLock)));
    silent.output.success = false;
    silent.output.stderr = b"npm error code ETARGET\n".to_vec();
    let error = resolve_with(documents, &silent, None, DAY).unwrap_err();
    assert!(error.to_string().contains("@s/top@latest"), "{error}");
}

#[test]
fn nothing_is_asked_for_a_name_that_is_none() {
    let npm = Npm::choosing(json!({}));
    let server = registry(Vec::new());
    for (name, range) in [("../x", None), ("zod", Some("file:x"))] {
        let request = NpmRequest {
            name: name.to_owned(),
            range: range.map(str::to_owned),
            release_age: DAY,
            now: SystemTime::UNIX_EPOCH,
            platform: Platform::current(),
        };
        let result = run(resolve(
            &request,
            &settings(&server),
            &client(),
            &npm,
            &|_| (),
        ));
        assert!(matches!(
            result,
            Err(ResolveError::InvalidName { .. } | ResolveError::InvalidRange { .. })
        ));
    }
    assert!(npm.asked.borrow().is_empty() && server.requests().is_empty());
}

#[test]
fn a_scoped_name_is_one_part_of_the_address() {
    let (documents, packages) = ordinary();
    let server = registry(documents);
    let request = NpmRequest {
        name: "@s/top".to_owned(),
        range: None,
        release_age: DAY,
        now: humantime::parse_rfc3339("2026-06-10T00:00:00Z").unwrap(),
        platform: Platform::current(),
    };
    let steps = RefCell::new(Vec::new());
    let npm = Npm::choosing(packages);
    run(resolve(
        &request,
        &settings(&server),
        &client(),
        &npm,
        &|step| {
            steps.borrow_mut().push(step);
        },
    ))
    .unwrap();
    assert!(
        server
            .requests()
            .iter()
            .any(|head| head.starts_with("GET /@s%2ftop "))
    );
    let steps = steps.into_inner();
    assert_eq!(steps[0], NpmProgress::Choosing);
    assert_eq!(
        steps.last(),
        Some(&NpmProgress::Checking { done: 2, total: 2 })
    );
}
