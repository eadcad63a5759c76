//! The registry's document about one package ("packument"): publishing times, tags, and the
//! digests of the versions that are wanted.
//!
//! The full form is asked for, because the short one has no times. It can be tens of megabytes
//! (every version, with its README), so it is read in one pass that keeps only what is wanted.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::SystemTime;

use serde::Deserialize;
use serde::de::{self, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::registry::Registry;
use crate::fetch::{Client, FetchError, Url};
use crate::provenance::RegistrySignature;
use crate::resolve::ResolveError;

/// Some packages with daily releases are near 100 MB.
const MAX_BYTES: u64 = 128 * 1024 * 1024;
/// One version's part of the document.
const MAX_MANIFEST_BYTES: usize = 4 * 1024 * 1024;

/// What is kept of the document.
#[derive(Debug, Default)]
pub struct Packument {
    /// Tag to version.
    pub tags: BTreeMap<String, String>,
    /// The wanted versions that exist.
    pub versions: BTreeMap<String, Published>,
    /// Whether the registry tells publishing times at all.
    pub has_times: bool,
}

/// One version as published.
#[derive(Debug)]
pub struct Published {
    pub tarball: String,
    /// `sha512-…`, possibly with older digests beside it.
    pub integrity: Option<String>,
    /// Hexadecimal sha1; for display only.
    pub shasum: Option<String>,
    pub signatures: Vec<RegistrySignature>,
    pub attestations: Option<Attestations>,
    pub install_script: bool,
    /// Who published it, as the registry names them.
    pub publisher: Option<String>,
    /// Why the authors advise against this version.
    pub deprecated: Option<String>,
    pub published: Option<SystemTime>,
    /// The version's whole manifest, as JSON.
    pub manifest: Box<RawValue>,
}

/// Where a version's attestations are, and what is said to be among them.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Attestations {
    pub url: String,
    /// There when the version has provenance.
    #[serde(default)]
    pub provenance: Option<Provenance>,
}

/// What kind of provenance there is.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Provenance {
    #[serde(default)]
    pub predicate_type: Option<String>,
}

/// Where the document about `package` is.
pub fn address(registry: &Registry, package: &str) -> Result<Url, ResolveError> {
    // The slash of a scoped name is escaped: registries take `@scope/name` for two parts.
    registry.absolute(&package.replace('/', "%2f"))
}

/// Asks the registry.
pub async fn fetch(
    client: &Client,
    registry: &Registry,
    package: &str,
    wanted: &BTreeSet<String>,
) -> Result<Packument, ResolveError> {
    parse(&get(client, registry, package).await?, package, wanted)
}

/// When each version that the registry offers was published. Those without a time are left out.
pub async fn fetch_times(
    client: &Client,
    registry: &Registry,
    package: &str,
) -> Result<BTreeMap<String, SystemTime>, ResolveError> {
    let bytes = get(client, registry, package).await?;
    let document: AllTimes =
        serde_json::from_slice(&bytes).map_err(|error| ResolveError::Packument {
            package: package.to_owned(),
            reason: what_it_is(&bytes, &error),
        })?;
    let offered = |version: &String| document.versions.contains_key(version);
    Ok(document
        .time
        .into_iter()
        .filter(|(version, _)| offered(version))
        .filter_map(|(version, time)| Some((version, parse_time(time.as_str()?)?)))
        .collect())
}

async fn get(client: &Client, registry: &Registry, package: &str) -> Result<Vec<u8>, ResolveError> {
    let url = address(registry, package)?;
    let authorization = registry.authorization.as_ref();
    client
        .get(&url, authorization, "application/json", MAX_BYTES)
        .await
        .map_err(|error| explain(error, registry, package))
}

/// Why a document can't be read; of a web page what it most likely is.
fn what_it_is(bytes: &[u8], error: &serde_json::Error) -> String {
    if bytes.trim_ascii_start().starts_with(b"<") {
        return "it is a web page; a proxy, or the login page of a network, answers in the registry's place".to_owned();
    }
    error.to_string()
}

/// Reads the document, keeping the `wanted` versions.
pub fn parse(
    bytes: &[u8],
    package: &str,
    wanted: &BTreeSet<String>,
) -> Result<Packument, ResolveError> {
    let refuse = |reason: String| ResolveError::Packument {
        package: package.to_owned(),
        reason,
    };
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let document = deserializer
        .deserialize_map(Document { wanted })
        .and_then(|document| deserializer.end().map(|()| document))
        .map_err(|error| refuse(what_it_is(bytes, &error)))?;
    if document.name.as_deref() != Some(package) {
        return Err(refuse("it is about another package".to_owned()));
    }
    let times = document.times.unwrap_or_default();
    let mut versions = BTreeMap::new();
    for (version, manifest) in document.versions.unwrap_or_default() {
        let published = times.get(&version).and_then(|text| parse_time(text));
        let read = Published::read(manifest, published)
            .map_err(|reason| refuse(format!("version {version}: {reason}")))?;
        versions.insert(version, read);
    }
    Ok(Packument {
        tags: document.tags,
        versions,
        has_times: !times.is_empty(),
    })
}

impl Published {
    fn read(manifest: Box<RawValue>, published: Option<SystemTime>) -> Result<Self, String> {
        if manifest.get().len() > MAX_MANIFEST_BYTES {
            return Err(format!(
                "its manifest is larger than {MAX_MANIFEST_BYTES} bytes"
            ));
        }
        let read: RawManifest =
            serde_json::from_str(manifest.get()).map_err(|error| error.to_string())?;
        let install_script = read.has_install_script == Some(true)
            || ["preinstall", "install", "postinstall"].iter().any(|name| {
                read.scripts
                    .as_ref()
                    .is_some_and(|all| all.contains_key(*name))
            });
        Ok(Self {
            tarball: read.dist.tarball,
            integrity: read.dist.integrity,
            shasum: read.dist.shasum,
            signatures: read.dist.signatures.unwrap_or_default(),
            attestations: read.dist.attestations,
            install_script,
            publisher: read.publisher.and_then(|user| user.name),
            deprecated: match read.deprecated {
                Some(serde_json::Value::String(reason)) if !reason.is_empty() => Some(reason),
                _ => None,
            },
            published,
            manifest,
        })
    }
}

fn explain(source: FetchError, registry: &Registry, package: &str) -> ResolveError {
    let package = package.to_owned();
    match source.status() {
        Some(404) => ResolveError::NoSuchPackage {
            package,
            registry: registry.host(),
        },
        Some(status @ (401 | 403)) => ResolveError::Denied {
            package,
            registry: registry.host(),
            code: format!("status {status}"),
        },
        _ => ResolveError::Registry { package, source },
    }
}

/// RFC 3339 in UTC. Another form is no time, which is refused where a time is needed.
fn parse_time(text: &str) -> Option<SystemTime> {
    humantime::parse_rfc3339(text).ok()
}

#[derive(Deserialize)]
struct AllTimes {
    #[serde(default)]
    time: BTreeMap<String, serde_json::Value>,
    #[serde(default)]
    versions: BTreeMap<String, IgnoredAny>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawManifest {
    dist: RawDist,
    #[serde(default)]
    has_install_script: Option<bool>,
    /// Old manifests have odd values here; only the names matter.
    #[serde(default)]
    scripts: Option<BTreeMap<String, IgnoredAny>>,
    #[serde(default, rename = "_npmUser", deserialize_with = "user")]
    publisher: Option<RawUser>,
    /// A reason; some registries say `false` for "not deprecated".
    #[serde(default)]
    deprecated: Option<serde_json::Value>,
}

#[derive(Default, Deserialize)]
struct RawUser {
    #[serde(default)]
    name: Option<String>,
}

/// Old documents have odd values here, which name nobody.
fn user<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<RawUser>, D::Error> {
    let value = serde_json::Value::deserialize(deserializer)?;
    Ok(serde_json::from_value(value).ok())
}

#[derive(Deserialize)]
struct RawDist {
    tarball: String,
    #[serde(default)]
    integrity: Option<String>,
    #[serde(default)]
    shasum: Option<String>,
    #[serde(default)]
    signatures: Option<Vec<RegistrySignature>>,
    #[serde(default)]
    attestations: Option<Attestations>,
}

/// The parts of the document that are kept, as they are met.
#[derive(Default)]
struct Kept {
    name: Option<String>,
    tags: BTreeMap<String, String>,
    times: Option<BTreeMap<String, String>>,
    versions: Option<BTreeMap<String, Box<RawValue>>>,
}

struct Document<'a> {
    wanted: &'a BTreeSet<String>,
}

impl<'de> Visitor<'de> for Document<'_> {
    type Value = Kept;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a document about a package")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Kept, A::Error> {
        let mut kept = Kept::default();
        while let Some(key) = map.next_key::<String>()? {
            match key.as_str() {
                "name" if kept.name.is_none() => kept.name = Some(map.next_value()?),
                "dist-tags" if kept.tags.is_empty() => kept.tags = map.next_value()?,
                "time" if kept.times.is_none() => {
                    kept.times = Some(map.next_value_seed(Times(self.wanted))?);
                }
                "versions" if kept.versions.is_none() => {
                    kept.versions = Some(map.next_value_seed(Versions(self.wanted))?);
                }
                // Two readings of one document must not be possible.
                "name" | "dist-tags" | "time" | "versions" => {
                    return Err(de::Error::custom(format!("`{key}` is there twice")));
                }
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(kept)
    }
}

/// Times of the wanted versions. Values that are not text (`unpublished`) are passed over.
struct Times<'a>(&'a BTreeSet<String>);

impl<'de> DeserializeSeed<'de> for Times<'_> {
    type Value = BTreeMap<String, String>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Times<'_> {
    type Value = BTreeMap<String, String>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of times")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut times = BTreeMap::new();
        while let Some(version) = map.next_key::<String>()? {
            if !self.0.contains(&version) {
                map.next_value::<IgnoredAny>()?;
            } else if times.insert(version, map.next_value()?).is_some() {
                return Err(de::Error::custom("a time is there twice"));
            }
        }
        Ok(times)
    }
}

struct Versions<'a>(&'a BTreeSet<String>);

impl<'de> DeserializeSeed<'de> for Versions<'_> {
    type Value = BTreeMap<String, Box<RawValue>>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Versions<'_> {
    type Value = BTreeMap<String, Box<RawValue>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of versions")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut versions = BTreeMap::new();
        while let Some(version) = map.next_key::<String>()? {
            if !self.0.contains(&version) {
                map.next_value::<IgnoredAny>()?;
            } else if versions.insert(version, map.next_value()?).is_some() {
                return Err(de::Error::custom("a version is there twice"));
            }
        }
        Ok(versions)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn wanted(versions: &[&str]) -> BTreeSet<String> {
        versions
            .iter()
            .map(|version| (*version).to_owned())
            .collect()
    }

    fn document() -> serde_json::Value {
        json!({
            "_id": "zod", "name": "zod", "dist-tags": { "latest": "2.0.0" }, "readme": "long",
            "versions": {
                "1.0.0": { "name": "zod", "version": "1.0.0", "dist": { "tarball": "t1", "shasum": "aa" } },
                "2.0.0": { "name": "zod", "version": "2.0.0", "_npmUser": { "name": "ann", "email": "a@b" }, "deprecated": "old", "scripts": { "postinstall": "x" },
                    "dist": { "tarball": "t2", "integrity": "sha512-x",
                              "signatures": [{ "keyid": "SHA256:k", "sig": "s" }] } },
                "3.0.0": { "broken": true },
            },
            "time": { "created": "2020-01-01T00:00:00.000Z", "unpublished": { "name": "x" },
                      "1.0.0": "2020-01-01T00:00:00.000Z", "2.0.0": "2026-03-03T12:26:38.885000+00:00" },
        })
    }

    #[test]
    fn only_the_wanted_versions_are_kept() {
        let bytes = document().to_string();
        let read = parse(bytes.as_bytes(), "zod", &wanted(&["2.0.0", "9.9.9"])).unwrap();
        assert_eq!(read.tags["latest"], "2.0.0");
        assert_eq!(read.versions.len(), 1);
        let version = &read.versions["2.0.0"];
        assert_eq!(
            (version.tarball.as_str(), version.integrity.as_deref()),
            ("t2", Some("sha512-x"))
        );
        assert!(version.install_script);
        assert_eq!(version.deprecated.as_deref(), Some("old"));
        assert_eq!(version.publisher.as_deref(), Some("ann"));
        assert_eq!(version.signatures[0].keyid, "SHA256:k");
        assert!(version.manifest.get().contains("postinstall"));
        let time = humantime::parse_rfc3339("2026-03-03T12:26:38.885Z").unwrap();
        assert_eq!(version.published, Some(time));

        let first = parse(bytes.as_bytes(), "zod", &wanted(&["1.0.0"])).unwrap();
        let first = &first.versions["1.0.0"];
        assert!(!first.install_script && first.integrity.is_none() && first.signatures.is_empty());
    }

    #[test]
    fn a_registry_may_not_tell_times() {
        let mut document = document();
        document.as_object_mut().unwrap().remove("time");
        let read = parse(document.to_string().as_bytes(), "zod", &wanted(&["2.0.0"])).unwrap();
        assert!(!read.has_times);
        assert_eq!(read.versions["2.0.0"].published, None);
        let odd = br#"{"name":"zod","time":{"1.0.0":"yesterday"},
                       "versions":{"1.0.0":{"dist":{"tarball":"t"}}}}"#;
        let read = parse(odd, "zod", &wanted(&["1.0.0"])).unwrap();
        assert_eq!(read.versions["1.0.0"].published, None);
    }

    #[test]
    fn what_can_be_read_in_two_ways_is_refused() {
        let refused = |text: &str| {
            let result = parse(text.as_bytes(), "zod", &wanted(&["1.0.0"]));
            assert!(
                matches!(result, Err(ResolveError::Packument { .. })),
                "{text}"
            );
        };
        let version = r#"{"dist":{"tarball":"t"}}"#;
        assert!(
            parse(
                format!(r#"{{"name":"zod","versions":{{"1.0.0":{version}}}}}"#).as_bytes(),
                "zod",
                &wanted(&["1.0.0"])
            )
            .is_ok()
        );
        refused(&format!(
            r#"{{"name":"zod","versions":{{"1.0.0":{version},"1.0.0":{version}}}}}"#
        ));
        refused(r#"{"name":"zod","versions":{},"versions":{}}"#);
        refused(r#"{"name":"zod","time":{"1.0.0":"a","1.0.0":"b"}}"#);
        refused(r#"{"name":"zod"} x"#);
        refused(r#"{"name":"other"}"#);
        refused(r#"{}"#);
        refused(r#"{"name":"zod","versions":{"1.0.0":{}}}"#);
        refused("[]");
        refused("");
    }
}
