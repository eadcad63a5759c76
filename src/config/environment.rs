//! A snapshot of the environment variables. Logic gets this as an argument and never
//! reads the process's own environment, so tests can say what it is.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};

/// Names and values of environment variables at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Environment(BTreeMap<OsString, OsString>);

impl Environment {
    /// The variables this process was started with.
    pub fn current() -> Self {
        Self(std::env::vars_os().collect())
    }

    /// A made-up environment.
    pub fn from_pairs<N, V>(pairs: impl IntoIterator<Item = (N, V)>) -> Self
    where
        N: Into<OsString>,
        V: Into<OsString>,
    {
        Self(
            pairs
                .into_iter()
                .map(|(name, value)| (name.into(), value.into()))
                .collect(),
        )
    }

    /// The value of `name`; an empty value is a value.
    pub fn get(&self, name: impl AsRef<OsStr>) -> Option<&OsStr> {
        self.0.get(name.as_ref()).map(OsString::as_os_str)
    }

    /// Every name and value, sorted by name.
    pub fn iter(&self) -> impl Iterator<Item = (&OsStr, &OsStr)> {
        self.0
            .iter()
            .map(|(name, value)| (name.as_os_str(), value.as_os_str()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_snapshot_gives_back_what_is_in_it() {
        let environment = Environment::from_pairs([("B", "2"), ("A", "")]);
        assert_eq!(environment.get("A"), Some(OsStr::new("")));
        assert_eq!(environment.get("a"), None);
        let names: Vec<_> = environment.iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["A", "B"]);
        assert!(Environment::current().iter().count() > 0);
    }
}
