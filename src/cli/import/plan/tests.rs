//! What becomes of the commands that people have, on a machine made of words.

use super::*;
use crate::config::clients::place_of;

struct Words;

impl Machine for Words {
    fn kind(&self, path: &Path) -> Kind {
        match self.real(path).unwrap().to_str().unwrap() {
            "/"
            | "/home/ada"
            | "/home/ada/code"
            | "/home/ada/code/w"
            | "/home/ada/project/link"
            | "/home/ada/notes"
            | "/home/ada/.ssh"
            | "/home/ada/project"
            | "/home/ada/project/data"
            | "/etc/x" => Kind::Folder,
            "/home/ada/notes/a.db"
            | "/home/ada/code/package.json"
            | "/home/ada/code/srv.js"
            | "/home/ada/code/w/srv.js"
            | "/home/ada/code/w/lib/package.json"
            | "/home/ada/code/w/lib/srv.js"
            | "/home/ada/package.json"
            | "/home/ada/own/package.json"
            | "/home/ada/own/srv.js"
            | "/home/ada/.ssh/package.json"
            | "/home/ada/.ssh/srv.js"
            | "/home/ada/bare/srv.js"
            | "/tmp/package.json"
            | "/tmp/srv.js"
            | "/home/ada/s/package.json"
            | "/home/ada/s/build/index.js"
            | "/home/ada/project/server.py"
            | "/opt/bin/server" => Kind::File,
            _ => Kind::Nothing,
        }
    }

    fn program(&self, name: &str) -> Option<PathBuf> {
        (name == "server").then(|| "/opt/bin/server".into())
    }

    fn home(&self) -> Option<&Path> {
        Some(Path::new("/home/ada"))
    }

    fn real(&self, path: &Path) -> Option<PathBuf> {
        let mut real = PathBuf::new();
        for part in path.components() {
            match part {
                std::path::Component::ParentDir => drop(real.pop()),
                part => real.push(part),
            }
        }
        Some(match real.strip_prefix("/home/ada/project/link") {
            // Joined with nothing it would end in a slash.
            Ok(rest) => Path::new("/home/ada/notes")
                .join(rest)
                .components()
                .collect(),
            Err(_) => real,
        })
    }

    fn own(&self, path: &Path) -> Option<String> {
        (path == Path::new("/home/ada/own")).then(|| "it is pinfold's own".to_owned())
    }
}

fn decided(path: &str, entry: &str) -> Decision {
    let text = format!("{{\"mcpServers\": {{\"a\": {entry}}}}}");
    let file = ClientFile::parse(
        &place_of(Path::new(path), Some(Path::new("/home/ada"))),
        text.into_bytes(),
    )
    .unwrap();
    decide(&file, &file.servers[0], &Words)
}

fn of_command(words: &str) -> Decision {
    let mut words = words.split_whitespace();
    let entry =
        serde_json::json!({"command": words.next().unwrap(), "args": words.collect::<Vec<_>>()});
    decided("/home/ada/.cursor/mcp.json", &entry.to_string())
}

fn converted(decision: Decision) -> Converted {
    match decision {
        Decision::Convert(converted) => converted,
        other => panic!("{other:?}"),
    }
}

#[test]
fn commands_become_sources() {
    for (words, source, program, args) in [
        ("npx -y @a/b /x", "npm:@a/b", None, &["/x"][..]),
        ("uvx a-b@1.0", "pypi:a-b==1.0", None, &[]),
        (
            "node /home/ada/s/build/index.js --x",
            "path:/home/ada/s",
            Some("build/index.js"),
            &["--x"],
        ),
        (
            "python3 -u /home/ada/project/server.py",
            "path:/home/ada/project/server.py",
            None,
            &[],
        ),
        ("/opt/bin/server go", "path:/opt/bin/server", None, &["go"]),
        ("server", "path:/opt/bin/server", None, &[]),
        ("npx b ${userHome}/x", "npm:b", None, &["/home/ada/x"]),
    ] {
        let got = converted(of_command(words));
        assert_eq!(
            (got.source.as_str(), got.program.as_deref()),
            (source, program),
            "{words}"
        );
        assert_eq!(got.args, args, "{words}");
    }
}

/// The same as a project's config says it.
fn in_project(folder: &str, args: &[&str]) -> Decision {
    let entry = serde_json::json!({"command": args[0], "args": &args[1..]});
    let path = format!("{folder}/.vscode/mcp.json");
    let mut file = ClientFile::parse(
        &place_of(Path::new(&path), None),
        format!("{{\"servers\": {{\"a\": {entry}}}}}").into_bytes(),
    )
    .unwrap();
    file.place.scope = Scope::Project;
    decide(&file, &file.servers[0], &Words)
}

#[test]
fn a_package_is_looked_for_in_the_project_only() {
    for (decision, source) in [
        (
            in_project("/home/ada/code/w", &["node", "srv.js"]),
            "path:/home/ada/code/w/srv.js",
        ),
        (
            in_project("/home/ada/code/w", &["node", "../srv.js"]),
            "path:/home/ada/code/w/../srv.js",
        ),
        (
            in_project("/home/ada/code/w", &["node", "lib/srv.js"]),
            "path:/home/ada/code/w/lib",
        ),
        // The control: where the package is the project's own, it is all of it.
        (
            in_project("/home/ada/code", &["node", "w/srv.js"]),
            "path:/home/ada/code",
        ),
        // Not in the home folder itself, even in the user's own config.
        (
            of_command("node /home/ada/bare/srv.js"),
            "path:/home/ada/bare/srv.js",
        ),
    ] {
        assert_eq!(converted(decision).source, source);
    }
    for (words, part) in [
        ("node /home/ada/own/srv.js", "pinfold's own"),
        ("node /home/ada/.ssh/srv.js", "settings and keys"),
        ("node /tmp/srv.js", "a folder of the machine"),
    ] {
        let Decision::Refuse(reason) = of_command(words) else {
            panic!("{words}");
        };
        assert!(reason.contains(part), "{words}: {reason}");
    }
}

#[test]
fn a_link_of_a_project_leads_to_no_grant() {
    let got = converted(in_project(
        "/home/ada/project",
        &[
            "npx",
            "fs",
            "/home/ada/project/link",
            "/home/ada/project/data",
        ],
    ));
    assert_eq!(got.grants.write, ["/home/ada/project/data"]);
    assert!(
        got.notes[0].contains("/home/ada/project/link"),
        "{:?}",
        got.notes
    );
}

#[test]
fn what_can_t_be_pinned_is_refused_with_a_reason() {
    for (words, part) in [
        ("docker run -i --rm x", "container image"),
        ("uv run server.py", "environment of its own"),
        ("sh -c npx", "whatever its arguments say"),
        ("python -m server", "pypi:PACKAGE"),
        ("python -c x", "in the config itself"),
        ("node -e x", "in the config itself"),
        ("node --inspect /srv/server.js", "--inspect"),
        ("node build/index.js", "only the client knows"),
        ("node /nowhere.js", "no file"),
        ("deno run x", "can't be pinned"),
        ("gone", "no program `gone`"),
        (
            "npx b ${workspaceFolder}",
            "the client fills in its argument",
        ),
        ("${env:X} b", "the client fills in its program"),
        ("npx b --token abcdefgh", "holds a secret"),
        ("npx b --api-key=abcdefgh", "holds a secret"),
        ("npx b API_KEY=abcdefgh", "in `API_KEY`"),
        ("npx b -H X-Api-Key:abcdefgh", "in `X-Api-Key`"),
        (
            "npx b ghp_0123456789abcdefghijklmnopqrstuvwxyz",
            "holds a secret",
        ),
        ("npx github:a/b", "npm package name"),
        ("npx --foo b", "--foo"),
    ] {
        let Decision::Refuse(reason) = of_command(words) else {
            panic!("{words}");
        };
        assert!(reason.contains(part), "{words}: {reason}");
        assert!(!reason.contains("abcdefgh"), "{reason}");
    }
}

#[test]
fn what_is_not_started_or_is_pinfold_is_left_alone() {
    for entry in [
        r#"{"url": "https://a.test/mcp"}"#,
        r#"{"type": "http", "url": "https://a.test/mcp"}"#,
        r#"{"command": "/usr/bin/pinfold", "args": ["run", "a"]}"#,
    ] {
        assert!(
            matches!(
                decided("/home/ada/.cursor/mcp.json", entry),
                Decision::Leave(_)
            ),
            "{entry}"
        );
    }
    let entry = r#"{"command": "npx", "args": ["b"]}"#;
    let managed = decided("/x/etc/claude-code/managed-mcp.json", entry);
    assert!(matches!(managed, Decision::Leave(_)), "{managed:?}");
}

#[test]
fn folders_among_the_arguments_are_granted_and_nothing_wider() {
    let got = converted(of_command(
        "npx fs /home/ada/notes --db=/home/ada/notes/a.db /nowhere",
    ));
    assert_eq!(got.grants.write, ["/home/ada/notes"]);
    assert_eq!(got.grants.read, ["/home/ada/notes/a.db"]);
    assert_eq!(got.notes, [""; 0]);
    for folder in [
        "/",
        "/home/ada",
        "/home/ada/.ssh",
        "/etc/x",
        "/home/ada/notes/..",
    ] {
        let got = converted(of_command(&format!("npx fs {folder}")));
        assert_eq!(got.grants, Grants::default(), "{folder}");
        assert_eq!(
            got.notes.len(),
            usize::from(!folder.ends_with("..")),
            "{folder}: {:?}",
            got.notes
        );
    }
    // What a project says is somebody else's word.
    let entry =
        r#"{"command": "npx", "args": ["fs", "/home/ada/notes", "/home/ada/project/data"]}"#;
    let mut file = ClientFile::parse(
        &place_of(Path::new("/home/ada/project/.vscode/mcp.json"), None),
        format!("{{\"servers\": {{\"a\": {entry}}}}}").into_bytes(),
    )
    .unwrap();
    file.place.scope = Scope::Project;
    let got = converted(decide(&file, &file.servers[0], &Words));
    assert_eq!(got.grants.write, ["/home/ada/project/data"]);
    assert!(got.notes[0].contains("/home/ada/notes"), "{:?}", got.notes);
}

#[test]
fn variables_go_where_their_values_still_arrive() {
    use super::super::variables::Held;
    let entry = r#"{"command": "npx", "args": ["b"], "env_vars": ["FROM_SHELL", {"name": "OTHER"}], "env": {
        "LANG": "de", "API_KEY": "0123456789", "A": "${env:A}", "AUTHORIZATION": "Bearer ${TOKEN}",
        "B": "$B", "DB_PASSWORD": "pa$word", "PATH": "/x", "NODE_OPTIONS": "--x"}}"#;
    let got = converted(decided("/home/ada/.cursor/mcp.json", entry));
    let held = |name: &str| got.variables.held.get(name).cloned();
    assert_eq!(held("LANG"), Some(Held::Literal("de".into())));
    assert_eq!(held("API_KEY"), Some(Held::Secret("0123456789".into())));
    assert_eq!(held("DB_PASSWORD"), Some(Held::Secret("pa$word".into())));
    for name in ["A", "B", "AUTHORIZATION", "FROM_SHELL", "OTHER"] {
        assert_eq!(held(name), Some(Held::FromClient), "{name}");
        assert!(!got.variables.leaving.contains(name), "{name}");
    }
    for name in ["PATH", "NODE_OPTIONS"] {
        assert!(
            held(name).is_none() && got.variables.leaving.contains(name),
            "{name}"
        );
    }
    assert_eq!(got.notes.len(), 2);
    let entry = r#"{"command": "npx", "args": ["b"], "env": {"A B": "1"}}"#;
    assert!(matches!(
        decided("/h/.cursor/mcp.json", entry),
        Decision::Refuse(_)
    ));
}

#[test]
fn files_that_variables_name_are_said_to_be_out_of_reach() {
    let notes = |command: &str, value: &str| {
        let entry =
            format!(r#"{{"command": "npx", "args": [{command}], "env": {{"DB": "{value}"}}}}"#);
        converted(decided("/home/ada/.cursor/mcp.json", &entry)).notes
    };
    for value in [
        "/home/ada/notes/a.db",
        "/home/ada/notes/new.db",
        "/home/ada/project",
    ] {
        let said = notes(r#""b""#, value);
        assert_eq!(said.len(), 1, "{value}: {said:?}");
        assert!(
            said[0].contains(value) && said[0].contains("`DB`"),
            "{said:?}"
        );
    }
    // What is granted by an argument, what is no path of this machine, and what is no path.
    for (command, value) in [
        (r#""b", "/home/ada/notes""#, "/home/ada/notes/new.db"),
        (r#""b""#, "/v1/items"),
        (r#""b""#, "/v1"),
        (r#""b""#, "debug"),
    ] {
        assert_eq!(notes(command, value), [""; 0], "{command} {value}");
    }
}
