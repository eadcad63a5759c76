//! `lock --sbom`: bills of materials that the formats' own tools accept: CycloneDX's JSON Schema
//! (from `cyclonedx-python-lib`), and SPDX's parser and validator (`spdx-tools`).

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::support::{Home, Package, Ran, Registry, sbom_tools, skip};

/// Says what is wrong with the document on standard input; nothing when it is right.
const CHECK: &str = "
import json, sys
text = sys.stdin.read()
document = json.loads(text)
purls = []
if sys.argv[1] == 'cyclonedx':
    from cyclonedx.schema import SchemaVersion
    from cyclonedx.validation.json import JsonStrictValidator
    error = JsonStrictValidator(SchemaVersion.V1_6).validate_str(text)
    if error:
        print(repr(error)[:2000])
    purls = [part['purl'] for one in document['components'] for part in one.get('components', [])]
    declared = [one['bom-ref'] for one in document['components']]
    declared += [part['bom-ref'] for one in document['components'] for part in one.get('components', [])]
    wanted = [ref for one in document['dependencies'] for ref in [one['ref'], *one['dependsOn']]]
    if len(set(declared)) != len(declared) or not set(wanted) <= set(declared):
        print('references')
else:
    from spdx_tools.spdx.parser.error import SPDXParsingError
    from spdx_tools.spdx.parser.jsonlikedict.json_like_dict_parser import JsonLikeDictParser
    from spdx_tools.spdx.validation.document_validator import validate_full_spdx_document
    try:
        for message in validate_full_spdx_document(JsonLikeDictParser().parse(document)):
            print(message.validation_message)
    except SPDXParsingError as error:
        print(error.get_messages())
    purls = [ref['referenceLocator'] for one in document['packages'] for ref in one.get('externalRefs', [])]
from packageurl import PackageURL
for purl in purls:
    if PackageURL.from_string(purl).to_string() != purl:
        print('not canonical', purl, PackageURL.from_string(purl).to_string())
print('checked', len(purls), file=sys.stderr)
";

/// What the format's own tool has against a document.
fn complaints(tools: &Path, format: &str, document: &str) -> Ran {
    let mut command = Command::new("python3");
    command.args(["-c", CHECK, format]).env("PYTHONPATH", tools);
    Ran::with_input(&mut command, document)
}

/// Prints the bill of whatever lock is there, and expects nobody to have anything against it.
fn accepted(home: &Home, tools: &Path, format: &str, purls: usize) -> String {
    let before = fs::read(home.lock()).unwrap();
    let bill = home.succeed(["lock", "--sbom", format]).stdout;
    assert_eq!(bill, home.succeed(["lock", "--sbom", format]).stdout);
    assert_eq!(fs::read(home.lock()).unwrap(), before);
    let checked = complaints(tools, format, &bill);
    assert_eq!(
        (checked.code, checked.stdout.as_str()),
        (Some(0), ""),
        "{checked:#?}"
    );
    assert!(
        checked.stderr.contains(&format!("checked {purls}\n")),
        "{checked:#?}"
    );
    bill
}

#[test]
fn the_formats_own_tools_accept_them() {
    let tools = match sbom_tools() {
        Ok(tools) => tools,
        Err(reason) => return skip("sbom", &reason),
    };
    let home = Home::new();
    fs::create_dir_all(home.lock().parent().unwrap()).unwrap();
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("lockfile/examples");
    let mut seen = 0;
    for entry in fs::read_dir(examples).unwrap() {
        let text = fs::read_to_string(entry.unwrap().path()).unwrap();
        let lock: Value = serde_json::from_str(&text).unwrap();
        let servers = lock["servers"].as_object().unwrap().values();
        let purls = servers
            .map(|one| {
                let of = |part: &Value| {
                    let runtime = part["interpreter"]["package"]["artifacts"].as_array();
                    part["artifacts"].as_array().unwrap().len() + runtime.map_or(0, Vec::len)
                };
                let elsewhere = one["platforms"].as_object().unwrap().values().map(of);
                of(one) + elsewhere.sum::<usize>()
            })
            .sum();
        fs::write(home.lock(), text).unwrap();
        accepted(&home, &tools, "cyclonedx", purls);
        accepted(&home, &tools, "spdx", purls);
        seen += 1;
    }
    assert!(seen >= 4);
}

#[test]
fn of_a_closure_with_the_same_package_twice() {
    let tools = match sbom_tools() {
        Ok(tools) => tools,
        Err(reason) => return skip("sbom", &reason),
    };
    let home = Home::new();
    let leaf = |version| Package::new("leaf", version).file("index.js", b"");
    let registry = Registry::new([
        leaf("1.0.0"),
        leaf("2.0.0"),
        Package::new("@scope/middle", "1.0.0").depends_on("leaf", "^1.0.0"),
        Package::server("top", "1.0.0-rc.1")
            .depends_on("leaf", "2")
            .depends_on("@scope/middle", "1"),
    ]);
    registry.add_and_ask(&home, "one", "npm:top@1.0.0-rc.1");
    registry.add_and_ask(&home, "two", "npm:top@1.0.0-rc.1");
    for format in ["cyclonedx", "spdx"] {
        let bill = accepted(&home, &tools, format, 8);
        assert!(bill.contains("pkg:npm/%40scope/middle@1.0.0"), "{bill}");
        let one = home.succeed(["lock", "--sbom", format, "two"]).stdout;
        assert_eq!(one.matches("pkg:npm/").count(), 4);
        let none = home.run(["lock", "--sbom", format, "three"]);
        assert_eq!(none.code, Some(2), "{none:#?}");
    }
    // Control: the tools do look.
    for (format, from, to) in [
        ("cyclonedx", "\"SHA-256\"", "\"SHA-257\""),
        (
            "cyclonedx",
            "\"serialNumber\": \"urn",
            "\"serialNumber\": \"run",
        ),
        ("spdx", "\"SHA256\"", "\"SHA257\""),
        ("spdx", "\"created\": \"20", "\"created\": \"x20"),
        (
            "spdx",
            "\"relatedSpdxElement\": \"SPDXRef-",
            "\"relatedSpdxElement\": \"SPDXRef-x",
        ),
    ] {
        let bill = home.succeed(["lock", "--sbom", format]).stdout;
        assert!(bill.contains(from), "{from}");
        let checked = complaints(&tools, format, &bill.replacen(from, to, 1));
        assert!(
            checked.code != Some(0) || !checked.stdout.is_empty(),
            "{from}: {checked:#?}"
        );
    }
}
