//! What the client's environment holds stays with the client.

use serde_json::{Value, json};

use crate::support::{Client, Home, fixture};

const SECRETS: &[(&str, &str)] = &[
    ("AWS_SECRET_ACCESS_KEY", "do not tell"),
    ("SSH_AUTH_SOCK", "/run/agent"),
    ("DBUS_SESSION_BUS_ADDRESS", "unix:path=/run/bus"),
    ("PYTHONPATH", "/planted"),
    ("NODE_OPTIONS", "--require=/planted"),
    ("XDG_RUNTIME_DIR", "/run/user/1"),
];

fn environment(client: &mut Client) -> Value {
    let text = client.call_text("do", json!({"code": "return dict(os.environ)"}));
    serde_json::from_str(text.strip_prefix("ok: ").unwrap()).unwrap()
}

#[test]
fn only_named_variables_come_in() {
    let home = Home::new();
    home.add_path(
        "puppet",
        &fixture("puppet.py"),
        &["--env", "LEVEL=info", "--env", "TOKEN"],
    );
    let mut command = std::process::Command::new(fixture("puppet.py"));
    home.environment(&mut command);
    let mut bare = Client::start(command.envs(SECRETS.iter().copied()));
    bare.initialize();
    let seen = environment(&mut bare);
    for (name, value) in SECRETS {
        assert_eq!(seen[name], *value);
    }

    let mut boxed = Client::start(
        home.pinfold(["run", "puppet"])
            .envs(SECRETS.iter().copied())
            .env("TOKEN", "of the manifest")
            .env("LANG", "C.UTF-8"),
    );
    boxed.initialize();
    let seen = environment(&mut boxed);
    for (name, value) in SECRETS {
        assert!(seen.get(*name).is_none(), "{name}");
        assert!(!seen.to_string().contains(value), "{value}");
    }
    let names = seen.as_object().unwrap().keys();
    let names: Vec<&str> = names.map(String::as_str).collect();
    assert_eq!(
        names,
        [
            "HOME",
            "LANG",
            "LEVEL",
            "PATH",
            "PYTHONNOUSERSITE",
            "TMPDIR",
            "TOKEN"
        ]
    );
    assert_eq!(seen["LEVEL"], "info");
    // It has the value; the client does not see it again.
    assert_eq!(seen["TOKEN"], "[redacted: TOKEN]");
    assert_eq!(seen["LANG"], "C.UTF-8");
    assert_eq!(
        seen["HOME"],
        home.state("puppet").join("home").to_str().unwrap()
    );
    assert_ne!(seen["PATH"], std::env::var("PATH").unwrap());
}

/// Python runs usercustomize.py of its user's site before the program that it was given, so one
/// that a hijacked session left would run unpinned at every later start.
#[test]
fn code_left_in_the_home_does_not_run_at_the_next_start() {
    let home = Home::new();
    home.add_path("puppet", &fixture("puppet.py"), &[]);
    let plant = json!({"code": "
        folder = os.environ['HOME'] + '/.local/lib/python%d.%d/site-packages' % sys.version_info[:2]
        os.makedirs(folder)
        with open(folder + '/usercustomize.py', 'w') as file:
            file.write('import os; os.environ[\"PLANTED\"] = \"yes\"')"});
    let look = json!({"code": "return os.environ.get('PLANTED')"});

    let bare = || {
        let mut command = std::process::Command::new(fixture("puppet.py"));
        home.environment(&mut command);
        let mut client = Client::start(&mut command);
        client.initialize();
        client
    };
    assert_eq!(bare().call_text("do", plant.clone()), "ok: null");
    assert_eq!(bare().call_text("do", look.clone()), r#"ok: "yes""#);

    let boxed = || {
        let mut client = home.client("puppet");
        client.initialize();
        client
    };
    assert_eq!(boxed().call_text("do", plant), "ok: null");
    assert_eq!(boxed().call_text("do", look), "ok: null");
}

/// Node looks for a module that isn't there in `$HOME/.node_modules` at last, and many packages try
/// to load what they can do without.
#[test]
fn a_module_left_in_the_home_is_not_found() {
    let home = Home::new();
    home.add_path("optional", &fixture("optional.js"), &[]);
    let found = |mut client: Client| {
        client.initialize()["serverInfo"]["version"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    let plant = |home: &std::path::Path| {
        let folder = home.join(".node_modules");
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(
            folder.join("pinfold-test-optional.js"),
            "module.exports = 'planted'",
        )
        .unwrap();
    };
    let bare = || {
        let mut command = std::process::Command::new(fixture("optional.js"));
        home.environment(&mut command);
        Client::start(&mut command)
    };
    assert_eq!(found(bare()), "absent");
    plant(&home.user());
    assert_eq!(found(bare()), "planted");

    assert_eq!(found(home.client("optional")), "absent");
    plant(&home.state("optional").join("home"));
    assert_eq!(found(home.client("optional")), "absent");
}
