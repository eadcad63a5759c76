//! `pinfold run -- npx -y PACKAGE`: the command that was in mcp.json, looked up in the lock.

use crate::support::{Client, Home, registry_is_reachable, skip};

const PACKAGE: &str = "@modelcontextprotocol/server-everything";

#[test]
fn what_was_locked_is_found_and_the_rest_refused() {
    if !registry_is_reachable() {
        return skip("npx_command", "the npm registry can't be reached");
    }
    let home = Home::new();
    home.succeed([
        "add",
        "everything",
        &format!("npm:{PACKAGE}"),
        "--allow",
        "echo",
    ]);
    let run = |argv: &[&str]| {
        let words = ["run", "--"].into_iter().chain(argv.iter().copied());
        Client::start(&mut home.pinfold(words))
    };
    for argv in [
        &["npx", "-y", PACKAGE][..],
        &["/usr/bin/npx", "--yes", PACKAGE],
        &["npx", &format!("{PACKAGE}@latest")],
    ] {
        let mut client = run(argv);
        client.initialize();
        assert_eq!(client.tools(), ["echo"], "{argv:?}");
        let (status, stderr) = client.close();
        assert_eq!(status.code(), Some(0), "{argv:?}: {stderr}");
    }
    for argv in [
        &["npx", "-y", "@modelcontextprotocol/server-memory"][..],
        &["npx", "-y", PACKAGE, "--more"],
        &["npx", "-y", &format!("{PACKAGE}@0.0.1")],
        &["npx", "--package", PACKAGE, "sh"],
        &["npx", "-c", "sh"],
        &["node", "server.js"],
        &["sh", "-c", "npx -y x"],
    ] {
        let mut client = run(argv);
        let answer = client.request("initialize", serde_json::json!({}));
        assert_eq!(answer["error"]["code"], -31125, "{argv:?}: {answer}");
        let message = answer["error"]["message"].as_str().unwrap();
        let hint = message.contains("pinfold add NAME") || message.contains("pinfold run NAME");
        assert!(hint, "{argv:?}: {message}");
        let (status, _) = client.close();
        assert_eq!(status.code(), Some(125), "{argv:?}");
    }
}
