//! Attestations of npm: real ones, and every lie about one with its control.

use serde_json::{Value, json};

use super::*;
use crate::provenance::testing::{Claims, Key, Sigstore};

const RECORDED: &[u8] = include_bytes!("../recorded/npm-sigstore-2.0.0.json");
const DIGEST: &str = "46d4e2f74c4877316640000a6fdf8a8b59f1e0847667973e9859f774dd31b8f1e0937813b777fb66a2ac67d50540fe34640966eee9fc2ccca387082b4c85cd3c";
const INTEGRITY: &str = "sha512-RtTi90xIdzFmQAAKb9+Ki1nx4IR2Z5c+mFn3dN0xuPHgk3gTt3f7ZqKsZ9UFQP40ZAlm7un8LMyjhwgrTIXNPA==";
const OTHER_INTEGRITY: &str = "sha512-AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA==";
const BUILD: &str = "https://github.com/org/repo@.github/workflows/release.yml via https://token.actions.githubusercontent.com";
const KEYID: &str = "SHA256:the-registry-of-the-test";

/// `@scope/thing@1.0.0`, with the digest of the recorded one.
const RELEASE: Release<'static> = Release {
    name: "@scope/thing",
    version: "1.0.0",
    integrity: INTEGRITY,
    published: None,
};

fn statement(predicate_type: &str, predicate: &Value) -> Value {
    json!({
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{ "name": "pkg:npm/%40scope/thing@1.0.0", "digest": { "sha512": DIGEST } }],
        "predicateType": predicate_type,
        "predicate": predicate,
    })
}

fn slsa() -> Value {
    let workflow = json!({ "repository": "https://github.com/org/repo" });
    statement(
        SLSA_V1,
        &json!({ "buildDefinition": { "externalParameters": { "workflow": workflow } } }),
    )
}

fn publication() -> Value {
    statement(
        NPM_PUBLISH,
        &json!({ "name": "@scope/thing", "version": "1.0.0" }),
    )
}

fn keys(key: &Key, expires: Option<&str>) -> RegistryKeys {
    let mut keys = RegistryKeys::npm().unwrap();
    let document = json!({ "keys": [{ "keyid": KEYID, "scheme": "ecdsa-sha2-nistp256",
        "key": BASE64.encode(key.spki()), "expires": expires }] });
    keys.add_published("registry.test", document.to_string().as_bytes())
        .unwrap();
    keys
}

fn document(list: &[(&str, &Value)]) -> Vec<u8> {
    let list: Vec<_> = list
        .iter()
        .map(|(kind, bundle)| json!({ "predicateType": kind, "bundle": bundle }))
        .collect();
    json!({ "attestations": list }).to_string().into_bytes()
}

/// What becomes of attestations: the build in the lock's words, or why not.
fn judged(
    list: &[(&str, &Value)],
    verifier: &BundleVerifier,
    keys: &RegistryKeys,
) -> Result<Option<String>, String> {
    NpmAttestations::read("@scope/thing@1.0.0", &document(list))
        .and_then(|read| read.verify(&RELEASE, verifier, keys))
        .map(|build| build.map(|build| build.to_string()))
        .map_err(|error| error.to_string())
}

fn refused(words: &str, result: Result<Option<String>, String>) {
    let error = result.expect_err(words);
    assert!(error.contains(words), "{words}: {error}");
    assert!(error.contains("@scope/thing@1.0.0"), "{error}");
}

/// As published: the provenance of sigstore@2.0.0, against sigstore's own trusted root.
#[test]
fn recorded_provenance_verifies_offline() {
    let verifier = BundleVerifier::public_good().unwrap();
    let keys = RegistryKeys::npm().unwrap();
    let release = Release {
        name: "sigstore",
        version: "2.0.0",
        ..RELEASE
    };
    let read = NpmAttestations::read("sigstore@2.0.0", RECORDED).unwrap();
    let build = read.verify(&release, &verifier, &keys).unwrap().unwrap();
    assert_eq!(
        build.to_string(),
        "https://github.com/sigstore/sigstore-js@.github/workflows/release.yml via https://token.actions.githubusercontent.com"
    );
    // Of another package, version or file it says nothing.
    for (other, words) in [
        (
            Release {
                name: "sigstor",
                ..release
            },
            "is about pkg:npm/sigstore@2.0.0",
        ),
        (
            Release {
                version: "2.0.1",
                ..release
            },
            "is about pkg:npm/sigstore@2.0.0",
        ),
        (
            Release {
                integrity: OTHER_INTEGRITY,
                ..release
            },
            "does not match any subject",
        ),
    ] {
        let error = read.verify(&other, &verifier, &keys).unwrap_err();
        assert!(error.to_string().contains(words), "{error}");
    }
    // Nor does it hold in a sigstore of somebody else's.
    let error = read.verify(&release, &Sigstore::new().verifier(), &keys);
    assert!(matches!(error, Err(ProvenanceError::Attestation { .. })));
    // Nor with any of its parts changed.
    let whole: Value = serde_json::from_slice(RECORDED).unwrap();
    let bundle = "/attestations/0/bundle";
    for (part, value) in [
        (
            "dsseEnvelope/payload",
            json!(BASE64.encode(slsa().to_string())),
        ),
        ("dsseEnvelope/signatures/0/sig", json!("MEUCIQ==")),
        ("verificationMaterial/tlogEntries", json!([])),
        (
            "verificationMaterial/tlogEntries/0/integratedTime",
            json!("1692374736"),
        ),
        (
            "verificationMaterial/tlogEntries/0/inclusionProof/hashes/0",
            json!(BASE64.encode([0; 32])),
        ),
    ] {
        let mut changed = whole.clone();
        *changed
            .pointer_mut(&format!("{bundle}/{part}"))
            .expect(part) = value;
        let result = NpmAttestations::read("sigstore@2.0.0", changed.to_string().as_bytes())
            .and_then(|read| read.verify(&release, &verifier, &keys));
        assert!(result.is_err(), "{part}");
    }
}

#[test]
fn a_build_and_a_publication_are_believed() {
    let sigstore = Sigstore::new();
    let key = Key::new();
    let build = sigstore.build(&slsa(), &Claims::default());
    let published = sigstore.keyed(&key, KEYID, &publication());
    let list = [(SLSA_V1, &build), (NPM_PUBLISH, &published)];
    let keys = keys(&key, None);
    let verifier = sigstore.verifier();
    assert_eq!(
        judged(&list, &verifier, &keys).unwrap().as_deref(),
        Some(BUILD)
    );
    assert_eq!(judged(&list[1..], &verifier, &keys).unwrap(), None);
    assert_eq!(judged(&[], &verifier, &keys).unwrap(), None);
    let read = NpmAttestations::read("a", &document(&list)).unwrap();
    assert_eq!(read.keyids().collect::<Vec<_>>(), [KEYID]);
}

#[test]
fn every_lie_about_a_build_is_refused() {
    let sigstore = Sigstore::new();
    let verifier = sigstore.verifier();
    let keys = RegistryKeys::npm().unwrap();
    let judge = |statement: &Value, claims: &Claims| {
        let bundle = sigstore.build(statement, claims);
        judged(&[(SLSA_V1, &bundle)], &verifier, &keys)
    };
    let claims = Claims::default();
    assert_eq!(judge(&slsa(), &claims).unwrap().as_deref(), Some(BUILD));

    let edited = |pointer: &str, value: Value| {
        let mut statement = slsa();
        *statement.pointer_mut(pointer).unwrap() = value;
        statement
    };
    let subject = slsa()["subject"][0].clone();
    let mut second = subject.clone();
    second["name"] = json!("pkg:npm/other@1.0.0");
    second["digest"]["sha512"] = json!("00".repeat(64));
    let repository = "/predicate/buildDefinition/externalParameters/workflow/repository";
    for (words, statement) in [
        (
            "does not match any subject",
            edited("/subject/0/digest/sha512", json!("00".repeat(64))),
        ),
        (
            "is about pkg:npm/other@1.0.0",
            edited("/subject/0/name", json!("pkg:npm/other@1.0.0")),
        ),
        (
            "about 2 files",
            edited("/subject", json!([subject, second])),
        ),
        (
            "of another kind",
            edited("/predicateType", json!("https://example.test/x")),
        ),
        (
            "names the repository https://github.com/org/other",
            edited(repository, json!("https://github.com/org/other")),
        ),
        (
            "no in-toto statement",
            edited("/_type", json!("https://example.test/x")),
        ),
    ] {
        refused(words, judge(&statement, &claims));
    }
    let whose = |issuer: &str, repository: Option<&str>| Claims {
        issuer: issuer.to_owned(),
        repository: repository.map(str::to_owned),
        ..claims.clone()
    };
    for (words, claims) in [
        (
            "its certificate mailto:",
            whose("https://accounts.test", None),
        ),
        (
            "can't speak for",
            whose("https://gitlab.com", Some("https://github.com/org/repo")),
        ),
        (
            "malformed",
            whose("https://a.test via b", Some("https://github.com/org/repo")),
        ),
    ] {
        refused(words, judge(&slsa(), &claims));
    }
}

#[test]
fn a_bundle_of_another_world_and_a_damaged_one_are_refused() {
    let sigstore = Sigstore::new();
    let verifier = sigstore.verifier();
    let keys = RegistryKeys::npm().unwrap();
    let judge = |bundle: &Value| judged(&[(SLSA_V1, bundle)], &verifier, &keys);
    let good = sigstore.build(&slsa(), &Claims::default());
    judge(&good).unwrap();

    // Another authority, another certificate log, another log: each alone.
    let others = [
        (
            "certificate chain",
            Sigstore::with(Some(Key::new()), None, None, &sigstore),
        ),
        (
            "SCT",
            Sigstore::with(None, Some(Key::new()), None, &sigstore),
        ),
        (
            "log",
            Sigstore::with(None, None, Some(Key::new()), &sigstore),
        ),
    ];
    for (words, other) in others {
        let bundle = other.build(&slsa(), &Claims::default());
        let error = judge(&bundle).expect_err(words);
        assert!(error.contains(words), "{words}: {error}");
        judged(&[(SLSA_V1, &bundle)], &other.verifier(), &keys).expect("control: at home");
    }

    let entry = "/verificationMaterial/tlogEntries/0";
    let unrelated = sigstore.build(&publication(), &Claims::default());
    let proof = format!("{entry}/inclusionProof");
    for (what, pointer, value) in [
        (
            "no log entry",
            "/verificationMaterial/tlogEntries".to_owned(),
            json!([]),
        ),
        ("no proof", proof.clone(), Value::Null),
        (
            "no promise, so no time",
            format!("{entry}/inclusionPromise"),
            Value::Null,
        ),
        (
            "another root",
            format!("{proof}/rootHash"),
            json!(BASE64.encode([7; 32])),
        ),
        (
            "another entry",
            entry.to_owned(),
            unrelated.pointer(entry).unwrap().clone(),
        ),
        (
            "a later time",
            format!("{entry}/integratedTime"),
            json!("1740000001"),
        ),
        (
            "another payload",
            "/dsseEnvelope/payload".to_owned(),
            unrelated["dsseEnvelope"]["payload"].clone(),
        ),
        (
            "another signature",
            "/dsseEnvelope/signatures".to_owned(),
            unrelated["dsseEnvelope"]["signatures"].clone(),
        ),
        (
            "no signature",
            "/dsseEnvelope/signatures".to_owned(),
            json!([]),
        ),
        (
            "another certificate",
            "/verificationMaterial/certificate".to_owned(),
            unrelated["verificationMaterial"]["certificate"].clone(),
        ),
        ("no bundle", String::new(), json!({})),
    ] {
        let mut bundle = good.clone();
        *bundle.pointer_mut(&pointer).expect(what) = value;
        assert!(judge(&bundle).is_err(), "{what}");
    }
}

/// What npm published until 2023: the log's promise in place of a proof.
#[test]
fn the_first_format_needs_the_logs_signed_promise() {
    let sigstore = Sigstore::new();
    let verifier = sigstore.verifier();
    let keys = RegistryKeys::npm().unwrap();
    let judge = |bundle: &Value| judged(&[(SLSA_V1, bundle)], &verifier, &keys);
    let mut old = sigstore.build(&slsa(), &Claims::default());
    let certificate = old["verificationMaterial"]["certificate"].clone();
    old["mediaType"] = json!("application/vnd.dev.sigstore.bundle+json;version=0.1");
    old["verificationMaterial"]
        .as_object_mut()
        .unwrap()
        .remove("certificate");
    old["verificationMaterial"]["x509CertificateChain"] = json!({ "certificates": [certificate] });
    judge(&old).unwrap();
    let entry = "/verificationMaterial/tlogEntries/0";
    let without = |bundle: &Value, part: &str| {
        let mut bundle = bundle.clone();
        let entry = bundle.pointer_mut(entry).unwrap().as_object_mut().unwrap();
        entry.remove(part).unwrap();
        bundle
    };
    let promised = without(&old, "inclusionProof");
    judge(&promised).unwrap();
    assert!(judge(&without(&old, "inclusionPromise")).is_err());
    assert!(judge(&without(&promised, "inclusionPromise")).is_err());
    let mut forged = promised.clone();
    let promise = format!("{entry}/inclusionPromise/signedEntryTimestamp");
    *forged.pointer_mut(&promise).unwrap() = json!(BASE64.encode([0x30, 0]));
    assert!(judge(&forged).is_err());
    let mut later = promised;
    *later
        .pointer_mut(&format!("{entry}/integratedTime"))
        .unwrap() = json!("1740000001");
    assert!(judge(&later).is_err());
}

#[test]
fn every_lie_about_a_publication_is_refused() {
    let sigstore = Sigstore::new();
    let verifier = sigstore.verifier();
    let key = Key::new();
    let good = sigstore.keyed(&key, KEYID, &publication());
    let judge =
        |bundle: &Value, keys: &RegistryKeys| judged(&[(NPM_PUBLISH, bundle)], &verifier, keys);
    let own = keys(&key, None);
    judge(&good, &own).unwrap();
    judge(&good, &keys(&key, Some("2025-02-20T00:00:00Z"))).unwrap();
    refused(
        "had expired",
        judge(&good, &keys(&key, Some("2025-02-19T00:00:00Z"))),
    );
    refused(
        "neither npm's nor",
        judge(&good, &RegistryKeys::npm().unwrap()),
    );
    refused("signature", judge(&good, &keys(&Key::new(), None)));

    let mut other = publication();
    other["predicate"]["version"] = json!("1.0.1");
    refused(
        "another version",
        judge(&sigstore.keyed(&key, KEYID, &other), &own),
    );
    // Signed by whom it is not for.
    let by_build = sigstore.build(&publication(), &Claims::default());
    refused("not signed by a registry", judge(&by_build, &own));
    let by_key = sigstore.keyed(&key, KEYID, &slsa());
    refused(
        "not signed by a build",
        judged(&[(SLSA_V1, &by_key)], &verifier, &own),
    );
}

#[test]
fn one_lie_among_truths_and_two_builds_are_refused() {
    let sigstore = Sigstore::new();
    let verifier = sigstore.verifier();
    let keys = RegistryKeys::npm().unwrap();
    let good = sigstore.build(&slsa(), &Claims::default());
    let mut bad = good.clone();
    bad["dsseEnvelope"]["signatures"][0]["sig"] = json!("AAAA");
    assert!(judged(&[(SLSA_V1, &good), (SLSA_V1, &bad)], &verifier, &keys).is_err());
    judged(&[(SLSA_V1, &good), (SLSA_V1, &good)], &verifier, &keys).unwrap();
    let claims = Claims {
        workflow: "other.yml".to_owned(),
        ..Claims::default()
    };
    let second = sigstore.build(&slsa(), &claims);
    refused(
        "two builds",
        judged(&[(SLSA_V1, &good), (SLSA_V1, &second)], &verifier, &keys),
    );
    let many = vec![(SLSA_V1, &good); MAX_ATTESTATIONS + 1];
    refused("more than", judged(&many, &verifier, &keys));
    for text in ["", "[]", "{}", r#"{"attestations":[{}]}"#] {
        let read = NpmAttestations::read("a@1", text.as_bytes());
        assert!(
            matches!(read, Err(ProvenanceError::Attestation { .. })),
            "{text}"
        );
    }
}
