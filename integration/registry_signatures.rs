//! Signatures of a registry are checked where it offers them, recorded, and never lost quietly.

use aws_lc_rs::encoding::AsDer as _;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Value, json};

use crate::support::{Fault, Home, Package, Registry, integrity};

const KEYS: &str = "-/npm/v1/keys";
const KEYID: &str = "SHA256:registry-of-the-test";

/// A registry's key, and what it publishes of it.
struct Signer(EcdsaKeyPair);

impl Signer {
    fn new() -> Self {
        Self(EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap())
    }

    fn keys(&self, expires: Option<&str>) -> Vec<u8> {
        let spki = self.0.public_key().as_der().unwrap();
        json!({"keys": [{"keyid": KEYID, "keytype": "ecdsa-sha2-nistp256", "expires": expires,
            "scheme": "ecdsa-sha2-nistp256", "key": BASE64.encode(spki.as_ref())}]})
        .to_string()
        .into_bytes()
    }

    fn sign(&self, package: Package) -> Package {
        let message = format!(
            "{}@{}:{}",
            package.name,
            package.version,
            integrity(&package.bytes())
        );
        signed(package, &self.signature(message.as_bytes()))
    }

    fn signature(&self, message: &[u8]) -> String {
        BASE64.encode(self.0.sign(&SystemRandom::new(), message).unwrap().as_ref())
    }
}

fn signed(mut package: Package, sig: &str) -> Package {
    package.dist["signatures"] = json!([{"keyid": KEYID, "sig": sig}]);
    package
}

fn recorded(home: &Home) -> Value {
    let lock: Value = serde_json::from_slice(&std::fs::read(home.lock()).unwrap()).unwrap();
    lock["servers"]["server"]["artifacts"][0]["signature"].clone()
}

fn refused(home: &Home, registry: &Registry, words: &str) {
    let ran = registry.add(home, "server", "npm:signed");
    assert!(matches!(ran.code, Some(code) if code != 0), "{ran:#?}");
    assert!(ran.stderr.contains(words), "{words}: {ran:#?}");
    assert!(
        ran.stderr.contains("signed@1.0.0") || words.contains("keys of"),
        "{ran:#?}"
    );
    assert!(!home.lock().exists() && !home.manifest().exists());
}

#[test]
fn a_signature_is_verified_and_recorded() {
    let home = Home::new();
    let signer = Signer::new();
    let registry = Registry::new([signer.sign(Package::server("signed", "1.0.0"))]);
    registry.serve(KEYS, &signer.keys(None));
    let ran = registry.add(&home, "server", "npm:signed");
    assert_eq!(ran.code, Some(0), "{ran:#?}");
    assert_eq!(recorded(&home), json!(format!("127.0.0.1:{KEYID}")));
    assert!(
        ran.stdout.contains("1 of 1 signed") || ran.stderr.contains("1 of 1 signed"),
        "{ran:#?}"
    );

    // Control: where nothing is offered nothing is asked, and that is what is recorded.
    let home = Home::new();
    let registry = Registry::new([Package::server("signed", "1.0.0")]);
    let ran = registry.add(&home, "server", "npm:signed");
    assert_eq!(ran.code, Some(0), "{ran:#?}");
    assert_eq!(recorded(&home), json!("absent"));
    assert_eq!(registry.count("npm/v1"), 0);
}

#[test]
fn what_is_offered_and_does_not_verify_is_refused() {
    let signer = Signer::new();
    let server = || Package::server("signed", "1.0.0");
    let serving = |package: Package, keys: &[u8]| {
        let registry = Registry::new([package]);
        registry.serve(KEYS, keys);
        registry
    };
    let good = signer.keys(None);
    let of_another = signer.signature(b"signed@1.0.1:sha512-AAAA");
    let cases = [
        (
            serving(signed(server(), &of_another), &good),
            "does not fit",
        ),
        (serving(signed(server(), "bogus"), &good), "does not fit"),
        (serving(Signer::new().sign(server()), &good), "does not fit"),
        (
            serving(signer.sign(server()), b"{\"keys\":[]}"),
            "neither a key of npm nor",
        ),
        (
            serving(signer.sign(server()), b"<html>"),
            "keys of 127.0.0.1",
        ),
        (
            Registry::new([signer.sign(server())]),
            "neither a key of npm nor",
        ),
        (
            serving(
                signer.sign(server()),
                &signer.keys(Some("2019-01-01T00:00:00.000Z")),
            ),
            "expired",
        ),
        (
            serving(signer.sign(server()), &vec![b' '; 300 * 1024]),
            "keys of 127.0.0.1",
        ),
    ];
    for (registry, words) in &cases {
        refused(&Home::new(), registry, words);
    }
    let failing = serving(signer.sign(server()), &good);
    failing.fail(KEYS, Fault::Status(500), 20);
    refused(&Home::new(), &failing, "keys of 127.0.0.1");

    // Control: the same, one failure later, and with a key that expired after the publication.
    let home = Home::new();
    let passing = serving(
        signer.sign(server()),
        &signer.keys(Some("2021-01-01T00:00:00.000Z")),
    );
    passing.fail(KEYS, Fault::Status(500), 1);
    assert_eq!(
        passing.add_and_ask(&home, "server", "npm:signed"),
        "signed@1.0.0"
    );
    // npm takes them all.
    for (registry, _) in &cases {
        let (_, ran) = registry.npm_install(&Home::new(), &["signed"]);
        assert_eq!(ran.code, Some(0), "{ran:#?}");
    }
}

/// Changes one text of the manifest or the lock.
fn edit(path: &std::path::Path, from: &str, to: &str) {
    let text = std::fs::read_to_string(path).unwrap();
    assert!(text.contains(from), "no `{from}` in {text}");
    std::fs::write(path, text.replacen(from, to, 1)).unwrap();
}

#[test]
fn a_version_that_nobody_vouches_for_does_not_follow_one_that_was_vouched_for() {
    let signer = Signer::new();
    let build = "https://github.com/org/repo@release.yml via https://issuer.test";
    // What the lock has before, what the next version comes with, and what is said of it.
    let vouched = |package: Package| signer.sign(package);
    let cases: [(&str, bool, Option<&str>); 4] = [
        ("", true, None),
        ("", false, Some("2.0.0 is not signed by its registry")),
        (build, true, Some("2.0.0 has no provenance")),
        (build, false, Some("2.0.0 has no provenance")),
    ];
    for (provenance, signed, words) in cases {
        let home = Home::new();
        let registry = Registry::new([vouched(Package::server("signed", "1.0.0"))]);
        registry.serve(KEYS, &signer.keys(None));
        let ran = registry.add(&home, "server", "npm:signed@1.0.0");
        assert_eq!(ran.code, Some(0), "{ran:#?}");
        if !provenance.is_empty() {
            let new = format!("\"provenance\": \"{provenance}\"");
            edit(&home.lock(), "\"provenance\": \"absent\"", &new);
        }
        let next = Package::server("signed", "2.0.0");
        registry.publish(if signed { vouched(next) } else { next });
        // Control: what is locked stays what it is.
        let ran = registry.run(&home, ["lock"]);
        assert_eq!(ran.code, Some(0), "{ran:#?}");
        let before = std::fs::read(home.lock()).unwrap();
        edit(&home.manifest(), "npm:signed@1.0.0", "npm:signed@2.0.0");
        let ran = registry.run(&home, ["lock"]);
        match words {
            None => {
                assert_eq!(ran.code, Some(0), "{ran:#?}");
                assert!(ran.stderr.contains("1 of 1 signed"), "{ran:#?}");
            }
            Some(words) => {
                assert_eq!(ran.code, Some(1), "{ran:#?}");
                assert!(ran.stderr.contains(words), "{words}: {ran:#?}");
                assert_eq!(std::fs::read(home.lock()).unwrap(), before);
                // Nor where the manifest forgot what the lock still knows.
                std::fs::remove_file(home.manifest()).unwrap();
                let ran = registry.add(&home, "server", "npm:signed@2.0.0");
                assert_eq!(ran.code, Some(1), "{ran:#?}");
                assert!(ran.stderr.contains(words), "{words}: {ran:#?}");
            }
        }
    }
}
