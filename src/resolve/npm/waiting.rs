//! A newer version that is still too young to be chosen: which one, and until when.

use std::time::SystemTime;

use super::name::Wanted;
use super::question::Question;
use super::{AgeRule, NpmRequest, NpmRunner, NpmSettings, package_lock, packument};
use crate::fetch::Client;
use crate::resolve::ResolveError;

/// What the rule on age holds back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting {
    pub version: String,
    pub published: SystemTime,
    /// From then on it is old enough.
    pub until: SystemTime,
}

/// The version that would be chosen if age did not count; `None` when that one is old enough.
/// A version that is asked for exactly never waits.
///
/// npm is only asked when there is a young version at all.
///
/// # Errors
/// When the registry can't be asked, or offers nothing that matches.
pub async fn waiting<R: NpmRunner>(
    request: &NpmRequest,
    settings: &NpmSettings,
    client: &Client,
    runner: &R,
) -> Result<Option<Waiting>, ResolveError> {
    let wanted = Wanted::parse(request.range.as_deref())?;
    let rule = AgeRule::new(request, &wanted);
    let (Some(not_after), Wanted::Newest(_)) = (rule.not_after, &wanted) else {
        return Ok(None);
    };
    let registry = settings.registry_for(&request.name);
    let times = packument::fetch_times(client, registry, &request.name).await?;
    if !times.values().any(|time| *time > not_after) {
        return Ok(None);
    }
    let ageless = AgeRule {
        not_after: None,
        ..rule
    };
    let question = Question::new(request, &wanted, &ageless, settings, None)?;
    let answer = super::ask(&question, request, &wanted, &ageless, settings, runner).await?;
    let packages = package_lock::parse(&answer)?;
    let root_path = format!("node_modules/{}", request.name);
    let version = super::requested_version(&packages, request, &wanted, &root_path)?;
    Ok(times
        .get(&version)
        .filter(|time| **time > not_after)
        .map(|time| Waiting {
            version: version.clone(),
            published: *time,
            until: *time + request.release_age,
        }))
}
