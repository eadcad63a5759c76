//! What the audit says: findings, each at its place.

use crate::config::clients::Position;
use crate::config::shell_word;

use super::table::{Row, Rule};

/// How bad a finding is; the worst first. The words are those of SARIF.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
pub(in crate::cli) enum Severity {
    /// Somebody can take a secret, or run code, as it is
    Error,
    /// Somebody could, with one thing more going wrong
    Warning,
    /// Worth knowing
    Note,
}

impl Severity {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Note => "note",
        }
    }
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Finding {
    pub rule: Rule,
    /// None: it is about the file as a whole.
    pub at: Option<Position>,
    pub server: Option<String>,
    /// What tells it from another finding of the same rule and server, wherever it stands: the
    /// name of a variable, a flag. Never a secret.
    pub subject: String,
    /// What is wrong here. No secret is whole in it.
    pub message: String,
    /// In place of the file itself: the path that the fix is about, such as a folder's.
    pub about: Option<String>,
    /// In place of the rule's fix, where that does not help here.
    pub fix: Option<&'static str>,
}

impl Finding {
    pub(super) fn row(&self) -> &'static Row {
        self.rule.row()
    }

    /// The fix, with the path of the config, or of what the finding is about, filled in.
    pub(super) fn fix(&self, config: &str) -> String {
        let fix = self.fix.unwrap_or_else(|| self.row().fix);
        fix.replace("{file}", &shell_word(config)).replace(
            "{about}",
            &shell_word(self.about.as_deref().unwrap_or(config)),
        )
    }
}
