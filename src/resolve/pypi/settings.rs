//! Where Python packages come from, as the user has told pip or uv: index, credentials,
//! certificates, proxies.
//!
//! Read from variables, uv.toml and pip.conf of the user and the machine. Those of a project or a
//! virtual environment are not: they belong to whatever folder a client was started in.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::{Index, PypiError, pip_conf};
use crate::fetch::{FetchSettings, ProxySettings, Url, origin_of, proxy_url, read_bounded};
use crate::resolve::settings::{Environment, read_if_there, system_bundle};

pub(super) const PUBLIC_INDEX: &str = "https://pypi.org/simple/";

const MAX_FILE_BYTES: u64 = 1 << 20;
const MAX_CERTIFICATE_BYTES: u64 = 8 << 20;
/// What pip and uv would use.
#[derive(Clone, Debug)]
pub struct PypiSettings {
    pub index: Index,
    certificate_files: Vec<PathBuf>,
    proxy: ProxySettings,
    /// Settings that were seen and are not followed, for the user to read.
    pub warnings: Vec<String>,
}

/// A value, and the setting that it is from.
type Found = (String, String);

#[derive(Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct UvToml {
    #[serde(default)]
    index_url: Option<String>,
    #[serde(default)]
    extra_index_url: Option<toml::Value>,
    #[serde(default)]
    index: Vec<UvIndex>,
    #[serde(default)]
    pip: UvPip,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct UvPip {
    #[serde(default)]
    index_url: Option<String>,
    #[serde(default)]
    extra_index_url: Option<toml::Value>,
}

#[derive(Deserialize)]
struct UvIndex {
    url: String,
    #[serde(default)]
    default: bool,
}

impl PypiSettings {
    /// Reads the variables and files. Files that are not there are fine, files that can't be read
    /// are an error. uv's settings go before pip's.
    pub fn load(environment: Environment<'_>, home: Option<&Path>) -> Result<Self, PypiError> {
        let variable = |name: &str| {
            let value = environment(name)?.into_string().ok()?;
            (!value.is_empty()).then_some(value)
        };
        let from_variable = |name: &str| variable(name).map(|value| (name.to_owned(), value));
        let configuration = variable("XDG_CONFIG_HOME")
            .map(PathBuf::from)
            .or_else(|| home.map(|home| home.join(".config")));
        let uv = read_uv(&variable, configuration.as_deref())?;
        let pip = read_pip(&variable, configuration.as_deref(), home)?;
        let from_pip = |key: &str| {
            let value = pip.get(key).filter(|value| !value.is_empty())?;
            Some((format!("{key} of pip.conf"), value.clone()))
        };
        let (key, address) = from_variable("UV_DEFAULT_INDEX")
            .or_else(|| from_variable("UV_INDEX_URL"))
            .or_else(|| uv_index(&uv))
            .or_else(|| from_variable("PIP_INDEX_URL"))
            .or_else(|| from_pip("index-url"))
            .unwrap_or_else(|| ("the public index".to_owned(), PUBLIC_INDEX.to_owned()));
        let index = Index::parse(&key, &address)?;

        let mut warnings = Vec::new();
        let further = ["UV_INDEX", "UV_EXTRA_INDEX_URL", "PIP_EXTRA_INDEX_URL"]
            .into_iter()
            .filter_map(from_variable)
            .chain(from_pip("extra-index-url"))
            .map(|(key, _)| key)
            .chain(further_uv_indexes(&uv));
        for key in further {
            warnings.push(format!(
                "`{key}` is not followed: with several indexes, whoever registers the name of your \
                 package in another one is installed instead (dependency confusion). \
                 Packages are taken from {} alone; name one index that offers all of them",
                index.host()
            ));
        }
        for (key, _) in from_variable("PIP_TRUSTED_HOST")
            .or_else(|| from_pip("trusted-host"))
            .into_iter()
            .chain(from_variable("UV_INSECURE_HOST"))
        {
            warnings.push(format!(
                "`{key}` is not followed: servers are always checked. \
                 Set SSL_CERT_FILE to your own certificates instead"
            ));
        }
        for key in [
            "PIP_FIND_LINKS",
            "UV_FIND_LINKS",
            "PIP_NO_INDEX",
            "UV_OFFLINE",
        ] {
            if variable(key).is_some() {
                tracing::debug!("{key} has no meaning here: packages are pinned by an index");
            }
        }
        let certificate_files = certificates(&variable, from_pip("cert"), home, &mut warnings);
        Ok(Self {
            index,
            certificate_files,
            proxy: proxies(&variable, from_pip("proxy")),
            warnings,
        })
    }

    /// For the HTTP client.
    pub fn fetch_settings(&self) -> FetchSettings {
        let is_plain = self.index.url.scheme() == "http";
        FetchSettings {
            extra_certificates: self.certificate_files.clone(),
            proxy: self.proxy.clone(),
            plain_http_origins: is_plain
                .then(|| origin_of(&self.index.url))
                .into_iter()
                .collect(),
            ..FetchSettings::default()
        }
    }

    /// Host and port of what the resolver must reach: the index, proxies, and the hosts of `files`,
    /// which the index has named. An address instead of a name must be the index's own: nobody
    /// else can send the resolver to a machine of this network.
    pub fn endpoints<'a>(&'a self, files: impl IntoIterator<Item = &'a Url>) -> Vec<(String, u16)> {
        let endpoint = |url: &Url| Some((url.host_str()?.to_owned(), url.port_or_known_default()?));
        let is_name = |url: &&Url| {
            url.domain().is_some_and(|name| name != "localhost")
                || origin_of(url) == origin_of(&self.index.url)
        };
        let proxies = [&self.proxy.http, &self.proxy.https].into_iter().flatten();
        let proxies = proxies.filter_map(|proxy| proxy_url(proxy).ok());
        let mut found: Vec<_> = std::iter::once(&self.index.url)
            .chain(files.into_iter().filter(is_name))
            .filter_map(endpoint)
            .chain(proxies.filter_map(|proxy| endpoint(&proxy)))
            .collect();
        found.sort();
        found.dedup();
        found
    }

    /// The variables with which an uv in an empty home reaches the same index. Holds credentials.
    pub fn environment_for_sandbox(&self) -> BTreeMap<String, String> {
        let optional = [
            ("HTTP_PROXY", &self.proxy.http),
            ("HTTPS_PROXY", &self.proxy.https),
            ("NO_PROXY", &self.proxy.no_proxy),
        ];
        let proxies = optional
            .into_iter()
            .filter_map(|(name, value)| Some((name.to_owned(), value.clone()?)));
        let index = self.index.with_secrets().to_owned();
        std::iter::once(("UV_DEFAULT_INDEX".to_owned(), index))
            .chain(proxies)
            .collect()
    }

    /// The roots for an uv in the sandbox as one PEM bundle; `None` when uv's own suffice.
    ///
    /// uv takes SSL_CERT_FILE instead of its own roots, so the machine's are put beside the user's.
    pub fn certificates_for_sandbox(&self) -> Result<Option<Vec<u8>>, PypiError> {
        let system = system_bundle();
        let mut bundle = Vec::new();
        for path in self.certificate_files.iter().chain(&system) {
            let read = read_bounded(path, MAX_CERTIFICATE_BYTES);
            bundle.extend(read.map_err(|source| PypiError::Settings {
                path: path.clone(),
                source,
            })?);
            bundle.push(b'\n');
        }
        Ok((!bundle.is_empty()).then_some(bundle))
    }
}

fn uv_index(uv: &UvToml) -> Option<Found> {
    let listed = uv.index.iter().find(|index| index.default);
    listed
        .map(|index| &index.url)
        .or(uv.index_url.as_ref())
        .or(uv.pip.index_url.as_ref())
        .map(|url| ("index of uv.toml".to_owned(), url.clone()))
}

fn further_uv_indexes(uv: &UvToml) -> Option<String> {
    let listed = uv.index.iter().any(|index| !index.default);
    let extra = uv.extra_index_url.is_some() || uv.pip.extra_index_url.is_some();
    (listed || extra).then(|| "further indexes of uv.toml".to_owned())
}

fn read_uv(
    variable: &dyn Fn(&str) -> Option<String>,
    configuration: Option<&Path>,
) -> Result<UvToml, PypiError> {
    let paths = match variable("UV_CONFIG_FILE") {
        Some(path) => vec![PathBuf::from(path)],
        None => configuration
            .map(|folder| folder.join("uv/uv.toml"))
            .into_iter()
            .chain([PathBuf::from("/etc/uv/uv.toml")])
            .collect(),
    };
    // The user's file hides the machine's.
    for path in paths {
        let Some(text) = read_text(&path)? else {
            continue;
        };
        return toml::from_str(&text).map_err(|error| PypiError::Settings {
            path,
            // The message alone: an excerpt could show a password.
            source: std::io::Error::other(error.message().to_owned()),
        });
    }
    Ok(UvToml::default())
}

/// pip's files in its order; later ones win.
fn read_pip(
    variable: &dyn Fn(&str) -> Option<String>,
    configuration: Option<&Path>,
    home: Option<&Path>,
) -> Result<BTreeMap<String, String>, PypiError> {
    let named = variable("PIP_CONFIG_FILE").map(PathBuf::from);
    if named.as_deref() == Some(Path::new("/dev/null")) {
        return Ok(BTreeMap::new());
    }
    let global = variable("XDG_CONFIG_DIRS").unwrap_or_else(|| "/etc/xdg".to_owned());
    let global = std::env::split_paths(&global).map(|folder| folder.join("pip/pip.conf"));
    let paths = global
        .chain([PathBuf::from("/etc/pip.conf")])
        .chain(home.map(|home| home.join(".pip/pip.conf")))
        .chain(configuration.map(|folder| folder.join("pip/pip.conf")))
        .chain(named);
    let mut settings = BTreeMap::new();
    for path in paths {
        if let Some(text) = read_text(&path)? {
            settings.extend(pip_conf::parse(&text));
        }
    }
    Ok(settings)
}

fn certificates(
    variable: &dyn Fn(&str) -> Option<String>,
    pip: Option<Found>,
    home: Option<&Path>,
    warnings: &mut Vec<String>,
) -> Vec<PathBuf> {
    let variables = [
        "SSL_CERT_FILE",
        "PIP_CERT",
        "REQUESTS_CA_BUNDLE",
        "CURL_CA_BUNDLE",
    ]
    .into_iter()
    .filter_map(|name| Some((name.to_owned(), variable(name)?)));
    let mut files = Vec::new();
    for (key, path) in variables.chain(pip) {
        let path = match (path.strip_prefix("~/"), home) {
            (Some(rest), Some(home)) => home.join(rest),
            _ => PathBuf::from(path),
        };
        if !path.is_file() {
            // Without it, checks fail closed.
            warnings.push(format!(
                "`{key}` names {}, which is no file",
                path.display()
            ));
        } else if !files.contains(&path) {
            files.push(path);
        }
    }
    files
}

fn proxies(variable: &dyn Fn(&str) -> Option<String>, pip: Option<Found>) -> ProxySettings {
    let either = |lower: &str| variable(lower).or_else(|| variable(&lower.to_ascii_uppercase()));
    let own = variable("PIP_PROXY").or_else(|| pip.map(|(_, value)| value));
    let all = own.or_else(|| either("all_proxy"));
    ProxySettings {
        http: either("http_proxy").or_else(|| all.clone()),
        https: either("https_proxy").or(all),
        no_proxy: either("no_proxy"),
    }
}

fn read_text(path: &Path) -> Result<Option<String>, PypiError> {
    read_if_there(path, MAX_FILE_BYTES).map_err(|source| PypiError::Settings {
        path: path.to_owned(),
        source,
    })
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "files of tests are not kept")]
#[path = "settings_tests.rs"]
mod tests;
