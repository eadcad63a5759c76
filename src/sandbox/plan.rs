//! Requirements × probe → plan or refusal. Pure: simulated kernels are tested in a table below.

use super::{Layer, Probe};

/// The newest Landlock ABI whose rights the `landlock` crate lets us handle.
const NEWEST_LANDLOCK_ABI: u32 = 9;

/// What the policy and the lock ask of the kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Requirements {
    /// Lowest Landlock ABI that is accepted.
    pub landlock_abi: u32,
    /// Layers that must be in force.
    pub layers: Vec<Layer>,
}

/// What will be enforced.
#[must_use]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// The Landlock ABI whose rights are all handled.
    pub landlock_abi: u32,
    /// Layers in force, in the order in which they are applied.
    pub layers: Vec<Layer>,
    /// What this kernel can't enforce although the layer as such is there.
    pub limitations: Vec<&'static str>,
}

/// Why this machine can't enforce what is asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error(
        "this kernel ({kernel}) has no Landlock, which keeps a server away from your files; it needs Linux 6.7 or newer with `landlock` in the list of boot-time security modules (lsm=)"
    )]
    NoLandlock { kernel: String },
    #[error(
        "this kernel ({kernel}) offers Landlock ABI {offered}, but ABI {required} is required (Linux 6.7 for ABI 4); a newer kernel is needed"
    )]
    OldLandlock {
        kernel: String,
        offered: u32,
        required: u32,
    },
    #[error("this kernel ({kernel}) can't filter system calls (CONFIG_SECCOMP_FILTER)")]
    NoSeccomp { kernel: String },
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
    let requires = |layer| requirements.layers.contains(&layer);
    let kernel = || probe.kernel.clone();
    let offered = match probe.landlock_abi {
        Some(offered) => offered,
        None if requires(Layer::Landlock) => return Err(Refusal::NoLandlock { kernel: kernel() }),
        None => 0,
    };
    if offered < requirements.landlock_abi && requires(Layer::Landlock) {
        let required = requirements.landlock_abi;
        return Err(Refusal::OldLandlock {
            kernel: kernel(),
            offered,
            required,
        });
    }
    // First, because without /proc nothing is known of seccomp either.
    if !probe.proc {
        return Err(Refusal::NoProc);
    }
    if !probe.seccomp && requires(Layer::Seccomp) {
        return Err(Refusal::NoSeccomp { kernel: kernel() });
    }
    let available = |layer: &Layer| match layer {
        Layer::Landlock => offered > 0,
        Layer::Seccomp => probe.seccomp,
        _ => true,
    };
    Ok(Plan {
        landlock_abi: offered.min(NEWEST_LANDLOCK_ABI),
        layers: Layer::ALL.into_iter().filter(available).collect(),
        limitations: limitations(offered),
    })
}

fn limitations(landlock_abi: u32) -> Vec<&'static str> {
    let mut limitations = Vec::new();
    if landlock_abi < 5 {
        limitations.push(
            "ioctl on granted device files is not limited (needs Landlock ABI 5, Linux 6.10)",
        );
    }
    if landlock_abi < 6 {
        limitations.push(
            "signals to other processes of the same user are not stopped (needs Landlock ABI 6, Linux 6.12)",
        );
    }
    limitations.push("names, sizes and times of files outside can be asked for, though not their content (needs a root of its own)");
    limitations
}

#[cfg(test)]
mod tests {
    use super::*;

    fn probe(landlock_abi: Option<u32>) -> Probe {
        Probe {
            kernel: "6.1.0".into(),
            landlock_abi,
            landlock_errata: None,
            seccomp: true,
            proc: true,
        }
    }

    fn everything(landlock_abi: u32) -> Requirements {
        Requirements {
            landlock_abi,
            layers: Layer::ALL.to_vec(),
        }
    }

    #[test]
    fn simulated_kernels() {
        // (ABI offered, ABI required, ABI used or None when refused)
        let table = [
            (None, 4, None),
            (Some(1), 4, None),
            (Some(2), 4, None), // Linux 6.1
            (Some(3), 4, None),
            (Some(4), 4, Some(4)),
            (Some(5), 4, Some(5)),
            (Some(6), 4, Some(6)),
            (Some(7), 4, Some(7)),
            (Some(6), 7, None),
            (Some(9), 4, Some(9)),
            (Some(11), 4, Some(9)),
        ];
        for (offered, required, used) in table {
            let result = plan(&everything(required), &probe(offered));
            assert_eq!(
                result.as_ref().ok().map(|plan| plan.landlock_abi),
                used,
                "{offered:?}"
            );
        }
    }

    #[test]
    fn a_refusal_names_the_kernel_and_what_it_lacks() {
        let refusal = plan(&everything(4), &probe(Some(2))).unwrap_err();
        let text = refusal.to_string();
        assert!(
            text.contains("6.1.0") && text.contains("ABI 2") && text.contains("ABI 4"),
            "{text}"
        );
    }

    #[test]
    fn no_seccomp_and_no_proc_are_refused() {
        let without_seccomp = Probe {
            seccomp: false,
            ..probe(Some(7))
        };
        assert!(matches!(
            plan(&everything(4), &without_seccomp),
            Err(Refusal::NoSeccomp { .. })
        ));
        let without_proc = Probe {
            proc: false,
            ..probe(Some(7))
        };
        assert!(matches!(
            plan(&everything(4), &without_proc),
            Err(Refusal::NoProc)
        ));
    }

    #[test]
    fn old_kernels_are_reported_with_what_they_cannot_do() {
        let old = plan(&everything(4), &probe(Some(4))).unwrap();
        let new = plan(&everything(4), &probe(Some(7))).unwrap();
        assert!(old.limitations.iter().any(|text| text.contains("signals")));
        assert!(!new.limitations.iter().any(|text| text.contains("signals")));
    }
}
