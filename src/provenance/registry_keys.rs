//! Public keys of registries: npm's own, which are part of this program, and what a registry
//! publishes at `/-/npm/v1/keys`.
//!
//! npm's keys are embedded so that a signature by npm verifies from any mirror, also from one that
//! passes signatures on and has no keys of its own; and so that no request is needed for them.
//! The file is the target `registry.npmjs.org/keys.json` of sigstore's TUF repository, as
//! shipped in the npm package `@sigstore/tuf` 5.0.1 (taken 2026-11-21).

use std::time::SystemTime;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::Deserialize;

use super::ProvenanceError;

const NPM_KEYS: &str = include_str!("trust/npm_keys.json");
/// Who signs with the embedded keys, as the lock says it.
const NPM: &str = "npm";
/// npm's registry by host: a new key that it publishes itself is npm's, too.
const NPM_HOST: &str = "registry.npmjs.org";
/// The only kind of key that npm's registry uses, and that is known here.
const SCHEME: &str = "ecdsa-sha2-nistp256";
const EMBEDDED_SCHEME: &str = "PKIX_ECDSA_P256_SHA_256";
/// A registry has a handful.
const MAX_KEYS: usize = 64;
/// `SHA256:` and 43 characters are usual.
const MAX_KEYID: usize = 200;

/// What a key may be used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Usage {
    Signatures,
    Attestations,
}

/// One public key.
#[derive(Clone, Debug)]
pub(super) struct RegistryKey {
    pub keyid: String,
    /// `npm`, or the host of the registry that published it.
    pub signer: String,
    /// SubjectPublicKeyInfo in DER (RFC 5280, section 4.1).
    pub spki: Vec<u8>,
    /// What it signs must have been published before.
    pub expires: Option<SystemTime>,
    /// `None`: anything.
    usage: Option<Usage>,
}

/// The keys by which the packages of one registry may be signed.
#[derive(Clone, Debug)]
pub struct RegistryKeys {
    keys: Vec<RegistryKey>,
}

impl RegistryKeys {
    /// npm's own keys.
    ///
    /// # Errors
    /// Never, unless this program was built with a damaged file.
    pub fn npm() -> Result<Self, ProvenanceError> {
        let refuse = |reason: String| ProvenanceError::Keys {
            registry: NPM.to_owned(),
            reason,
        };
        let document: EmbeddedKeys =
            serde_json::from_str(NPM_KEYS).map_err(|error| refuse(error.to_string()))?;
        let mut keys = Vec::new();
        for key in document.keys {
            if key.public_key.key_details != EMBEDDED_SCHEME {
                return Err(refuse(format!("{} is of an unknown kind", key.key_id)));
            }
            keys.push(RegistryKey {
                spki: BASE64
                    .decode(&key.public_key.raw_bytes)
                    .map_err(|error| refuse(error.to_string()))?,
                expires: time(key.public_key.valid_for.end.as_deref()).map_err(refuse)?,
                usage: Some(match key.key_usage.as_str() {
                    "npm:signatures" => Usage::Signatures,
                    "npm:attestations" => Usage::Attestations,
                    other => return Err(refuse(format!("the usage {other} is unknown"))),
                }),
                keyid: key.key_id,
                signer: NPM.to_owned(),
            });
        }
        Ok(Self { keys })
    }

    /// Adds what the registry at `host` publishes. A key that is known keeps its meaning: no
    /// registry can put another key in the place of one of npm's.
    ///
    /// # Errors
    /// When the document is not a list of keys.
    pub fn add_published(&mut self, host: &str, document: &[u8]) -> Result<(), ProvenanceError> {
        let refuse = |reason: String| ProvenanceError::Keys {
            registry: host.to_owned(),
            reason,
        };
        let document: PublishedKeys =
            serde_json::from_slice(document).map_err(|error| refuse(error.to_string()))?;
        if document.keys.len() > MAX_KEYS {
            return Err(refuse(format!("there are more than {MAX_KEYS}")));
        }
        for key in document.keys {
            // A kind that is not known here can't verify anything; what it signed is refused.
            if key.scheme != SCHEME || self.keys.iter().any(|old| old.keyid == key.keyid) {
                continue;
            }
            // It goes into the lock, in a list that is separated by spaces.
            if key.keyid.len() > MAX_KEYID || !key.keyid.bytes().all(|byte| byte.is_ascii_graphic())
            {
                return Err(refuse("the name of a key is malformed".to_owned()));
            }
            let signer = if host == NPM_HOST { NPM } else { host };
            self.keys.push(RegistryKey {
                spki: BASE64
                    .decode(&key.key)
                    .map_err(|error| refuse(format!("{}: {error}", key.keyid)))?,
                expires: time(key.expires.as_deref()).map_err(refuse)?,
                usage: None,
                keyid: key.keyid,
                signer: signer.to_owned(),
            });
        }
        Ok(())
    }

    /// Whether anything can be said about a signature by this key.
    pub fn knows(&self, keyid: &str) -> bool {
        self.keys.iter().any(|key| key.keyid == keyid)
    }

    pub(super) fn find(&self, keyid: &str, usage: Usage) -> Option<&RegistryKey> {
        self.keys
            .iter()
            .find(|key| key.keyid == keyid && key.usage.is_none_or(|only| only == usage))
    }
}

impl RegistryKey {
    /// `npm:SHA256:jl3…`: how the lock names it.
    pub(super) fn name(&self) -> String {
        format!("{}:{}", self.signer, self.keyid)
    }
}

fn time(text: Option<&str>) -> Result<Option<SystemTime>, String> {
    text.map(|text| humantime::parse_rfc3339(text).map_err(|_| format!("`{text}` is not a time")))
        .transpose()
}

#[derive(Deserialize)]
struct EmbeddedKeys {
    keys: Vec<EmbeddedKey>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct EmbeddedKey {
    key_id: String,
    key_usage: String,
    public_key: EmbeddedPublicKey,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct EmbeddedPublicKey {
    raw_bytes: String,
    key_details: String,
    valid_for: EmbeddedValidity,
}

#[derive(Deserialize)]
struct EmbeddedValidity {
    #[serde(default)]
    end: Option<String>,
}

#[derive(Deserialize)]
struct PublishedKeys {
    keys: Vec<PublishedKey>,
}

#[derive(Deserialize)]
struct PublishedKey {
    keyid: String,
    scheme: String,
    key: String,
    #[serde(default)]
    expires: Option<String>,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const OLD: &str = "SHA256:jl3bwswu80PjjokCgh0o2w5c2U4LhQAE57gj9cz1kzA";
    const NEW: &str = "SHA256:DhQ8wR5APBvFHLF/+Tc+AYvPOdTpcIDqOhxsBHRwC7U";

    #[test]
    fn the_embedded_keys_are_npms_two() {
        let keys = RegistryKeys::npm().unwrap();
        for usage in [Usage::Signatures, Usage::Attestations] {
            let old = keys.find(OLD, usage).unwrap();
            let end = humantime::parse_rfc3339("2025-01-29T00:00:00Z").unwrap();
            assert_eq!(old.expires, Some(end));
            assert_eq!(keys.find(NEW, usage).unwrap().expires, None);
            assert_eq!(old.name(), format!("npm:{OLD}"));
        }
        assert!(!keys.knows("SHA256:other"));
    }

    #[test]
    fn a_registry_adds_keys_and_replaces_none() {
        let document = json!({"keys": [
            {"keyid": "SHA256:own", "scheme": SCHEME, "keytype": SCHEME, "key": "AAAA", "expires": null},
            {"keyid": OLD, "scheme": SCHEME, "key": "BBBB", "expires": null},
            {"keyid": "SHA256:rsa", "scheme": "rsa", "key": "?"},
        ]});
        let mut keys = RegistryKeys::npm().unwrap();
        let npms = keys.find(OLD, Usage::Signatures).unwrap().spki.clone();
        keys.add_published("registry.test", document.to_string().as_bytes())
            .unwrap();
        let own = keys.find("SHA256:own", Usage::Signatures).unwrap();
        assert_eq!(own.name(), "registry.test:SHA256:own");
        assert_eq!(keys.find(OLD, Usage::Signatures).unwrap().spki, npms);
        assert!(!keys.knows("SHA256:rsa"));

        let mut keys = RegistryKeys::npm().unwrap();
        keys.add_published(NPM_HOST, document.to_string().as_bytes())
            .unwrap();
        let new = keys.find("SHA256:own", Usage::Attestations).unwrap();
        assert_eq!(new.name(), "npm:SHA256:own");
    }

    #[test]
    fn what_is_no_list_of_keys_is_refused() {
        let mut keys = RegistryKeys::npm().unwrap();
        let many: Vec<_> = (0..=MAX_KEYS)
            .map(|n| json!({"keyid": n.to_string(), "scheme": SCHEME, "key": ""}))
            .collect();
        for document in [
            "".to_owned(),
            "[]".to_owned(),
            json!({"keys": many}).to_string(),
            json!({"keys": [{"keyid": "k", "scheme": SCHEME, "key": "?"}]}).to_string(),
            json!({"keys": [{"keyid": "k k", "scheme": SCHEME, "key": ""}]}).to_string(),
            json!({"keys": [{"keyid": "k", "scheme": SCHEME, "key": "", "expires": "soon"}]})
                .to_string(),
        ] {
            let result = keys.add_published("registry.test", document.as_bytes());
            assert!(
                matches!(result, Err(ProvenanceError::Keys { .. })),
                "{document}"
            );
        }
        assert!(
            keys.add_published("registry.test", b"{\"keys\":[]}")
                .is_ok()
        );
    }
}
