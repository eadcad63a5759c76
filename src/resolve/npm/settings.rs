//! npm's settings as the user has them: registries, credentials, certificates, proxies.
//!
//! Read from the user's and the global npmrc and the environment, as npm does. The npmrc of
//! the current folder is not: it belongs to whatever project a client was started in.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::credentials::{Credentials, nerf_dart};
use super::npmrc::{self, Entries};
use super::registry::Registry;
use crate::fetch::{
    Authorization, FetchError, FetchSettings, ProxySettings, Url, origin_of, proxy_url,
    read_bounded,
};
use crate::resolve::ResolveError;
use crate::resolve::settings::{Environment, read_if_there, system_bundle};

pub const PUBLIC_REGISTRY: &str = "https://registry.npmjs.org/";

const MAX_NPMRC_BYTES: u64 = 1024 * 1024;
/// npm's own is 5 minutes for each of its attempts.
const FETCH_TIMEOUT: Duration = Duration::from_secs(120);
/// Where distributions keep npm's global settings.
const GLOBAL_FILES: [&str; 3] = ["/etc/npmrc", "/usr/etc/npmrc", "/usr/local/etc/npmrc"];
/// What npm would use.
#[derive(Clone, Debug)]
pub struct NpmSettings {
    registry: Registry,
    /// By scope, with the `@`.
    scoped: BTreeMap<String, Registry>,
    credentials: Credentials,
    certificate_files: Vec<PathBuf>,
    inline_certificates: Vec<String>,
    /// Whether the user gave npm roots that replace the built-in ones (`cafile`, `ca`).
    replaces_roots: bool,
    proxy: ProxySettings,
    /// `fetch-timeout`
    fetch_timeout: Option<Duration>,
    /// Settings that were seen and are not followed, for the user to read.
    pub warnings: Vec<String>,
}

impl NpmSettings {
    /// Reads the files and variables that npm would read outside of a project.
    ///
    /// Variables are looked for as `npm_config_x` and `NPM_CONFIG_X`. Files that are not there
    /// are fine, files that can't be read are an error.
    pub fn load(environment: Environment<'_>, home: Option<&Path>) -> Result<Self, ResolveError> {
        let from_environment = |key: &str| npm_variable(environment, key);
        let global = match from_environment("globalconfig") {
            Some(path) => Some(PathBuf::from(path)),
            None => from_environment("prefix")
                .map(|prefix| Path::new(&prefix).join("etc/npmrc"))
                .into_iter()
                .chain(GLOBAL_FILES.map(PathBuf::from))
                .find(|path| path.exists()),
        };
        let user = match from_environment("userconfig") {
            Some(path) => Some(PathBuf::from(path)),
            None => home.map(|home| home.join(".npmrc")),
        };
        let variable = |name: &str| environment(name).and_then(|value| value.into_string().ok());
        let mut entries = Entries::new();
        for path in [global, user].into_iter().flatten() {
            entries.extend(npmrc::parse(&read_npmrc(&path)?, &variable));
        }
        const VARIABLES: [&str; 8] = [
            "registry",
            "cafile",
            "ca",
            "proxy",
            "https-proxy",
            "noproxy",
            "strict-ssl",
            "fetch-timeout",
        ];
        for key in VARIABLES {
            if let Some(value) = from_environment(key) {
                // Several values of one variable are parted by empty lines.
                let values = value
                    .split("\n\n")
                    .map(|value| npmrc::expand(value, &variable));
                entries.insert(key.to_owned(), values.collect());
            }
        }
        Self::from_entries(&entries, environment, home)
    }

    fn from_entries(
        entries: &Entries,
        environment: Environment<'_>,
        home: Option<&Path>,
    ) -> Result<Self, ResolveError> {
        let one = |key: &str| {
            let value = entries.get(key).and_then(|values| values.last());
            value.map(String::as_str).filter(|value| !value.is_empty())
        };
        let mut warnings = Vec::new();
        let mut credentials = Credentials::default();
        let mut scoped = BTreeMap::new();
        let mut registry = Registry::parse("registry", one("registry").unwrap_or(PUBLIC_REGISTRY))?;
        for key in entries.keys() {
            let Some(value) = one(key) else { continue };
            if let Some(scope) = key
                .strip_suffix(":registry")
                .filter(|key| key.starts_with('@'))
            {
                scoped.insert(scope.to_owned(), Registry::parse(key, value)?);
            } else if key.starts_with("//") {
                credentials.add(key, value, &mut warnings);
            } else if matches!(key.as_str(), "_auth" | "_authToken" | "_password") {
                warnings.push(format!(
                    "npm setting `{key}` names no registry and is not used"
                ));
            }
        }
        for known in std::iter::once(&mut registry).chain(scoped.values_mut()) {
            let key = format!("npm_config_{}:_authToken", nerf_dart(&known.url));
            if let Some(token) = environment(&key).and_then(|value| value.into_string().ok()) {
                credentials.set_token(&known.url, token);
            }
            if let Some(found) = credentials.for_url(&known.url)? {
                known.authorization = Some(found);
            }
        }
        if one("strict-ssl") == Some("false") {
            warnings.push(
                "npm setting `strict-ssl=false` is not followed: servers are always checked. \
                 Set `cafile` to your own certificates instead"
                    .to_owned(),
            );
        }
        let mut certificate_files = Vec::new();
        if let Some(path) = one("cafile") {
            certificate_files.push(expand_home(path, home));
        }
        let inline_certificates = entries.get("ca").cloned().unwrap_or_default();
        let inline_certificates: Vec<String> = inline_certificates
            .into_iter()
            .filter(|pem| !pem.is_empty())
            .map(|pem| pem.replace("\\n", "\n"))
            .collect();
        let replaces_roots = !certificate_files.is_empty() || !inline_certificates.is_empty();
        for name in ["SSL_CERT_FILE", "NODE_EXTRA_CA_CERTS"] {
            let Some(path) = environment(name).filter(|path| !path.is_empty()) else {
                continue;
            };
            let path = PathBuf::from(path);
            if !path.is_file() {
                // OpenSSL and Node pass over a missing file too; without it, checks fail closed.
                warnings.push(format!(
                    "{name} names {}, which is not there",
                    path.display()
                ));
            } else if !certificate_files.contains(&path) {
                certificate_files.push(path);
            }
        }
        Ok(Self {
            registry,
            scoped,
            credentials,
            certificate_files,
            inline_certificates,
            replaces_roots,
            proxy: proxies(one, environment),
            fetch_timeout: one("fetch-timeout")
                .map(|value| milliseconds("fetch-timeout", value))
                .transpose()?,
            warnings,
        })
    }

    /// The registry that `package` comes from: its scope's, or the general one.
    pub fn registry_for(&self, package: &str) -> &Registry {
        package
            .split_once('/')
            .and_then(|(scope, _)| self.scoped.get(scope))
            .unwrap_or(&self.registry)
    }

    /// The credential that npm would send to `url`: the one with the longest matching
    /// address, or that of a registry with the same origin.
    pub fn authorization_for(&self, url: &Url) -> Result<Option<Authorization>, ResolveError> {
        // A token is kept for a host, not for a scheme; it must not leave in the clear unless
        // the user's own registry does.
        let same_origin = |known: &&Registry| origin_of(&known.url) == origin_of(url);
        let registry = self.registries().find(same_origin);
        if url.scheme() != "https" && registry.is_none() {
            return Ok(None);
        }
        let found = self.credentials.for_url(url)?;
        Ok(found.or_else(|| registry.and_then(|registry| registry.authorization.clone())))
    }

    /// For the HTTP client.
    pub fn fetch_settings(&self) -> FetchSettings {
        let plain = self
            .registries()
            .filter(|registry| registry.url.scheme() == "http");
        let defaults = FetchSettings::default();
        FetchSettings {
            extra_certificates: self.certificate_files.clone(),
            inline_certificates: self.inline_certificates.clone(),
            proxy: self.proxy.clone(),
            plain_http_origins: plain.map(|registry| origin_of(&registry.url)).collect(),
            idle_timeout: self.fetch_timeout.unwrap_or(defaults.idle_timeout),
            ..defaults
        }
    }

    /// How long npm waits for a whole answer.
    pub fn fetch_timeout(&self) -> Duration {
        self.fetch_timeout.unwrap_or(FETCH_TIMEOUT)
    }

    /// Host and port of everything that npm must be able to reach in the sandbox.
    pub fn endpoints(&self) -> Vec<(String, u16)> {
        let endpoint = |url: &Url| Some((url.host_str()?.to_owned(), url.port_or_known_default()?));
        let proxies = [&self.proxy.http, &self.proxy.https].into_iter().flatten();
        let proxies = proxies.filter_map(|proxy| proxy_url(proxy).ok());
        let mut found: Vec<_> = self
            .registries()
            .filter_map(|known| endpoint(&known.url))
            .collect();
        found.extend(proxies.filter_map(|proxy| endpoint(&proxy)));
        found.sort();
        found.dedup();
        found
    }

    /// The least npmrc with which an npm in an empty home reaches the same registries.
    /// Holds credentials. `certificates_path` is where the sandbox has
    /// [`NpmSettings::certificates_for_sandbox`].
    pub fn npmrc_for_sandbox(&self, certificates_path: Option<&str>) -> String {
        let mut text = npmrc::line("registry", self.registry.url.as_str());
        for (scope, registry) in &self.scoped {
            text += &npmrc::line(&format!("{scope}:registry"), registry.url.as_str());
        }
        for registry in self.registries() {
            // As a header's value it is either `Bearer TOKEN` or `Basic BASE64`.
            let Some(authorization) = &registry.authorization else {
                continue;
            };
            let key = nerf_dart(&registry.url);
            match authorization.expose().split_once(' ') {
                Some(("Bearer", token)) => {
                    text += &npmrc::line(&format!("{key}:_authToken"), token);
                }
                Some((_, pair)) => text += &npmrc::line(&format!("{key}:_auth"), pair),
                None => {}
            }
        }
        let optional = [
            ("proxy", self.proxy.http.as_deref()),
            ("https-proxy", self.proxy.https.as_deref()),
            ("noproxy", self.proxy.no_proxy.as_deref()),
            ("cafile", certificates_path),
        ];
        for (key, value) in optional {
            if let Some(value) = value {
                text += &npmrc::line(key, value);
            }
        }
        text
    }

    /// The roots for an npm in the sandbox as one PEM bundle; `None` when Node's own suffice.
    ///
    /// npm's `cafile` replaces Node's roots. So when the user only *added* some
    /// (`NODE_EXTRA_CA_CERTS`, `SSL_CERT_FILE`), the machine's store is put beside them.
    pub fn certificates_for_sandbox(&self) -> Result<Option<Vec<u8>>, ResolveError> {
        if self.certificate_files.is_empty() && self.inline_certificates.is_empty() {
            return Ok(None);
        }
        let system = system_bundle().filter(|_| !self.replaces_roots);
        let mut bundle = Vec::new();
        for path in self.certificate_files.iter().chain(&system) {
            let read = read_bounded(path, 8 * MAX_NPMRC_BYTES);
            bundle.extend(read.map_err(|source| {
                let source = FetchError::ReadCertificates {
                    path: path.clone(),
                    source,
                };
                ResolveError::Registry {
                    package: "the certificates".to_owned(),
                    source,
                }
            })?);
            bundle.push(b'\n');
        }
        for pem in &self.inline_certificates {
            bundle.extend_from_slice(pem.as_bytes());
            bundle.push(b'\n');
        }
        Ok(Some(bundle))
    }

    fn registries(&self) -> impl Iterator<Item = &Registry> {
        std::iter::once(&self.registry).chain(self.scoped.values())
    }
}

/// `npm_config_x` before `NPM_CONFIG_X`; an empty variable is an unset one.
fn npm_variable(environment: Environment<'_>, key: &str) -> Option<String> {
    let key = key.replace('-', "_");
    let names = [
        format!("npm_config_{key}"),
        format!("NPM_CONFIG_{}", key.to_ascii_uppercase()),
    ];
    names
        .iter()
        .filter_map(|name| environment(name)?.into_string().ok())
        .find(|value| !value.is_empty())
}

/// npm uses `https-proxy` over `proxy` over the common variables.
fn proxies<'a>(
    one: impl Fn(&str) -> Option<&'a str>,
    environment: Environment<'_>,
) -> ProxySettings {
    let variable = |lower: &str| {
        [lower.to_owned(), lower.to_ascii_uppercase()]
            .iter()
            .filter_map(|name| environment(name)?.into_string().ok())
            .find(|value| !value.is_empty())
    };
    let written = |key: &str| one(key).map(str::to_owned).filter(|value| value != "false");
    let https = written("https-proxy").or_else(|| written("proxy"));
    let http = written("proxy").or_else(|| written("https-proxy"));
    ProxySettings {
        http: http.or_else(|| variable("http_proxy")),
        https: https.or_else(|| variable("https_proxy")),
        no_proxy: written("noproxy").or_else(|| variable("no_proxy")),
    }
}

fn milliseconds(key: &str, value: &str) -> Result<Duration, ResolveError> {
    match value.parse() {
        Ok(number) if number > 0 => Ok(Duration::from_millis(number)),
        _ => Err(ResolveError::InvalidSetting {
            key: key.to_owned(),
            reason: "expected a number of milliseconds".to_owned(),
        }),
    }
}

fn expand_home(path: &str, home: Option<&Path>) -> PathBuf {
    match (path.strip_prefix("~/"), home) {
        (Some(rest), Some(home)) => home.join(rest),
        _ => PathBuf::from(path),
    }
}

fn read_npmrc(path: &Path) -> Result<String, ResolveError> {
    let text = read_if_there(path, MAX_NPMRC_BYTES).map_err(|source| ResolveError::Settings {
        path: path.to_owned(),
        source,
    })?;
    Ok(text.unwrap_or_default())
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "files of tests are not kept")]
#[path = "settings_tests.rs"]
mod tests;
