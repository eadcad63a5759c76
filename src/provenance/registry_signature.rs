//! The registry's own signature over `NAME@VERSION:INTEGRITY` (ECDSA P-256 with SHA-256).
//!
//! It covers the published digest, which the download is held against, and so the bytes.
//! <https://docs.npmjs.com/about-registry-signatures>

use std::time::SystemTime;

use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1, UnparsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::Deserialize;

use super::ProvenanceError;
use super::registry_keys::{RegistryKeys, Usage};

/// A signature as a registry publishes it: base64 of ASN.1.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct RegistrySignature {
    pub keyid: String,
    pub sig: String,
}

/// What was published.
#[derive(Clone, Copy, Debug)]
pub struct Release<'a> {
    pub name: &'a str,
    pub version: &'a str,
    /// `sha512-BASE64`
    pub integrity: &'a str,
    /// `None` when the registry doesn't say.
    pub published: Option<SystemTime>,
}

impl Release<'_> {
    pub(super) fn package(&self) -> String {
        format!("{}@{}", self.name, self.version)
    }
}

/// The names of the keys that signed, in order and separated by a space, for the lock;
/// `None` when there is no signature. One that doesn't verify is an error, whatever others say.
pub fn verify_signatures(
    release: &Release<'_>,
    signatures: &[RegistrySignature],
    keys: &RegistryKeys,
) -> Result<Option<String>, ProvenanceError> {
    let message = format!("{}@{}:{}", release.name, release.version, release.integrity);
    let mut names = Vec::new();
    for signature in signatures {
        let shown = || shown(&signature.keyid);
        let key = keys
            .find(&signature.keyid, Usage::Signatures)
            .ok_or_else(|| ProvenanceError::UnknownKey {
                package: release.package(),
                keyid: shown(),
            })?;
        // Without a time an old key is good, as it is for npm: the time comes from the same
        // document, so whoever could leave it out could also forge it.
        if let (Some(expires), Some(published)) = (key.expires, release.published)
            && published >= expires
        {
            return Err(ProvenanceError::ExpiredKey {
                package: release.package(),
                keyid: shown(),
                published: humantime::format_rfc3339_seconds(published).to_string(),
                expired: humantime::format_rfc3339_seconds(expires).to_string(),
            });
        }
        BASE64
            .decode(&signature.sig)
            .ok()
            .and_then(|sig| {
                UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, &key.spki)
                    .verify(message.as_bytes(), &sig)
                    .ok()
            })
            .ok_or_else(|| ProvenanceError::BadSignature {
                package: release.package(),
                keyid: shown(),
            })?;
        names.push(key.name());
    }
    names.sort();
    names.dedup();
    Ok((!names.is_empty()).then(|| names.join(" ")))
}

/// Text of a registry, for a message.
fn shown(text: &str) -> String {
    crate::lockfile::printable(text, 100)
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::encoding::AsDer as _;
    use aws_lc_rs::rand::SystemRandom;
    use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _};
    use serde_json::json;

    use super::*;

    const OLD: &str = "SHA256:jl3bwswu80PjjokCgh0o2w5c2U4LhQAE57gj9cz1kzA";
    const NEW: &str = "SHA256:DhQ8wR5APBvFHLF/+Tc+AYvPOdTpcIDqOhxsBHRwC7U";

    fn signature(keyid: &str, sig: &str) -> RegistrySignature {
        RegistrySignature {
            keyid: keyid.to_owned(),
            sig: sig.to_owned(),
        }
    }

    /// Two releases as npm's registry has them, one for each of its keys.
    fn published() -> [(Release<'static>, RegistrySignature); 2] {
        let old = Release {
            name: "kms-demo",
            version: "1.0.0",
            integrity: "sha512-QqZ7VJ/8xPkS9s2IWB7Shj3qTJdcRyeXKbPQnsZjsPEwvutGv0EGeVchPcauoiDFJlGbZMFq5GDCurAGNSghJQ==",
            published: None,
        };
        let new = Release {
            name: "express",
            version: "5.2.1",
            integrity: "sha512-hIS4idWWai69NezIdRt2xFVofaF4j+6INOpJlVOLDO8zXGpUVEVzIYk12UUi2JzjEzWL3IOAxcTubgz9Po0yXw==",
            published: humantime::parse_rfc3339("2025-12-01T20:49:43Z").ok(),
        };
        [
            (
                old,
                signature(
                    OLD,
                    "MEUCIDrLNspFeU5NZ6d55ycVBZIMXnPJi/XnI1Y2dlJvK8P1AiEAnXjn1IOMUd+U7YfPH+FNjwfLq+jCwfH8uaxocq+mpPk=",
                ),
            ),
            (
                new,
                signature(
                    NEW,
                    "MEQCIFiG4BbRCfOtJiV9BkwAfmuZ6j6WDPSwLTUxm8z4HbwxAiBRQBV8eXLNJmyYnSS5oLT12Q44o71/CetyWd+uifoylA==",
                ),
            ),
        ]
    }

    #[test]
    fn what_npm_signed_verifies_with_the_embedded_keys() {
        let keys = RegistryKeys::npm().unwrap();
        for ((release, signature), name) in published().iter().zip([OLD, NEW]) {
            let verified = verify_signatures(release, std::slice::from_ref(signature), &keys);
            assert_eq!(verified.unwrap(), Some(format!("npm:{name}")));
        }
        assert_eq!(
            verify_signatures(&published()[0].0, &[], &keys).unwrap(),
            None
        );
    }

    #[test]
    fn a_signature_of_something_else_is_refused() {
        let keys = RegistryKeys::npm().unwrap();
        let [(release, good), (other, others)] = published();
        let changed = [
            Release {
                name: "kms-dem0",
                ..release
            },
            Release {
                version: "1.0.1",
                ..release
            },
            Release {
                integrity: other.integrity,
                ..release
            },
        ];
        for release in changed {
            let result = verify_signatures(&release, std::slice::from_ref(&good), &keys);
            assert!(
                matches!(result, Err(ProvenanceError::BadSignature { .. })),
                "{release:?}"
            );
        }
        for bad in [
            signature(OLD, &others.sig),
            signature(NEW, &good.sig),
            signature(OLD, "bogus"),
            signature(OLD, ""),
        ] {
            // A good one beside it does not help.
            let result = verify_signatures(&release, &[good.clone(), bad], &keys);
            assert!(matches!(result, Err(ProvenanceError::BadSignature { .. })));
        }
    }

    #[test]
    fn a_key_that_nobody_published_and_one_that_had_expired_are_refused() {
        let keys = RegistryKeys::npm().unwrap();
        let [(release, good), _] = published();
        let unknown = signature("SHA256:\u{1b}x", &good.sig);
        let error = verify_signatures(&release, &[unknown], &keys).unwrap_err();
        assert!(matches!(error, ProvenanceError::UnknownKey { .. }));
        assert!(
            error.to_string().contains("kms-demo@1.0.0") && !error.to_string().contains('\u{1b}')
        );

        let at = |time: &str| Release {
            published: Some(humantime::parse_rfc3339(time).unwrap()),
            ..release
        };
        let good = [good];
        assert!(verify_signatures(&at("2025-01-28T23:59:59Z"), &good, &keys).is_ok());
        let error = verify_signatures(&at("2025-01-29T00:00:00Z"), &good, &keys).unwrap_err();
        assert!(
            matches!(error, ProvenanceError::ExpiredKey { .. }),
            "{error}"
        );
    }

    #[test]
    fn a_registry_signs_with_its_own_key() {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap();
        let [(release, _), _] = published();
        let message = format!("{}@{}:{}", release.name, release.version, release.integrity);
        let sig = pair.sign(&SystemRandom::new(), message.as_bytes()).unwrap();
        let signed = [signature("SHA256:own", &BASE64.encode(sig.as_ref()))];
        let spki = pair.public_key().as_der().unwrap();
        let document = json!({"keys": [{"keyid": "SHA256:own", "scheme": "ecdsa-sha2-nistp256",
            "key": BASE64.encode(spki.as_ref()), "expires": null}]});
        let mut keys = RegistryKeys::npm().unwrap();
        assert!(matches!(
            verify_signatures(&release, &signed, &keys),
            Err(ProvenanceError::UnknownKey { .. })
        ));
        keys.add_published("registry.test", document.to_string().as_bytes())
            .unwrap();
        assert_eq!(
            verify_signatures(&release, &signed, &keys)
                .unwrap()
                .as_deref(),
            Some("registry.test:SHA256:own")
        );
    }
}
