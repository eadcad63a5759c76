//! CycloneDX 1.6 (ECMA-424), in JSON.

use serde_json::{Value, json};

use super::{
    date, download, interpreter_reference, interpreters, of_other_platforms, purl, reference,
    server_reference, sha512, uuid,
};
use crate::lockfile::{Artifact, Digest, Interpreter, Lock, LockedServer, ServerName};

/// Each server is a component that holds its artifacts; interpreters stand beside them.
pub(super) fn bill(lock: &Lock) -> Value {
    let servers = lock
        .servers
        .iter()
        .map(|(name, locked)| server(name, locked));
    let programs = interpreters(lock).into_iter().map(interpreter);
    json!({
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": format!("urn:uuid:{}", uuid(lock)),
        "version": 1,
        "metadata": {
            "timestamp": date(lock),
            "tools": { "components": [{
                "type": "application",
                "name": "pinfold",
                "version": env!("CARGO_PKG_VERSION"),
            }] },
        },
        "components": servers.chain(programs).collect::<Vec<_>>(),
        "dependencies": dependencies(lock),
    })
}

fn server(name: &ServerName, locked: &LockedServer) -> Value {
    let artifacts = locked.artifacts.iter();
    let others = of_other_platforms(name, locked);
    let mut value = json!({
        "type": "application",
        "bom-ref": server_reference(name),
        "name": name.as_str(),
        "properties": properties(&[
            ("source", Some(&locked.source)),
            ("platform", Some(&locked.platform)),
            ("locked_at", Some(&locked.locked_at)),
            ("entry_point", Some(&locked.entry_point)),
            ("tree", Some(&locked.tree.to_string())),
            ("policy", Some(&locked.confinement.policy.to_string())),
        ]),
        "components": artifacts
            .map(|one| artifact(name.as_str(), &locked.source, one))
            .chain(others.iter().map(|(owner, source, one)| artifact(owner, source, one)))
            .collect::<Vec<_>>(),
    });
    if let Some(version) = &locked.version {
        value["version"] = json!(version);
    }
    value
}

fn artifact(owner: &str, source: &str, artifact: &Artifact) -> Value {
    let mut hashes = vec![sha256(&artifact.sha256)];
    hashes.extend(sha512(artifact).map(|digits| json!({ "alg": "SHA-512", "content": digits })));
    let mut value = json!({
        "type": "library",
        "bom-ref": reference(owner, artifact),
        "name": artifact.name,
        "version": artifact.version,
        "purl": purl(source, artifact),
        "hashes": hashes,
        "properties": properties(&[
            ("path", Some(&artifact.path)),
            ("published", artifact.published.as_ref()),
            ("publisher", artifact.publisher.as_ref()),
            ("provenance", artifact.provenance.as_ref()),
            ("install_script", artifact.install_script.then(|| "true".to_owned()).as_ref()),
        ]),
    });
    if let Some(url) = download(artifact) {
        value["externalReferences"] = json!([{ "type": "distribution", "url": url }]);
    }
    value
}

fn interpreter(interpreter: &Interpreter) -> Value {
    let mut value = json!({
        "type": "platform",
        "bom-ref": interpreter_reference(interpreter),
        "name": interpreter.kind,
        "hashes": [sha256(&interpreter.sha256)],
        "properties": properties(&[("path", Some(&interpreter.path))]),
    });
    if let Some(package) = &interpreter.package {
        let reference = interpreter_reference(interpreter);
        value["components"] = package
            .artifacts
            .iter()
            .map(|one| artifact(&reference, &package.source, one))
            .collect();
    }
    if let Some(version) = &interpreter.version {
        value["version"] = json!(version);
    }
    value
}

/// Which artifact needs which is not in the lock; that the server needs them all is.
fn dependencies(lock: &Lock) -> Vec<Value> {
    lock.servers
        .iter()
        .map(|(name, locked)| {
            let artifacts = locked
                .artifacts
                .iter()
                .map(|one| reference(name.as_str(), one));
            let others = of_other_platforms(name, locked);
            let others = others.iter().map(|(owner, _, one)| reference(owner, one));
            let interpreter = locked.interpreter.iter().map(interpreter_reference);
            json!({
                "ref": server_reference(name),
                "dependsOn": artifacts.chain(others).chain(interpreter).collect::<Vec<_>>(),
            })
        })
        .collect()
}

fn sha256(digest: &Digest) -> Value {
    json!({ "alg": "SHA-256", "content": digest.hex() })
}

fn properties(all: &[(&str, Option<&String>)]) -> Vec<Value> {
    all.iter()
        .filter_map(|(name, value)| {
            let value = (*value)?;
            Some(json!({ "name": format!("pinfold:{name}"), "value": value }))
        })
        .collect()
}
