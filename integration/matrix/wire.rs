//! What a client and its server said to each other, as `clients/tap.py` kept it, and what of
//! it pinfold changes by its documents.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde_json::{Value, json};

/// Capabilities that pinfold lets a server announce.
const ANNOUNCED: [&str; 5] = ["tools", "resources", "prompts", "logging", "completions"];

/// One run of a server.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Run {
    /// What the client sent, in its order.
    pub(super) sent: Vec<Value>,
    /// The answers that it got, by their id.
    pub(super) answers: BTreeMap<String, Value>,
    /// The notifications and requests of the server, in the order in which each came first: a
    /// list that has changed twice has changed.
    pub(super) unasked: Vec<Value>,
}

impl Run {
    pub(super) fn messages(&self) -> usize {
        self.sent.len() + self.answers.len() + self.unasked.len()
    }

    fn read(text: &str) -> Self {
        let mut run = Self::default();
        for line in text.lines() {
            let (mark, message) = line.split_at(1);
            let message: Value = serde_json::from_str(message).unwrap();
            if mark == ">" {
                run.sent.push(message);
            } else if message.get("method").is_some() {
                if !run.unasked.contains(&message) {
                    run.unasked.push(message);
                }
            } else {
                let id = message["id"].to_string();
                let before = run.answers.insert(id, message);
                assert_eq!(before, None, "answered twice: {text}");
            }
        }
        run.forget_how_it_ended();
        run
    }

    /// A subscription is answered when it ends, so by some servers while the session ends:
    /// whether the client still hears it is a matter of time, here as there.
    fn forget_how_it_ended(&mut self) {
        let listening = self.requests("subscriptions/listen");
        self.answers.retain(|id, _| !listening.contains(id));
    }

    fn requests(&self, method: &str) -> Vec<String> {
        let of_method = self.sent.iter().filter(|sent| sent["method"] == method);
        of_method.map(|sent| sent["id"].to_string()).collect()
    }

    /// What the same run is with pinfold in between, when only `allowed` tools are on the list.
    pub(super) fn with_pinfold(mut self, allowed: &[&str]) -> Self {
        // A server that hears of no capability of its client's asks nothing of it.
        self.unasked.retain(|message| message.get("id").is_none());
        self.sent.retain(|message| message.get("method").is_some());
        for method in ["initialize", "server/discover"] {
            for id in self.requests(method) {
                let answer = self.answers.get_mut(&id);
                let result = answer.and_then(|answer| answer.pointer_mut("/result/capabilities"));
                if let Some(Value::Object(capabilities)) = result {
                    capabilities.retain(|name, _| ANNOUNCED.contains(&name.as_str()));
                }
            }
        }
        for id in self.requests("tools/list") {
            let answer = self.answers.get_mut(&id);
            let tools = answer.and_then(|answer| answer.pointer_mut("/result/tools"));
            if let Some(Value::Array(tools)) = tools {
                tools.retain(|tool| {
                    tool["name"]
                        .as_str()
                        .is_some_and(|it| allowed.contains(&it))
                });
            }
        }
        for call in self
            .sent
            .iter()
            .filter(|sent| sent["method"] == "tools/call")
        {
            let name = call["params"]["name"].as_str().unwrap();
            if !allowed.contains(&name) {
                let error = json!({"code": -32602, "message": format!("Unknown tool: {name}")});
                let answer = json!({"jsonrpc": "2.0", "id": call["id"], "error": error});
                self.answers.insert(call["id"].to_string(), answer);
            }
        }
        self
    }
}

/// The runs kept in `folder`, in the order of their start. Some clients ask a first process
/// only which revision it speaks.
pub(super) fn runs(folder: &Path) -> Vec<Run> {
    let entries = fs::read_dir(folder).unwrap();
    let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let texts = files.iter().map(|file| fs::read_to_string(file).unwrap());
    texts.map(|text| Run::read(&text)).collect()
}
