//! What the place that an artifact came from says of it today: one form for all kinds of sources.

use crate::lockfile::Artifact;

/// One artifact of a lock, today.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::cli) enum Published {
    /// The same bytes are offered.
    Same,
    /// The same, and its authors advise against it; why.
    Deprecated(String),
    /// Its authors or the registry withdrew it, and it is still there; why, where they say so.
    Yanked(String),
    /// Other bytes under the same name and version; how they are published.
    Changed(String),
    /// No longer offered.
    Gone,
}

impl Published {
    /// A word for programs; it never changes its meaning. `None` when all is well.
    pub(in crate::cli) fn code(&self) -> Option<&'static str> {
        match self {
            Self::Same => None,
            Self::Deprecated(_) => Some("deprecated"),
            Self::Yanked(_) => Some("yanked"),
            Self::Changed(_) => Some("registry-changed"),
            Self::Gone => Some("unpublished"),
        }
    }

    /// Whether it is advice only: what was locked is still what is offered.
    pub(in crate::cli) fn is_advice(&self) -> bool {
        matches!(self, Self::Same | Self::Deprecated(_))
    }

    /// For a person. Words of the registry are in it.
    pub(in crate::cli) fn message(&self, artifact: &Artifact) -> String {
        let Artifact { name, version, .. } = artifact;
        let what = match self {
            Self::Same => "it is as locked".to_owned(),
            Self::Deprecated(reason) => format!("its authors advise against it: {reason}"),
            Self::Yanked(reason) => format!("it was withdrawn: {reason}"),
            Self::Changed(integrity) => format!(
                "the registry now publishes {integrity}, other bytes than were locked, which it must never do; what is in the store is still what was locked"
            ),
            Self::Gone => "the registry no longer offers it; what is in the store still runs, `pinfold update` looks for what there is instead".to_owned(),
        };
        format!("{name}@{version}: {what}")
    }
}
