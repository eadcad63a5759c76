//! Attestations of PyPI: real ones, and every lie about one with its control.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Value, json};

use super::*;
use crate::provenance::testing::{Claims, Sigstore};

const WHEEL: &str = "my_thing-1.0-py3-none-any.whl";
const SHA256: &str = "9bb1add04b1b4e182be6b0b80931593f7a291eb49d69b4fd728a5d4cbcdc4bd3";
const FILE: PypiFile<'static> = PypiFile {
    name: WHEEL,
    sha256: SHA256,
};
const BUILD: &str = "https://github.com/org/repo@.github/workflows/release.yml via https://token.actions.githubusercontent.com";

/// As PyPI published them: from a GitHub workflow, from CircleCI, from an account of Google's.
const RECORDED: [(&str, &str, &[u8], &str); 3] = [
    (
        "pypi_attestations-0.0.19.tar.gz",
        SHA256,
        include_bytes!("../recorded/pypi-pypi_attestations-0.0.19.json"),
        "https://github.com/trailofbits/pypi-attestations@.github/workflows/release.yml via https://token.actions.githubusercontent.com",
    ),
    (
        "circleci_sign_publish_example-0.0.1.dev137-py3-none-any.whl",
        "8cb34da1e27336f11a2c43f3f9c7433bd76f24f470c904724f06ad7f131d9e9f",
        include_bytes!("../recorded/pypi-circleci_sign_publish_example-0.0.1.dev137.json"),
        "https://github.com/CircleCI-Public/sign-and-publish-examples@",
    ),
    (
        "gcb_attestation_test-0.0.0.tar.gz",
        "461317362419124b6012e855423a9078d6de8aed3e74fa78cc74d669b23dc6cf",
        include_bytes!("../recorded/pypi-gcb_attestation_test-0.0.0.json"),
        "mailto:919436158236-compute@developer.gserviceaccount.com via https://accounts.google.com",
    ),
];

#[test]
fn recorded_attestations_verify_offline() {
    let verifier = BundleVerifier::public_good().unwrap();
    for (name, sha256, document, expected) in RECORDED {
        let file = PypiFile { name, sha256 };
        let publisher = verify_pypi(&file, document, &verifier).unwrap().unwrap();
        assert!(publisher.to_string().starts_with(expected), "{publisher}");
        let other = PypiFile {
            name: "other-1.0.tar.gz",
            ..file
        };
        assert!(verify_pypi(&other, document, &verifier).is_err());
        let zeros = "0".repeat(64);
        let other = PypiFile {
            sha256: &zeros,
            ..file
        };
        assert!(verify_pypi(&other, document, &verifier).is_err());
        let elsewhere = Sigstore::new().verifier();
        assert!(verify_pypi(&file, document, &elsewhere).is_err());
        let text = String::from_utf8(document.to_vec()).unwrap();
        for (from, to) in [
            ("trailofbits/pypi", "trailofbits/other"),
            ("release.yml\"", "other.yml\""),
            ("\"919436158236", "\"919436158237"),
        ] {
            if text.contains(from) {
                let changed = text.replace(from, to);
                let error = verify_pypi(&file, changed.as_bytes(), &verifier).unwrap_err();
                assert!(error.to_string().contains("another publisher"), "{error}");
            }
        }
    }
}

fn statement() -> Value {
    json!({
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{ "name": WHEEL, "digest": { "sha256": SHA256 } }],
        "predicateType": PYPI_PUBLISH, "predicate": null,
    })
}

/// The attestation object of PEP 740 with the parts of a sigstore bundle.
fn attestation(bundle: &Value) -> Value {
    json!({
        "version": 1,
        "verification_material": {
            "certificate": bundle["verificationMaterial"]["certificate"]["rawBytes"],
            "transparency_entries": bundle["verificationMaterial"]["tlogEntries"],
        },
        "envelope": {
            "statement": bundle["dsseEnvelope"]["payload"],
            "signature": bundle["dsseEnvelope"]["signatures"][0]["sig"],
        },
    })
}

fn document(attestations: &[Value]) -> Value {
    let publisher = json!({ "kind": "GitHub", "repository": "org/repo",
        "workflow": "release.yml", "environment": null });
    json!({ "version": 1,
        "attestation_bundles": [{ "publisher": publisher, "attestations": attestations }] })
}

#[test]
fn every_lie_is_refused() {
    let sigstore = Sigstore::new();
    let verifier = sigstore.verifier();
    let judge = |document: &Value| {
        verify_pypi(&FILE, document.to_string().as_bytes(), &verifier)
            .map(|publisher| publisher.map(|publisher| publisher.to_string()))
            .map_err(|error| error.to_string())
    };
    let signed =
        |statement: &Value, claims: &Claims| attestation(&sigstore.build(statement, claims));
    let claims = Claims::default();
    let good = signed(&statement(), &claims);
    assert_eq!(
        judge(&document(std::slice::from_ref(&good)))
            .unwrap()
            .as_deref(),
        Some(BUILD)
    );
    assert_eq!(judge(&document(&[])).unwrap(), None);
    let mut spelt = statement();
    spelt["subject"][0]["name"] = json!("My.Thing-1.0-py3-none-any.whl");
    judge(&document(&[signed(&spelt, &claims)])).unwrap();

    let edited = |pointer: &str, value: Value| {
        let mut statement = statement();
        *statement.pointer_mut(pointer).unwrap() = value;
        signed(&statement, &claims)
    };
    let subject = statement()["subject"][0].clone();
    let mut tampered = good.clone();
    tampered["envelope"]["statement"] = json!(BASE64.encode(spelt.to_string()));
    let mut unlogged = good.clone();
    unlogged["verification_material"]["transparency_entries"] = json!([]);
    let mut newer = good.clone();
    newer["version"] = json!(2);
    let fork = Claims {
        repository: Some("https://github.com/org/fork".to_owned()),
        ..claims.clone()
    };
    let account = Claims {
        repository: None,
        ..claims.clone()
    };
    for (words, attestation) in [
        (
            "does not match any subject",
            edited("/subject/0/digest/sha256", json!("0".repeat(64))),
        ),
        (
            "is about other-1.0.tar.gz",
            edited("/subject/0/name", json!("other-1.0.tar.gz")),
        ),
        (
            "about 2 files",
            edited("/subject", json!([subject, subject])),
        ),
        (
            "a kind that PyPI does not have",
            edited("/predicateType", json!("https://example.test/x")),
        ),
        ("signature", tampered),
        ("", unlogged),
        ("unknown version", newer),
        ("another publisher", signed(&statement(), &fork)),
        ("another publisher", signed(&statement(), &account)),
    ] {
        let error = judge(&document(&[good.clone(), attestation])).expect_err(words);
        assert!(
            error.contains(words) && error.contains(WHEEL),
            "{words}: {error}"
        );
    }
    let mut newer = document(std::slice::from_ref(&good));
    newer["version"] = json!(2);
    assert!(judge(&newer).unwrap_err().contains("unknown version"));
    let many = vec![good; MAX_ATTESTATIONS + 1];
    assert!(judge(&document(&many)).unwrap_err().contains("more than"));
    assert!(judge(&json!({})).is_err());
}
