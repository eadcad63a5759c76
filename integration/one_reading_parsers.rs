//! What pinfold forwards means the same to every parser: each forwarded line of the hostile
//! corpus and of a few thousand generated conversations is read by Node, Python, jq and readers
//! that match keys as Go and C do, and cut out of a stream by the splitters of both ecosystems.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fs;
use std::path::Path;
use std::process::Command;

use pinfold::relay::{Answer, CanonicalLine, Id, Kind, Message, Object, Session, Value};
use serde_json::{Value as Json, json};

use crate::relay_model::choices::bytes_of_seed;
use crate::relay_model::corpus::read;
use crate::relay_model::generator::conversation;
use crate::relay_model::model::Relay as _;
use crate::relay_model::{From, Rules, Sent, policy};
use crate::support::sdk::node_clients;
use crate::support::{fixture, skip};

const CONVERSATIONS: u64 = 2500;

fn hostile() -> Vec<Sent> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/hostile_lines");
    let mut all = Vec::new();
    for line in read(&folder) {
        for era in &line.eras {
            all.extend(line.before(*era));
            all.push(line.sent.clone());
        }
    }
    all
}

/// A line that pinfold passed on, and whether it answers `tools/list`.
struct Forwarded {
    line: Vec<u8>,
    is_page: bool,
}

/// Every line that pinfold passes on to the other side, once.
fn forwarded() -> Vec<Forwarded> {
    let seeds = (0..CONVERSATIONS).map(|seed| conversation(&bytes_of_seed(seed, 1200)));
    let mut found: BTreeMap<Vec<u8>, bool> = BTreeMap::new();
    for said in seeds.chain([hostile()]) {
        let mut session = Session::new(policy(Rules::default()));
        let mut listings = HashSet::new();
        for sent in said {
            let left = session.judge(&sent);
            let (onwards, client) = match sent.from {
                From::Client => (left.to_server, true),
                From::Server => (left.to_client, false),
            };
            let Some(line) = onwards else { continue };
            let (is_list, id) = listing(&line);
            let is_page = if client {
                if is_list {
                    listings.insert(id);
                }
                false
            } else {
                id.is_some() && listings.remove(&id)
            };
            *found.entry(line).or_default() |= is_page;
        }
    }
    let forwarded = found.into_iter();
    forwarded
        .map(|(line, is_page)| Forwarded { line, is_page })
        .collect()
}

/// Whether a line asks for a list of tools, and its id.
fn listing(line: &[u8]) -> (bool, Option<Id>) {
    let line = CanonicalLine::read(line, 1 << 20).unwrap();
    match Message::read(&line).unwrap().kind {
        Kind::Request { id, method } => (method == "tools/list", Some(id)),
        Kind::Notification { .. } => (false, None),
        Kind::Response { id, .. } => (false, id),
    }
}

fn lines_of(forwarded: &[Forwarded]) -> Vec<Vec<u8>> {
    let lines = forwarded.iter().map(|forwarded| forwarded.line.clone());
    lines.collect()
}

/// The hostile lines as they came: what a relay that only looks would pass on.
fn raw() -> Vec<Vec<u8>> {
    let lines: BTreeSet<_> = hostile().into_iter().map(|sent| sent.line).collect();
    let whole = |line: &Vec<u8>| !line.is_empty() && !line.contains(&b'\n');
    lines.into_iter().filter(whole).collect()
}

/// A value in the form that the readers write, see `fixtures/readers/read.py`; numbers as the
/// bits of their double, or only as numbers.
fn show(value: Value<'_>, exact: bool) -> Json {
    if let Some(text) = value.as_text() {
        return json!(format!("={text}"));
    }
    if let Some(elements) = value.as_array() {
        let mut shown = vec![json!("a")];
        shown.extend(elements.map(|element| show(element, exact)));
        return Json::Array(shown);
    }
    if let Some(object) = value.as_object() {
        let mut members: Vec<_> = object
            .members()
            .map(|member| (member.key().into_owned(), show(member.value, exact)))
            .collect();
        members.sort_by(|a, b| a.0.cmp(&b.0));
        let members = members.into_iter().map(|(key, value)| json!([key, value]));
        return Json::Array([json!("o")].into_iter().chain(members).collect());
    }
    match value.raw() {
        b"null" => Json::Null,
        b"true" => json!(true),
        b"false" => json!(false),
        number if exact => double(std::str::from_utf8(number).unwrap()),
        _ => json!("#"),
    }
}

fn double(number: &str) -> Json {
    let number: f64 = number.parse().unwrap();
    json!(format!("#{:016x}", number.to_bits()))
}

fn member(object: Option<Object<'_>>, key: &str, exact: bool) -> Json {
    object
        .and_then(|object| object.find(key))
        .map_or(Json::Null, |value| show(value, exact))
}

/// What pinfold itself sees in a line that it forwards.
fn own_reading(line: &[u8], exact: bool) -> Json {
    let line = CanonicalLine::read(line, 1 << 20).unwrap();
    let message = Message::read(&line).unwrap();
    let (id, method, answer) = match &message.kind {
        Kind::Request { id, method } => (Some(id), Some(method), None),
        Kind::Notification { method } => (None, Some(method), None),
        Kind::Response { id, answer } => (id.as_ref(), None, Some(*answer)),
    };
    let id = match id {
        None => Json::Null,
        Some(Id::Text(text)) => json!(format!("={text}")),
        Some(Id::Number(number)) if exact => double(&number.to_string()),
        Some(Id::Number(_)) => json!("#"),
    };
    let (result, code) = match answer {
        Some(Answer::Result(result)) => (Some(result), None),
        Some(Answer::Error { code, .. }) => (None, Some(code)),
        None => (None, None),
    };
    let tools = result.and_then(|result| result.find("tools")?.as_array());
    let tools = tools.map(|tools| {
        let name = |tool: Value<'_>| member(tool.as_object(), "name", exact);
        tools.map(name).collect::<Vec<_>>()
    });
    json!({
        "method": method.map(|method| format!("={method}")),
        "id": id,
        "name": member(message.params, "name", exact),
        "arguments": member(message.params, "arguments", exact),
        "code": code.map(|code| if exact { double(&code.to_string()) } else { json!("#") }),
        "tools": tools,
    })
}

/// One reader: what it is called, the command that reads a file, and whether it tells numbers.
struct Reader {
    name: &'static str,
    command: Command,
    exact: bool,
}

impl Reader {
    /// The readers that this machine has; says which it has not.
    fn all(test: &str) -> Vec<Self> {
        let mut readers = Vec::new();
        for mode in ["last", "go", "go-first", "go-nul", "c"] {
            let mut command = Command::new("python3");
            command.arg(fixture("readers/read.py")).arg(mode);
            readers.push(Self {
                name: mode,
                command,
                exact: true,
            });
        }
        let mut command = Command::new("node");
        command.arg(fixture("readers/read.mjs")).arg("parse");
        readers.push(Self {
            name: "node",
            command,
            exact: true,
        });
        let mut command = Command::new("jq");
        command.arg("-c").arg("-f").arg(fixture("readers/read.jq"));
        readers.push(Self {
            name: "jq",
            command,
            exact: false,
        });
        readers.retain(|reader| {
            let here = is_here(reader.command.get_program().to_str().unwrap());
            if !here {
                skip(test, &format!("no {}", reader.name));
            }
            here
        });
        readers
    }

    /// What this reader sees in each line of `file`; nothing when it stops somewhere.
    fn read(&mut self, file: &Path) -> Vec<Json> {
        let output = self.command.arg(file).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        // What is too deep for this test's own reader is kept as text, to be compared all the same.
        let read = |line: &str| serde_json::from_str(line).unwrap_or_else(|_| json!(line));
        text.lines().map(read).collect()
    }
}

fn is_here(program: &str) -> bool {
    let output = Command::new(program).arg("--version").output();
    output.is_ok_and(|output| output.status.success())
}

/// `lines` in a file, each with its newline.
fn in_a_file(lines: &[Vec<u8>]) -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().unwrap();
    let mut bytes = lines.join(&b'\n');
    bytes.push(b'\n');
    fs::write(file.path(), bytes).unwrap();
    file
}

/// Names of tools count in an answer to `tools/list`; elsewhere `tools` is some member.
fn without_tools(mut seen: Json, is_page: bool) -> Json {
    if !is_page {
        seen["tools"] = Json::Null;
    }
    seen
}

#[test]
fn every_parser_sees_what_pinfold_sees() {
    const TEST: &str = "every_parser_sees_what_pinfold_sees";
    let forwarded = forwarded();
    let pages = forwarded.iter().filter(|line| line.is_page).count();
    let count = forwarded.len();
    assert!(count > 5000 && pages > 300, "only {count}, {pages} pages");
    let file = in_a_file(&lines_of(&forwarded));
    for mut reader in Reader::all(TEST) {
        let seen = reader.read(file.path());
        assert_eq!(seen.len(), count, "{} stopped", reader.name);
        for (Forwarded { line, is_page }, seen) in forwarded.iter().zip(seen) {
            let own = without_tools(own_reading(line, reader.exact), *is_page);
            let seen = without_tools(seen, *is_page);
            assert_eq!(seen, own, "{}: {}", reader.name, line.escape_ascii());
        }
    }
}

/// Control: of the lines as they came, the same readers see different things.
#[test]
fn control_the_parsers_differ_about_the_hostile_lines() {
    const TEST: &str = "control_the_parsers_differ_about_the_hostile_lines";
    let lines = raw();
    let file = in_a_file(&lines);
    let mut seen: Vec<_> = Reader::all(TEST)
        .into_iter()
        // jq stops at the first line that is not JSON.
        .filter(|reader| reader.exact)
        .map(|mut reader| (reader.name, reader.read(file.path())))
        .collect();
    let Some((_, last)) = seen.pop() else {
        return;
    };
    for (name, other) in seen {
        assert_eq!(other.len(), lines.len(), "{name} stopped");
        let differ = last.iter().zip(&other).filter(|(a, b)| a != b).count();
        // Node and Python differ in lone surrogates and the like, Go in much more.
        let least = if name.starts_with("go") || name == "c" {
            10
        } else {
            1
        };
        assert!(differ >= least, "{name} differs {differ} times only");
    }
}

/// How many pieces each splitter sees, and whether they are the lines.
fn splitters(test: &str, file: &Path) -> Vec<(String, usize, bool)> {
    let mut commands = Vec::new();
    for (program, script) in [("python3", "readers/read.py"), ("node", "readers/read.mjs")] {
        if !is_here(program) {
            skip(test, &format!("no {program}"));
            continue;
        }
        let mut command = Command::new(program);
        command.arg(fixture(script)).arg("split").arg(file);
        if program == "node" {
            match node_clients() {
                Ok(clients) => {
                    let sdk = "node_modules/@modelcontextprotocol/sdk/dist/esm/shared/stdio.js";
                    command.arg(clients.join(sdk));
                }
                Err(reason) => skip(test, &format!("no official SDK: {reason}")),
            }
        }
        commands.push(command);
    }
    let mut found = Vec::new();
    for mut command in commands {
        let output = command.output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{stderr}");
        let text = String::from_utf8(output.stdout).unwrap();
        let read = |line: &str| serde_json::from_str::<(String, usize, bool)>(line).unwrap();
        found.extend(text.lines().map(read));
    }
    found
}

#[test]
fn every_splitter_sees_one_message_in_each_line() {
    const TEST: &str = "every_splitter_sees_one_message_in_each_line";
    let lines = lines_of(&forwarded());
    let file = in_a_file(&lines);
    for (name, pieces, same) in splitters(TEST, file.path()) {
        assert_eq!((pieces, same), (lines.len(), true), "{name}");
    }

    // Control: of the lines as they came, these make more.
    let lines = raw();
    let file = in_a_file(&lines);
    for (name, pieces, _) in splitters(TEST, file.path()) {
        if ["str.splitlines", "TextIOWrapper", "readline"].contains(&name.as_str()) {
            assert!(pieces > lines.len(), "{name}: {pieces} of {}", lines.len());
        }
    }
}
