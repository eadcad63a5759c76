//! A whole sigstore of the test's own: certificate authority, certificate transparency, log; and
//! bundles made with it. DER is written by hand (X.690), because nothing else here needs it.

use std::rc::Rc;

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::encoding::AsDer as _;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Value, json};

use super::BundleVerifier;

/// When everything is signed, in seconds since 1970: 2025-02-19T21:20:00Z.
pub(crate) const SIGNED_AT: i64 = 1_740_000_000;
const VALID_FROM: &str = "250219211500Z";
const VALID_TO: &str = "250219212500Z";
const SINCE: &str = "2024-01-01T00:00:00Z";

const ECDSA_WITH_SHA256: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02];
const COMMON_NAME: &[u8] = &[0x55, 0x04, 0x03];
const KEY_USAGE: &[u8] = &[0x55, 0x1d, 0x0f];
const ALTERNATIVE_NAME: &[u8] = &[0x55, 0x1d, 0x11];
const BASIC_CONSTRAINTS: &[u8] = &[0x55, 0x1d, 0x13];
const EXTENDED_KEY_USAGE: &[u8] = &[0x55, 0x1d, 0x25];
const CODE_SIGNING: &[u8] = &[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x03];
/// 1.3.6.1.4.1.11129.2.4.2 (RFC 6962, section 3.3)
const TIMESTAMPS: &[u8] = &[0x2b, 0x06, 0x01, 0x04, 0x01, 0xd6, 0x79, 0x02, 0x04, 0x02];
/// 1.3.6.1.4.1.57264.1
const FULCIO: &[u8] = &[0x2b, 0x06, 0x01, 0x04, 0x01, 0x83, 0xbf, 0x30, 0x01];

/// A signing key.
#[derive(Clone)]
pub(crate) struct Key(Rc<EcdsaKeyPair>);

impl Key {
    pub(crate) fn new() -> Self {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap();
        Self(Rc::new(pair))
    }

    pub(crate) fn spki(&self) -> Vec<u8> {
        self.0.public_key().as_der().unwrap().as_ref().to_vec()
    }

    fn sign(&self, message: &[u8]) -> Vec<u8> {
        let signature = self.0.sign(&SystemRandom::new(), message).unwrap();
        signature.as_ref().to_vec()
    }

    fn id(&self) -> Vec<u8> {
        sha256(&self.spki())
    }
}

/// What a certificate says of the build that it was issued to.
#[derive(Clone)]
pub(crate) struct Claims {
    pub issuer: String,
    pub repository: Option<String>,
    pub workflow: String,
}

impl Default for Claims {
    fn default() -> Self {
        Self {
            issuer: "https://token.actions.githubusercontent.com".to_owned(),
            repository: Some("https://github.com/org/repo".to_owned()),
            workflow: ".github/workflows/release.yml".to_owned(),
        }
    }
}

/// The services.
pub(crate) struct Sigstore {
    authority: Key,
    transparency: Key,
    log: Key,
}

impl Sigstore {
    pub(crate) fn new() -> Self {
        Self {
            authority: Key::new(),
            transparency: Key::new(),
            log: Key::new(),
        }
    }

    /// Like `other`, with some keys exchanged: authority, certificate transparency, log.
    pub(crate) fn with(
        authority: Option<Key>,
        transparency: Option<Key>,
        log: Option<Key>,
        other: &Self,
    ) -> Self {
        Self {
            authority: authority.unwrap_or_else(|| other.authority.clone()),
            transparency: transparency.unwrap_or_else(|| other.transparency.clone()),
            log: log.unwrap_or_else(|| other.log.clone()),
        }
    }

    pub(crate) fn verifier(&self) -> BundleVerifier {
        BundleVerifier::with_root(&self.trusted_root().to_string()).unwrap()
    }

    fn trusted_root(&self) -> Value {
        let log = |key: &Key| {
            json!([{
                "baseUrl": "https://log.test", "hashAlgorithm": "SHA2_256",
                "publicKey": {
                    "rawBytes": BASE64.encode(key.spki()), "keyDetails": "PKIX_ECDSA_P256_SHA_256",
                    "validFor": { "start": SINCE },
                },
                "logId": { "keyId": BASE64.encode(key.id()) },
            }])
        };
        json!({
            "mediaType": "application/vnd.dev.sigstore.trustedroot+json;version=0.1",
            "tlogs": log(&self.log),
            "ctlogs": log(&self.transparency),
            "certificateAuthorities": [{
                "subject": { "organization": "test", "commonName": "test" },
                "uri": "https://authority.test",
                "certChain": { "certificates": [{ "rawBytes": BASE64.encode(self.root()) }] },
                "validFor": { "start": SINCE },
            }],
        })
    }

    /// A bundle of a build, in the log.
    pub(crate) fn build(&self, statement: &Value, claims: &Claims) -> Value {
        let key = Key::new();
        let certificate = self.certificate(&key, claims);
        let verifier = pem("CERTIFICATE", &certificate);
        let material = json!({ "certificate": { "rawBytes": BASE64.encode(certificate) } });
        self.bundle(&key, statement, material, &verifier)
    }

    /// A bundle that is signed with a key of its own, in the log.
    pub(crate) fn keyed(&self, key: &Key, keyid: &str, statement: &Value) -> Value {
        let verifier = pem("PUBLIC KEY", &key.spki());
        let material = json!({ "publicKey": { "hint": keyid } });
        self.bundle(key, statement, material, &verifier)
    }

    fn bundle(&self, key: &Key, statement: &Value, mut material: Value, verifier: &str) -> Value {
        const KIND: &str = "application/vnd.in-toto+json";
        let payload = statement.to_string();
        // https://github.com/secure-systems-lab/dsse/blob/master/protocol.md
        let signed = format!("DSSEv1 {} {KIND} {} {payload}", KIND.len(), payload.len());
        let signature = BASE64.encode(key.sign(signed.as_bytes()));
        let hash = |bytes: &[u8]| json!({ "algorithm": "sha256", "value": hex(&sha256(bytes)) });
        let entry = json!({
            "apiVersion": "0.0.1", "kind": "dsse", "spec": {
                "envelopeHash": hash(payload.as_bytes()),
                "payloadHash": hash(payload.as_bytes()),
                "signatures": [{ "signature": signature, "verifier": BASE64.encode(verifier) }],
            },
        });
        material["tlogEntries"] = json!([self.logged(&entry)]);
        json!({
            "mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json",
            "verificationMaterial": material,
            "dsseEnvelope": {
                "payload": BASE64.encode(payload), "payloadType": KIND,
                "signatures": [{ "sig": signature }],
            },
        })
    }

    /// An entry of a log that has no other.
    fn logged(&self, entry: &Value) -> Value {
        let body = serde_json_canonicalizer::to_vec(entry).unwrap();
        let promised = json!({
            "body": BASE64.encode(&body), "integratedTime": SIGNED_AT,
            "logID": hex(&self.log.id()), "logIndex": 0,
        });
        let promise = self
            .log
            .sign(&serde_json_canonicalizer::to_vec(&promised).unwrap());
        // RFC 6962, section 2.1: a leaf's hash is the root of a tree of one.
        let root = BASE64.encode(sha256(&[&[0], body.as_slice()].concat()));
        let head = format!("log.test - 1\n1\n{root}\n");
        let mut note = self.log.id()[..4].to_vec();
        note.extend(self.log.sign(head.as_bytes()));
        json!({
            "logIndex": "0", "logId": { "keyId": BASE64.encode(self.log.id()) },
            "kindVersion": { "kind": "dsse", "version": "0.0.1" },
            "integratedTime": SIGNED_AT.to_string(),
            "inclusionPromise": { "signedEntryTimestamp": BASE64.encode(promise) },
            "inclusionProof": {
                "logIndex": "0", "rootHash": root, "treeSize": "1", "hashes": [],
                "checkpoint": { "envelope": format!("{head}\n— log.test {}\n", BASE64.encode(note)) },
            },
            "canonicalizedBody": BASE64.encode(&body),
        })
    }

    fn root(&self) -> Vec<u8> {
        let extensions = [
            extension(BASIC_CONSTRAINTS, true, &sequence(&[&[0x01, 0x01, 0xff]])),
            extension(KEY_USAGE, true, &[0x03, 0x02, 0x01, 0x06]),
        ];
        let times = ("240101000000Z", "340101000000Z");
        let spki = self.authority.spki();
        self.signed(&certified(
            &name("test"),
            times,
            &name("test"),
            &spki,
            &extensions,
        ))
    }

    /// A certificate for a build, with the proof that it was made public.
    fn certificate(&self, key: &Key, claims: &Claims) -> Vec<u8> {
        let fulcio = |number: u8, text: &str| {
            let id = [FULCIO, &[number]].concat();
            extension(&id, false, &tlv(0x0c, text.as_bytes()))
        };
        let mut extensions = vec![
            extension(KEY_USAGE, true, &[0x03, 0x02, 0x07, 0x80]),
            extension(
                EXTENDED_KEY_USAGE,
                false,
                &sequence(&[&tlv(0x06, CODE_SIGNING)]),
            ),
            fulcio(8, &claims.issuer),
        ];
        let whose = match &claims.repository {
            Some(repository) => {
                let workflow = format!("{repository}/{}@refs/heads/main", claims.workflow);
                extensions.push(fulcio(12, repository));
                extensions.push(fulcio(18, &workflow));
                tlv(0x86, workflow.as_bytes())
            }
            None => tlv(0x81, b"somebody@account.test"),
        };
        extensions.push(extension(ALTERNATIVE_NAME, true, &sequence(&[&whose])));

        let times = (VALID_FROM, VALID_TO);
        let (issuer, nobody) = (name("test"), sequence(&[]));
        let before = certified(&issuer, times, &nobody, &key.spki(), &extensions);
        let list = self.transparency(&before);
        extensions.push(extension(TIMESTAMPS, false, &tlv(0x04, &list)));
        self.signed(&certified(
            &issuer,
            times,
            &nobody,
            &key.spki(),
            &extensions,
        ))
    }

    /// The list of signed certificate timestamps (RFC 6962, sections 3.2 and 3.3).
    fn transparency(&self, certified: &[u8]) -> Vec<u8> {
        let time = u64::try_from(SIGNED_AT).unwrap() * 1000;
        let length = u32::try_from(certified.len()).unwrap().to_be_bytes();
        let signed = [
            &[0, 0][..],
            &time.to_be_bytes(),
            &[0, 1],
            &self.authority.id(),
            &length[1..],
            certified,
            &[0, 0],
        ]
        .concat();
        let signature = self.transparency.sign(&signed);
        let timestamp = [
            &[0][..],
            &self.transparency.id(),
            &time.to_be_bytes(),
            &[0, 0, 4, 3],
            &short(signature.len()),
            &signature,
        ]
        .concat();
        let one = [&short(timestamp.len())[..], &timestamp].concat();
        [&short(one.len())[..], &one].concat()
    }

    fn signed(&self, certified: &[u8]) -> Vec<u8> {
        let signature = [&[0][..], &self.authority.sign(certified)].concat();
        sequence(&[certified, &algorithm(), &tlv(0x03, &signature)])
    }
}

/// TBSCertificate (RFC 5280, section 4.1).
fn certified(
    issuer: &[u8],
    (from, to): (&str, &str),
    subject: &[u8],
    spki: &[u8],
    extensions: &[Vec<u8>],
) -> Vec<u8> {
    let validity = sequence(&[&tlv(0x17, from.as_bytes()), &tlv(0x17, to.as_bytes())]);
    let extensions: Vec<&[u8]> = extensions.iter().map(Vec::as_slice).collect();
    sequence(&[
        &tlv(0xa0, &[0x02, 0x01, 0x02]),
        &[0x02, 0x01, 0x01],
        &algorithm(),
        issuer,
        &validity,
        subject,
        spki,
        &tlv(0xa3, &sequence(&extensions)),
    ])
}

fn extension(id: &[u8], critical: bool, value: &[u8]) -> Vec<u8> {
    let critical: &[u8] = if critical { &[0x01, 0x01, 0xff] } else { &[] };
    sequence(&[&tlv(0x06, id), critical, &tlv(0x04, value)])
}

fn algorithm() -> Vec<u8> {
    sequence(&[&tlv(0x06, ECDSA_WITH_SHA256)])
}

fn name(text: &str) -> Vec<u8> {
    let attribute = sequence(&[&tlv(0x06, COMMON_NAME), &tlv(0x0c, text.as_bytes())]);
    sequence(&[&tlv(0x31, &attribute)])
}

fn sequence(parts: &[&[u8]]) -> Vec<u8> {
    tlv(0x30, &parts.concat())
}

fn tlv(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut bytes = vec![tag];
    match u8::try_from(content.len()) {
        Ok(length @ 0..0x80) => bytes.push(length),
        Ok(length) => bytes.extend([0x81, length]),
        Err(_) => {
            bytes.push(0x82);
            bytes.extend(short(content.len()));
        }
    }
    bytes.extend_from_slice(content);
    bytes
}

fn short(length: usize) -> [u8; 2] {
    u16::try_from(length).unwrap().to_be_bytes()
}

fn pem(label: &str, der: &[u8]) -> String {
    let text = BASE64.encode(der);
    let lines: Vec<&str> = (0..text.len())
        .step_by(64)
        .map(|at| &text[at..text.len().min(at + 64)])
        .collect();
    format!(
        "-----BEGIN {label}-----\n{}\n-----END {label}-----\n",
        lines.join("\n")
    )
}

fn sha256(bytes: &[u8]) -> Vec<u8> {
    digest(&SHA256, bytes).as_ref().to_vec()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
