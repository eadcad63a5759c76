//! What the manifest says of calls and answers, through a real session: rules on arguments, limits,
//! repeats, approval by the user, redaction. Each with the control that it happens without.

use std::fs;

use serde_json::{Value, json};

use crate::support::{Client, Home, fixture};

/// A puppet whose manifest has `tools` in its table of tools and `server` in its own.
struct Puppet {
    home: Home,
}

impl Puppet {
    fn new(tools: &str, server: &str) -> Self {
        let home = Home::new();
        home.add_path("puppet", &fixture("puppet.py"), &[]);
        let text = fs::read_to_string(home.manifest()).unwrap();
        let allow = "allow = [\"do\"]\n";
        assert!(text.contains(allow), "{text}");
        let mut written = text.replacen(
            "[servers.puppet]\n",
            &format!("[servers.puppet]\n{server}\n"),
            1,
        );
        assert!(written.contains(server), "{text}");
        // Of both lists a tool would be a mistake.
        if tools.contains("ask") {
            written = written.replace(allow, &format!("allow = []\n{tools}\n"));
        } else {
            written = written.replace(allow, &format!("{allow}{tools}\n"));
        }
        if written != text {
            fs::write(home.manifest(), written).unwrap();
            home.succeed(["lock", "puppet"]);
        }
        Self { home }
    }

    fn client(&self) -> Client {
        let mut client = self.home.client("puppet");
        client.initialize();
        client
    }

    /// How often a call of [`mark`] reached the server.
    fn marks(&self) -> usize {
        let marks = self.home.server_home("puppet").join("marks");
        fs::read_to_string(marks).unwrap_or_default().len()
    }
}

/// Arguments of a call that leaves a mark.
fn mark(owner: &str) -> Value {
    let code = "with open(os.path.join(os.environ['HOME'], 'marks'), 'a') as file: file.write('x')\nreturn owner";
    json!({"code": code, "arguments": {"owner": owner}})
}

/// The client was told why, and where to look.
#[track_caller]
fn refused(answer: &Value, puppet: &Puppet, parts: &[&str]) {
    assert_eq!(answer["result"]["isError"], true, "{answer}");
    let text = answer["result"]["content"][0]["text"].as_str().unwrap();
    let manifest = puppet.home.manifest();
    for part in parts.iter().copied().chain([manifest.to_str().unwrap()]) {
        assert!(text.contains(part), "{part}: {text}");
    }
}

#[test]
fn a_rule_on_arguments() {
    let free = Puppet::new("", "");
    let mut client = free.client();
    assert_eq!(client.call_text("do", mark("you")), "ok: \"you\"");
    client.close();
    assert_eq!(free.marks(), 1);

    let ruled = Puppet::new(
        "rules.do.properties.arguments.properties.owner.enum = [\"me\"]",
        "",
    );
    let mut client = ruled.client();
    refused(
        &client.call("do", mark("you")),
        &ruled,
        &[
            "`arguments.arguments.owner` does not meet `enum` (\"me\")",
            "`servers.puppet.tools.rules.do`",
            ", line ",
        ],
    );
    assert_eq!(client.call_text("do", mark("me")), "ok: \"me\"");
    let (_, stderr) = client.close();
    assert!(
        stderr.contains("refused a call of the tool `do`"),
        "{stderr}"
    );
    assert_eq!(ruled.marks(), 1);
    // The rule is part of what was locked.
    let text = fs::read_to_string(ruled.home.manifest()).unwrap();
    fs::write(ruled.home.manifest(), text.replace("[\"me\"]", "[\"you\"]")).unwrap();
    assert_eq!(ruled.home.run(["run", "puppet"]).code, Some(125));
}

#[test]
fn limits_and_repeats() {
    let free = Puppet::new("", "");
    let mut client = free.client();
    for _ in 0..4 {
        client.call_text("do", mark("me"));
    }
    client.close();
    assert_eq!(free.marks(), 4);

    let limited = Puppet::new("limits = { \"*\" = \"2/h\" }\nrepeat = \"1h\"", "");
    let mut client = limited.client();
    client.call_text("do", mark("a"));
    refused(
        &client.call("do", mark("a")),
        &limited,
        &["the same call", "`servers.puppet.tools.repeat`"],
    );
    client.call_text("do", mark("b"));
    refused(
        &client.call("do", mark("c")),
        &limited,
        &["called too often", "`servers.puppet.tools.limits.*`"],
    );
    client.close();
    assert_eq!(limited.marks(), 2);
    let explained = limited.home.succeed(["explain", "puppet"]).stdout;
    assert!(explained.contains("at most 2/h"), "{explained}");
}

#[test]
fn approval_by_the_user() {
    let asked = Puppet::new("ask = [\"do\"]", "");
    let tools = asked.home.succeed(["tools", "puppet"]).stdout;
    assert!(tools.contains("asked     do"), "{tools}");
    // Who can't be asked has not agreed.
    let mut client = asked.client();
    assert_eq!(client.tools(), ["do"]);
    refused(
        &client.call("do", mark("me")),
        &asked,
        &["this client can't ask", "`servers.puppet.tools.ask`"],
    );
    client.close();
    assert_eq!(asked.marks(), 0);

    let mut client = asked.home.client("puppet");
    client.request(
        "initialize",
        json!({"protocolVersion": "2025-11-25", "capabilities": {"elicitation": {}}, "clientInfo": {"name": "test", "version": "1"}}),
    );
    for (action, marks) in [("decline", 0), ("cancel", 0), ("accept", 1), ("decline", 1)] {
        client.ask(
            1,
            "tools/call",
            json!({"name": "do", "arguments": mark("me")}),
        );
        let question = client.next().unwrap();
        assert_eq!(question["method"], "elicitation/create", "{question}");
        assert!(
            question["params"]["message"].to_string().contains("owner"),
            "{question}"
        );
        let before = asked.marks();
        let answer = json!({"jsonrpc": "2.0", "id": question["id"], "result": {"action": action}});
        client.send(&answer.to_string());
        let answer = client.next().unwrap();
        assert_eq!(answer["id"], 1, "{answer}");
        assert_eq!(
            answer["result"]["isError"] != true,
            action == "accept",
            "{answer}"
        );
        assert_eq!(asked.marks(), marks, "{action}");
        assert_eq!(
            marks - before,
            usize::from(action == "accept"),
            "held until then"
        );
    }
    client.close();
}

#[test]
fn secrets_in_answers() {
    const SECRET: &str = "s3cret-\"value\"";
    let env = "env = { API_TOKEN = { from = \"MY_TOKEN\" } }";
    let code = "print(os.environ['API_TOKEN'], file=sys.stderr, flush=True)\nreturn os.environ['API_TOKEN']";
    let call = json!({"code": code});
    let said = |puppet: &Puppet| {
        let mut command = puppet.home.pinfold(["run", "puppet"]);
        let mut client = Client::start(command.env("MY_TOKEN", SECRET));
        client.initialize();
        let text = client.call_text("do", call.clone());
        client.close();
        let logs = fs::read_to_string(puppet.home.state("puppet").join("stderr.log"));
        (text, logs.unwrap())
    };
    let bare = Puppet::new("", &format!("{env}\nredact = false"));
    let (text, log) = said(&bare);
    assert_eq!(text, format!("ok: {}", json!(SECRET)));
    assert!(log.contains(SECRET), "{log}");
    let redacted = Puppet::new("", env);
    let (text, log) = said(&redacted);
    assert_eq!(text, "ok: \"[redacted: API_TOKEN]\"");
    assert!(
        log.contains("[redacted: API_TOKEN]") && !log.contains(SECRET),
        "{log}"
    );
}
