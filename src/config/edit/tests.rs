//! Edits keep what a person wrote, and are refused where they could not.

use std::path::Path;

use super::*;
use crate::config::Manifest;

fn new_server(name: &str) -> NewServer {
    NewServer {
        name: name.parse().unwrap(),
        source: "npm:@a/b@^1.2".into(),
        program: None,
        config: BTreeMap::new(),
        args: vec!["--quiet".into(), "a \"b\" \\ c".into()],
        runtime: Some("warn".into()),
        build: vec!["native".into()],
        build_egress: vec!["github.com:443".into()],
        profile: Some("web".into()),
        egress: vec!["api.github.com:443".into()],
        env: BTreeMap::from([
            ("KEY".into(), EnvValue::Literal("a value".into())),
            (
                "LANG".into(),
                EnvValue::FromClient {
                    name: "LANG".into(),
                },
            ),
        ]),
        exec: vec!["git".into()],
        read: vec!["~/src/docs".into()],
        write: vec![],
        allow: vec!["echo".parse().unwrap(), "add".parse().unwrap()],
    }
}

fn smallest(name: &str) -> NewServer {
    NewServer {
        program: None,
        config: BTreeMap::new(),
        args: vec![],
        runtime: None,
        build: vec![],
        build_egress: vec![],
        profile: None,
        egress: vec![],
        env: BTreeMap::new(),
        exec: vec![],
        read: vec![],
        ..new_server(name)
    }
}

fn read(text: &str) -> Manifest {
    Manifest::parse(
        text,
        Path::new("/m/pinfold.toml"),
        Some(Path::new("/home/ada")),
    )
    .unwrap_or_else(|error| panic!("{error}\n{text}"))
}

#[test]
fn the_first_entry_is_the_whole_file() {
    let text = add_server("", &new_server("github")).unwrap();
    assert_eq!(
        text,
        r#"[servers.github]
source = "npm:@a/b@^1.2"
args = ["--quiet", 'a "b" \ c']
runtime = "warn"
build = ["native"]
build_egress = ["github.com:443"]
profile = "web"
egress = ["api.github.com:443"]
env = { KEY = "a value", LANG = { from = "LANG" } }
exec = ["git"]

[servers.github.files]
read = ["~/src/docs"]
write = []

[servers.github.tools]
allow = ["echo", "add"]
"#
    );
    let manifest = read(&text);
    let server = manifest.servers.values().next().unwrap();
    assert_eq!(server.args, new_server("github").args);
    assert_eq!(server.env, new_server("github").env);
    assert_eq!(server.files.read, [Path::new("/home/ada/src/docs")]);
    assert_eq!(server.tools.allow.len(), 2);
}

#[test]
fn what_was_there_stays_byte_for_byte() {
    let before = "# mine\n[settings]   # odd   spacing\nrelease_age='24h'\n\n[servers.\"a.b\"]\nsource = \"npm:x\" # why\ntools = {allow=[]}";
    let text = add_server(before, &smallest("b")).unwrap();
    assert_eq!(
        text,
        format!(
            "{before}\n\n[servers.b]\nsource = \"npm:@a/b@^1.2\"\n\n[servers.b.tools]\nallow = [\"echo\", \"add\"]\n"
        )
    );
    assert_eq!(read(&text).servers.len(), 2);
}

#[test]
fn long_lists_and_dotted_names_are_written_so_that_they_can_be_read() {
    let mut new = smallest("a.b");
    new.allow = (0..30)
        .map(|number| format!("tool_number_{number}").parse().unwrap())
        .collect();
    let text = add_server("", &new).unwrap();
    assert!(text.contains("[servers.\"a.b\"]"), "{text}");
    assert!(
        text.contains("allow = [\n    \"tool_number_0\",\n"),
        "{text}"
    );
    assert_eq!(
        read(&text)
            .servers
            .values()
            .next()
            .unwrap()
            .tools
            .allow
            .len(),
        30
    );
}

#[test]
fn line_ends_follow_the_file() {
    let before = "[settings]\r\nrelease_age = \"1h\"\r\n";
    let text = add_server(before, &smallest("a")).unwrap();
    assert!(text.starts_with(before));
    assert_eq!(text.matches('\n').count(), text.matches("\r\n").count());
    assert_eq!(read(&text).servers.len(), 1);
    assert_eq!(remove_server(&text, &"a".parse().unwrap()).unwrap(), before);
}

#[test]
fn an_existing_name_is_refused() {
    for before in [
        "[servers.a]\nsource = \"npm:x\"\n",
        "[servers]\na = { source = \"npm:x\" }\n",
        "servers.a.source = \"npm:x\"\n",
    ] {
        assert!(matches!(
            add_server(before, &smallest("a")),
            Err(ConfigError::ServerExists { .. })
        ));
        assert!(add_server(before, &smallest("b")).is_ok(), "{before}");
    }
}

#[test]
fn what_cannot_be_appended_to_is_left_to_the_user() {
    for before in [
        "servers = { a = { source = \"npm:x\" } }\n",
        "servers = 5\n",
        "servers = []\n",
    ] {
        assert!(matches!(
            add_server(before, &smallest("b")),
            Err(ConfigError::EditByHand { .. })
        ));
    }
    assert!(matches!(
        add_server("[a\n", &smallest("b")),
        Err(ConfigError::NotToml { .. })
    ));
}

const THREE: &str = "# My servers.

# about a
[servers.a]
source = \"npm:a\"
args = [
  # first

  \"x\",
]
# still a

# --- work ---

# about b
[servers.b]
source = \"npm:b\"

[servers.a.tools] # apart from the rest of a
allow = []
# about b's tools
[servers.b.tools]
allow = []

# about c
[servers.c]
source = \"npm:c\"
tools = { allow = [] }
# the end
";

#[test]
fn removing_takes_the_entry_and_leaves_the_rest() {
    let removed = |name: &str| remove_server(THREE, &name.parse().unwrap()).unwrap();
    assert_eq!(
        removed("a"),
        "# My servers.

# --- work ---

# about b
[servers.b]
source = \"npm:b\"

# about b's tools
[servers.b.tools]
allow = []

# about c
[servers.c]
source = \"npm:c\"
tools = { allow = [] }
# the end
"
    );
    let without_c = removed("c");
    assert!(
        without_c.ends_with("[servers.b.tools]\nallow = []\n"),
        "{without_c}"
    );
    for name in ["a", "b", "c"] {
        let left = read(&removed(name)).servers;
        assert_eq!(left.len(), 2);
        assert!(!left.contains_key(&name.parse::<ServerName>().unwrap()));
    }
}

#[test]
fn removing_what_was_added_gives_back_the_file() {
    for before in ["", "# only a comment\n", THREE] {
        let added = add_server(before, &new_server("new")).unwrap();
        assert_eq!(
            remove_server(&added, &"new".parse().unwrap()).unwrap(),
            before
        );
    }
}

#[test]
fn what_is_not_there_or_not_a_table_is_not_removed() {
    let name = "a".parse().unwrap();
    for text in ["", "[servers.b]\nsource = \"npm:x\"\n", "servers = 5\n"] {
        assert!(matches!(
            remove_server(text, &name),
            Err(ConfigError::NoSuchServer { .. })
        ));
    }
    for text in [
        "[servers]\na = { source = \"npm:x\" }\n",
        "servers.a.source = \"npm:x\"\n",
    ] {
        assert!(matches!(
            remove_server(text, &name),
            Err(ConfigError::EditByHand { .. })
        ));
    }
    // A comment sign inside a string must not lead the cut astray.
    let tricky = "[servers.b]\nsource = \"npm:b\"\nargs = [\"\"\"\n# not a comment\n# nor this\"\"\"]\n[servers.a]\nsource = \"npm:a\"\n";
    let result = remove_server(tricky, &name);
    assert!(match result {
        Ok(text) => text.contains("# nor this"),
        Err(error) => matches!(error, ConfigError::EditByHand { .. }),
    });
}

#[test]
fn a_value_of_several_lines_is_the_same_beside_windows_line_ends() {
    let evil = "x\"]\nprofile = \"web\"\n[servers.evil]\nsource = \"npm:evil\"\n#";
    let mut new = NewServer {
        args: vec![evil.to_owned()],
        ..smallest("b")
    };
    let value = EnvValue::Literal("one\ntwo".to_owned());
    new.env.insert("LEVEL".to_owned(), value.clone());
    for before in ["", "# top\n", "# top\r\n\r\n"] {
        let after = add_server(before, &new).unwrap();
        let server = &read(&after).servers[&new.name];
        assert_eq!(server.args, [evil], "{after}");
        assert_eq!(server.env["LEVEL"], value, "{after}");
        // Nothing of it looks like a line of its own.
        assert!(
            !after.lines().any(|line| line.starts_with("[servers.evil]")),
            "{after}"
        );
    }
}
