//! A server as it is published, whose one host is played by the world.

use std::fs;

use serde_json::json;

use crate::support::{Authority, Client, Home, Name, World, registry_is_reachable, skip};

const PACKAGE: &str = "npm:@modelcontextprotocol/server-brave-search@0.6.2";
const API: &str = "api.search.brave.com";
const ZONE: &[Name] = &[
    (API, &[&["93.184.216.50"]]),
    ("other.test", &[&["93.184.216.51"]]),
];

/// The server with these entries of `egress`, in a world that plays its API.
fn search(test: &str, egress: &str) -> Option<(Home, World, Client)> {
    if !registry_is_reachable() {
        skip(test, "the npm registry can't be reached");
        return None;
    }
    let home = Home::new();
    let pages = json!({
        format!("{API}/res/v1/web/search"): {
            "web": {"results": [{"title": "Found", "description": "by the stand-in", "url": "https://found.test/"}]}
        }
    });
    let authority = Authority::new(test, &home, ZONE, pages)?;
    let certificate = authority.certificate();
    let certificate = certificate.to_str().unwrap();
    let text = format!(
        "[servers.search]\nsource = \"{PACKAGE}\"\nprofile = \"web\"\negress = [{egress}]\n\
         tools = {{ allow = [\"brave_web_search\"] }}\nfiles = {{ read = [\"{certificate}\"] }}\n\
         env = {{ BRAVE_API_KEY = \"key\", NODE_EXTRA_CA_CERTS = \"{certificate}\" }}\n"
    );
    fs::create_dir_all(home.manifest().parent().unwrap()).unwrap();
    fs::write(home.manifest(), text).unwrap();
    home.succeed(["lock"]);
    let world = authority.world(&home, "world");
    let mut client = Client::start(&mut world.around(&home.pinfold(["run", "search"])));
    client.initialize();
    Some((home, world, client))
}

#[test]
fn it_works_with_its_host() {
    let test = "egress::a_published_server_works_with_its_host";
    let Some((_home, world, mut client)) = search(test, "\"api.search.brave.com:443\"") else {
        return;
    };
    let found = client.call_text("brave_web_search", json!({"query": "anything"}));
    assert!(found.contains("by the stand-in"), "{found}");
    let contacts = world.contacts();
    assert!(
        contacts.contains(&"tcp 93.184.216.50 443".to_owned()),
        "{contacts:#?}"
    );
}

#[test]
fn without_its_host_its_call_fails_and_the_user_is_told_what_is_missing() {
    let test = "egress::a_published_server_fails_without_its_host";
    let Some((_home, world, mut client)) = search(test, "\"other.test:443\"") else {
        return;
    };
    let answer = client.call("brave_web_search", json!({"query": "anything"}));
    assert_eq!(answer["result"]["isError"], true, "{answer}");
    assert_eq!(world.contacts(), Vec::<String>::new());
    let (_, stderr) = client.close();
    for words in [API, "egress"] {
        assert!(stderr.contains(words), "no `{words}` in {stderr}");
    }
}
