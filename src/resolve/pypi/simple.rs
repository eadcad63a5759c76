//! The index's page about one package: the Simple API as JSON (PEP 691, PEP 700, PEP 740, PEP 792),
//! or as HTML (PEP 503, PEP 592, PEP 740), which is all that some mirrors have.

use std::time::SystemTime;

use serde::Deserialize;

use super::html;
use super::{Index, PypiError};
use crate::config::normalized_pypi_name;
use crate::fetch::{Client, Url};

/// Packages with thousands of wheels have pages of some megabytes.
const MAX_BYTES: u64 = 64 << 20;
const MAX_FILES: usize = 200_000;
const MAX_TEXT: usize = 4096;

const ACCEPT: &str = "application/vnd.pypi.simple.v1+json, \
                      application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.01";

/// What the index says of a package.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Project {
    pub files: Vec<ProjectFile>,
    /// `active`, `archived`, `quarantined` or `deprecated` (PEP 792).
    pub status: Option<String>,
}

/// One file that is offered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ProjectFile {
    pub name: String,
    /// Without a fragment.
    pub url: Url,
    /// 64 hexadecimal digits in lower case.
    pub sha256: Option<String>,
    pub requires_python: Option<String>,
    /// Withdrawn by its authors (PEP 592), and why; the reason may be empty.
    pub yanked: Option<String>,
    pub published: Option<SystemTime>,
    /// Where its attestations are said to be (PEP 740); judged when the file is chosen.
    pub provenance: Option<String>,
}

/// Asks the index.
pub(super) async fn fetch(
    client: &Client,
    index: &Index,
    name: &str,
) -> Result<Project, PypiError> {
    let url = index.project(name)?;
    let authorization = index.authorization.as_ref();
    let answer = client.get(&url, authorization, ACCEPT, MAX_BYTES).await;
    let bytes = answer.map_err(|source| {
        let name = name.to_owned();
        match source.status() {
            Some(404 | 410) => PypiError::NoSuchPackage {
                name,
                index: index.host(),
            },
            Some(status @ (401 | 403)) => PypiError::Denied {
                name,
                index: index.host(),
                status,
            },
            _ => PypiError::Index { name, source },
        }
    })?;
    parse(&bytes, name, &url)
}

/// Reads a page that came from `url`.
pub(super) fn parse(bytes: &[u8], name: &str, url: &Url) -> Result<Project, PypiError> {
    let refuse = |reason: String| PypiError::Page {
        name: name.to_owned(),
        reason,
    };
    // Which of the two it is, is plain from the bytes; mirrors are not careful with content types.
    let first = bytes.iter().find(|byte| !byte.is_ascii_whitespace());
    let project = if first == Some(&b'{') {
        parse_json(bytes, name, url)
    } else {
        let text = std::str::from_utf8(bytes).map_err(|_| refuse("it is not UTF-8".to_owned()))?;
        parse_html(text, url)
    };
    let project = project.map_err(refuse)?;
    if project.files.len() > MAX_FILES {
        return Err(refuse(format!("it has more than {MAX_FILES} files")));
    }
    Ok(project)
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct JsonPage {
    meta: JsonMeta,
    name: String,
    files: Vec<JsonFile>,
    #[serde(default)]
    project_status: Option<JsonStatus>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct JsonMeta {
    api_version: String,
}

#[derive(Deserialize)]
struct JsonStatus {
    #[serde(default)]
    status: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct JsonFile {
    filename: String,
    url: String,
    #[serde(default)]
    hashes: JsonHashes,
    #[serde(default)]
    requires_python: Option<String>,
    #[serde(default)]
    yanked: Option<JsonYanked>,
    #[serde(default)]
    upload_time: Option<String>,
    #[serde(default)]
    provenance: Option<String>,
}

#[derive(Default, Deserialize)]
struct JsonHashes {
    #[serde(default)]
    sha256: Option<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum JsonYanked {
    Plain(bool),
    Reason(String),
}

fn parse_json(bytes: &[u8], name: &str, url: &Url) -> Result<Project, String> {
    let page: JsonPage = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
    if page.meta.api_version.split('.').next() != Some("1") {
        return Err(format!(
            "it has version {} of the Simple API; 1 is understood",
            page.meta.api_version.chars().take(20).collect::<String>()
        ));
    }
    if normalized_pypi_name(&page.name) != normalized_pypi_name(name) {
        return Err("it is about another package".to_owned());
    }
    let files = page.files.into_iter().filter_map(|file| {
        project_file(Raw {
            name: &file.filename,
            url: &file.url,
            base: url,
            sha256: file.hashes.sha256.as_deref(),
            requires_python: file.requires_python.as_deref(),
            yanked: match &file.yanked {
                Some(JsonYanked::Plain(true)) => Some(""),
                Some(JsonYanked::Reason(reason)) => Some(reason),
                Some(JsonYanked::Plain(false)) | None => None,
            },
            upload_time: file.upload_time.as_deref(),
            provenance: file.provenance.as_deref(),
        })
    });
    Ok(Project {
        files: files.collect(),
        status: page.project_status.and_then(|status| status.status),
    })
}

fn parse_html(text: &str, url: &Url) -> Result<Project, String> {
    let page = html::read(text)?;
    let base = match &page.base {
        Some(base) => url
            .join(base)
            .map_err(|_| "its base is no address".to_owned())?,
        None => url.clone(),
    };
    let files = page.anchors.iter().filter_map(|anchor| {
        let (address, fragment) = match anchor.attribute("href")?.split_once('#') {
            Some((address, fragment)) => (address, fragment),
            None => (anchor.attribute("href")?, ""),
        };
        project_file(Raw {
            name: anchor.text.trim(),
            url: address,
            base: &base,
            sha256: fragment.strip_prefix("sha256="),
            requires_python: anchor.attribute("data-requires-python"),
            yanked: anchor.attribute("data-yanked"),
            // Not in the PEP; some mirrors carry the JSON form's field over like this.
            upload_time: anchor.attribute("data-upload-time"),
            provenance: anchor.attribute("data-provenance"),
        })
    });
    Ok(Project {
        files: files.collect(),
        status: page.meta("pypi:project-status").map(str::to_owned),
    })
}

struct Raw<'a> {
    name: &'a str,
    url: &'a str,
    base: &'a Url,
    sha256: Option<&'a str>,
    requires_python: Option<&'a str>,
    yanked: Option<&'a str>,
    upload_time: Option<&'a str>,
    provenance: Option<&'a str>,
}

/// `None` for what can't be a file that is wanted; nothing is ever chosen because of it.
fn project_file(raw: Raw<'_>) -> Option<ProjectFile> {
    if raw.name.len() > MAX_TEXT || raw.url.len() > MAX_TEXT {
        return None;
    }
    let mut url = raw.base.join(raw.url).ok()?;
    url.set_fragment(None);
    let is_sha256 = |text: &&str| text.len() == 64 && text.bytes().all(|b| b.is_ascii_hexdigit());
    Some(ProjectFile {
        name: raw.name.to_owned(),
        url,
        sha256: raw.sha256.filter(is_sha256).map(str::to_ascii_lowercase),
        requires_python: raw.requires_python.map(str::to_owned),
        yanked: raw.yanked.map(|reason| {
            reason
                .chars()
                .filter(|c| !c.is_control())
                .take(200)
                .collect()
        }),
        published: raw
            .upload_time
            .and_then(|time| humantime::parse_rfc3339(time).ok()),
        provenance: raw.provenance.map(|address| {
            let whole = raw.base.join(address);
            whole.map_or_else(|_| address.to_owned(), |url| url.to_string())
        }),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const HASH: &str = "2c6a25e3877b13a135efe0546989722b37469b1287e8310c27709048d3e79722";

    fn url() -> Url {
        Url::parse("https://index.example/simple/a-b/").unwrap()
    }

    fn one_file() -> ProjectFile {
        ProjectFile {
            name: "a_b-1-py3-none-any.whl".to_owned(),
            url: Url::parse("https://index.example/files/a_b-1-py3-none-any.whl").unwrap(),
            sha256: Some(HASH.to_owned()),
            requires_python: Some(">=3.10".to_owned()),
            yanked: Some("broken".to_owned()),
            published: humantime::parse_rfc3339("2026-01-02T03:04:05.678900Z").ok(),
            provenance: Some("https://index.example/integrity/a-b/provenance".to_owned()),
        }
    }

    #[test]
    fn json_and_html_say_the_same() {
        let json = format!(
            r#"{{"meta":{{"api-version":"1.1","_last-serial":1}},"name":"A.b","versions":["1"],
            "project-status":{{"status":"archived"}},
            "files":[{{"filename":"a_b-1-py3-none-any.whl","url":"/files/a_b-1-py3-none-any.whl",
            "hashes":{{"sha256":"{HASH}","blake2b":"x"}},"requires-python":">=3.10","size":1,
            "yanked":"broken","upload-time":"2026-01-02T03:04:05.678900Z","core-metadata":true,
            "provenance":"https://index.example/integrity/a-b/provenance"}}]}}"#
        );
        let html = format!(
            r#"<!DOCTYPE html><html><head><meta name="pypi:project-status" content="archived"></head>
            <body><!-- <a href="no">no.whl</a> -->
            <A HREF="../../files/a_b-1-py3-none-any.whl#sha256={HASH}" data-requires-python="&gt;=3.10"
            data-yanked='broken' data-provenance="https://index.example/integrity/a-b/provenance" data-upload-time="2026-01-02T03:04:05.678900Z">a_b-1-py3-none-any.whl</A><br/>
            </body></html>"#
        );
        let expected = Project {
            files: vec![one_file()],
            status: Some("archived".to_owned()),
        };
        assert_eq!(parse(json.as_bytes(), "a-b", &url()).unwrap(), expected);
        assert_eq!(parse(html.as_bytes(), "a-b", &url()).unwrap(), expected);
    }

    #[test]
    fn what_is_not_said_is_not_made_up() {
        let json = r#"{"meta":{"api-version":"1.0"},"name":"a-b","files":[
            {"filename":"x","url":"x","hashes":{"sha256":"short"},"yanked":false,"upload-time":null,"provenance":null}]}"#;
        let html = "<a href=x>x</a>";
        for text in [json, html] {
            let project = parse(text.as_bytes(), "a-b", &url()).unwrap();
            let [file] = project.files.as_slice() else {
                panic!("{project:?}");
            };
            assert_eq!(file.sha256, None);
            assert_eq!(file.yanked, None);
            assert_eq!(file.published, None);
            assert_eq!(file.provenance, None);
        }
    }

    #[test]
    fn other_answers_are_refused() {
        for text in [
            r#"{"meta":{"api-version":"2.0"},"name":"a-b","files":[]}"#,
            r#"{"meta":{"api-version":"1.0"},"name":"other","files":[]}"#,
            r#"{"meta":{"api-version":"1.0"},"name":"a-b"}"#,
            "{",
        ] {
            let result = parse(text.as_bytes(), "a-b", &url());
            assert!(matches!(result, Err(PypiError::Page { .. })), "{text}");
        }
        assert!(parse(b"<a href=\"\xff\">", "a-b", &url()).is_err());
    }
}
