//! Every mistake of a manifest is reported at once, with its line and column.

use crate::place::Place;

const WRONG: &str = r#"colour = "red"

[settings]
release_age = "soon"

[servers.a]
source = 5
profil = "web"
env = { LD_PRELOAD = "x", OK = { sekret = "y" } }

[servers.a.tools]
allow = ["x", "x"]

[servers.b]
source = "npm:x"
files.read = ["relative", "/"]
limits.memory = "lots"
"#;

/// Each mistake with its place.
const MISTAKES: &[(&str, &str)] = &[
    ("unknown-key", "1:1"),
    ("invalid-value", "4:15"),
    ("wrong-type", "7:10"),
    ("unknown-key", "8:1"),
    ("refused-variable", "9:9"),
    ("unknown-key", "9:34"),
    ("duplicate", "12:15"),
    ("missing-key", "14:10"),
    ("invalid-value", "16:15"),
    ("invalid-value", "16:27"),
    ("invalid-value", "17:17"),
];

#[test]
fn all_of_them_with_line_and_column() {
    let place = Place::with(WRONG);
    for arguments in [
        &["verify"][..],
        &["tools", "a"],
        &["lock"],
        &["add", "c", "npm:c"],
    ] {
        let ran = place.run(arguments.iter().copied());
        assert_eq!(ran.code, Some(2), "{ran:#?}");
        assert!(ran.stdout.is_empty());
        let codes = ran.stderr.lines().filter_map(|line| {
            let code = line.split_once("error[")?.1;
            code.split(']').next()
        });
        let file = place.manifest().display().to_string();
        let places = ran.stderr.lines().filter_map(|line| {
            let place = line.trim_start().strip_prefix("--> ")?;
            place.strip_prefix(&file)?.strip_prefix(':')
        });
        let found: Vec<_> = codes.zip(places).collect();
        assert_eq!(found, MISTAKES, "{}", ran.stderr);
    }
    assert_eq!(std::fs::read_to_string(place.manifest()).unwrap(), WRONG);
}

#[test]
fn what_is_not_toml_is_said_with_its_place_too() {
    let place = Place::with("[servers.a]\nsource = \n");
    let ran = place.run(["verify"]);
    assert_eq!(ran.code, Some(2), "{ran:#?}");
    assert!(ran.stderr.contains("pinfold.toml:2:"), "{ran:#?}");
    let place = Place::new();
    std::fs::create_dir_all(place.manifest().parent().unwrap()).unwrap();
    std::fs::write(place.manifest(), b"a = '\xff'").unwrap();
    let ran = place.run(["verify"]);
    assert_eq!(ran.code, Some(2), "{ran:#?}");
    assert!(ran.stderr.contains("UTF-8"), "{ran:#?}");
}

#[test]
fn a_manifest_that_others_can_write_is_refused() {
    use std::os::unix::fs::PermissionsExt as _;
    let place = Place::example();
    let mode = |mode| {
        std::fs::set_permissions(place.manifest(), std::fs::Permissions::from_mode(mode)).unwrap();
    };
    mode(0o666);
    let ran = place.run(["tools", "everything"]);
    assert!(matches!(ran.code, Some(2 | 4)), "{ran:#?}");
    assert!(ran.stderr.contains("chmod"), "{ran:#?}");
    mode(0o644);
    assert_eq!(place.run(["tools", "everything"]).code, Some(0));
}
