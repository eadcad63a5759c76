//! A granted folder is readable or writable as granted, and no way leads out of it.

use std::fs;
use std::os::unix::fs::symlink;

use serde_json::json;

use super::Ground;
use crate::support::Home;

/// What else could be done with them is attacked in `escape`.
#[test]
fn what_is_granted_can_be_used() {
    let home = Home::new();
    let [readable, writable] = ["readable", "writable"].map(|name| home.user().join(name));
    for folder in [&readable, &writable] {
        fs::create_dir(folder).unwrap();
        fs::write(folder.join("file"), "content").unwrap();
    }
    let mut ground = Ground::in_home(
        home,
        &[
            "--read",
            readable.to_str().unwrap(),
            "--write",
            writable.to_str().unwrap(),
        ],
    );
    for folder in [readable, writable.clone()] {
        ground.allowed(
            "return [open(folder + '/file').read(), os.listdir(folder)]",
            json!({"folder": folder}),
        );
    }
    ground.allowed(
        "
        with open(folder + '/new', 'w') as file: file.write('x')
        os.mkdir(folder + '/made'); os.rename(folder + '/new', folder + '/made/new')
        os.remove(folder + '/made/new'); os.rmdir(folder + '/made')",
        json!({"folder": writable}),
    );
}

/// A grant is resolved when the server starts; a link that changes its target afterwards does not
/// move the grant.
#[test]
fn a_granted_link_that_is_turned_elsewhere_grants_nothing_there() {
    let home = Home::new();
    let [first, second, link] = ["first", "second", "link"].map(|name| home.user().join(name));
    for folder in [&first, &second] {
        fs::create_dir(folder).unwrap();
        fs::write(folder.join("file"), folder.to_str().unwrap()).unwrap();
    }
    symlink(&first, &link).unwrap();
    let mut ground = Ground::in_home(home, &["--read", link.to_str().unwrap()]);
    let code = "return open(link + '/file').read()";
    ground.allowed(code, json!({"link": link}));
    fs::remove_file(&link).unwrap();
    symlink(&second, &link).unwrap();
    let link = json!({"link": link});
    let second = second.to_str().unwrap();
    assert!(ground.bare(code, &link).contains(second));
    // Refused, or in a root of its own still the link that it was.
    let outcome = ground.boxed(code, &link);
    assert!(!outcome.contains(second), "{outcome}");
}

/// Grants are resolved at each start, so a link that one session leaves must not widen the next.
#[test]
fn a_server_cannot_turn_a_grant_elsewhere_for_its_next_session() {
    let home = Home::new();
    let [writable, outside] = ["writable", "outside"].map(|name| home.user().join(name));
    let granted = writable.join("folder/data");
    fs::create_dir_all(&granted).unwrap();
    fs::create_dir_all(outside.join("data")).unwrap();
    let mut ground = Ground::in_home(
        home,
        &[
            "--write",
            writable.to_str().unwrap(),
            "--read",
            granted.to_str().unwrap(),
        ],
    );
    for (link, target) in [
        (granted.clone(), outside.join("data")),
        (writable.join("folder"), outside.clone()),
    ] {
        let turned = json!({"link": link, "target": target});
        ground.allowed_inside(
            "os.rename(link, link + '.old'); os.symlink(target, link)",
            &turned,
        );
        let mut next = ground.home.client("puppet");
        let answer = next.request("initialize", json!({}));
        let message = answer["error"]["message"].as_str().unwrap_or_default();
        assert!(message.contains("pinfold lock puppet"), "{answer}");
        let (status, _) = next.close();
        assert_eq!(status.code(), Some(125));
        ground.allowed_inside("os.remove(link); os.rename(link + '.old', link)", &turned);
        let mut again = ground.home.client("puppet");
        assert_eq!(again.initialize()["serverInfo"]["name"], "puppet");
    }
}

#[test]
fn a_program_that_it_could_write_cannot_be_granted() {
    let home = Home::new();
    let writable = home.user().join("writable");
    fs::create_dir(&writable).unwrap();
    fs::copy("/bin/echo", writable.join("tool")).unwrap();
    let source = format!("path:{}", crate::support::fixture("puppet.py").display());
    let tool = writable.join("tool");
    let exec = ["--exec", tool.to_str().unwrap()];
    let write = ["--write", writable.to_str().unwrap()];
    let add = |name, grants: &[&str]| {
        let mut words = vec!["add", name, &source, "--allow-all"];
        words.extend(grants);
        home.run(words)
    };
    assert_eq!(add("one", &exec).code, Some(0));
    assert_eq!(add("two", &write).code, Some(0));
    let both = add("both", &[exec, write].concat());
    assert_eq!(both.code, Some(2), "{both:#?}");
    assert!(both.stderr.contains("may write"), "{both:#?}");
}
