//! Which wheels an interpreter of this machine can use (PEP 425, 600 and 656), and which of
//! several is meant for it most. Pure.

use std::collections::HashMap;

use serde::Deserialize;

use super::wheel_name::WheelName;

/// What an interpreter says of itself; see [`FACTS_PROGRAM`].
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PythonFacts {
    /// `cpython`
    pub implementation: String,
    /// `3.11.2`
    pub version: String,
    pub major: u32,
    pub minor: u32,
    /// Built without the global lock (PEP 703): another ABI.
    pub free_threaded: bool,
    /// `x86_64`: what the interpreter was built for.
    pub machine: String,
    /// `(2, 36)`; `None` when the C library is another one.
    pub glibc: Option<(u32, u32)>,
    /// `cpython-311`: part of the names of compiled files (PEP 3147).
    pub cache_tag: String,
}

/// Prints [`PythonFacts`] as JSON.
pub const FACTS_PROGRAM: &str = r#"
import json, os, sys, sysconfig
try:
    glibc = os.confstr("CS_GNU_LIBC_VERSION").split()[1].split(".")[:2]
    glibc = [int(part) for part in glibc]
except (AttributeError, IndexError, OSError, ValueError):
    glibc = None
print(json.dumps({
    "implementation": sys.implementation.name,
    "version": sys.version.split()[0].rstrip("+"),
    "major": sys.version_info[0],
    "minor": sys.version_info[1],
    "free_threaded": bool(sysconfig.get_config_var("Py_GIL_DISABLED")),
    "machine": sysconfig.get_platform().partition("-")[2],
    "glibc": glibc,
    "cache_tag": sys.implementation.cache_tag or "",
}))
"#;

/// musl has kept its ABI since 1.2 (2020), and says its version to nobody but who runs its loader.
const MUSL: (u32, u32) = (1, 2);

/// Names that glibc versions had before PEP 600.
const OLD_NAMES: [(u32, &str); 3] = [
    (17, "manylinux2014"),
    (12, "manylinux2010"),
    (5, "manylinux1"),
];

/// The tags that an interpreter takes, best first.
#[derive(Clone, Debug)]
pub struct Tags(HashMap<String, usize>);

impl Tags {
    /// In the order of the `packaging` library, which pip and uv share.
    pub fn of(python: &PythonFacts) -> Self {
        let platforms = platforms(python);
        let (major, minor) = (python.major, python.minor);
        let own = format!("cp{major}{minor}");
        let abi = format!("{own}{}", if python.free_threaded { "t" } else { "" });
        let mut tags = Vec::new();
        let mut each_platform = |interpreter: &str, abi: &str| {
            for platform in &platforms {
                tags.push(format!("{interpreter}-{abi}-{platform}"));
            }
        };
        each_platform(&own, &abi);
        // The stable ABI needs the global lock's object layout.
        if !python.free_threaded {
            each_platform(&own, "abi3");
        }
        each_platform(&own, "none");
        if !python.free_threaded {
            for older in (2..minor).rev() {
                each_platform(&format!("cp{major}{older}"), "abi3");
            }
        }
        let mut generic = vec![format!("py{major}{minor}"), format!("py{major}")];
        generic.extend((0..minor).rev().map(|older| format!("py{major}{older}")));
        for interpreter in &generic {
            each_platform(interpreter, "none");
        }
        tags.push(format!("{own}-none-any"));
        for interpreter in &generic {
            tags.push(format!("{interpreter}-none-any"));
        }
        let mut ranks = HashMap::new();
        for (rank, tag) in tags.into_iter().enumerate() {
            ranks.entry(tag).or_insert(rank);
        }
        Self(ranks)
    }

    /// How well a wheel fits, 0 best; `None` when it doesn't.
    pub fn rank(&self, wheel: &WheelName) -> Option<usize> {
        wheel
            .tags()
            .filter_map(|tag| self.0.get(&tag))
            .min()
            .copied()
    }
}

fn platforms(python: &PythonFacts) -> Vec<String> {
    let machine = &python.machine;
    let mut platforms = Vec::new();
    match python.glibc {
        Some((2, newest)) => {
            // PEP 600: the first ones that were ever defined for these machines.
            let oldest = if machine == "x86_64" { 5 } else { 17 };
            for minor in (oldest..=newest).rev() {
                platforms.push(format!("manylinux_2_{minor}_{machine}"));
                let old = OLD_NAMES.iter().find(|(glibc, _)| *glibc == minor);
                platforms.extend(old.map(|(_, name)| format!("{name}_{machine}")));
            }
        }
        Some(_) => {}
        None => {
            let (major, newest) = MUSL;
            for minor in (0..=newest).rev() {
                platforms.push(format!("musllinux_{major}_{minor}_{machine}"));
            }
        }
    }
    platforms.push(format!("linux_{machine}"));
    platforms
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in super::super) fn debian() -> PythonFacts {
        PythonFacts {
            implementation: "cpython".into(),
            version: "3.11.2".into(),
            major: 3,
            minor: 11,
            free_threaded: false,
            machine: "x86_64".into(),
            glibc: Some((2, 36)),
            cache_tag: "cpython-311".into(),
        }
    }

    fn rank(python: &PythonFacts, tag: &str) -> Option<usize> {
        let wheel = WheelName::parse(&format!("a-1-{tag}.whl")).unwrap();
        Tags::of(python).rank(&wheel)
    }

    #[test]
    fn wheels_for_this_machine_fit_and_others_do_not() {
        let python = debian();
        for tag in [
            "cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64",
            "cp311-cp311-manylinux_2_36_x86_64",
            "cp311-cp311-linux_x86_64",
            "cp38-abi3-manylinux2010_x86_64",
            "cp311-abi3-manylinux1_x86_64",
            "py3-none-any",
            "py2.py3-none-any",
            "py311-none-any",
            "cp311-none-any",
            "py3-none-manylinux_2_5_x86_64",
        ] {
            assert!(rank(&python, tag).is_some(), "{tag}");
        }
        for tag in [
            "cp312-cp312-manylinux_2_17_x86_64",
            "cp312-abi3-manylinux_2_17_x86_64",
            "cp311-cp311t-manylinux_2_17_x86_64",
            "cp311-cp311-manylinux_2_37_x86_64",
            "cp311-cp311-manylinux_2_17_aarch64",
            "cp311-cp311-musllinux_1_2_x86_64",
            "cp311-cp311-win_amd64",
            "cp311-cp311-macosx_11_0_arm64",
            "py2-none-any",
            "py312-none-any",
            "pp311-pypy311_pp73-manylinux_2_17_x86_64",
        ] {
            assert!(rank(&python, tag).is_none(), "{tag}");
        }
    }

    #[test]
    fn the_one_that_is_meant_most_is_first() {
        let python = debian();
        let ranks: Vec<_> = [
            "cp311-cp311-manylinux_2_36_x86_64",
            "cp311-cp311-manylinux_2_17_x86_64",
            "cp311-cp311-manylinux2014_x86_64",
            "cp311-cp311-linux_x86_64",
            "cp311-abi3-manylinux_2_17_x86_64",
            "cp38-abi3-manylinux_2_17_x86_64",
            "py3-none-manylinux_2_17_x86_64",
            "cp311-none-any",
            "py311-none-any",
            "py3-none-any",
        ]
        .iter()
        .map(|tag| rank(&python, tag).unwrap())
        .collect();
        assert!(ranks.is_sorted(), "{ranks:?}");
    }

    #[test]
    fn musl_and_the_free_threaded_build_have_wheels_of_their_own() {
        let alpine = PythonFacts {
            glibc: None,
            ..debian()
        };
        assert!(rank(&alpine, "cp311-cp311-musllinux_1_1_x86_64").is_some());
        assert!(rank(&alpine, "cp311-cp311-manylinux_2_17_x86_64").is_none());
        let free = PythonFacts {
            minor: 13,
            free_threaded: true,
            ..debian()
        };
        assert!(rank(&free, "cp313-cp313t-manylinux_2_17_x86_64").is_some());
        assert!(rank(&free, "cp313-cp313-manylinux_2_17_x86_64").is_none());
        assert!(rank(&free, "cp38-abi3-manylinux_2_17_x86_64").is_none());
        assert!(rank(&free, "py3-none-any").is_some());
    }
}
