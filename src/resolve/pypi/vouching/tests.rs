//! Attestations from an index on the loopback interface: those that PyPI published, and those of a
//! sigstore that the test made.

use serde_json::{Value, json};

use super::*;
use crate::fetch::tests::{TestServer, answer, client, run, serve_with};
use crate::provenance::testing::{Claims, Sigstore};
use crate::resolve::vouching::PATIENCE;

const PATH: &str = "/integrity/thing/1.0/thing-1.0-py3-none-any.whl/provenance";
const WHEEL: &str = "thing-1.0-py3-none-any.whl";
const SHA256: &str = "9bb1add04b1b4e182be6b0b80931593f7a291eb49d69b4fd728a5d4cbcdc4bd3";
const BUILD: &str = "https://github.com/org/repo@.github/workflows/release.yml via https://token.actions.githubusercontent.com";

const RECORDED: &[u8] = include_bytes!(
    "../../../provenance/recorded/pypi-circleci_sign_publish_example-0.0.1.dev137.json"
);
const RECORDED_WHEEL: &str = "circleci_sign_publish_example-0.0.1.dev137-py3-none-any.whl";
const RECORDED_SHA256: &str = "8cb34da1e27336f11a2c43f3f9c7433bd76f24f470c904724f06ad7f131d9e9f";

/// An index that answers `PATH`, and everything else with 404.
fn index(reply: Vec<u8>) -> TestServer {
    serve_with(move |head| match head.split(' ').nth(1) {
        Some(PATH) => reply.clone(),
        _ => answer("404 Not Found", "", b"{}"),
    })
}

fn settings(server: &TestServer) -> PypiSettings {
    let index = server.url("/simple/").to_string();
    let environment = |name: &str| (name == "UV_DEFAULT_INDEX").then(|| index.clone().into());
    let settings = PypiSettings::load(&environment, None).unwrap();
    assert_eq!(settings.index.url.as_str(), index);
    settings
}

fn wheel(server: &TestServer) -> ResolvedWheel {
    ResolvedWheel {
        name: "thing".to_owned(),
        version: "1.0".to_owned(),
        file: WHEEL.to_owned(),
        url: "thing.whl".to_owned(),
        download_url: server.url("/thing.whl"),
        sha256: SHA256.to_owned(),
        published: None,
        attestations: Some(OfferedAttestations {
            url: Some(server.url(PATH)),
            passed_on: false,
        }),
    }
}

fn statement(name: &str, sha256: &str) -> Value {
    json!({
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{ "name": name, "digest": { "sha256": sha256 } }],
        "predicateType": "https://docs.pypi.org/attestations/publish/v1", "predicate": null,
    })
}

fn document(sigstore: &Sigstore, statement: &Value, claims: &Claims, repository: &str) -> Vec<u8> {
    let bundle = sigstore.build(statement, claims);
    let attestation = json!({
        "version": 1,
        "verification_material": {
            "certificate": bundle["verificationMaterial"]["certificate"]["rawBytes"],
            "transparency_entries": bundle["verificationMaterial"]["tlogEntries"],
        },
        "envelope": {
            "statement": bundle["dsseEnvelope"]["payload"],
            "signature": bundle["dsseEnvelope"]["signatures"][0]["sig"],
        },
    });
    let publisher =
        json!({ "kind": "GitHub", "repository": repository, "workflow": "release.yml" });
    let document = json!({ "version": 1,
        "attestation_bundles": [{ "publisher": publisher, "attestations": [attestation] }] });
    answer("200 OK", "", document.to_string().as_bytes())
}

fn good(sigstore: &Sigstore) -> Vec<u8> {
    let statement = statement(WHEEL, SHA256);
    document(sigstore, &statement, &Claims::default(), "org/repo")
}

fn judge(
    sigstore: &Sigstore,
    server: &TestServer,
    wheels: &[ResolvedWheel],
) -> Result<Vec<Vouched>, String> {
    let (settings, client) = (settings(server), client());
    let verifier = || Ok(sigstore.verifier());
    run(vouched_by(wheels, &settings, &client, verifier)).map_err(|error| error.to_string())
}

#[test]
fn what_pypi_published_verifies_and_another_file_does_not() {
    let server = index(answer("200 OK", "", RECORDED));
    let real = ResolvedWheel {
        file: RECORDED_WHEEL.to_owned(),
        sha256: RECORDED_SHA256.to_owned(),
        ..wheel(&server)
    };
    let judge = |wheel: &ResolvedWheel| {
        let (settings, client) = (settings(&server), client());
        run(vouched(std::slice::from_ref(wheel), &settings, &client))
    };
    let found = judge(&real).unwrap();
    let publisher = found[0].provenance.as_deref().unwrap();
    assert!(
        publisher.starts_with("https://github.com/CircleCI-Public/sign-and-publish-examples@"),
        "{publisher}"
    );
    assert!(crate::provenance::Identity::parse(publisher).is_some());
    for other in [
        ResolvedWheel {
            sha256: SHA256.to_owned(),
            ..real.clone()
        },
        ResolvedWheel {
            file: WHEEL.to_owned(),
            ..real.clone()
        },
    ] {
        let error = judge(&other).unwrap_err();
        assert!(matches!(error, PypiError::Provenance(_)), "{error}");
    }
    // Nobody can make one that the real sigstore did not see.
    let forged = index(good(&Sigstore::new()));
    let (settings, client) = (settings(&forged), client());
    let error = run(vouched(&[wheel(&forged)], &settings, &client)).unwrap_err();
    assert!(matches!(error, PypiError::Provenance(_)), "{error}");
}

#[test]
fn only_what_is_offered_is_asked_for_and_each_is_its_own() {
    let sigstore = Sigstore::new();
    let server = index(good(&sigstore));
    let mut bare = wheel(&server);
    bare.attestations = None;
    bare.file = "bare-1.0-py3-none-any.whl".to_owned();
    let found = judge(&sigstore, &server, &[bare.clone(), wheel(&server)]).unwrap();
    assert_eq!(found[0], Vouched::default());
    assert_eq!(found[1].provenance.as_deref(), Some(BUILD));
    assert_eq!(server.requests().len(), 1);
    assert_eq!(
        judge(&sigstore, &server, &[bare]).unwrap(),
        [Vouched::default()]
    );
    assert_eq!(server.requests().len(), 1);
}

#[test]
fn what_is_offered_and_is_not_right_is_refused() {
    let sigstore = Sigstore::new();
    let right = Claims::default();
    let other = Claims {
        repository: Some("https://github.com/org/fork".to_owned()),
        ..Claims::default()
    };
    let of = |name: &str, sha256: &str, claims: &Claims| {
        document(&sigstore, &statement(name, sha256), claims, "org/repo")
    };
    let none = json!({ "version": 1, "attestation_bundles": [] }).to_string();
    let huge = vec![b' '; usize::try_from(MAX_ATTESTATIONS_BYTES).unwrap() + 1];
    let elsewhere = Sigstore::new();
    for (words, reply) in [
        ("does not hold", of(WHEEL, &"0".repeat(64), &right)),
        (
            "does not hold",
            of("other-1.0-py3-none-any.whl", SHA256, &right),
        ),
        ("another publisher", of(WHEEL, SHA256, &other)),
        ("does not hold", good(&elsewhere)),
        ("none among them", answer("200 OK", "", none.as_bytes())),
        ("does not hold", answer("200 OK", "", b"<html>")),
        ("larger than", answer("200 OK", "", &huge)),
        ("status 404", answer("404 Not Found", "", b"{}")),
        ("status 500", answer("500 Broken", "", b"{}")),
    ] {
        let server = index(reply);
        let error = judge(&sigstore, &server, &[wheel(&server)]).expect_err(words);
        assert!(error.contains(words) && error.contains(WHEEL), "{error}");
    }
    let server = index(good(&sigstore));
    judge(&sigstore, &server, &[wheel(&server)]).unwrap();
}

#[test]
fn a_mirror_may_have_none_and_can_not_lie() {
    let sigstore = Sigstore::new();
    let passed_on = |server: &TestServer, url: Option<Url>| {
        let mut wheel = wheel(server);
        let passed_on = true;
        wheel.attestations = Some(OfferedAttestations { url, passed_on });
        wheel
    };
    let server = index(answer("404 Not Found", "", b"{}"));
    let nobody = Url::parse("http://127.0.0.1:1/").unwrap();
    for url in [Some(server.url(PATH)), Some(nobody.clone()), None] {
        let found = judge(&sigstore, &server, &[passed_on(&server, url)]).unwrap();
        assert!(found[0].not_mirrored && found[0].provenance.is_none());
    }
    // Of the index's own address the same is a refusal.
    let mut own = wheel(&server);
    own.attestations = Some(OfferedAttestations {
        url: Some(nobody),
        passed_on: false,
    });
    judge(&sigstore, &server, &[own]).unwrap_err();
    let liar = index(good(&Sigstore::new()));
    judge(&sigstore, &liar, &[passed_on(&liar, Some(liar.url(PATH)))]).unwrap_err();
    let honest = index(good(&sigstore));
    let wheel = passed_on(&honest, Some(honest.url(PATH)));
    let found = judge(&sigstore, &honest, &[wheel]).unwrap();
    assert_eq!(found[0].provenance.as_deref(), Some(BUILD));
}

#[test]
fn an_index_that_does_not_answer_is_not_waited_for() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let url = Url::parse(&format!("http://127.0.0.1:{port}/")).unwrap();
    let server = index(Vec::new());
    let mut slow = wheel(&server);
    slow.attestations = Some(OfferedAttestations {
        url: Some(url),
        passed_on: false,
    });
    let (settings, client) = (settings(&server), client());
    // The clock goes on by itself whenever there is nothing else to wait for.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .unwrap();
    let started = std::time::Instant::now();
    let error = runtime
        .block_on(vouched(&[slow], &settings, &client))
        .unwrap_err();
    assert!(error.to_string().contains("no answer within"), "{error}");
    assert!(started.elapsed() < PATIENCE, "the clock was not the test's");
}
