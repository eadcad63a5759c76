//! A granted folder is readable or writable as granted, and no way leads out of it.

use std::fs;
use std::os::unix::fs::symlink;

use serde_json::json;

use super::Ground;
use crate::support::Home;

#[test]
fn reading_is_not_writing_and_links_do_not_lead_out() {
    let home = Home::new();
    let [readable, writable, outside] =
        ["readable", "writable", "outside"].map(|name| home.user().join(name));
    for folder in [&readable, &writable, &outside] {
        fs::create_dir(folder).unwrap();
        fs::write(folder.join("file"), "content").unwrap();
        symlink(outside.join("file"), folder.join("link")).unwrap();
        symlink(&outside, folder.join("way")).unwrap();
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

    let in_readable = json!({"folder": readable, "other": writable});
    ground.allowed(
        "return [open(folder + '/file').read(), os.listdir(folder)]",
        in_readable.clone(),
    );
    for way in [
        "open(folder + '/file', 'r+')",
        "os.truncate(folder + '/file', 7)",
        "open(folder + '/new', 'w'); os.remove(folder + '/new')",
        "os.mkdir(folder + '/made'); os.rmdir(folder + '/made')",
        "os.rename(folder + '/file', folder + '/f'); os.rename(folder + '/f', folder + '/file')",
        // Into a folder where it could be written.
        "os.link(folder + '/file', other + '/hard'); os.remove(other + '/hard')",
        "os.rename(folder + '/file', other + '/f'); os.rename(other + '/f', folder + '/file')",
        "os.chmod(folder + '/file', 0o644)",
        "os.utime(folder + '/file')",
        "os.setxattr(folder + '/file', 'user.planted', b'x')",
    ] {
        ground.refused(way, in_readable.clone());
    }

    let in_writable = json!({"folder": writable});
    ground.allowed(
        "
        with open(folder + '/new', 'w') as file: file.write('x')
        os.mkdir(folder + '/made'); os.rename(folder + '/new', folder + '/made/new')
        os.remove(folder + '/made/new'); os.rmdir(folder + '/made')",
        in_writable.clone(),
    );

    for folder in [&readable, &writable] {
        let folder = json!({"folder": folder, "outside": outside});
        for way in [
            "return open(folder + '/link').read()",
            "return open(folder + '/way/file').read()",
            "return os.listdir(folder + '/way')",
            "return open(folder + '/../outside/file').read()",
            "os.chdir(folder); return open('../outside/file').read()",
        ] {
            ground.refused(way, folder.clone());
        }
    }
    for way in [
        "link = folder + '/own'; os.symlink(outside + '/file', link); data = open(link).read(); os.remove(link); return data",
        "open(folder + '/link', 'r+')",
        "open(folder + '/way/new', 'w'); os.remove(folder + '/way/new')",
        "os.link(outside + '/file', folder + '/hard'); os.remove(folder + '/hard')",
        "os.rename(outside + '/file', folder + '/in'); os.rename(folder + '/in', outside + '/file')",
    ] {
        ground.refused(way, json!({"folder": writable, "outside": outside}));
    }
    // A program that it writes into a granted folder is not one that it may run.
    let plant = "
        path = folder + '/program'
        handle = os.open(path, os.O_CREAT | os.O_WRONLY, 0o755)
        os.write(handle, b'#!/bin/sh\\nexit 0\\n'); os.close(handle)
        return subprocess.run([path]).returncode";
    ground.refused(plant, in_writable);
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
