//! A local script is added, run, confined, and ended.

use serde_json::json;

use crate::support::{Client, Home, fixture};

#[test]
fn a_local_server_runs_and_cannot_read_the_home() {
    let home = Home::new();
    let secret = home.user().join("secret");
    std::fs::write(&secret, "do not tell").unwrap();
    let wanted = json!({"code": "return open(path).read()", "arguments": {"path": secret}});

    // Control: without pinfold the same script reads it.
    let mut bare = Client::start(&mut std::process::Command::new(fixture("puppet.py")));
    bare.initialize();
    assert!(bare.call_text("do", wanted.clone()).contains("do not tell"));

    home.add_path("puppet", &fixture("puppet.py"), &[]);
    let mut client = home.client("puppet");
    client.initialize();
    let refusal = client.call_text("do", wanted);
    assert!(refusal.starts_with("refused: "), "{refusal}");
    let (status, stderr) = client.close();
    assert_eq!(status.code(), Some(0), "{stderr}");
}
