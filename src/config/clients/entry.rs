//! A server as a client's config has it, in one form for all clients.

use std::path::Path;

use super::error::ClientFileError;
use super::shape::Shape;
use super::text::{Position, SourceText};
use super::tree::{Member, Node, Value};

/// A text of the config and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Word {
    pub text: String,
    pub at: Position,
}

/// One variable of a server's environment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Variable {
    pub name: String,
    /// As written: placeholders are not filled in.
    pub value: String,
    /// Of the value.
    pub at: Position,
}

/// How a client talks to a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Transport {
    /// The client starts this argv; it has at least one word.
    Stdio { argv: Vec<Word> },
    /// The server is somewhere else.
    Remote { url: Option<Word> },
    /// A part of the client, or of an extension.
    BuiltIn,
}

/// One entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientServer {
    /// As written; it may be anything.
    pub name: String,
    /// Of the name.
    pub at: Position,
    /// The keys that lead to the servers in which this one is; for a project's servers in the
    /// user's file its folder is among them.
    pub section: Vec<String>,
    pub transport: Transport,
    pub env: Vec<Variable>,
    pub cwd: Option<Word>,
    /// Whether the client doesn't start it.
    pub disabled: bool,
    /// Everything that stands there, also what pinfold has no word for.
    pub node: Node,
    pub(super) shape: Shape,
}

/// Values of `type` that are neither started nor somewhere else.
const BUILT_IN: [&str; 4] = ["builtin", "platform", "frontend", "inline_python"];
/// Values of `type` that need an address.
const REMOTE: [&str; 6] = [
    "http",
    "sse",
    "streamable_http",
    "streamable-http",
    "streamableHttp",
    "remote",
];

/// Reads an entry. `name` and where it stands come from around it.
pub(super) fn read(
    text: &SourceText,
    section: &[String],
    (name, name_at): (&str, usize),
    node: &Node,
    shape: &Shape,
) -> Result<ClientServer, ClientFileError> {
    let reader = Reader { text };
    reader.check_map(name, node)?;
    // The older form of Zed has the parts one level deeper.
    let nested = node
        .get(shape.command)
        .filter(|command| matches!(command.value, Value::Map(_)));
    let parts = nested.unwrap_or(node);
    reader.check_map(shape.command, parts)?;
    let env = match parts.get(shape.env) {
        Some(env) => reader.variables(shape.env, env)?,
        None => Vec::new(),
    };
    let is_off = shape
        .off
        .is_some_and(|(key, off)| node.get(key).and_then(Node::as_bool) == Some(off));
    Ok(ClientServer {
        name: name.to_owned(),
        at: text.position(name_at),
        section: section.to_vec(),
        transport: reader.transport(node, nested, shape)?,
        env,
        cwd: node.get("cwd").and_then(|cwd| reader.word(cwd)),
        disabled: is_off,
        node: node.clone(),
        shape: *shape,
    })
}

struct Reader<'t> {
    text: &'t SourceText,
}

impl Reader<'_> {
    fn transport(
        &self,
        node: &Node,
        nested: Option<&Node>,
        shape: &Shape,
    ) -> Result<Transport, ClientFileError> {
        let kind = node.get("type").and_then(Node::as_text).unwrap_or_default();
        let program = match nested {
            Some(parts) => parts.get("path"),
            None => node.get(shape.command),
        };
        let url = shape.urls.iter().find_map(|key| node.get(key));
        let source = node.get("source").and_then(Node::as_text);
        if BUILT_IN.contains(&kind) || source == Some("extension") {
            return Ok(Transport::BuiltIn);
        }
        match (program, url) {
            _ if REMOTE.contains(&kind) => {}
            (Some(program), _) => {
                let args = nested.unwrap_or(node).get(shape.args);
                return self.stdio(shape, program, args);
            }
            (None, Some(_)) => {}
            // As Zed writes down the settings of an extension.
            (None, None) => return Ok(Transport::BuiltIn),
        }
        Ok(Transport::Remote {
            url: url.and_then(|url| self.word(url)),
        })
    }

    fn stdio(
        &self,
        shape: &Shape,
        program: &Node,
        args: Option<&Node>,
    ) -> Result<Transport, ClientFileError> {
        let is_list = matches!(program.value, Value::List(_));
        let mut argv = match is_list {
            true => self.words(shape.command, program)?,
            false => vec![self.text_word(shape.command, program)?],
        };
        if let Some(args) = args {
            argv.extend(self.words(shape.args, args)?);
        }
        match argv.is_empty() {
            true => Err(self.wrong(shape.command, "a program", program)),
            false => Ok(Transport::Stdio { argv }),
        }
    }

    fn check_map(&self, key: &str, node: &Node) -> Result<(), ClientFileError> {
        match &node.value {
            Value::Map(members) => match first_twice(members) {
                None => Ok(()),
                Some(twice) => Err(ClientFileError::DuplicateKey {
                    key: twice.key.clone(),
                    at: self.text.position(twice.key_span.start),
                }),
            },
            _ => Err(self.wrong(key, "keys and values", node)),
        }
    }

    fn variables(&self, key: &str, node: &Node) -> Result<Vec<Variable>, ClientFileError> {
        if node.value == Value::Null {
            return Ok(Vec::new());
        }
        self.check_map(key, node)?;
        node.members()
            .iter()
            .map(|member| {
                let value = member.value.as_word();
                Ok(Variable {
                    name: member.key.clone(),
                    value: value.ok_or_else(|| self.wrong(&member.key, "a text", &member.value))?,
                    at: self.text.position(member.value.span.start),
                })
            })
            .collect()
    }

    fn words(&self, key: &str, node: &Node) -> Result<Vec<Word>, ClientFileError> {
        match &node.value {
            Value::Null => Ok(Vec::new()),
            Value::List(entries) => entries
                .iter()
                .map(|entry| self.text_word(key, entry))
                .collect(),
            _ => Err(self.wrong(key, "a list of texts", node)),
        }
    }

    fn text_word(&self, key: &str, node: &Node) -> Result<Word, ClientFileError> {
        let word = self.word(node);
        word.ok_or_else(|| self.wrong(key, "a text", node))
    }

    fn word(&self, node: &Node) -> Option<Word> {
        Some(Word {
            text: node.as_word()?,
            at: self.text.position(node.span.start),
        })
    }

    fn wrong(&self, key: &str, expected: &'static str, node: &Node) -> ClientFileError {
        ClientFileError::WrongShape {
            key: key.to_owned(),
            expected,
            at: self.text.position(node.span.start),
        }
    }
}

/// The first member whose key stood there before.
pub(super) fn first_twice(members: &[Member]) -> Option<&Member> {
    let mut seen = std::collections::BTreeSet::new();
    members.iter().find(|member| !seen.insert(&member.key))
}

impl ClientServer {
    /// The argv, when the client starts it.
    pub fn argv(&self) -> Option<Vec<&str>> {
        match &self.transport {
            Transport::Stdio { argv } => Some(argv.iter().map(|word| word.text.as_str()).collect()),
            Transport::Remote { .. } | Transport::BuiltIn => None,
        }
    }

    /// The project that it is for, when the user's own file says so.
    pub fn project(&self) -> Option<&Path> {
        match self.section.as_slice() {
            [projects, folder, _] if projects == "projects" => Some(Path::new(folder)),
            _ => None,
        }
    }
}
