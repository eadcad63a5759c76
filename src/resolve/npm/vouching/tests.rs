//! Attestations from a registry on the loopback interface, of a sigstore that the test made.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Value, json};

use super::super::OfferedAttestations;
use super::*;
use crate::fetch::tests::{TestServer, answer, client, run, serve_with};
use crate::provenance::RegistrySignature;
use crate::provenance::testing::{Claims, Key, Sigstore};
use crate::resolve::vouching::PATIENCE;

const PATH: &str = "/-/npm/v1/attestations/thing@1.0.0";
const KEYS: &str = "/-/npm/v1/keys";
const KEYID: &str = "SHA256:the-registry-of-the-test";
const BUILD: &str = "https://github.com/org/repo@.github/workflows/release.yml via https://token.actions.githubusercontent.com";

/// A registry that answers `PATH` and `KEYS`, and everything else with 404.
fn registry(attestations: Vec<u8>, keys: Vec<u8>) -> TestServer {
    serve_with(move |head| match head.split(' ').nth(1) {
        Some(PATH) => attestations.clone(),
        Some(KEYS) => keys.clone(),
        _ => answer("404 Not Found", "", b"{}"),
    })
}

fn not_found() -> Vec<u8> {
    answer("404 Not Found", "", b"{}")
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

fn package(server: &TestServer) -> ResolvedPackage {
    ResolvedPackage {
        name: "thing".to_owned(),
        version: "1.0.0".to_owned(),
        path: "node_modules/thing".to_owned(),
        url: "thing.tgz".to_owned(),
        download_url: server.url("/thing.tgz"),
        integrity: format!("sha512-{}", BASE64.encode([7; 64])),
        published: None,
        install_script: false,
        publisher: None,
        signatures: Vec::new(),
        attestations: Some(OfferedAttestations {
            url: Some(server.url(PATH)),
            provenance: true,
            passed_on: false,
        }),
        deprecated: None,
    }
}

fn statement(kind: &str, predicate: Value) -> Value {
    json!({
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{ "name": "pkg:npm/thing@1.0.0", "digest": { "sha512": "07".repeat(64) } }],
        "predicateType": kind, "predicate": predicate,
    })
}

const SLSA: &str = "https://slsa.dev/provenance/v1";
const PUBLISH: &str = "https://github.com/npm/attestation/tree/main/specs/publish/v0.1";

fn document(list: &[(&str, Value)]) -> Vec<u8> {
    let list: Vec<_> = list
        .iter()
        .map(|(kind, bundle)| json!({ "predicateType": kind, "bundle": bundle }))
        .collect();
    answer(
        "200 OK",
        "",
        json!({ "attestations": list }).to_string().as_bytes(),
    )
}

fn judge(
    sigstore: &Sigstore,
    server: &TestServer,
    packages: &[ResolvedPackage],
) -> Result<Vec<Vouched>, String> {
    let settings = settings(server);
    let client = client();
    let verifier = || Ok(sigstore.verifier());
    run(vouched_by(packages, &settings, &client, verifier)).map_err(|error| error.to_string())
}

#[test]
fn attestations_are_asked_for_once_for_each_version_and_only_where_there_are_some() {
    let sigstore = Sigstore::new();
    let bundle = sigstore.build(&statement(SLSA, json!({})), &Claims::default());
    let server = registry(document(&[(SLSA, bundle)]), not_found());
    let with = package(&server);
    let mut again = with.clone();
    again.path = "node_modules/other/node_modules/thing".to_owned();
    let mut without = with.clone();
    without.name = "bare".to_owned();
    without.attestations = None;
    let found = judge(&sigstore, &server, &[with, without, again]).unwrap();
    assert_eq!(found[0].provenance.as_deref(), Some(BUILD));
    assert_eq!(found[1], Vouched::default());
    assert_eq!(found[2], found[0]);
    assert_eq!(server.requests().len(), 1);
    // The real trusted root does not know this sigstore.
    let server = registry(
        document(&[(
            SLSA,
            sigstore.build(&statement(SLSA, json!({})), &Claims::default()),
        )]),
        not_found(),
    );
    let settings = settings(&server);
    let result = run(vouched(&[package(&server)], &settings, &client()));
    assert!(matches!(
        result,
        Err(ResolveError::Provenance(
            ProvenanceError::Attestation { .. }
        ))
    ));
}

#[test]
fn a_registrys_own_attestation_needs_its_key() {
    let sigstore = Sigstore::new();
    let key = Key::new();
    let publication = statement(PUBLISH, json!({ "name": "thing", "version": "1.0.0" }));
    let list = [
        (
            SLSA,
            sigstore.build(&statement(SLSA, json!({})), &Claims::default()),
        ),
        (PUBLISH, sigstore.keyed(&key, KEYID, &publication)),
    ];
    let keys = json!({ "keys": [{ "keyid": KEYID, "scheme": "ecdsa-sha2-nistp256",
        "key": BASE64.encode(key.spki()), "expires": null }] });
    let keys = answer("200 OK", "", keys.to_string().as_bytes());
    let server = registry(document(&list), keys);
    let found = judge(&sigstore, &server, &[package(&server)]).unwrap();
    assert_eq!(found[0].provenance.as_deref(), Some(BUILD));
    let server = registry(document(&list), not_found());
    let error = judge(&sigstore, &server, &[package(&server)]).unwrap_err();
    assert!(error.contains("neither npm's nor"), "{error}");
    // Provenance that was promised is not made up for by a publication.
    let keys = answer("200 OK", "", b"{\"keys\":[]}");
    let server = registry(document(&[]), keys);
    let error = judge(&sigstore, &server, &[package(&server)]).unwrap_err();
    assert!(error.contains("no provenance among them"), "{error}");
}

#[test]
fn what_is_offered_and_can_not_be_had_is_refused() {
    let sigstore = Sigstore::new();
    let huge = vec![b' '; usize::try_from(MAX_ATTESTATIONS_BYTES).unwrap() + 1];
    for (words, reply) in [
        ("status 404", not_found()),
        ("status 500", answer("500 Broken", "", b"{}")),
        ("status 403", answer("403 No", "", b"{}")),
        ("larger than", answer("200 OK", "", &huge)),
        ("does not hold", answer("200 OK", "", b"<html>")),
    ] {
        let server = registry(reply, not_found());
        let error = judge(&sigstore, &server, &[package(&server)]).expect_err(words);
        assert!(
            error.contains(words) && error.contains("thing@1.0.0"),
            "{error}"
        );
    }
    // A mirror that passes on what it was told has none: that is a fact, not a lie; but only if it
    // says so.
    let passed_on = |server: &TestServer| {
        let mut package = package(server);
        package.attestations.as_mut().unwrap().passed_on = true;
        package
    };
    let server = registry(not_found(), not_found());
    let found = judge(&sigstore, &server, &[passed_on(&server)]).unwrap();
    assert!(found[0].not_mirrored && found[0].provenance.is_none());
    let server = registry(answer("500 Broken", "", b"{}"), not_found());
    judge(&sigstore, &server, &[passed_on(&server)]).unwrap_err();
    let server = registry(answer("200 OK", "", b"{\"attestations\":[]}"), not_found());
    judge(&sigstore, &server, &[passed_on(&server)]).unwrap_err();
    // At another host nobody is asked.
    let mut elsewhere = package(&server);
    elsewhere.attestations.as_mut().unwrap().url = None;
    let found = judge(&sigstore, &server, &[elsewhere]).unwrap();
    assert!(found[0].not_mirrored);
}

#[test]
fn a_registry_that_does_not_answer_is_not_waited_for() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let url = Url::parse(&format!("http://127.0.0.1:{port}/")).unwrap();
    let registry = Registry::parse("registry", url.as_str()).unwrap();
    // The clock goes on by itself whenever there is nothing else to wait for.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .unwrap();
    let started = std::time::Instant::now();
    let result = runtime.block_on(document_of(&client(), &registry, &url));
    assert!(matches!(result, Err(Unavailable::Slow)), "{result:?}");
    assert!(started.elapsed() < PATIENCE, "the clock was not the test's");
}

async fn document_of(
    client: &Client,
    registry: &Registry,
    url: &Url,
) -> Result<Vec<u8>, Unavailable> {
    super::document(client, registry, url, 100).await
}

#[test]
fn signatures_of_a_closure_are_judged_each_with_the_keys_of_its_registry() {
    let sigstore = Sigstore::new();
    let server = registry(not_found(), not_found());
    let mut signed = package(&server);
    signed.attestations = None;
    signed.name = "kms-demo".to_owned();
    signed.integrity = "sha512-QqZ7VJ/8xPkS9s2IWB7Shj3qTJdcRyeXKbPQnsZjsPEwvutGv0EGeVchPcauoiDFJlGbZMFq5GDCurAGNSghJQ==".to_owned();
    signed.signatures = vec![RegistrySignature {
        keyid: "SHA256:jl3bwswu80PjjokCgh0o2w5c2U4LhQAE57gj9cz1kzA".to_owned(),
        sig: "MEUCIDrLNspFeU5NZ6d55ycVBZIMXnPJi/XnI1Y2dlJvK8P1AiEAnXjn1IOMUd+U7YfPH+FNjwfLq+jCwfH8uaxocq+mpPk=".to_owned(),
    }];
    let found = judge(&sigstore, &server, std::slice::from_ref(&signed)).unwrap();
    assert_eq!(
        found[0].signature.as_deref(),
        Some("npm:SHA256:jl3bwswu80PjjokCgh0o2w5c2U4LhQAE57gj9cz1kzA")
    );
    // npm's signature, from a mirror, without a single request.
    assert!(server.requests().is_empty());
    signed.signatures[0].keyid = "SHA256:unknown".to_owned();
    let error = judge(&sigstore, &server, &[signed]).unwrap_err();
    assert!(error.contains("neither a key of npm nor"), "{error}");
    assert_eq!(server.requests().len(), 1);
}
