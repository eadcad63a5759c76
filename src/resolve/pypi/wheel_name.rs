//! Names of wheel files (PEP 427): `NAME-VERSION(-BUILD)?-PYTHON-ABI-PLATFORM.whl`. Pure.

use super::version::Version;
use crate::config::normalized_pypi_name;

const MAX_BYTES: usize = 255;
/// `py2.py3` and the like; more would be a trick.
const MAX_TAGS: usize = 256;

/// A wheel's name, taken apart.
#[derive(Clone, Debug)]
pub struct WheelName {
    /// Normalised (PEP 503).
    pub name: String,
    pub(super) version: Version,
    /// Breaks ties: the higher one is the newer build. 0 when there is none.
    pub build: u64,
    pythons: Vec<String>,
    abis: Vec<String>,
    platforms: Vec<String>,
}

impl WheelName {
    /// `None` when it is no wheel, or its name is malformed.
    pub fn parse(file: &str) -> Option<Self> {
        let stem = file
            .strip_suffix(".whl")
            .filter(|_| file.len() <= MAX_BYTES)?;
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.+!".contains(&byte);
        if !stem.bytes().all(allowed) {
            return None;
        }
        let parts: Vec<&str> = stem.split('-').collect();
        let (name, version, build, tags) = match parts.as_slice() {
            [name, version, tags @ ..] if tags.len() == 3 => (name, version, None, tags),
            [name, version, build, tags @ ..] if tags.len() == 3 => {
                (name, version, Some(build), tags)
            }
            _ => return None,
        };
        let build = match build {
            Some(build) => {
                let end = build.find(|c: char| !c.is_ascii_digit());
                build[..end.unwrap_or(build.len())].parse().ok()?
            }
            None => 0,
        };
        let set = |text: &str| text.split('.').map(str::to_owned).collect::<Vec<_>>();
        let [pythons, abis, platforms] = [set(tags[0]), set(tags[1]), set(tags[2])];
        if name.is_empty() || pythons.len() * abis.len() * platforms.len() > MAX_TAGS {
            return None;
        }
        Some(Self {
            name: normalized_pypi_name(name),
            version: version.replace('_', "-").parse().ok()?,
            build,
            pythons,
            abis,
            platforms,
        })
    }

    /// Every tag that it stands for, `cp311-cp311-linux_x86_64`.
    pub fn tags(&self) -> impl Iterator<Item = String> {
        self.pythons.iter().flat_map(move |python| {
            self.abis.iter().flat_map(move |abi| {
                self.platforms
                    .iter()
                    .map(move |platform| format!("{python}-{abi}-{platform}"))
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_taken_apart() {
        let wheel = WheelName::parse("My_Pack.age-1.0.post1-2local-py2.py3-none-any.whl").unwrap();
        assert_eq!(wheel.name, "my-pack-age");
        assert_eq!(wheel.version, "1.0-1".parse().unwrap());
        assert_eq!(wheel.build, 2);
        let tags: Vec<String> = wheel.tags().collect();
        assert_eq!(tags, ["py2-none-any", "py3-none-any"]);
        let local = WheelName::parse("a-1.0+cpu-py3-none-any.whl").unwrap();
        assert_eq!(local.version, "1.0+cpu".parse().unwrap());
    }

    #[test]
    fn other_files_are_none() {
        for file in [
            "a-1.0.tar.gz",
            "a-1.0-py3-none.whl",
            "a-1.0-x-py3-none-any.whl",
            "a-1.0-1-2-py3-none-any.whl",
            "a-notaversion-py3-none-any.whl",
            "../a-1.0-py3-none-any.whl",
            "-1.0-py3-none-any.whl",
            "a-1.0-py3-none-any.whl.metadata",
            "a-1.0-py3-none-any .whl",
        ] {
            assert!(WheelName::parse(file).is_none(), "{file}");
        }
        let many = vec!["py3"; 300].join(".");
        assert!(WheelName::parse(&format!("a-1-{many}-none-any.whl")).is_none());
    }
}
