//! Requirements × probe → plan or refusal. Pure: simulated kernels are tested in a table below.

use super::{Layer, NamespaceSupport, Network, Probe};

/// The newest Landlock ABI whose rights the `landlock` crate lets us handle.
const NEWEST_LANDLOCK_ABI: u32 = 9;

/// How much a layer matters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Requirement {
    /// Not used.
    Off,
    /// Used where it is to be had.
    #[default]
    Preferred,
    /// Nothing is started without it.
    Required,
}

impl Requirement {
    /// Its word in the manifest.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Preferred => "preferred",
            Self::Required => "required",
        }
    }
}

/// What the policy and the lock ask of the kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Requirements {
    /// Lowest Landlock ABI that is accepted where Landlock is required.
    pub landlock_abi: u32,
    pub landlock: Requirement,
    /// The full tier: user, pid, ipc, uts, cgroup, mount and network namespaces, the last unless the
    /// server shares the machine's network.
    pub namespaces: Requirement,
    pub network: Network,
}

/// What will be enforced.
#[must_use]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// The Landlock ABI whose rights are all handled; `None` goes without.
    pub landlock_abi: Option<u32>,
    /// Layers in force, in the order in which they are applied.
    pub layers: Vec<Layer>,
    /// What this kernel can't enforce although the layer as such is there.
    pub limitations: Vec<String>,
    /// Whether a machine that refuses the namespaces may still start the server.
    pub may_fall_back: bool,
}

impl Plan {
    /// Whether the full tier is planned.
    pub fn has_namespaces(&self) -> bool {
        self.layers.contains(&Layer::Namespaces)
    }

    /// The layers that will not be in force.
    pub fn missing(&self) -> Vec<Layer> {
        let is_missing = |layer: &Layer| !self.layers.contains(layer);
        Layer::ALL.into_iter().filter(is_missing).collect()
    }
}

/// Why this machine can't enforce what is asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error(
        "this kernel ({kernel}) has no Landlock, which keeps a server away from your files; it needs Linux 6.7 or newer with `landlock` in the list of boot-time security modules (lsm=); or let the server have `layers = {{ namespaces = \"required\", landlock = \"preferred\" }}` in the manifest, which relies on a root of its own instead"
    )]
    NoLandlock { kernel: String },
    #[error(
        "this kernel ({kernel}) offers Landlock ABI {offered}, but ABI {required} is required (Linux 6.7 for ABI 4); a newer kernel is needed, or let the server have `layers = {{ namespaces = \"required\", landlock = \"preferred\" }}` in the manifest, which relies on a root of its own instead"
    )]
    OldLandlock {
        kernel: String,
        offered: u32,
        required: u32,
    },
    #[error("this kernel ({kernel}) can't filter system calls (CONFIG_SECCOMP_FILTER)")]
    NoSeccomp { kernel: String },
    #[error(
        "namespaces are required and this machine refuses them: {reason}; on Ubuntu 24.04 and later install packaging/apparmor/pinfold; elsewhere see user.max_user_namespaces and kernel.unprivileged_userns_clone (sysctl(8)); a container must be started so that it may use them"
    )]
    NoNamespaces { reason: String },
    #[error(
        "{reason}, and without namespaces `egress` can't be limited to the hosts that it names; on Ubuntu 23.10 and later `sudo cp packaging/apparmor/pinfold /etc/apparmor.d/ && sudo apparmor_parser -r /etc/apparmor.d/pinfold` allows them; elsewhere see user.max_user_namespaces and kernel.unprivileged_userns_clone (sysctl(8)); or let the server have `egress_tier = \"ports\"` in the manifest, which limits only the ports: any host can then be reached at them"
    )]
    NoEgressByName { reason: String },
    #[error(
        "/proc is not mounted, so the processes of a session could not be found and ended; mount it with `mount -t proc proc /proc`"
    )]
    NoProc,
}

/// Decides what will be enforced, or why it can't be.
///
/// # Errors
/// When a required layer is missing: the launch must not go on.
pub fn plan(requirements: &Requirements, probe: &Probe) -> Result<Plan, Refusal> {
    // First, because without /proc nothing is known of seccomp either.
    if !probe.proc {
        return Err(Refusal::NoProc);
    }
    if !probe.seccomp {
        return Err(Refusal::NoSeccomp {
            kernel: probe.kernel.clone(),
        });
    }
    let landlock_abi = landlock(requirements, probe)?;
    let mut limitations = limitations(landlock_abi);
    let by_name = matches!(requirements.network, Network::Relayed(_));
    let namespaces = match (requirements.namespaces, &probe.namespaces) {
        (Requirement::Off, _) if by_name => {
            return Err(Refusal::NoEgressByName {
                reason: "namespaces are off in the manifest".to_owned(),
            });
        }
        (_, NamespaceSupport::Refused(reason)) if by_name => {
            return Err(Refusal::NoEgressByName {
                reason: reason.clone(),
            });
        }
        (Requirement::Off, _) => {
            limitations.push("namespaces are off in the manifest".to_owned());
            false
        }
        (Requirement::Required, NamespaceSupport::Refused(reason)) => {
            return Err(Refusal::NoNamespaces {
                reason: reason.clone(),
            });
        }
        (Requirement::Preferred, NamespaceSupport::Refused(reason)) => {
            limitations.push(format!("no namespaces on this machine: {reason}"));
            false
        }
        _ => true,
    };
    if !namespaces {
        limitations.push("names, sizes and times of files outside can be asked for, though not their content (needs a root of its own)".to_owned());
    }
    let in_force = |layer: &Layer| match layer {
        Layer::Landlock => landlock_abi.is_some(),
        Layer::OwnNetwork => namespaces && requirements.network.is_own(),
        layer => namespaces || !layer.is_namespace(),
    };
    Ok(Plan {
        landlock_abi,
        layers: Layer::ALL.into_iter().filter(in_force).collect(),
        limitations,
        may_fall_back: requirements.namespaces < Requirement::Required && !by_name,
    })
}

fn landlock(requirements: &Requirements, probe: &Probe) -> Result<Option<u32>, Refusal> {
    let required = requirements.landlock_abi;
    let kernel = || probe.kernel.clone();
    match (requirements.landlock, probe.landlock_abi) {
        (Requirement::Off, _) | (Requirement::Preferred, None) => Ok(None),
        (Requirement::Required, None) => Err(Refusal::NoLandlock { kernel: kernel() }),
        (Requirement::Required, Some(offered)) if offered < required => Err(Refusal::OldLandlock {
            kernel: kernel(),
            offered,
            required,
        }),
        (_, Some(offered)) => Ok(Some(offered.min(NEWEST_LANDLOCK_ABI))),
    }
}

fn limitations(landlock_abi: Option<u32>) -> Vec<String> {
    let Some(abi) = landlock_abi else {
        return vec![
            "Landlock is not in force: files are kept away by the root of its own alone".to_owned(),
        ];
    };
    let needs = [
        (
            2,
            "files can't be moved between folders (needs Landlock ABI 2, Linux 5.19)",
        ),
        (
            3,
            "truncating files is not judged by Landlock (needs ABI 3, Linux 6.2)",
        ),
        (
            4,
            "TCP ports are not limited by Landlock (needs ABI 4, Linux 6.7)",
        ),
        (
            5,
            "ioctl on granted device files is not limited (needs Landlock ABI 5, Linux 6.10)",
        ),
        (
            6,
            "signals to other processes of the same user are not stopped by Landlock (needs ABI 6, Linux 6.12)",
        ),
    ];
    needs
        .into_iter()
        .filter(|(first, _)| abi < *first)
        .map(|(_, text)| text.to_owned())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sandbox::testing::machine as probe;

    fn requirements(landlock: Requirement, namespaces: Requirement) -> Requirements {
        Requirements {
            landlock_abi: 4,
            landlock,
            namespaces,
            network: Network::Off,
        }
    }

    fn refused() -> NamespaceSupport {
        NamespaceSupport::Refused("EPERM".into())
    }

    /// What came out, in a word: the tier, and the Landlock ABI.
    fn outcome(requirements: &Requirements, probe: &Probe) -> String {
        match plan(requirements, probe) {
            Ok(plan) => {
                let tier = if plan.has_namespaces() {
                    "full"
                } else {
                    "base"
                };
                match plan.landlock_abi {
                    Some(abi) => format!("{tier} {abi}"),
                    None => format!("{tier} none"),
                }
            }
            Err(Refusal::NoLandlock { .. }) => "no landlock".to_owned(),
            Err(Refusal::OldLandlock { .. }) => "old landlock".to_owned(),
            Err(Refusal::NoSeccomp { .. }) => "no seccomp".to_owned(),
            Err(Refusal::NoNamespaces { .. }) => "no namespaces".to_owned(),
            Err(Refusal::NoEgressByName { .. }) => "no egress by name".to_owned(),
            Err(Refusal::NoProc) => "no proc".to_owned(),
        }
    }

    #[test]
    fn simulated_kernels() {
        use NamespaceSupport::{Untried, Works};
        use Requirement::{Off, Preferred, Required};
        // (Landlock offered, namespaces, Landlock asked, namespaces asked, outcome)
        let table = [
            // Landlock ABI 1 to 11 in the default settings
            (None, Works, Required, Preferred, "no landlock"),
            (Some(1), Works, Required, Preferred, "old landlock"),
            (Some(2), Works, Required, Preferred, "old landlock"), // Linux 6.1
            (Some(3), Works, Required, Preferred, "old landlock"),
            (Some(4), Works, Required, Preferred, "full 4"),
            (Some(5), Works, Required, Preferred, "full 5"),
            (Some(6), Works, Required, Preferred, "full 6"),
            (Some(7), Untried, Required, Preferred, "full 7"),
            (Some(8), Works, Required, Preferred, "full 8"),
            (Some(9), Works, Required, Preferred, "full 9"),
            (Some(11), Works, Required, Preferred, "full 9"),
            // no namespaces: containers, Ubuntu's restriction
            (Some(7), refused(), Required, Preferred, "base 7"),
            (Some(4), refused(), Required, Preferred, "base 4"),
            (Some(7), refused(), Required, Off, "base 7"),
            (Some(7), refused(), Required, Required, "no namespaces"),
            (Some(2), refused(), Required, Preferred, "old landlock"),
            (None, refused(), Required, Preferred, "no landlock"),
            // switched off, or insisted upon
            (Some(7), Works, Required, Off, "base 7"),
            (Some(7), Works, Required, Required, "full 7"),
            (Some(7), Untried, Required, Required, "full 7"),
            // a root of its own instead of Landlock
            (None, Works, Preferred, Required, "full none"),
            (Some(2), Works, Preferred, Required, "full 2"),
            (Some(7), Works, Preferred, Required, "full 7"),
            (None, Untried, Preferred, Required, "full none"),
            (None, refused(), Preferred, Required, "no namespaces"),
            (Some(7), Works, Off, Required, "full none"),
        ];
        for (offered, support, landlock, namespaces, expected) in table {
            let probe = probe(offered, support);
            let asked = requirements(landlock, namespaces);
            assert_eq!(outcome(&asked, &probe), expected, "{probe:?} {asked:?}");
            for (broken, expected) in [
                (
                    Probe {
                        seccomp: false,
                        ..probe.clone()
                    },
                    "no seccomp",
                ),
                (
                    Probe {
                        proc: false,
                        ..probe.clone()
                    },
                    "no proc",
                ),
            ] {
                assert_eq!(outcome(&asked, &broken), expected, "{broken:?}");
            }
        }
    }

    #[test]
    fn a_server_has_a_network_of_its_own_unless_only_ports_are_limited() {
        for (network, own) in [
            (Network::Off, true),
            (Network::Ports(vec![443]), false),
            (Network::Relayed(vec![443]), true),
        ] {
            let asked = Requirements {
                network,
                ..requirements(Requirement::Required, Requirement::Preferred)
            };
            let plan = plan(&asked, &probe(Some(7), NamespaceSupport::Works)).unwrap();
            assert_eq!(plan.layers.contains(&Layer::OwnNetwork), own);
        }
    }

    #[test]
    fn egress_by_name_is_refused_without_namespaces() {
        use NamespaceSupport::{Untried, Works};
        use Requirement::{Off, Preferred, Required};
        for (support, namespaces, expected) in [
            (Works, Preferred, "full 7"),
            (Untried, Preferred, "full 7"),
            (Works, Required, "full 7"),
            (Works, Off, "no egress by name"),
            (refused(), Preferred, "no egress by name"),
            (refused(), Required, "no egress by name"),
        ] {
            let asked = Requirements {
                network: Network::Relayed(vec![443]),
                ..requirements(Required, namespaces)
            };
            let probe = probe(Some(7), support);
            assert_eq!(outcome(&asked, &probe), expected, "{probe:?} {asked:?}");
            if let Ok(plan) = plan(&asked, &probe) {
                assert!(!plan.may_fall_back);
            }
        }
    }

    #[test]
    fn a_refusal_names_the_kernel_and_what_it_lacks() {
        let asked = requirements(Requirement::Required, Requirement::Preferred);
        let refusal = plan(&asked, &probe(Some(2), NamespaceSupport::Works)).unwrap_err();
        let text = refusal.to_string();
        assert!(
            text.contains("6.1.0") && text.contains("ABI 2") && text.contains("ABI 4"),
            "{text}"
        );
    }

    #[test]
    fn what_is_not_enforced_is_said() {
        let asked = requirements(Requirement::Required, Requirement::Preferred);
        let said = |abi, support, word: &str| {
            plan(&asked, &probe(Some(abi), support))
                .unwrap()
                .limitations
                .iter()
                .any(|text| text.contains(word))
        };
        assert!(said(4, NamespaceSupport::Works, "signals"));
        assert!(!said(7, NamespaceSupport::Works, "signals"));
        assert!(said(7, refused(), "EPERM") && said(7, refused(), "names, sizes"));
        assert!(!said(7, NamespaceSupport::Works, "names, sizes"));
    }
}
