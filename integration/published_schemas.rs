//! The committed list of methods, to which the table in `src/relay/catalogue` is held, is what
//! the published schemas hold.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::support::sdk::node_script;
use crate::support::skip;

#[test]
fn the_committed_list_is_that_of_the_published_schemas() {
    let mut script = match node_script("published-schemas.mjs") {
        Ok(script) => script,
        Err(reason) => return skip("published_schemas", &reason),
    };
    let output = script.output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stderr}");
    let published: Value = serde_json::from_slice(&output.stdout).unwrap();
    let list = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/relay/published_methods.json");
    let list: Value = serde_json::from_slice(&fs::read(list).unwrap()).unwrap();
    let mut compared = 0;
    for schema in list["schemas"].as_array().unwrap() {
        let revision = schema["revision"].as_str().unwrap();
        let Some(found) = published.get(revision) else {
            // The suite does not know the first revision, and no extension.
            assert!(
                ["2024-11-05", "tasks extension"].contains(&revision),
                "{revision}"
            );
            continue;
        };
        for (key, methods) in found.as_object().unwrap() {
            let mut committed: Vec<String> = serde_json::from_value(schema[key].clone()).unwrap();
            committed.sort();
            assert_eq!(json!(committed), *methods, "{revision} {key}");
        }
        compared += 1;
    }
    assert_eq!(compared, 4, "{published}");
}
