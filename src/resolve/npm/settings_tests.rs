//! npm's settings from files and variables of the test's own.

use std::ffi::OsString;

use super::*;

struct Machine {
    folder: tempfile::TempDir,
    variables: BTreeMap<String, String>,
}

impl Machine {
    fn new(user: &str, global: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(".npmrc"), user).unwrap();
        let global_path = folder.path().join("global");
        std::fs::write(&global_path, global).unwrap();
        let mut machine = Self {
            folder,
            variables: BTreeMap::new(),
        };
        machine.set("NPM_CONFIG_GLOBALCONFIG", global_path.to_str().unwrap());
        machine
    }

    fn set(&mut self, name: &str, value: &str) {
        self.variables.insert(name.to_owned(), value.to_owned());
    }

    fn load(&self) -> Result<NpmSettings, ResolveError> {
        let environment = |name: &str| self.variables.get(name).map(OsString::from);
        NpmSettings::load(&environment, Some(self.folder.path()))
    }
}

fn url(text: &str) -> Url {
    Url::parse(text).unwrap()
}

fn exposed(settings: &NpmSettings, address: &str) -> Option<String> {
    let found = settings.authorization_for(&url(address)).unwrap();
    found.map(|authorization| authorization.expose().to_owned())
}

#[test]
fn without_settings_the_public_registry_is_used() {
    let settings = Machine::new("", "").load().unwrap();
    assert_eq!(settings.registry_for("zod").url.as_str(), PUBLIC_REGISTRY);
    assert_eq!(settings.registry_for("zod").authorization, None);
    assert_eq!(
        settings.endpoints(),
        [("registry.npmjs.org".to_owned(), 443)]
    );
    assert!(settings.warnings.is_empty());
    assert!(settings.certificates_for_sandbox().unwrap().is_none());
}

#[test]
fn the_environment_wins_over_the_user_and_the_user_over_the_machine() {
    let mut machine = Machine::new("proxy=http://user:1", "proxy=http://g:1\nnoproxy=localhost");
    machine.set("npm_config_registry", "https://env.example/npm");
    let settings = machine.load().unwrap();
    assert_eq!(
        settings.registry_for("zod").url.as_str(),
        "https://env.example/npm/"
    );
    assert_eq!(settings.proxy.http.as_deref(), Some("http://user:1"));
    assert_eq!(settings.proxy.https.as_deref(), Some("http://user:1"));
    assert_eq!(settings.proxy.no_proxy.as_deref(), Some("localhost"));
    machine.set("NPM_CONFIG_HTTPS_PROXY", "http://secure:2");
    assert_eq!(
        machine.load().unwrap().proxy.https.as_deref(),
        Some("http://secure:2")
    );
}

#[test]
fn scopes_have_their_own_registry_and_credential() {
    let mut machine = Machine::new(
        "@corp:registry=https://npm.corp.example/api/npm\n\
         //npm.corp.example/api/npm/:_authToken=${CORP_TOKEN}\n\
         //registry.npmjs.org/:_auth=bWU6cHc=\n",
        "",
    );
    machine.set("CORP_TOKEN", "t0ken");
    let settings = machine.load().unwrap();
    let corp = settings.registry_for("@corp/x");
    assert_eq!(corp.url.as_str(), "https://npm.corp.example/api/npm/");
    assert_eq!(
        corp.authorization.as_ref().unwrap().expose(),
        "Bearer t0ken"
    );
    let public = settings.registry_for("@other/x");
    assert_eq!(
        public.authorization.as_ref().unwrap().expose(),
        "Basic bWU6cHc="
    );
    let shown = format!("{settings:?}");
    assert!(
        !shown.contains("t0ken") && !shown.contains("bWU6cHc="),
        "{shown}"
    );
}

#[test]
fn credentials_belong_to_the_longest_address() {
    let settings = Machine::new(
        "registry=https://npm.example/a/\n//npm.example/a/:_authToken=deep\n\
         //npm.example/:_authToken=wide\n//Other.example:8443/Path/:username=me\n\
         //other.example:8443/Path/:_password=czNjcmV0\n",
        "",
    )
    .load()
    .unwrap();
    let exposed = |address| exposed(&settings, address);
    assert_eq!(
        exposed("https://npm.example/a/zod").as_deref(),
        Some("Bearer deep")
    );
    assert_eq!(
        exposed("https://npm.example/ab").as_deref(),
        Some("Bearer wide")
    );
    // base64 of me:s3cret
    assert_eq!(
        exposed("https://other.example:8443/Path/x").as_deref(),
        Some("Basic bWU6czNjcmV0")
    );
    assert_eq!(exposed("https://other.example:8443/path/x"), None);
    assert_eq!(exposed("https://other.example/Path/x"), None);
    assert_eq!(exposed("https://npm.example.evil.example/a/zod"), None);
    assert_eq!(exposed("http://npm.example/a/zod"), None);
}

#[test]
fn tarballs_beside_the_registry_get_its_credential() {
    let settings = Machine::new(
        "registry=https://npm.example/repo/\n//npm.example/repo/:_authToken=t\n",
        "",
    )
    .load()
    .unwrap();
    assert_eq!(
        exposed(&settings, "https://npm.example/files/x").as_deref(),
        Some("Bearer t")
    );
    assert_eq!(exposed(&settings, "https://cdn.example/files/x"), None);
}

#[test]
fn what_is_not_followed_is_said() {
    let settings = Machine::new("strict-ssl=false\n_authToken=x\n//h/:certfile=c\n", "").load();
    let warnings = settings.unwrap().warnings.join("\n");
    assert!(warnings.contains("strict-ssl=false"), "{warnings}");
    assert!(
        warnings.contains("`_authToken`") && warnings.contains("certificates"),
        "{warnings}"
    );
}

#[test]
fn values_that_cannot_be_used_are_errors() {
    for user in [
        "registry=ftp://x/",
        "registry=nonsense",
        "@a:registry=file:///x",
        "registry=https://",
    ] {
        let result = Machine::new(user, "").load();
        assert!(
            matches!(result, Err(ResolveError::InvalidSetting { .. })),
            "{user}"
        );
    }
    let user = "//registry.npmjs.org/:username=me\n//registry.npmjs.org/:_password=%%%";
    let error = Machine::new(user, "").load().unwrap_err();
    assert!(matches!(error, ResolveError::InvalidSetting { .. }));
    assert!(!error.to_string().contains("%%%"));
    let machine = Machine::new("", "");
    std::fs::write(machine.folder.path().join(".npmrc"), b"\xff\xfe").unwrap();
    assert!(matches!(machine.load(), Err(ResolveError::Settings { .. })));
}

#[test]
fn certificates_are_collected() {
    let mut machine = Machine::new("cafile=~/ca.pem\nca[]=\"INLINE\"\n", "");
    let (own, extra) = (
        machine.folder.path().join("ca.pem"),
        machine.folder.path().join("extra"),
    );
    std::fs::write(&own, "OWN").unwrap();
    std::fs::write(&extra, "EXTRA").unwrap();
    machine.set("NODE_EXTRA_CA_CERTS", extra.to_str().unwrap());
    machine.set("SSL_CERT_FILE", "/nonexistent/bundle.pem");
    let settings = machine.load().unwrap();
    let fetch = settings.fetch_settings();
    assert_eq!(fetch.extra_certificates, [own, extra]);
    assert_eq!(fetch.inline_certificates, ["INLINE"]);
    assert!(settings.warnings[0].contains("SSL_CERT_FILE"));
    let bundle = settings.certificates_for_sandbox().unwrap().unwrap();
    assert_eq!(bundle, b"OWN\nEXTRA\nINLINE\n");
}

#[test]
fn plain_http_is_the_users_choice_alone() {
    let settings = Machine::new("registry=http://npm.corp:4873\n", "")
        .load()
        .unwrap();
    assert_eq!(
        settings.fetch_settings().plain_http_origins,
        ["http://npm.corp:4873"]
    );
    assert!(
        Machine::new("", "")
            .load()
            .unwrap()
            .fetch_settings()
            .plain_http_origins
            .is_empty()
    );
}

#[test]
fn the_sandbox_gets_the_same_registries_and_nothing_else() {
    let mut machine = Machine::new(
        "registry=https://me:pw@npm.example/a\n@corp:registry=https://corp.example/\n\
         //corp.example/:_authToken=a;b${X}\n//unused.example/:_authToken=other\n\
         https-proxy=http://proxy.example:3128\ninit-author-name=Me\n",
        "",
    );
    machine.set("X", "${TOKEN}");
    machine.set("TOKEN", "leak");
    let settings = machine.load().unwrap();
    let written = settings.npmrc_for_sandbox(Some("/certificates.pem"));
    let entries = npmrc::parse(&written, &|_| Some("replaced".to_owned()));
    let one = |key: &str| entries.get(key).map(|values| values.join("|"));
    assert_eq!(one("registry").as_deref(), Some("https://npm.example/a/"));
    assert_eq!(one("//npm.example/a/:_auth").as_deref(), Some("bWU6cHc="));
    assert_eq!(
        one("@corp:registry").as_deref(),
        Some("https://corp.example/")
    );
    assert_eq!(one("//corp.example/:_authToken").as_deref(), Some("a"));
    assert_eq!(
        one("https-proxy").as_deref(),
        Some("http://proxy.example:3128")
    );
    assert_eq!(one("cafile").as_deref(), Some("/certificates.pem"));
    assert_eq!(entries.len(), 7, "{written}");
    assert!(!settings.npmrc_for_sandbox(None).contains("cafile"));
}

#[test]
fn addresses_below_a_registry_are_relative_to_it() {
    let registry = Registry::parse("registry", "https://npm.example/a").unwrap();
    let relative = |address: &str| registry.relative(&url(address));
    let below = "@s/x/-/x-1.0.0.tgz";
    assert_eq!(
        relative(&format!("https://npm.example/a/{below}")).as_deref(),
        Some(below)
    );
    assert_eq!(
        relative(&format!("http://npm.example/a/{below}")).as_deref(),
        Some(below)
    );
    assert_eq!(
        registry.absolute(below).unwrap().as_str(),
        format!("https://npm.example/a/{below}")
    );
    assert_eq!(
        registry.absolute("https://cdn/x").unwrap().as_str(),
        "https://cdn/x"
    );
    for other in [
        "https://npm.example/b/x.tgz",
        "https://npm.example/a/",
        "https://npm.example/a/../b/x.tgz",
        "https://npm.example:8443/a/x.tgz",
        "https://cdn.example/a/x.tgz",
        "https://npm.example/a/x.tgz?token=1",
        "https://u@npm.example/a/x.tgz",
    ] {
        assert_eq!(relative(other), None, "{other}");
    }
}
