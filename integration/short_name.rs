//! In a root of its own the code of a server for Node has a short name. It is the same code, as
//! unchangeable as under the long one, and what pinfold tells of it bears the long one.

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::support::{Client, Home, Ran, Tier, fixture, with_mounts};

const FILE: &str = "/mcp/puppet.cjs";

fn puppet() -> Home {
    let home = Home::new();
    home.add_path("puppet", &fixture("puppet.cjs"), &[]);
    home
}

/// What Node says of the file that it runs, when it was given it and after it followed links.
fn called(client: &mut Client) -> Vec<String> {
    let code = "return [process.argv[1], require.main.filename, require('fs').realpathSync(process.argv[1])]";
    serde_json::from_str(done(client, code).strip_prefix("ok: ").unwrap()).unwrap()
}

fn done(client: &mut Client, code: &str) -> String {
    client.call_text("do", json!({"code": code}))
}

fn started(command: &mut Command) -> Client {
    let mut client = Client::start(command);
    client.initialize();
    client
}

fn in_store(home: &Home) -> String {
    let file = home.only_tree().join("puppet.cjs");
    file.to_str().unwrap().to_owned()
}

#[test]
fn it_is_the_same_code_and_nobody_writes_there() {
    let home = puppet();
    let mut client = home.client("puppet");
    assert_eq!(called(&mut client), [FILE; 3]);
    let stored = in_store(&home);
    let same = format!(
        "const fs = require('fs'), [a, b] = ['{FILE}', '{stored}'].map(path => fs.statSync(path));
         return a.ino === b.ino && a.dev === b.dev && fs.readdirSync('/mcp').length"
    );
    assert_eq!(done(&mut client, &same), "ok: 1");

    let tree = home.only_tree();
    let tree = tree.to_str().unwrap();
    for folder in ["/mcp", tree] {
        for attempt in [
            format!("require('fs').writeFileSync('{folder}/new', 'x')"),
            format!("require('fs').writeFileSync('{folder}/puppet.cjs', 'x')"),
            format!("require('fs').chmodSync('{folder}/puppet.cjs', 0o777)"),
            format!("require('fs').renameSync('{folder}/puppet.cjs', '{folder}/old')"),
            format!("require('fs').unlinkSync('{folder}/puppet.cjs')"),
            format!("require('fs').rmdirSync('{folder}')"),
            format!("require('fs').symlinkSync('puppet.cjs', '{folder}/link')"),
            // With the right to execute it, too, it would have to be there.
            format!("require('child_process').execFileSync('{folder}/puppet.cjs')"),
        ] {
            let said = done(&mut client, &attempt);
            let refused = ["EROFS", "EACCES", "EPERM", "EBUSY"];
            assert!(
                refused
                    .iter()
                    .any(|errno| said.starts_with(&format!("refused: {errno}"))),
                "{attempt}: {said}"
            );
        }
    }
    // The control: the same where it may.
    let may = "const fs = require('fs'), file = process.env.HOME + '/new';
         fs.writeFileSync(file, 'x'); fs.chmodSync(file, 0o600); fs.renameSync(file, file + '2'); fs.unlinkSync(file + '2')";
    assert_eq!(done(&mut client, may), "ok: null");
}

#[test]
fn where_there_is_no_root_of_its_own_it_has_the_name_of_the_store() {
    let home = puppet();
    let stored = in_store(&home);
    let long = [&*stored; 3];
    // Refused at the launch, when the box was made for the full tier already.
    let starter = fixture("kernel.py");
    let mut kernel = Command::new(starter);
    kernel.args(["clone,0,0x7e020011,EPERM", "--"]);
    let mut refusing = home.behind(&kernel, &home.pinfold(["run", "puppet"]));
    assert_eq!(called(&mut started(&mut refusing)), long);
    // The control, and switched off.
    assert_eq!(called(&mut home.client("puppet")), [FILE; 3]);
    home.set_tier("puppet", Tier::Base);
    assert_eq!(called(&mut home.client("puppet")), long);
}

#[test]
fn what_is_told_of_it_bears_the_name_in_the_store() {
    let home = puppet();
    let stored = in_store(&home);
    let asked = [
        ("read /mcp/puppet.cjs", "yes"),
        ("read /mcp", "yes"),
        ("write /mcp/puppet.cjs", "no"),
        ("execute /mcp/puppet.cjs", "no"),
        ("read /mcp/../mcp/puppet.cjs", "yes"),
        ("read /mcp/nothing", "yes"),
        ("read /mcps", "no"),
    ];
    let mut words = vec!["explain", "puppet", "--json"];
    words.extend(asked.iter().flat_map(|(question, _)| ["--why", question]));
    let ran = home.run(words);
    let document: Value = serde_json::from_str(&ran.stdout).unwrap_or_else(|_| panic!("{ran:#?}"));
    let answers = document["why"].as_array().unwrap();
    assert_eq!(answers.len(), asked.len());
    for ((question, expected), answer) in asked.iter().zip(answers) {
        assert_eq!(answer["answer"], *expected, "{question}: {answer:#}");
    }
    assert!(answers[0].to_string().contains(&stored), "{:#}", answers[0]);

    let code = json!({"code": "require('fs').readFileSync('/mcp/puppet.cjs'); require('fs').writeFileSync('/mcp/new', 'x')"});
    let call = format!("do {code}");
    let ran = Ran::of(&mut home.pinfold(["observe", "puppet", "--json", "--call", &call]));
    let document: Value = serde_json::from_str(&ran.stdout).unwrap_or_else(|_| panic!("{ran:#?}"));
    let lines = document["proposal"]["lines"].to_string();
    assert!(!lines.contains("/mcp"), "{lines}");
    let tree = home.only_tree();
    for (list, file) in [("used", "puppet.cjs"), ("denied", "new")] {
        let files = document["observed"][list].as_object().unwrap();
        let file = tree.join(file);
        assert!(files.contains_key(file.to_str().unwrap()), "{files:#?}");
        assert!(
            !files.keys().any(|path| path.starts_with("/mcp")),
            "{files:#?}"
        );
    }
}

/// People move the store to another disk and leave a link.
#[test]
fn a_store_behind_a_link_works_as_any_other() {
    let home = Home::new();
    let elsewhere = home.path().join("elsewhere");
    std::fs::create_dir(&elsewhere).unwrap();
    std::os::unix::fs::symlink(&elsewhere, home.path().join("data")).unwrap();
    home.add_path("puppet", &fixture("puppet.cjs"), &[]);
    assert_eq!(called(&mut home.client("puppet")), [FILE; 3]);
    let why = home.run(["explain", "puppet", "--why", "read /mcp/puppet.cjs"]);
    assert_eq!(why.code, Some(0), "{why:#?}");
    home.set_tier("puppet", Tier::Base);
    let stored = elsewhere.canonicalize().unwrap();
    for name in called(&mut home.client("puppet")) {
        assert!(Path::new(&name).starts_with(&stored), "{name}");
    }
}

/// Another's is not hidden, and nobody is told of ours where the machine has one.
#[test]
fn a_machine_with_something_of_that_name_keeps_it() {
    let home = puppet();
    let stored = in_store(&home);
    let long = [&*stored; 3];
    // In a mount namespace with a root that is a copy of this machine's, but for that folder.
    let machine = with_mounts(
        "a_machine_with_something_of_that_name",
        "mount -t tmpfs tmpfs /mnt
         for one in /*; do
             if [ -L \"$one\" ]; then ln -s \"$(readlink \"$one\")\" \"/mnt$one\"
             elif [ -d \"$one\" ] && [ \"$one\" != /mnt ]; then
                 mkdir \"/mnt$one\"; mount --rbind \"$one\" \"/mnt$one\"
             fi
         done
         mkdir -p /mnt/mcp /mnt/mnt
         echo theirs > /mnt/mcp/file
         cd /mnt; pivot_root . mnt; cd /",
    );
    let Some(machine) = machine else {
        return;
    };
    let there = |arguments: &[&str]| {
        let pinfold = home.pinfold(arguments.iter().copied());
        home.behind(&machine, &pinfold)
    };
    assert_eq!(called(&mut started(&mut there(&["run", "puppet"]))), long);
    let ask = |what: &str| Ran::of(&mut there(&["explain", "puppet", "--why", what]));
    for file in ["read /mcp/file", "read /mcp/puppet.cjs"] {
        let answer = ask(file);
        assert_eq!(answer.code, Some(1), "{answer:#?}");
    }
    // Controls: there it is, and elsewhere it is not.
    let read = Ran::of(&mut home.behind(&machine, Command::new("cat").arg("/mcp/file")));
    assert_eq!(read.stdout, "theirs\n", "{read:#?}");
    assert_eq!(called(&mut home.client("puppet")), [FILE; 3]);
}
