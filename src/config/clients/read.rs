//! Reading a config: bounded, and whole or not at all.

use std::fs::{self, File, OpenOptions};
use std::io::Read as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use super::entry::{self, ClientServer, first_twice};
use super::error::ClientFileError;
use super::find::FoundPlace;
use super::shape::{ALL, Dialect, Shape, containers};
use super::text::SourceText;
use super::tree::{Member, Node, Value};
use super::{parse_json, parse_toml, parse_yaml};
use crate::lockfile::HeldFile;

/// The largest config that is read: 32 MiB. Claude Code keeps its history in its own.
pub const MAX_CLIENT_FILE_BYTES: u64 = 32 << 20;

/// YAML configs are written by hand; its grammar is costly to read.
const MAX_YAML_BYTES: u64 = 1 << 20;

/// More than anybody has.
pub const MAX_CLIENT_SERVERS: usize = 1_000;

/// A config and the servers in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientFile {
    pub place: FoundPlace,
    pub text: SourceText,
    /// The whole file.
    pub root: Node,
    /// In the order of the file.
    pub servers: Vec<ClientServer>,
}

impl ClientFile {
    /// Reads the file of a place. Links are followed; those of a project's file may not lead out
    /// of the project, whose author is somebody else.
    ///
    /// # Errors
    /// A file with any mistake is left alone as a whole.
    pub fn read(place: &FoundPlace) -> Result<Self, ClientFileError> {
        let (held, _) = Self::hold(place)?;
        Self::read_held(place, &held)
    }

    /// The file of a place to be read, and replaced, whatever is put in its place meanwhile; and
    /// where it is, links resolved.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn hold(place: &FoundPlace) -> Result<(HeldFile, PathBuf), ClientFileError> {
        let real = fs::canonicalize(&place.path)?;
        if let Some(project) = &place.project {
            stays_inside(&real, project)?;
        }
        Ok((HeldFile::open(&real)?, real))
    }

    /// As [`Self::read`], of a file that is held.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn read_held(place: &FoundPlace, held: &HeldFile) -> Result<Self, ClientFileError> {
        let limit = match place.dialect {
            Dialect::Yaml => MAX_YAML_BYTES,
            _ => MAX_CLIENT_FILE_BYTES,
        };
        Self::parse(place, read_all(held.file()?, limit)?)
    }

    /// The bytes of the file, as they were read.
    pub fn bytes(&self) -> Vec<u8> {
        self.text.bytes_with(self.text.text())
    }

    /// The same of bytes that were read.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn parse(place: &FoundPlace, bytes: Vec<u8>) -> Result<Self, ClientFileError> {
        let text = SourceText::new(bytes)?;
        let root = parse(&text, place.dialect)?;
        let mut servers = Vec::new();
        for shape in shapes_of(place, &root)? {
            let containers = containers(&root, shape).map_err(|twice| duplicate(&text, twice))?;
            for (section, node) in containers {
                collect(&text, &section, node, shape, &mut servers)?;
            }
        }
        servers.sort_by_key(|server| server.at);
        Ok(Self {
            place: place.clone(),
            text,
            root,
            servers,
        })
    }
}

/// The tree of a text.
pub(super) fn parse(text: &SourceText, dialect: Dialect) -> Result<Node, ClientFileError> {
    let parsed = match dialect {
        Dialect::Json | Dialect::Jsonc => parse_json::parse(text.text()),
        Dialect::Toml => parse_toml::parse(text.text()),
        Dialect::Yaml => parse_yaml::parse(text.text()),
    };
    parsed.map_err(|(offset, reason)| ClientFileError::Syntax {
        dialect: dialect.name(),
        at: text.position(offset),
        reason,
    })
}

fn shapes_of(place: &FoundPlace, root: &Node) -> Result<&'static [Shape], ClientFileError> {
    if let Some(shapes) = place.shapes {
        return Ok(shapes);
    }
    let fits = |shape: &Shape, node: &Node| match node.value {
        Value::List(_) => shape.is_list,
        Value::Map(_) => !shape.is_list,
        _ => false,
    };
    ALL.iter()
        .find(|shapes| {
            shapes.iter().any(|shape| {
                containers(root, shape)
                    .is_ok_and(|containers| containers.iter().any(|(_, node)| fits(shape, node)))
            })
        })
        .copied()
        .ok_or(ClientFileError::Unknown)
}

fn collect(
    text: &SourceText,
    section: &[String],
    node: &Node,
    shape: &Shape,
    servers: &mut Vec<ClientServer>,
) -> Result<(), ClientFileError> {
    let key = || section.last().cloned().unwrap_or_default();
    let wrong = |expected, at: usize| ClientFileError::WrongShape {
        key: key(),
        expected,
        at: text.position(at),
    };
    let too_many = |more: usize| match servers.len() + more > MAX_CLIENT_SERVERS {
        true => Err(ClientFileError::TooManyServers {
            limit: MAX_CLIENT_SERVERS,
        }),
        false => Ok(()),
    };
    match (&node.value, shape.is_list) {
        (Value::Null, _) => Ok(()),
        (Value::Map(members), false) => {
            too_many(members.len())?;
            if let Some(twice) = first_twice(members) {
                return Err(duplicate(text, twice));
            }
            for member in members {
                let name = (member.key.as_str(), member.key_span.start);
                servers.push(entry::read(text, section, name, &member.value, shape)?);
            }
            Ok(())
        }
        (Value::List(entries), true) => {
            too_many(entries.len())?;
            for entry in entries {
                // Continue takes whole other files in by `uses`; those have no name.
                let name = entry.get("name");
                let start = name.map_or(entry.span.start, |name| name.span.start);
                let name = name.and_then(Node::as_word).unwrap_or_default();
                servers.push(entry::read(text, section, (&name, start), entry, shape)?);
            }
            Ok(())
        }
        (_, true) => Err(wrong("a list of servers", node.span.start)),
        (_, false) => Err(wrong("servers by their names", node.span.start)),
    }
}

fn duplicate(text: &SourceText, twice: &Member) -> ClientFileError {
    ClientFileError::DuplicateKey {
        key: twice.key.clone(),
        at: text.position(twice.key_span.start),
    }
}

/// All of a regular file of at most `limit` bytes.
///
/// Opens without waiting: a FIFO in the file's place must not hang anybody.
///
/// # Errors
/// When it is larger, or something else.
pub fn read_bytes(path: &Path, limit: u64) -> Result<Vec<u8>, ClientFileError> {
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(nix::fcntl::OFlag::O_NONBLOCK.bits())
        .open(path)?;
    read_all(file, limit)
}

fn read_all(mut file: File, limit: u64) -> Result<Vec<u8>, ClientFileError> {
    if !file.metadata()?.is_file() {
        return Err(ClientFileError::NotAFile);
    }
    let mut bytes = Vec::new();
    // One byte more than allowed: a file that grows while it is read is noticed, too.
    file.by_ref().take(limit + 1).read_to_end(&mut bytes)?;
    match bytes.len() as u64 > limit {
        true => Err(ClientFileError::TooLarge { limit }),
        false => Ok(bytes),
    }
}

fn stays_inside(real: &Path, project: &Path) -> Result<(), ClientFileError> {
    let project = fs::canonicalize(project)?;
    match real.starts_with(project) {
        true => Ok(()),
        false => Err(ClientFileError::LeadsAway {
            target: real.to_string_lossy().into_owned(),
        }),
    }
}

#[cfg(test)]
mod tests;
