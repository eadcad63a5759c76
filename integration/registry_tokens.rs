//! Scoped registries and their tokens are honoured, and no token reaches another host.

use std::net::Ipv4Addr;
use std::process::Command;

use crate::support::{Fault, Home, Package, Ran, Registry, credentials, say};

/// Registries of two hosts: `@own` is on the first, which wants a token.
fn scoped(home: &Home) -> (Registry, Registry) {
    let own = Registry::at(
        Ipv4Addr::new(127, 0, 0, 2),
        [Package::speaking("@own/server", "1.0.0", "require('part')").depends_on("part", "1")],
    );
    own.require_token("hush-1");
    let public =
        Registry::new([Package::new("part", "1.0.0")
            .file("index.js", b"module.exports = 'from the other one'")]);
    let npmrc = format!(
        "@own:registry={}\n//{}/:_authToken=hush-1\n",
        own.url(),
        own.address
    );
    std::fs::write(home.user().join(".npmrc"), npmrc).unwrap();
    (own, public)
}

fn bearer(token: &str) -> Option<String> {
    Some(format!("Bearer {token}"))
}

#[test]
fn a_scope_has_its_registry_and_its_token() {
    let home = Home::new();
    let (own, public) = scoped(&home);
    let said = public.add_and_ask(&home, "own", "npm:@own/server");
    assert_eq!(said, "from the other one");
    assert_eq!(credentials(&own.requests()), [bearer("hush-1")].into());
    assert_eq!(credentials(&public.requests()), [None].into());

    // The token is in none of the files that are kept.
    let found = Command::new("grep")
        .args(["-rl", "hush-1"])
        .arg(home.path())
        .output()
        .unwrap();
    let found = String::from_utf8(found.stdout).unwrap();
    assert_eq!(found.trim(), home.user().join(".npmrc").to_str().unwrap());
}

#[test]
fn without_the_token_the_registry_refuses() {
    let home = Home::new();
    let (own, public) = scoped(&home);
    own.require_token("another");
    let ran = public.add(&home, "own", "npm:@own/server");
    assert_eq!(ran.code, Some(4), "{ran:#?}");
    assert!(
        ran.stderr.contains("refuses access to @own/server"),
        "{ran:#?}"
    );
    assert!(!ran.stderr.contains("hush-1"), "{ran:#?}");
}

#[test]
fn a_tarball_elsewhere_gets_no_token() {
    let home = Home::new();
    let (own, public) = scoped(&home);
    let server = Package::server("@own/away", "1.0.0");
    public.publish(server.clone());
    let mut away = server;
    away.tarball_url = Some(format!("{}@own/away/-/away-1.0.0.tgz", public.url()));
    own.publish(away);
    let ran = public.add(&home, "away", "npm:@own/away");
    // Whether that is accepted is another question; the token stays at home.
    assert_eq!(credentials(&public.requests()), [None].into(), "{ran:#?}");
    assert!(public.count("away-1.0.0.tgz") > 0, "{ran:#?}");
    assert_eq!(ran.code, Some(0), "{ran:#?}");
}

#[test]
fn a_redirect_to_another_host_loses_the_token() {
    let home = Home::new();
    let (own, public) = scoped(&home);
    public.publish(Package::server("@own/moved", "1.0.0"));
    own.publish(Package::server("@own/moved", "1.0.0"));
    own.fail("moved-1.0.0.tgz", Fault::Redirect(public.address), 1);
    let ran = public.add(&home, "moved", "npm:@own/moved");
    assert_eq!(ran.code, Some(0), "{ran:#?}");
    assert_eq!(public.count("moved-1.0.0.tgz"), 1);
    assert_eq!(credentials(&public.requests()), [None].into());
    assert_eq!(say(&mut home.client("moved")), "@own/moved@1.0.0");
}

#[test]
fn control_a_client_that_keeps_the_header_would_be_seen() {
    let home = Home::new();
    let (own, public) = scoped(&home);
    public.publish(Package::server("@own/moved", "1.0.0"));
    own.publish(Package::server("@own/moved", "1.0.0"));
    own.fail("moved-1.0.0.tgz", Fault::Redirect(public.address), 1);
    let url = format!("{}@own/moved/-/moved-1.0.0.tgz", own.url());
    let script = "const go = async (url) => { const answer = await fetch(url, \
        { redirect: 'manual', headers: { authorization: 'Bearer hush-1' } }); \
        const next = answer.headers.get('location'); if (next) await go(next); }; go(process.argv[1])";
    let ran = Ran::of(Command::new("node").args(["-e", script, &url]));
    assert_eq!(ran.code, Some(0), "{ran:#?}");
    assert!(credentials(&public.requests()).contains(&bearer("hush-1")));
}
