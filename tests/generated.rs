//! Completions and man pages come from the same table as the help.

use std::fs;

use crate::place::Place;

#[test]
fn completions_for_every_shell() {
    let place = Place::new();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let ran = place.run(["generate", "completions", shell]);
        assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""), "{shell}");
        for word in ["pinfold", "verify", "allow-all"] {
            assert!(ran.stdout.contains(word), "{shell}: no {word}");
        }
    }
    let bash = place.run(["generate", "completions", "bash"]).stdout;
    let script = place.path().join("pinfold.bash");
    fs::write(&script, bash).unwrap();
    let checked = std::process::Command::new("bash")
        .arg("-n")
        .arg(&script)
        .status();
    assert!(checked.is_ok_and(|status| status.success()));
}

#[test]
fn a_page_for_every_verb() {
    let place = Place::new();
    let ran = place.run(["generate", "man", "pages"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(0), ""), "{ran:#?}");
    let mut pages: Vec<String> = fs::read_dir(place.path().join("pages"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    pages.sort();
    let mut expected: Vec<String> = [
        "add",
        "daemon",
        "doctor",
        "explain",
        "observe",
        "fetch",
        "gc",
        "import",
        "lock",
        "log",
        "ps",
        "quarantine",
        "release",
        "remove",
        "restore",
        "audit",
        "review",
        "run",
        "secret",
        "stop",
        "approve",
        "tools",
        "trust",
        "try",
        "update",
        "verify",
    ]
    .map(|verb| format!("pinfold-{verb}.1"))
    .into();
    expected.push("pinfold.1".to_owned());
    expected.sort();
    assert_eq!(pages, expected);
    for page in pages {
        let text = fs::read_to_string(place.path().join("pages").join(&page)).unwrap();
        assert!(text.contains(".TH "), "{page}");
    }
}

/// `pinfold generate man packaging/man` and `generate completions SHELL` bring them up to date.
#[test]
fn what_is_packaged_is_what_is_generated() {
    let place = Place::new();
    let packaging = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging");
    for (shell, file) in [
        ("bash", "pinfold.bash"),
        ("zsh", "_pinfold"),
        ("fish", "pinfold.fish"),
    ] {
        let packaged = fs::read_to_string(packaging.join("completions").join(file)).unwrap();
        let generated = place.run(["generate", "completions", shell]).stdout;
        assert!(
            packaged == generated,
            "packaging/completions/{file} is out of date"
        );
    }
    place.run(["generate", "man", "pages"]);
    for entry in fs::read_dir(place.path().join("pages")).unwrap() {
        let page = entry.unwrap();
        let packaged = fs::read_to_string(packaging.join("man").join(page.file_name())).unwrap();
        let generated = fs::read_to_string(page.path()).unwrap();
        assert!(
            packaged == generated,
            "packaging/man/{:?} is out of date",
            page.file_name()
        );
    }
}
