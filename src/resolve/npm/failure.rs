//! What npm's error output means, in one sentence that helps.
//!
//! npm 9 writes `npm ERR! code E404`, npm 10 and later `npm error code E404`. Only the code and
//! a few fixed phrases are read; the rest is kept, bounded, for the curious.

use std::time::Duration;

use crate::resolve::ResolveError;

/// How much of npm's output is kept in an error.
const MAX_OUTPUT: usize = 16 * 1024;
const MAX_SUMMARY: usize = 300;

/// Whether npm found a package that is needed and not for the machine that it runs on.
pub(super) fn is_about_platform(stderr: &[u8]) -> bool {
    readable(stderr)
        .lines()
        .filter_map(message)
        .any(|line| line.trim() == "code EBADPLATFORM")
}

/// Turns npm's stderr into an error. `registry` is the host that the asked package is from.
pub(super) fn explain(
    stderr: &[u8],
    package: &str,
    specifier: &str,
    registry: &str,
    release_age: Option<Duration>,
) -> ResolveError {
    let output = readable(stderr);
    let messages: Vec<&str> = output.lines().filter_map(message).collect();
    let code = messages
        .iter()
        .find_map(|line| line.strip_prefix("code "))
        .unwrap_or("no code");
    let code = code.trim().to_owned();
    let registry = registry.to_owned();
    if asks_for_git(&messages) || matches!(code.as_str(), "EALLOWGIT" | "EALLOWREMOTE") {
        let command = messages
            .iter()
            .find_map(|line| line.strip_prefix("command "));
        let detail = command.map(|command| command.chars().take(MAX_SUMMARY).collect());
        // `path git` says only that there is none in the box.
        let detail = detail.or_else(|| first_of(&messages).filter(|line| line != "path git"));
        return ResolveError::NotFromRegistry {
            detail: detail.unwrap_or_else(|| format!("one that {specifier} needs")),
        };
    }
    // The sandbox lets npm reach the registries' ports only, so this is an address elsewhere.
    if code == "EACCES"
        && let Some(detail) = messages.iter().find(|line| line.contains("connect EACCES"))
    {
        return ResolveError::NotFromRegistry {
            detail: detail.chars().take(MAX_SUMMARY).collect(),
        };
    }
    match code.as_str() {
        "E404" => ResolveError::NoSuchPackage {
            package: missing_package(&messages).unwrap_or_else(|| package.to_owned()),
            registry,
        },
        "ETARGET" | "ENOVERSIONS" => ResolveError::NoMatchingVersion {
            specifier: missing_version(&messages).unwrap_or_else(|| specifier.to_owned()),
            release_age,
        },
        "E401" | "E403" | "ENEEDAUTH" => ResolveError::Denied {
            package: package.to_owned(),
            registry,
            code,
        },
        code_of_network if is_network(code_of_network) => ResolveError::Unreachable {
            registry,
            code,
            output,
        },
        _ => {
            let mut summary = first_of(&messages).unwrap_or_else(|| "it gave no reason".to_owned());
            if summary.contains("invalid json response body") {
                summary.push_str(
                    "; a proxy, or the login page of a network, may answer in the registry's place",
                );
            }
            ResolveError::NpmFailed {
                code,
                summary,
                output,
            }
        }
    }
}

/// The end of the output without control characters: the error is last, warnings come first.
fn readable(stderr: &[u8]) -> String {
    let tail = &stderr[stderr.len().saturating_sub(MAX_OUTPUT)..];
    String::from_utf8_lossy(tail)
        .chars()
        .map(|letter| {
            if letter.is_control() && letter != '\n' {
                ' '
            } else {
                letter
            }
        })
        .collect()
}

fn message(line: &str) -> Option<&str> {
    let rest = line
        .strip_prefix("npm error")
        .or_else(|| line.strip_prefix("npm ERR!"))?;
    Some(rest.trim())
}

/// The sandbox has no git, so a package from a repository fails at starting it; where there is
/// one, it fails at reaching the repository.
fn asks_for_git(messages: &[&str]) -> bool {
    let git = |line: &&str| line.contains("spawn git") || line.contains("git error");
    messages.iter().any(git)
}

/// The first line that says something besides the code.
fn first_of(messages: &[&str]) -> Option<String> {
    let says_something = |line: &&&str| {
        !line.is_empty()
            && !["code ", "errno ", "syscall "]
                .iter()
                .any(|key| line.starts_with(key))
    };
    messages
        .iter()
        .find(says_something)
        .map(|line| line.chars().take(MAX_SUMMARY).collect())
}

/// `notarget No matching version found for NAME@RANGE with a date before …`
fn missing_version(messages: &[&str]) -> Option<String> {
    const PHRASE: &str = "No matching version found for ";
    let line = messages.iter().find_map(|line| line.split_once(PHRASE))?.1;
    let specifier = line.split(" with a date before").next().unwrap_or(line);
    Some(
        specifier
            .trim_end_matches('.')
            .chars()
            .take(MAX_SUMMARY)
            .collect(),
    )
}

/// `404 Not Found - GET https://host/@scope%2fname`
fn missing_package(messages: &[&str]) -> Option<String> {
    let address = messages
        .iter()
        .find_map(|line| line.split_once("- GET "))?
        .1;
    let address = address.split_whitespace().next()?;
    let last = address
        .rsplit('/')
        .next()?
        .replace("%2f", "/")
        .replace("%2F", "/");
    super::name::is_package_name(&last).then_some(last)
}

fn is_network(code: &str) -> bool {
    const CODES: [&str; 15] = [
        "ENOTFOUND",
        "EAI_AGAIN",
        "ECONNREFUSED",
        "ECONNRESET",
        "ETIMEDOUT",
        "ENETUNREACH",
        "EHOSTUNREACH",
        "ERR_SOCKET_TIMEOUT",
        "EIDLETIMEOUT",
        "ENETWORK",
        "EPROTO",
        "SELF_SIGNED_CERT_IN_CHAIN",
        "DEPTH_ZERO_SELF_SIGNED_CERT",
        "CERT_HAS_EXPIRED",
        "EINVALIDPROXY",
    ];
    CODES.contains(&code)
        || code.starts_with("UNABLE_TO_")
        || code.starts_with("ERR_TLS_")
        || code.starts_with("E5")
}

#[cfg(test)]
mod tests {
    use super::*;

    const AGE: Duration = Duration::from_secs(72 * 3600);

    fn explain(stderr: &str) -> ResolveError {
        super::explain(
            stderr.as_bytes(),
            "top",
            "top@latest",
            "registry.example",
            Some(AGE),
        )
    }

    #[test]
    fn a_missing_package_is_named() {
        for prefix in ["npm error", "npm ERR!"] {
            let error = explain(&format!(
                "npm warn something\n{prefix} code E404\n\
                 {prefix} 404 Not Found - GET https://registry.example/@scope%2fnope\n{prefix} 404\n"
            ));
            let ResolveError::NoSuchPackage { package, .. } = &error else {
                panic!("{error}");
            };
            assert_eq!(package, "@scope/nope");
        }
    }

    #[test]
    fn a_missing_version_is_named_and_the_age_rule_with_it() {
        let error = explain(
            "npm error code ETARGET\n\
             npm error notarget No matching version found for dep@^9 with a date before 8/25/2026, 12:00:00 AM.\n",
        );
        let text = error.to_string();
        assert!(text.contains("dep@^9") && text.contains("72h"), "{text}");
        assert!(text.contains("settings.release_age"), "{text}");
        let error = explain(
            "npm ERR! code ETARGET\nnpm ERR! notarget No matching version found for a@2.\n",
        );
        assert!(error.to_string().contains("a@2 can"), "{error}");
    }

    #[test]
    fn a_connection_that_the_sandbox_refused_is_an_address_elsewhere() {
        let reason = "request to http://127.0.0.1:1/x.tgz failed, reason: connect EACCES";
        let error = explain(&format!("npm error code EACCES\nnpm error {reason}\n"));
        let ResolveError::NotFromRegistry { detail } = &error else {
            panic!("{error}");
        };
        assert_eq!(detail, reason);
        // Control: a file that could not be opened is something else.
        let error = explain("npm error code EACCES\nnpm error open EACCES\n");
        assert!(matches!(error, ResolveError::NpmFailed { .. }), "{error}");
    }

    #[test]
    fn other_failures_are_told_apart() {
        let code = |code: &str| explain(&format!("npm error code {code}\nnpm error said why\n"));
        assert!(matches!(
            code("ECONNREFUSED"),
            ResolveError::Unreachable { .. }
        ));
        assert!(matches!(
            code("UNABLE_TO_GET_ISSUER_CERT_LOCALLY"),
            ResolveError::Unreachable { .. }
        ));
        assert!(matches!(code("E503"), ResolveError::Unreachable { .. }));
        assert!(matches!(
            code("EIDLETIMEOUT"),
            ResolveError::Unreachable { .. }
        ));
        assert!(matches!(code("E401"), ResolveError::Denied { .. }));
        assert!(matches!(code("ERESOLVE"), ResolveError::NpmFailed { .. }));
        assert!(code("ERESOLVE").to_string().contains("said why"));
        let git = "npm error code ENOENT\nnpm error syscall spawn git\nnpm error path git\n";
        let error = explain(git);
        assert!(matches!(error, ResolveError::NotFromRegistry { .. }));
        assert!(
            error.to_string().ends_with("one that top@latest needs"),
            "{error}"
        );
        let page = "npm error code FETCH_ERROR\nnpm error invalid json response body at x\n";
        assert!(explain(page).to_string().contains("login page"));
        let git = "npm error code 128\nnpm error An unknown git error occurred\n\
                   npm error command git ls-remote ssh://git@host/u/r.git\n";
        let error = explain(git);
        assert!(matches!(error, ResolveError::NotFromRegistry { .. }));
        assert!(
            error
                .to_string()
                .contains("ls-remote ssh://git@host/u/r.git"),
            "{error}"
        );
        assert!(matches!(explain(""), ResolveError::NpmFailed { .. }));
    }

    #[test]
    fn the_output_is_bounded_and_harmless() {
        let long = format!(
            "{}\nnpm error code EWEIRD\nnpm error \x1b[31mred\n",
            "x".repeat(100_000)
        );
        let ResolveError::NpmFailed {
            output, summary, ..
        } = explain(&long)
        else {
            panic!("another error");
        };
        assert!(output.len() <= 2 * MAX_OUTPUT && !output.contains('\x1b'));
        assert_eq!(summary, "[31mred");
    }
}
