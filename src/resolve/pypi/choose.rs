//! uv's answer against the index's own word, package by package: which wheel is meant for this
//! machine, and whether its digest, age and standing are right. Pure.

use std::time::{Duration, SystemTime};

use super::settings::PUBLIC_INDEX;
use super::simple::{Project, ProjectFile};
use super::version::{Version, admits};
use super::{
    Index, OfferedAttestations, PypiError, PypiRequest, PythonFacts, ResolvedWheel, Tags,
    WheelName, pylock,
};
use crate::config::normalized_pypi_name;
use crate::fetch::{Url, leads_inside, origin_of};

const MAX_ADDRESS: usize = 4096;
/// How many wheels a message lists.
const MAX_LISTED: usize = 6;

/// Which versions are too young.
#[derive(Clone, Debug)]
pub(super) struct AgeRule {
    release_age: Duration,
    /// The youngest time of publication that is accepted; `None` switches the rule off.
    not_after: Option<SystemTime>,
    /// Asked for by exact version: its normalised name.
    exact: Option<String>,
}

impl AgeRule {
    pub(super) fn new(request: &PypiRequest) -> Self {
        let active = !request.release_age.is_zero();
        let youngest = || request.now.checked_sub(request.release_age);
        Self {
            release_age: request.release_age,
            not_after: active.then(|| youngest().unwrap_or(SystemTime::UNIX_EPOCH)),
            exact: request
                .exact
                .is_some()
                .then(|| normalized_pypi_name(&request.name)),
        }
    }

    pub(super) fn is_active(&self) -> bool {
        self.not_after.is_some()
    }

    /// The same rule in uv's words.
    pub(super) fn arguments(&self, name: &str) -> Vec<String> {
        let Some(not_after) = self.not_after else {
            return Vec::new();
        };
        let mut arguments = vec![format!(
            "--exclude-newer={}",
            humantime::format_rfc3339_seconds(not_after)
        )];
        if self.exact.is_some() {
            arguments.push(format!(
                "--exclude-newer-package={name}=2999-01-01T00:00:00Z"
            ));
        }
        arguments
    }

    /// What may be the reason when uv finds nothing.
    pub(super) fn hint(&self) -> String {
        match self.not_after {
            Some(_) => format!(
                " (versions younger than {} are not considered, nor those without a time of \
                 publication; ask for one exactly, or set settings.release_age)",
                crate::resolve::hours(&self.release_age)
            ),
            None => String::new(),
        }
    }

    fn judge(
        &self,
        name: &str,
        version: &Version,
        file: &ProjectFile,
        index: &Index,
    ) -> Result<(), PypiError> {
        let Some(not_after) = self.not_after else {
            return Ok(());
        };
        if self.asked_exactly(name) {
            return Ok(());
        }
        match file.published {
            Some(time) if time <= not_after => Ok(()),
            Some(time) => Err(PypiError::TooYoung {
                name: name.to_owned(),
                version: version.to_string(),
                published: humantime::format_rfc3339_seconds(time).to_string(),
                release_age: self.release_age,
            }),
            None => Err(PypiError::NoPublishTime {
                name: name.to_owned(),
                index: index.host(),
            }),
        }
    }

    fn asked_exactly(&self, name: &str) -> bool {
        self.exact.as_deref() == Some(name)
    }
}

/// What wheels are chosen by.
pub(super) struct Choice<'a> {
    python: &'a PythonFacts,
    python_version: Version,
    tags: Tags,
    index: &'a Index,
    rule: &'a AgeRule,
}

impl<'a> Choice<'a> {
    pub(super) fn new(
        python: &'a PythonFacts,
        index: &'a Index,
        rule: &'a AgeRule,
    ) -> Result<Self, PypiError> {
        let python_version = python.version.parse().map_err(|_| PypiError::Pylock {
            reason: format!("the interpreter's version is `{}`", python.version),
        })?;
        Ok(Self {
            python,
            python_version,
            tags: Tags::of(python),
            index,
            rule,
        })
    }

    /// The wheel of `package` for this machine, and what is to be said about it.
    pub(super) fn wheel(
        &self,
        package: &pylock::Package,
        page: &Project,
    ) -> Result<(ResolvedWheel, Option<String>), PypiError> {
        judge_status(page, &package.name)?;
        let file = self.best(package, page)?;
        let (name, version) = (&package.name, &package.version);
        let published = file.sha256.as_deref().ok_or_else(|| PypiError::NoHash {
            file: file.name.clone(),
        })?;
        let resolved = &package.wheels[&file.name];
        if resolved != published {
            return Err(PypiError::HashMismatch {
                file: file.name.clone(),
                resolved: resolved.clone(),
                published: published.to_owned(),
            });
        }
        if let Some(required) = &file.requires_python
            && admits(required, &self.python_version) == Ok(false)
        {
            return Err(PypiError::RequiresPython {
                name: name.clone(),
                version: version.to_string(),
                required: required.chars().take(100).collect(),
                python: self.python.version.clone(),
            });
        }
        self.rule.judge(name, version, file, self.index)?;
        let warning = self.judge_yanked(package, file)?;
        judge_address(file, self.index)?;
        let wheel = ResolvedWheel {
            name: name.clone(),
            version: version.to_string(),
            file: file.name.clone(),
            url: self.index.relative(&file.url),
            download_url: file.url.clone(),
            sha256: published.to_owned(),
            published: file
                .published
                .map(|time| humantime::format_rfc3339_seconds(time).to_string()),
            attestations: attestations(file, self.index)?,
        };
        Ok((wheel, warning))
    }

    /// Of the wheels that uv has seen and the index offers, the one that fits best.
    fn best<'p>(
        &self,
        package: &pylock::Package,
        page: &'p Project,
    ) -> Result<&'p ProjectFile, PypiError> {
        let named: Vec<(&ProjectFile, WheelName)> = page
            .files
            .iter()
            .filter_map(|file| Some((file, WheelName::parse(&file.name)?)))
            .filter(|(_, wheel)| wheel.name == package.name && wheel.version == package.version)
            .collect();
        let best = named
            .iter()
            .filter(|(file, _)| package.wheels.contains_key(&file.name))
            .filter_map(|(file, wheel)| Some((self.tags.rank(wheel)?, wheel.build, *file)))
            .min_by(|(a_rank, a_build, a), (b_rank, b_build, b)| {
                let builds = b_build.cmp(a_build);
                a_rank
                    .cmp(b_rank)
                    .then(builds)
                    .then_with(|| a.name.cmp(&b.name))
            });
        if let Some((_, _, file)) = best {
            // One name is one file.
            if named
                .iter()
                .filter(|(other, _)| other.name == file.name)
                .count()
                > 1
            {
                return Err(PypiError::Page {
                    name: package.name.clone(),
                    reason: format!("it offers {} twice", file.name),
                });
            }
            return Ok(file);
        }
        if named.is_empty() {
            return Err(PypiError::NotPublished {
                name: package.name.clone(),
                version: package.version.to_string(),
            });
        }
        let offered: Vec<&str> = named
            .iter()
            .take(MAX_LISTED)
            .map(|(file, _)| file.name.as_str())
            .collect();
        Err(PypiError::Platform {
            name: package.name.clone(),
            version: package.version.to_string(),
            python: self.python.version.clone(),
            platform: format!("linux {}", self.python.machine),
            offered: offered.join(", "),
        })
    }

    fn judge_yanked(
        &self,
        package: &pylock::Package,
        file: &ProjectFile,
    ) -> Result<Option<String>, PypiError> {
        let Some(reason) = &file.yanked else {
            return Ok(None);
        };
        let reason = if reason.is_empty() {
            "no reason was given"
        } else {
            reason
        };
        let (name, version) = (&package.name, &package.version);
        if self.rule.asked_exactly(name) {
            return Ok(Some(format!(
                "{name} {version} was withdrawn by its authors (yanked): {reason}"
            )));
        }
        Err(PypiError::Yanked {
            name: name.clone(),
            version: version.to_string(),
            reason: reason.to_owned(),
        })
    }
}

/// A quarantined project is one in which malware was reported (PEP 792).
pub(super) fn judge_status(page: &Project, name: &str) -> Result<(), PypiError> {
    match page.status.as_deref() {
        Some(status @ "quarantined") => Err(PypiError::Withheld {
            name: name.to_owned(),
            status: status.to_owned(),
        }),
        _ => Ok(()),
    }
}

/// Where the attestations are asked for: at the index, or at the public one that it mirrors.
fn attestations(
    file: &ProjectFile,
    index: &Index,
) -> Result<Option<OfferedAttestations>, PypiError> {
    let Some(address) = &file.provenance else {
        return Ok(None);
    };
    let refuse = || PypiError::Vouching {
        file: file.name.clone(),
        reason: "they have no usable address".to_owned(),
    };
    let url = Url::parse(address).map_err(|_| refuse())?;
    let usable = matches!(url.scheme(), "http" | "https")
        && address.len() <= MAX_ADDRESS
        && url.username().is_empty()
        && url.password().is_none();
    if !usable {
        return Err(refuse());
    }
    let own = origin_of(&url) == origin_of(&index.url);
    let public = Url::parse(PUBLIC_INDEX).is_ok_and(|it| origin_of(&it) == origin_of(&url));
    Ok(Some(OfferedAttestations {
        url: (own || public).then_some(url),
        passed_on: !own,
    }))
}

fn judge_address(file: &ProjectFile, index: &Index) -> Result<(), PypiError> {
    let refuse = |reason| {
        Err(PypiError::Address {
            file: file.name.clone(),
            reason,
        })
    };
    if !matches!(file.url.scheme(), "http" | "https") || !file.url.has_host() {
        return refuse("it is neither https nor http");
    }
    if !file.url.username().is_empty() || file.url.password().is_some() {
        return refuse("it holds a password");
    }
    if leads_inside(&file.url, &index.url) {
        return refuse("it is of this machine or its network, where the index is not");
    }
    if file.url.query().is_some() {
        return refuse("it has a query, which may be a passing credential");
    }
    if file.url.as_str().len() > MAX_ADDRESS {
        return refuse("it is too long");
    }
    Ok(())
}
