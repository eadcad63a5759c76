//! What the box of a program that helps to lock a server asks of the machine: an interpreter that
//! tells its version, npm, uv. Pure.

use crate::config::Layers;
use crate::sandbox::Requirement;

/// The layers of such a box, where the server itself asks for these.
///
/// A machine without Landlock may lock a server whose manifest relies on a root of its own instead:
/// its helpers then get their box in the same way, and never without that root, whatever the server
/// itself would do without it.
pub(super) fn layers_for(server: Layers) -> Layers {
    if server.landlock < Requirement::Required {
        Layers {
            namespaces: Requirement::Required,
            landlock: Requirement::Preferred,
        }
    } else {
        Layers::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::{EffectivePolicy, Runtime};
    use crate::sandbox::testing::machine;
    use crate::sandbox::{NamespaceSupport, Plan, Probe, Refusal, plan};

    /// The box of an interpreter that is asked for its version, for a server with these layers.
    fn helper(server: Layers, machine: &Probe) -> Result<Plan, Refusal> {
        let mut policy = EffectivePolicy::ungranted(Runtime::Node).unwrap();
        policy.layers = layers_for(server);
        plan(
            &policy.requirements(&policy.confinement()).unwrap(),
            machine,
        )
    }

    #[test]
    fn a_server_that_relies_on_a_root_of_its_own_is_locked_below_landlock_abi_4() {
        use NamespaceSupport::{Refused, Works};
        let relying = |landlock| Layers {
            namespaces: Requirement::Required,
            landlock,
        };
        for (abi, expected) in [(None, None), (Some(2), Some(2)), (Some(3), Some(3))] {
            for landlock in [Requirement::Preferred, Requirement::Off] {
                let plan = helper(relying(landlock), &machine(abi, Works)).unwrap();
                assert!(plan.has_namespaces() && !plan.may_fall_back, "{plan:?}");
                assert_eq!(plan.landlock_abi, expected);
                // Without that root there would be nothing between it and the files.
                let bare = machine(abi, Refused("EPERM".to_owned()));
                let refusal = helper(relying(landlock), &bare).unwrap_err();
                assert!(matches!(refusal, Refusal::NoNamespaces { .. }), "{refusal}");
            }
        }
    }

    #[test]
    fn in_the_default_settings_helpers_need_what_servers_need() {
        use NamespaceSupport::{Refused, Works};
        let insisting = Layers {
            namespaces: Requirement::Required,
            ..Layers::default()
        };
        for server in [Layers::default(), insisting] {
            let old = helper(server, &machine(Some(2), Works)).unwrap_err();
            assert!(matches!(old, Refusal::OldLandlock { .. }), "{old}");
            let none = helper(server, &machine(None, Works)).unwrap_err();
            assert!(matches!(none, Refusal::NoLandlock { .. }), "{none}");
            let new = helper(server, &machine(Some(4), Works)).unwrap();
            assert_eq!((new.landlock_abi, new.has_namespaces()), (Some(4), true));
            let bare = machine(Some(4), Refused("EPERM".to_owned()));
            assert!(!helper(server, &bare).unwrap().has_namespaces());
        }
    }
}
