//! A server that may ask its client does, and one that may not doesn't: sampling, elicitation
//! and roots with the official SDKs, in both eras, and tasks in the one that has them.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::support::sdk::{bare_everything, drive, node_modules, node_script, script_source};
use crate::support::{Client, Home, Script, registry_is_reachable, skip};

/// Tools of server-everything for clients that can be asked.
const ASKING: [&str; 4] = [
    "get-roots-list",
    "trigger-elicitation-request",
    "trigger-sampling-request",
    "trigger-url-elicitation",
];
/// For clients that can be asked as a task.
const ASKING_AS_TASKS: [&str; 2] = [
    "trigger-elicitation-request-async",
    "trigger-sampling-request-async",
];

/// A tool whose calls have to be tasks.
const RESEARCH: &str = "simulate-research-query";

/// Replaces what the manifest grants beyond tools, and locks again.
fn grant(home: &Home, name: &str, lines: &str) {
    let text = fs::read_to_string(home.manifest()).unwrap();
    let table = format!("\n[servers.{name}.grants]\n");
    let before = text.split(&table).next().unwrap().to_owned();
    fs::write(home.manifest(), before + &table + lines + "\n").unwrap();
    let ran = home.run(["lock", name]);
    // The instructions of `unruly.py` tell what its client can, so they are others now.
    let told = name == "unruly" && ran.stderr.contains("the instructions changed");
    assert!(
        ran.code == Some(0) || (told && ran.code == Some(1)),
        "{ran:#?}"
    );
}

fn tools(report: &Value) -> Vec<&str> {
    let tools = report["tools"].as_array();
    let tools = tools.unwrap_or_else(|| panic!("{report}"));
    tools.iter().map(|tool| tool.as_str().unwrap()).collect()
}

fn text(report: &Value, call: usize) -> &str {
    let text = report["calls"][call]["text"].as_str();
    text.unwrap_or_else(|| panic!("{report}"))
}

#[test]
fn everything_asks_only_what_is_granted() {
    let test = "granted_questions::everything";
    if !registry_is_reachable() {
        return skip(test, "the npm registry can't be reached");
    }
    let (bare, client) = match (bare_everything(), node_script("granting-v1.mjs")) {
        (Ok(bare), Ok(_)) => (bare, || node_script("granting-v1.mjs").unwrap()),
        (Err(reason), _) | (_, Err(reason)) => return skip(test, &reason),
    };
    let home = Home::new();
    let work = home.path().join("work");
    fs::create_dir_all(work.join("project")).unwrap();
    let uri = |path: &Path| format!("file://{}", path.display());
    let plan = json!({
        "roots": [
            {"uri": uri(&work.join("project")), "name": "Project"},
            {"uri": uri(&home.user()), "name": "Secret"},
        ],
        "calls": [
            ["trigger-sampling-request", {"prompt": "p", "maxTokens": 5}],
            ["trigger-elicitation-request", {}],
            ["trigger-url-elicitation", {"url": "https://a.test/", "message": "m"}],
            ["trigger-url-elicitation", {"url": "https://a.test/", "message": "m", "errorPath": true}],
            ["get-roots-list", {}],
            ["echo", {"message": "hello"}],
        ],
    });

    let mut with_tasks = plan.clone();
    with_tasks["tasks"] = json!([
        [ASKING_AS_TASKS[0], {}, false],
        [ASKING_AS_TASKS[1], {"prompt": "p", "maxTokens": 5}, false],
        [RESEARCH, {"topic": "bees"}, true],
    ]);

    // Control: without pinfold it has 19 tools, asks everything and is told of every folder.
    let server = ["node", bare.to_str().unwrap()];
    let report = drive(&home, client(), &plan, &server);
    assert_eq!(tools(&report).len(), 19, "{report}");
    assert!(
        text(&report, 0).contains("sampled by the client"),
        "{report}"
    );
    assert!(text(&report, 1).contains("provided"), "{report}");
    assert!(text(&report, 2).contains("completed"), "{report}");
    assert_eq!(report["calls"][3]["error"]["code"], -32042, "{report}");
    assert!(text(&report, 4).contains("Secret"), "{report}");
    let asked = report["asked"].to_string();
    for method in ["sampling/createMessage", "elicitation/create", "roots/list"] {
        assert!(asked.contains(method), "{report}");
    }

    // With every tool allowed and nothing granted, 13 are left and nobody is asked anything.
    let package = "npm:@modelcontextprotocol/server-everything@2026.8.31";
    let read = work.to_str().unwrap();
    home.succeed(["add", "everything", package, "--allow-all", "--read", read]);
    let manifest = fs::read_to_string(home.manifest()).unwrap();
    let more: String = ASKING
        .iter()
        .chain(&ASKING_AS_TASKS)
        .map(|tool| format!("{tool:?}, "))
        .collect();
    let manifest = manifest.replace("allow = [", &format!("allow = [{more}"));
    fs::write(home.manifest(), manifest).unwrap();
    home.succeed(["lock", "everything"]);
    let server = [env!("CARGO_BIN_EXE_pinfold"), "run", "everything"];
    let report = drive(&home, client(), &plan, &server);
    assert_eq!(tools(&report).len(), 13, "{report}");
    for tool in ASKING.iter().chain(&ASKING_AS_TASKS) {
        assert!(!tools(&report).contains(tool), "{report}");
    }
    assert_eq!(report["asked"], json!([]), "{report}");
    for call in 0..5 {
        let answer = report["calls"][call].to_string();
        assert!(!answer.contains("sampled"), "{report}");
        assert!(!answer.contains("Secret"), "{report}");
        assert!(!answer.contains("completed"), "{report}");
    }
    assert_eq!(text(&report, 5), "Echo: hello");

    // With forms only: one tool more, and no page is opened.
    grant(&home, "everything", "elicitation = \"form\"");
    let report = drive(&home, client(), &plan, &server);
    assert_eq!(tools(&report).len(), 14, "{report}");
    assert!(tools(&report).contains(&ASKING[1]), "{report}");
    assert!(text(&report, 1).contains("provided"), "{report}");
    let form = json!([{"method": "elicitation/create", "mode": "form"}]);
    assert_eq!(report["asked"], form, "{report}");

    // With everything granted but tasks: 17. The two others of the 19 are for clients that can
    // be asked as a task, and no call is made one.
    let all = "sampling = true\nelicitation = \"url\"\nroots = true";
    grant(&home, "everything", all);
    let report = drive(&home, client(), &with_tasks, &server);
    assert_eq!(tools(&report).len(), 17, "{report}");
    for call in 0..3 {
        assert!(!completed(&report["tasks"][call]), "{report}");
    }
    for tool in ASKING {
        assert!(tools(&report).contains(&tool), "{report}");
    }
    assert!(
        text(&report, 0).contains("sampled by the client"),
        "{report}"
    );
    assert!(text(&report, 1).contains("provided"), "{report}");
    assert!(text(&report, 2).contains("completed"), "{report}");
    assert_eq!(report["calls"][3]["error"]["code"], -32042, "{report}");
    // The folder that is granted is named, the other one is not.
    assert!(text(&report, 4).contains("(1 total)"), "{report}");
    assert!(text(&report, 4).contains("1. Project"), "{report}");
    assert!(!text(&report, 4).contains("Secret"), "{report}");

    // With tasks, too: 19, and what is worked on later comes to its end in both directions.
    grant(&home, "everything", &format!("{all}\ntasks = true"));
    let report = drive(&home, client(), &with_tasks, &server);
    assert_eq!(tools(&report).len(), 19, "{report}");
    for call in 0..3 {
        assert!(completed(&report["tasks"][call]), "{report}");
    }
    let asked = report["tasks"][1]["text"].as_str().unwrap();
    assert!(asked.contains("sampled by the client"), "{report}");
    let told = report["tasks"][2]["told"].to_string();
    assert!(
        told.contains("working") && told.contains("completed"),
        "{report}"
    );
    // Nobody lists tasks, or asks for one that is not this session's.
    for refused in ["listed", "foreign"] {
        assert!(report[refused]["error"].is_object(), "{report}");
    }
    assert_eq!(report["foreign"]["error"]["code"], -32602, "{report}");
    // The end of the call is that of its task, four stages of a second each later.
    let log = home.succeed(["log", "--json", "--kind", "call_end"]).stdout;
    let records = log
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap());
    let ends: Vec<Value> = records
        .filter(|record| record["tool"] == RESEARCH)
        .collect();
    let [end] = ends.as_slice() else {
        panic!("{ends:?}");
    };
    assert_eq!(end["outcome"], "ok", "{end}");
    assert!(end["duration_us"].as_u64().unwrap() > 3_000_000, "{end}");
}

/// Whether one of the plan's tasks ended as it should.
fn completed(report: &Value) -> bool {
    let text = report["text"].as_str().unwrap_or_default();
    text.contains("[COMPLETED]") || text.contains("Research Report: bees")
}

/// The package of a server that asks in the manner of 2026-07-28, in a folder of its own.
fn asking_server(folder: &Path) -> Result<(), String> {
    let modules = node_modules()?;
    for package in [
        "@modelcontextprotocol/server",
        "@modelcontextprotocol/core",
        "zod",
    ] {
        let target = folder.join("node_modules").join(package);
        fs::create_dir_all(target.parent().unwrap()).unwrap();
        let copied = Command::new("cp")
            .arg("-r")
            .args([modules.join(package), target])
            .status()
            .unwrap();
        assert!(copied.success());
    }
    fs::copy(
        script_source("asking-server.mjs"),
        folder.join("server.mjs"),
    )
    .unwrap();
    let package =
        json!({"name": "asking", "version": "1.0.0", "type": "module", "bin": "server.mjs"});
    fs::write(folder.join("package.json"), package.to_string()).unwrap();
    Ok(())
}

#[test]
fn a_result_asks_only_what_is_granted() {
    let test = "granted_questions::result";
    let home = Home::new();
    let folder = home.path().join("asking");
    fs::create_dir(&folder).unwrap();
    if let Err(reason) = node_script("granting-v2.mjs").and_then(|_| asking_server(&folder)) {
        return skip(test, &reason);
    }
    let client = || node_script("granting-v2.mjs").unwrap();
    let work = home.path().join("work");
    fs::create_dir(&work).unwrap();
    let plan = json!({
        "roots": [
            {"uri": format!("file://{}", work.display()), "name": "Work"},
            {"uri": format!("file://{}", home.user().display()), "name": "Secret"},
        ],
        "calls": [
            ["ask", {"what": ["form"]}],
            ["ask", {"what": ["url"]}],
            ["ask", {"what": ["form", "url", "sampling", "roots"]}],
        ],
    });

    // Control: without pinfold all is asked, with what other servers said, and all is told.
    let script = folder.join("server.mjs");
    let report = drive(&home, client(), &plan, &["node", script.to_str().unwrap()]);
    assert_eq!(report["protocol"], "2026-07-28", "{report}");
    assert_eq!(report["asked"].as_array().unwrap().len(), 6, "{report}");
    assert!(
        report["asked"].to_string().contains("allServers"),
        "{report}"
    );
    assert!(text(&report, 0).contains("Ada Lovelace"), "{report}");
    assert!(text(&report, 2).contains("Secret"), "{report}");

    home.add_path("asking", &folder, &["--read", work.to_str().unwrap()]);
    let server = [env!("CARGO_BIN_EXE_pinfold"), "run", "asking"];
    let report = drive(&home, client(), &plan, &server);
    assert_eq!(report["tools"], json!(["ask"]), "{report}");
    assert_eq!(report["asked"], json!([]), "{report}");
    for call in 0..3 {
        assert!(
            report["calls"][call]["error"]["code"].is_number(),
            "{report}"
        );
    }

    grant(&home, "asking", "elicitation = \"form\"");
    let report = drive(&home, client(), &plan, &server);
    assert!(text(&report, 0).contains("Ada Lovelace"), "{report}");
    let form = json!([{"method": "elicitation/create", "mode": "form"}]);
    assert_eq!(report["asked"], form, "{report}");

    let all = "sampling = true\nelicitation = \"url\"\nroots = true";
    grant(&home, "asking", all);
    let report = drive(&home, client(), &plan, &server);
    assert_eq!(report["protocol"], "2026-07-28", "{report}");
    assert_eq!(report["asked"].as_array().unwrap().len(), 6, "{report}");
    assert!(
        !report["asked"].to_string().contains("allServers"),
        "{report}"
    );
    let all = text(&report, 2);
    for answered in ["Ada Lovelace", "sampled by the client", "Work"] {
        assert!(all.contains(answered), "{report}");
    }
    assert!(!all.contains("Secret"), "{report}");
}

/// Calls a tool that answers with a question of 2026-07-28, whatever the client can.
fn answer_with(client: &mut Client, result: &Value) -> Value {
    let meta = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {"elicitation": {"form": {}, "url": {}}}
    });
    let arguments = json!({"member": "result", "value": result});
    let params = json!({"name": "answer_with", "arguments": arguments, "_meta": meta});
    client.request("tools/call", params)
}

#[test]
fn a_server_that_asks_all_the_same_is_refused() {
    let script = Script::unruly();
    let question = |mode: &str| {
        let params = json!({"message": "phish", "mode": mode, "url": "https://phish.example/"});
        json!({
            "resultType": "input_required",
            "inputRequests": {"q": {"method": "elicitation/create", "params": params}}
        })
    };
    let (form, url) = (question("form"), question("url"));
    let answer = answer_with(&mut script.bare(), &url);
    assert_eq!(answer["result"], url, "the attack is broken");

    let mut penned = script.penned();
    for question in [&form, &url] {
        let answer = answer_with(&mut penned, question);
        assert_eq!(answer["error"]["code"], -31001, "{answer}");
        assert!(!answer.to_string().contains("phish"), "{answer}");
    }
    drop(penned);
    grant(&script.home, "unruly", "elicitation = \"form\"");
    let mut penned = script.penned();
    assert_eq!(answer_with(&mut penned, &form)["result"], form);
    let answer = answer_with(&mut penned, &url);
    assert_eq!(answer["error"]["code"], -31001, "{answer}");
    drop(penned);
    grant(&script.home, "unruly", "elicitation = \"url\"");
    let mut penned = script.penned();
    assert_eq!(answer_with(&mut penned, &url)["result"], url);
}
