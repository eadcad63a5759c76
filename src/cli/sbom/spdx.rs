//! SPDX 2.3, in JSON.

use serde_json::{Value, json};

use super::{
    date, download, interpreter_reference, interpreters, of_other_platforms, purl, reference,
    server_reference, sha512, uuid,
};
use crate::lockfile::{Artifact, Interpreter, Lock, LockedServer, ServerName};

const NO_ASSERTION: &str = "NOASSERTION";

/// The lock, servers, artifacts and interpreters are packages; how they belong together is a list beside them.
pub(super) fn bill(lock: &Lock) -> Value {
    // The lock itself, so that a document about no server describes something, too.
    let root = id("lock");
    let mut packages = vec![package(root.clone(), "pinfold.lock", None)];
    let mut relations = vec![relation("SPDXRef-DOCUMENT", "DESCRIBES", &root)];
    for (name, locked) in &lock.servers {
        let own = id(&server_reference(name));
        packages.push(server(name, locked));
        relations.push(relation(&root, "CONTAINS", &own));
        for one in &locked.artifacts {
            packages.push(artifact(name.as_str(), &locked.source, one));
            relations.push(relation(
                &own,
                "CONTAINS",
                &id(&reference(name.as_str(), one)),
            ));
        }
        for (owner, source, one) in of_other_platforms(name, locked) {
            let part = id(&reference(&owner, one));
            packages.push(artifact(&owner, source, one));
            relations.push(relation(&own, "CONTAINS", &part));
        }
        if let Some(program) = &locked.interpreter {
            let program = id(&interpreter_reference(program));
            relations.push(relation(&own, "DEPENDS_ON", &program));
        }
    }
    for program in interpreters(lock) {
        packages.push(interpreter(program));
        let Some(package) = &program.package else {
            continue;
        };
        let own = interpreter_reference(program);
        for one in &package.artifacts {
            packages.push(artifact(&own, &package.source, one));
            let part = id(&reference(&own, one));
            relations.push(relation(&id(&own), "CONTAINS", &part));
        }
    }
    json!({
        "spdxVersion": "SPDX-2.3",
        "dataLicense": "CC0-1.0",
        "SPDXID": "SPDXRef-DOCUMENT",
        "name": "pinfold.lock",
        // An address that names the document; it need not lead anywhere.
        "documentNamespace": format!("urn:uuid:{}", uuid(lock)),
        "creationInfo": {
            "created": date(lock),
            "creators": [format!("Tool: pinfold-{}", env!("CARGO_PKG_VERSION"))],
        },
        "packages": packages,
        "relationships": relations,
    })
}

fn package(id: String, name: &str, version: Option<&str>) -> Value {
    let mut value = json!({
        "SPDXID": id,
        "name": name,
        "downloadLocation": NO_ASSERTION,
        "filesAnalyzed": false,
        "licenseConcluded": NO_ASSERTION,
        "licenseDeclared": NO_ASSERTION,
        "copyrightText": NO_ASSERTION,
    });
    if let Some(version) = version {
        value["versionInfo"] = json!(version);
    }
    value
}

fn server(name: &ServerName, locked: &LockedServer) -> Value {
    let mut value = package(
        id(&server_reference(name)),
        name.as_str(),
        locked.version.as_deref(),
    );
    value["primaryPackagePurpose"] = json!("APPLICATION");
    value["comment"] = json!(format!(
        "source {}; platform {}; locked {}; entry point {}; tree {}",
        locked.source, locked.platform, locked.locked_at, locked.entry_point, locked.tree
    ));
    value
}

fn artifact(owner: &str, source: &str, artifact: &Artifact) -> Value {
    let mut value = package(
        id(&reference(owner, artifact)),
        &artifact.name,
        Some(&artifact.version),
    );
    let mut checksums =
        vec![json!({ "algorithm": "SHA256", "checksumValue": artifact.sha256.hex() })];
    checksums.extend(
        sha512(artifact).map(|digits| json!({ "algorithm": "SHA512", "checksumValue": digits })),
    );
    value["checksums"] = json!(checksums);
    value["externalRefs"] = json!([{
        "referenceCategory": "PACKAGE-MANAGER",
        "referenceType": "purl",
        "referenceLocator": purl(source, artifact),
    }]);
    if let Some(url) = download(artifact) {
        value["downloadLocation"] = json!(url);
    }
    value["comment"] = json!(format!("at {}", artifact.path));
    value
}

fn interpreter(interpreter: &Interpreter) -> Value {
    let mut value = package(
        id(&interpreter_reference(interpreter)),
        &interpreter.kind,
        interpreter.version.as_deref(),
    );
    value["checksums"] =
        json!([{ "algorithm": "SHA256", "checksumValue": interpreter.sha256.hex() }]);
    value["comment"] = json!(format!("the program {}", interpreter.path));
    value
}

fn id(reference: &str) -> String {
    format!("SPDXRef-{reference}")
}

fn relation(from: &str, kind: &str, to: &str) -> Value {
    json!({ "spdxElementId": from, "relationshipType": kind, "relatedSpdxElement": to })
}
