//! Who built an artifact: which workflow of which repository, and who says so. Stable text for
//! the lock.

use std::fmt;

/// Between the workflow and whoever vouches for it, in the lock's text.
const VIA: &str = " via ";
/// Begins an account's address (RFC 6068).
const MAILTO: &str = "mailto:";
/// Longest part that is accepted.
const MAX_PART: usize = 1024;

/// A verified build, or account: `mailto:ADDRESS via ISSUER`, or `REPOSITORY@WORKFLOW via ISSUER`, for example
/// `https://github.com/org/repo@.github/workflows/release.yml via https://token.actions.githubusercontent.com`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Identity {
    /// Address of the source repository; `mailto:ADDRESS` for an account that has none.
    pub repository: String,
    /// The file in it that says what is run; empty for an account.
    pub workflow: String,
    /// The OpenID Connect issuer that told the certificate authority which build it was.
    pub issuer: String,
}

impl Identity {
    /// Refuses parts that could be read in two ways in the lock's text.
    pub(super) fn new(repository: &str, workflow: &str, issuer: &str) -> Result<Self, String> {
        let plain = |part: &str| {
            !part.is_empty() && part.len() <= MAX_PART && part.bytes().all(|b| b.is_ascii_graphic())
        };
        for part in [repository, workflow, issuer] {
            if !plain(part) {
                return Err("a part of its identity is malformed".to_owned());
            }
        }
        if !repository.starts_with("https://") || repository.contains('@') {
            return Err("its repository is no plain address".to_owned());
        }
        Ok(Self {
            repository: repository.to_owned(),
            workflow: workflow.to_owned(),
            issuer: issuer.to_owned(),
        })
    }

    /// A person's or service's account, by its e-mail address.
    pub(super) fn account(address: &str, issuer: &str) -> Result<Self, String> {
        // The same rules for its parts; the address has its `@` by nature.
        let account = Self::new("https://account", address, issuer)?;
        Ok(Self {
            repository: format!("{MAILTO}{address}"),
            workflow: String::new(),
            ..account
        })
    }

    /// Whether it is a build of a repository.
    pub(super) fn is_build(&self) -> bool {
        !self.repository.starts_with(MAILTO)
    }

    /// Reads the lock's text; `None` when it is not of this form.
    pub fn parse(text: &str) -> Option<Self> {
        let (build, issuer) = text.rsplit_once(VIA)?;
        if let Some(address) = build.strip_prefix(MAILTO) {
            return Self::account(address, issuer).ok();
        }
        let (repository, workflow) = build.split_once('@')?;
        Self::new(repository, workflow, issuer).ok()
    }

    /// Whether two builds are of the same project: another workflow of it is no other publisher.
    pub fn same_project(&self, other: &Self) -> bool {
        self.repository == other.repository && self.issuer == other.issuer
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.repository)?;
        if self.is_build() {
            write!(f, "@{}", self.workflow)?;
        }
        write!(f, "{VIA}{}", self.issuer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "https://github.com/org/repo@.github/workflows/release.yml via https://token.actions.githubusercontent.com";

    #[test]
    fn the_text_is_read_back() {
        let identity = Identity::parse(TEXT).unwrap();
        assert_eq!(identity.repository, "https://github.com/org/repo");
        assert_eq!(identity.workflow, ".github/workflows/release.yml");
        assert_eq!(identity.to_string(), TEXT);
        let odd = Identity::new("https://a.test/r", "w@x.yml", "https://b.test").unwrap();
        assert_eq!(Identity::parse(&odd.to_string()), Some(odd));
        let account = Identity::account("a@b.test", "https://c.test").unwrap();
        assert_eq!(account.to_string(), "mailto:a@b.test via https://c.test");
        assert_eq!(Identity::parse(&account.to_string()), Some(account));
    }

    #[test]
    fn what_reads_in_two_ways_is_refused() {
        for (repository, workflow, issuer) in [
            ("https://a.test/r@x", "w.yml", "https://b.test"),
            ("http://a.test/r", "w.yml", "https://b.test"),
            ("https://a.test/r", "w via x", "https://b.test"),
            ("https://a.test/r", "w.yml", "https://b.test via c"),
            ("https://a.test/r", "w.yml\u{202e}", "https://b.test"),
            ("", "w.yml", "https://b.test"),
            ("https://a.test/r", "", "https://b.test"),
        ] {
            assert!(
                Identity::new(repository, workflow, issuer).is_err(),
                "{repository} {workflow} {issuer}"
            );
        }
        for text in ["", "absent", "https://a.test/r", "https://a.test/r@w.yml"] {
            assert_eq!(Identity::parse(text), None, "{text}");
        }
    }

    #[test]
    fn another_workflow_is_the_same_project_and_another_repository_is_not() {
        let one = Identity::parse(TEXT).unwrap();
        let changed = |from: &str, to: &str| Identity::parse(&TEXT.replace(from, to)).unwrap();
        assert!(one.same_project(&changed("release.yml", "publish.yml")));
        assert!(!one.same_project(&changed("org/repo", "org/repo2")));
        assert!(!one.same_project(&changed("token.actions", "token.other")));
    }
}
