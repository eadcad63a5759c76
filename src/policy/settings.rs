//! Numbers of the policy: the manifest's before the profile's, those before the runtime's, those
//! before what every server gets.

use std::collections::BTreeMap;

use super::effective::{Limits, OwnRoot};
use super::{Origin, PolicyError, Profile};
use crate::config::{self, parse_size};

/// What was decided, and by whom.
pub(super) struct Settings {
    pub limits: Limits,
    pub own_root: OwnRoot,
    /// At one time; `None` without network.
    pub connections: Option<u64>,
    /// Bytes, both ways of all connections of a session.
    pub egress: Option<u64>,
    pub origins: BTreeMap<&'static str, Origin>,
}

/// Decides. `parts` begin with what every server gets; a later one is stronger.
pub(super) fn settings(
    manifest: &config::Limits,
    parts: &[(&Profile, Origin)],
) -> Result<Settings, PolicyError> {
    let mut choice = Choice {
        parts,
        origins: BTreeMap::new(),
    };
    let limits = Limits {
        memory: choice.of("memory", manifest.memory, |part| size(&part.limits.memory))?,
        processes: choice.of("processes", manifest.processes, |part| {
            Ok(part.limits.processes)
        })?,
        processor_time: choice.of("processor_time", manifest.processor_time, |_| Ok(None))?,
        cpu: choice.of("cpu", manifest.cpu, |_| Ok(None))?,
        disk: choice.of("disk", manifest.disk, |part| size(&part.limits.disk))?,
        open_files: choice.of("open_files", manifest.open_files, |part| {
            Ok(part.limits.open_files)
        })?,
        file_size: choice.of("file_size", manifest.file_size, |part| {
            size(&part.limits.file_size)
        })?,
    };
    let own_root = OwnRoot {
        shared_memory: choice.must("shared_memory", |part| size(&part.own_root.shared_memory))?,
        temporary: choice.must("temporary", |part| size(&part.own_root.temporary))?,
    };
    let connections = choice.of("connections", manifest.connections, |part| {
        Ok(part.limits.connections)
    })?;
    let egress = choice.of("egress", manifest.egress, |_| Ok(None))?;
    Ok(Settings {
        limits,
        own_root,
        connections,
        egress,
        origins: choice.origins,
    })
}

struct Choice<'a> {
    parts: &'a [(&'a Profile, Origin)],
    origins: BTreeMap<&'static str, Origin>,
}

impl Choice<'_> {
    fn of(
        &mut self,
        name: &'static str,
        manifest: Option<u64>,
        own: impl Fn(&Profile) -> Result<Option<u64>, PolicyError>,
    ) -> Result<Option<u64>, PolicyError> {
        if manifest.is_some() {
            self.origins.insert(name, Origin::Manifest);
            return Ok(manifest);
        }
        for (part, origin) in self.parts.iter().rev() {
            if let Some(value) = own(part)? {
                self.origins.insert(name, origin.clone());
                return Ok(Some(value));
            }
        }
        Ok(None)
    }

    fn must(
        &mut self,
        name: &'static str,
        own: impl Fn(&Profile) -> Result<Option<u64>, PolicyError>,
    ) -> Result<u64, PolicyError> {
        self.of(name, None, own)?
            .ok_or_else(|| built_in(format!("`own_root.{name}` is missing")))
    }
}

fn size(text: &Option<String>) -> Result<Option<u64>, PolicyError> {
    text.as_deref()
        .map(parse_size)
        .transpose()
        .map_err(|error| built_in(error.to_string()))
}

fn built_in(message: String) -> PolicyError {
    PolicyError::BuiltIn {
        file: "profiles/base.toml or another",
        message,
    }
}
