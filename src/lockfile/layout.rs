//! The canonical text of a lock: a fixed layout of our own, so that one artifact is
//! one line and a diff of two locks can be read. Reading is in `format.rs`.

use std::fmt;

use super::check::{ABSENT, UNKNOWN};
use super::format::LOCKFILE_VERSION;
use super::platforms::{PartInterpreter, PlatformPart};
use super::types::{
    Artifact, Behaviour, Build, Confinement, Digest, Interpreter, Lock, LockedServer,
    RuntimePackage, ServerName,
};

/// The lock in its canonical text form: equal locks give equal bytes.
pub fn serialise(lock: &Lock) -> String {
    let mut out = format!("{{\n  \"lockfile_version\": {LOCKFILE_VERSION},\n  \"servers\": {{");
    for (index, (name, server)) in lock.servers.iter().enumerate() {
        out.push_str(if index == 0 { "\n" } else { ",\n" });
        write_server(&mut out, name, server);
    }
    out.push_str(if lock.servers.is_empty() {
        "}\n}\n"
    } else {
        "\n  }\n}\n"
    });
    out
}

/// The sha256 of the canonical text form: what `pinfold trust` remembers of a lock.
pub fn digest(lock: &Lock) -> Digest {
    Digest::of(serialise(lock).as_bytes())
}

fn write_server(out: &mut String, name: &ServerName, server: &LockedServer) {
    let fields = [
        ("source", quote(&server.source)),
        ("version", quote_or_null(server.version.as_deref())),
        ("locked_at", quote(&server.locked_at)),
        ("platform", quote(&server.platform)),
        (
            "interpreter",
            interpreter_text(server.interpreter.as_ref(), 6),
        ),
        ("entry_point", quote(&server.entry_point)),
        ("tree", quote(&server.tree.to_string())),
        ("artifacts", artifacts_text(&server.artifacts, 6)),
        ("build", build_text(server.build.as_ref())),
        ("platforms", platforms_text(server)),
        ("behaviour", behaviour_text(&server.behaviour)),
        ("box", confinement_text(&server.confinement)),
    ];
    let lines = fields.map(|(key, value)| format!("      \"{key}\": {value}"));
    out.push_str(&format!(
        "    {}: {{\n{}\n    }}",
        quote(name.as_str()),
        lines.join(",\n")
    ));
}

fn platforms_text(server: &LockedServer) -> String {
    let parts: Vec<String> = server
        .platforms
        .iter()
        .map(|(platform, part)| {
            let text = part_text(part, &server.artifacts);
            format!("{}: {text}", quote(platform))
        })
        .collect();
    block('{', '}', &parts, 6)
}

fn part_text(part: &PlatformPart, front: &[Artifact]) -> String {
    let difference = part.difference(front);
    let without: Vec<String> = difference.without.into_iter().map(quote).collect();
    let artifacts = difference.artifacts.into_iter().map(artifact_line);
    let artifacts: Vec<String> = artifacts.collect();
    let interpreter = match &part.interpreter {
        PartInterpreter::Recorded(interpreter) => interpreter_text(interpreter.as_ref(), 10),
        PartInterpreter::Unknown => quote(UNKNOWN),
    };
    let fields = [
        format!("\"interpreter\": {interpreter}"),
        format!("\"entry_point\": {}", quote(&part.entry_point)),
        format!("\"tree\": {}", quote(&part.tree.to_string())),
        format!("\"without\": {}", block('[', ']', &without, 10)),
        format!("\"artifacts\": {}", block('[', ']', &artifacts, 10)),
    ];
    block('{', '}', &fields, 8)
}

/// `indent` is that of the line that it begins on.
fn interpreter_text(interpreter: Option<&Interpreter>, indent: usize) -> String {
    let Some(interpreter) = interpreter else {
        return "null".to_owned();
    };
    let package = package_text(interpreter.package.as_ref(), indent + 2);
    let fields = [
        format!("\"kind\": {}", quote(&interpreter.kind)),
        format!("\"path\": {}", quote(&interpreter.path)),
        format!(
            "\"version\": {}",
            quote_or_null(interpreter.version.as_deref())
        ),
        format!("\"sha256\": {}", quote(&interpreter.sha256.to_string())),
        format!("\"package\": {package}"),
    ];
    block('{', '}', &fields, indent)
}

fn package_text(package: Option<&RuntimePackage>, indent: usize) -> String {
    let Some(package) = package else {
        return "null".to_owned();
    };
    let artifacts = artifacts_text(&package.artifacts, indent + 2);
    let fields = [
        format!("\"source\": {}", quote(&package.source)),
        format!("\"version\": {}", quote(&package.version)),
        format!("\"tree\": {}", quote(&package.tree.to_string())),
        format!("\"artifacts\": {artifacts}"),
    ];
    block('{', '}', &fields, indent)
}

fn artifacts_text(artifacts: &[Artifact], indent: usize) -> String {
    let lines: Vec<String> = artifacts.iter().map(artifact_line).collect();
    block('[', ']', &lines, indent)
}

fn artifact_line(artifact: &Artifact) -> String {
    format!(
        "{{\"name\": {}, \"version\": {}, \"path\": {}, \"url\": {}, \"integrity\": {}, \"sha256\": {}, \"size\": {}, \"published\": {}, \"install_script\": {}, \"publisher\": {}, \"signature\": {}, \"provenance\": {}}}",
        Quoted(&artifact.name),
        Quoted(&artifact.version),
        Quoted(&artifact.path),
        Quoted(&artifact.url),
        Quoted(&artifact.integrity),
        // Digits and a colon need no escape.
        format_args!("\"{}\"", artifact.sha256),
        artifact.size,
        QuotedOrNull(artifact.published.as_deref()),
        artifact.install_script,
        Quoted(artifact.publisher.as_deref().unwrap_or(ABSENT)),
        Quoted(artifact.signature.as_deref().unwrap_or(ABSENT)),
        Quoted(artifact.provenance.as_deref().unwrap_or(ABSENT)),
    )
}

fn build_text(build: Option<&Build>) -> String {
    let Some(build) = build else {
        return "null".to_owned();
    };
    format!(
        "{{\n        \"packages\": {},\n        \"egress\": {}\n      }}",
        list_text(&build.packages),
        list_text(&build.egress),
    )
}

fn behaviour_text(behaviour: &Behaviour) -> String {
    let instructions = behaviour.instructions.map(|digest| digest.to_string());
    let tools: Vec<String> = behaviour
        .tools
        .iter()
        .map(|(tool, digest)| format!("{}: {}", quote(tool.as_str()), quote(&digest.to_string())))
        .collect();
    format!(
        "{{\n        \"protocol\": {},\n        \"instructions\": {},\n        \"tools\": {}\n      }}",
        quote(&behaviour.protocol),
        quote(instructions.as_deref().unwrap_or(ABSENT)),
        block('{', '}', &tools, 8),
    )
}

fn confinement_text(confinement: &Confinement) -> String {
    format!(
        "{{\n        \"policy\": {},\n        \"landlock_abi\": {},\n        \"layers\": {}\n      }}",
        quote(&confinement.policy.to_string()),
        confinement.landlock_abi,
        list_text(&confinement.layers),
    )
}

/// On one line.
fn list_text(values: &[String]) -> String {
    let quoted: Vec<String> = values.iter().map(|value| quote(value)).collect();
    format!("[{}]", quoted.join(", "))
}

/// One line per entry between brackets; `indent` is that of the line that opens the block.
fn block(open: char, close: char, lines: &[String], indent: usize) -> String {
    if lines.is_empty() {
        return format!("{open}{close}");
    }
    let margin = " ".repeat(indent);
    let separator = format!(",\n{margin}  ");
    format!(
        "{open}\n{margin}  {}\n{margin}{close}",
        lines.join(&separator)
    )
}

fn quote(text: &str) -> String {
    Quoted(text).to_string()
}

fn quote_or_null(text: Option<&str>) -> String {
    QuotedOrNull(text).to_string()
}

/// A JSON string (RFC 8259, section 7). A lock has thousands, and is written out for its digest at
/// each launch.
struct Quoted<'a>(&'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(text) = self;
        let is_plain = |byte: u8| byte >= b' ' && byte != b'"' && byte != b'\\';
        if text.bytes().all(is_plain) {
            f.write_str("\"")?;
            f.write_str(text)?;
            f.write_str("\"")
        } else {
            serde_json::Value::from(*text).fmt(f)
        }
    }
}

struct QuotedOrNull<'a>(Option<&'a str>);

impl fmt::Display for QuotedOrNull<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self(Some(text)) => Quoted(text).fmt(f),
            Self(None) => f.write_str("null"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_string_is_quoted_as_json_has_it() {
        let each = (0..0x300).filter_map(char::from_u32).map(String::from);
        let texts = ["", "plain text/1.0", "a\"b", "a\\b", "日本語", "\u{2028}"];
        for text in each.chain(texts.map(str::to_owned)) {
            let expected = serde_json::Value::from(text.as_str()).to_string();
            assert_eq!(quote(&text), expected);
            assert_eq!(quote_or_null(Some(&text)), expected);
        }
        assert_eq!(quote_or_null(None), "null");
    }
}
