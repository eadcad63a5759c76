//! Two `add`s at once both succeed, and neither loses what the other wrote.

use std::process::{Command, Output, Stdio};

use crate::support::{Home, Package, Registry, say};

fn at_once(commands: Vec<Command>) -> Vec<Output> {
    let children: Vec<_> = commands
        .into_iter()
        .map(|mut command| {
            command.stdout(Stdio::piped()).stderr(Stdio::piped());
            command.spawn().unwrap()
        })
        .collect();
    children
        .into_iter()
        .map(|child| child.wait_with_output().unwrap())
        .collect()
}

fn all_succeeded(outputs: &[Output]) {
    for output in outputs {
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{stderr}");
    }
}

#[test]
fn of_the_same_server() {
    let home = Home::new();
    let registry = Registry::new([Package::server("twin", "1.0.0")]);
    let add = || registry.pinfold(&home, ["add", "twin", "npm:twin", "--allow-all"]);
    all_succeeded(&at_once(vec![add(), add(), add()]));
    let manifest = std::fs::read_to_string(home.manifest()).unwrap();
    assert_eq!(manifest.matches("[servers.twin]").count(), 1, "{manifest}");
    assert_eq!(home.run(["verify"]).code, Some(0));
    assert_eq!(say(&mut home.client("twin")), "twin@1.0.0");
    home.only_tree();
    assert_eq!(
        std::fs::read_dir(home.store().join("staging"))
            .unwrap()
            .count(),
        0
    );
}

#[test]
fn of_different_servers() {
    let home = Home::new();
    let names = ["a", "b", "c", "d"];
    let registry = Registry::new(names.map(|name| Package::server(name, "1.0.0")));
    let add = |name| {
        let source = format!("npm:{name}");
        registry.pinfold(&home, ["add", name, source.as_str(), "--allow-all"])
    };
    all_succeeded(&at_once(names.map(add).into()));
    for name in names {
        assert_eq!(say(&mut home.client(name)), format!("{name}@1.0.0"));
    }
    assert_eq!(home.run(["verify"]).code, Some(0));
}

#[test]
fn of_one_name_for_two_sources_only_one_wins() {
    let home = Home::new();
    let registry = Registry::new(["a", "b"].map(|name| Package::server(name, "1.0.0")));
    let add = |source| registry.pinfold(&home, ["add", "name", source, "--allow-all"]);
    let outputs = at_once(vec![add("npm:a"), add("npm:b")]);
    let mut codes: Vec<_> = outputs.iter().map(|output| output.status.code()).collect();
    codes.sort();
    assert_eq!(codes, [Some(0), Some(2)], "{outputs:#?}");
    assert_eq!(home.run(["verify"]).code, Some(0));
}
