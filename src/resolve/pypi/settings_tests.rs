//! Settings of pip and uv, from variables and files.

use std::ffi::OsString;

use super::*;

/// Settings with these variables and these files below the home. The machine's own files are out
/// of the way where it matters: whatever is tested here goes before them.
fn load(variables: &[(&str, &str)], files: &[(&str, &str)]) -> Result<PypiSettings, PypiError> {
    let home = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = home.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    let find = |name: &str| {
        let found = variables.iter().find(|(key, _)| *key == name);
        found.map(|(_, value)| {
            OsString::from(value.replace("{home}", home.path().to_str().unwrap()))
        })
    };
    PypiSettings::load(&find, Some(home.path()))
}

fn index(variables: &[(&str, &str)], files: &[(&str, &str)]) -> String {
    load(variables, files).unwrap().index.url.to_string()
}

const PIP: &str = ".config/pip/pip.conf";
const UV: &str = ".config/uv/uv.toml";

#[test]
fn the_index_is_the_one_that_uv_or_pip_would_ask() {
    let pip = (PIP, "[global]\nindex-url = https://pip.example/simple\n");
    let old = (
        ".pip/pip.conf",
        "[global]\nindex-url = https://old.example/simple\n",
    );
    let uv = (
        UV,
        "[[index]]\nurl = 'https://uv.example/simple'\ndefault = true\n",
    );
    let uv_old = (UV, "index-url = 'https://uv.example/simple'\n");
    assert_eq!(index(&[], &[old]), "https://old.example/simple/");
    assert_eq!(index(&[], &[old, pip]), "https://pip.example/simple/");
    assert_eq!(index(&[], &[pip, uv]), "https://uv.example/simple/");
    assert_eq!(index(&[], &[pip, uv_old]), "https://uv.example/simple/");
    let variable = ("PIP_INDEX_URL", "https://variable.example/simple");
    assert_eq!(
        index(&[variable], &[pip]),
        "https://variable.example/simple/"
    );
    let uv_variable = ("UV_INDEX_URL", "https://uv-variable.example/simple");
    assert_eq!(
        index(&[variable, uv_variable], &[pip, uv]),
        "https://uv-variable.example/simple/"
    );
    let default = ("UV_DEFAULT_INDEX", "corp=https://default.example/simple");
    assert_eq!(
        index(&[uv_variable, default], &[]),
        "https://default.example/simple/"
    );
    let named = ("PIP_CONFIG_FILE", "{home}/named.conf");
    let file = (
        "named.conf",
        "[install]\nindex-url: https://named.example/\n",
    );
    assert_eq!(index(&[named], &[pip, file]), "https://named.example/");
    assert_eq!(
        index(&[("PIP_CONFIG_FILE", "/dev/null")], &[pip]),
        PUBLIC_INDEX
    );
    let moved = ("XDG_CONFIG_HOME", "{home}/elsewhere");
    let there = (
        "elsewhere/pip/pip.conf",
        "[global]\nindex-url=https://moved.example/\n",
    );
    assert_eq!(index(&[moved], &[pip, there]), "https://moved.example/");
}

#[test]
fn a_second_index_is_not_followed_and_the_user_is_told_why() {
    let none = load(&[("PIP_CONFIG_FILE", "/dev/null")], &[]).unwrap();
    assert!(none.warnings.is_empty(), "{:?}", none.warnings);
    for (variables, files) in [
        (
            &[("PIP_EXTRA_INDEX_URL", "https://secret@b/simple")][..],
            &[][..],
        ),
        (&[("UV_INDEX", "https://secret@b/simple")], &[]),
        (
            &[],
            &[(PIP, "[global]\nextra-index-url = https://secret@b/simple")],
        ),
        (&[], &[(UV, "[[index]]\nurl = 'https://secret@b/simple'\n")]),
        (
            &[],
            &[(UV, "[pip]\nextra-index-url = ['https://secret@b/simple']\n")],
        ),
    ] {
        let settings = load(variables, files).unwrap();
        let warning = settings.warnings.join("\n");
        assert!(
            warning.contains("dependency confusion"),
            "{variables:?} {files:?} {warning}"
        );
        assert!(!warning.contains("secret"), "{warning}");
    }
    let trusting = load(&[("PIP_TRUSTED_HOST", "x")], &[]).unwrap();
    assert!(trusting.warnings[0].contains("always checked"));
}

#[test]
fn credentials_are_kept_out_of_what_is_shown() {
    let with_password = "https://ada:secret@host.example/simple";
    let settings = load(&[("PIP_INDEX_URL", with_password)], &[]).unwrap();
    assert_eq!(settings.index.url.as_str(), "https://host.example/simple/");
    assert!(settings.index.authorization.is_some());
    assert_eq!(
        settings.environment_for_sandbox()["UV_DEFAULT_INDEX"],
        format!("{with_password}/")
    );
    for bad in ["ada:secret@host", "https://ada:secret@"] {
        let error = load(&[("PIP_INDEX_URL", bad)], &[])
            .unwrap_err()
            .to_string();
        assert!(!error.contains("secret"), "{error}");
    }
    let broken = "index-url = 'https://ada:secret@host'\nindex-url = 1";
    let error = load(&[], &[(UV, broken)]).unwrap_err();
    let source = std::error::Error::source(&error).unwrap().to_string();
    assert!(
        !source.contains("secret") && !error.to_string().contains("secret"),
        "{source}"
    );
}

#[test]
fn certificates_and_proxies_are_found() {
    let settings = load(
        &[
            ("SSL_CERT_FILE", "{home}/a.pem"),
            ("REQUESTS_CA_BUNDLE", "{home}/a.pem"),
            ("PIP_CERT", "{home}/gone.pem"),
            ("https_proxy", "http://proxy.example:3128"),
            ("NO_PROXY", "x"),
        ],
        &[
            ("a.pem", "AAA"),
            ("b.pem", "BBB"),
            (
                PIP,
                "[global]\ncert = ~/b.pem\nproxy = other.example:1\nindex-url = http://h.example/s",
            ),
        ],
    );
    let settings = settings.unwrap();
    let fetch = settings.fetch_settings();
    let names: Vec<_> = fetch
        .extra_certificates
        .iter()
        .filter_map(|p| p.file_name())
        .collect();
    assert_eq!(names, ["a.pem", "b.pem"]);
    assert!(
        settings.warnings[0].contains("`PIP_CERT`"),
        "{:?}",
        settings.warnings
    );
    assert_eq!(
        fetch.proxy.https.as_deref(),
        Some("http://proxy.example:3128")
    );
    assert_eq!(fetch.proxy.http.as_deref(), Some("other.example:1"));
    assert_eq!(fetch.plain_http_origins, ["http://h.example:80"]);
    let files = [
        "https://files.example/x",
        "http://127.0.0.1:9/x",
        "http://localhost:9/x",
        "https://[::1]/x",
    ]
    .map(|url| Url::parse(url).unwrap());
    let endpoints = settings.endpoints(&files);
    let hosts: Vec<&str> = endpoints.iter().map(|(host, _)| host.as_str()).collect();
    assert_eq!(
        hosts,
        [
            "files.example",
            "h.example",
            "other.example",
            "proxy.example"
        ]
    );
}
