//! What the manifest and the profile say of a network, held against each other.

use std::path::PathBuf;

use super::*;
use crate::config::Source;
use crate::policy::{EffectivePolicy, Origin, OwnFolders, Runtime};
use crate::sandbox::Layer;

type Change = fn(&mut Server);

fn server(change: impl FnOnce(&mut Server)) -> Server {
    let source = Source::Path {
        written: String::new(),
        file: PathBuf::new(),
    };
    let mut server = Server::ungranted(source, String::new());
    change(&mut server);
    server
}

fn resolve(change: impl FnOnce(&mut Server)) -> Result<EffectivePolicy, PolicyError> {
    EffectivePolicy::resolve(&server(change), Runtime::Node, &OwnFolders::default())
}

fn rules(entries: &[&str]) -> Option<Vec<EgressRule>> {
    Some(entries.iter().map(|entry| entry.parse().unwrap()).collect())
}

fn web(change: impl FnOnce(&mut Server)) -> EffectivePolicy {
    resolve(|server| {
        server.profile = "web".into();
        change(server);
    })
    .unwrap()
}

#[test]
fn the_list_of_the_manifest_replaces_that_of_the_profile() {
    for profile in ["web", "browser"] {
        let policy = resolve(|server| server.profile = profile.into()).unwrap();
        assert_eq!(
            policy.network(),
            Network::Relayed(vec![80, 443]),
            "{profile}"
        );
        let egress = policy.egress.unwrap();
        assert!(
            egress
                .rules
                .iter()
                .map(ToString::to_string)
                .eq(["*:80", "*:443"])
        );
        assert!(egress.check_server_name && !egress.trusts_names);
        assert_eq!((egress.connections, egress.bytes), (256, None));
    }
    let own = web(|server| {
        server.egress = rules(&["b.test:8443", "a.test:443", "b.test:443"]);
        server.check_server_name = Some(false);
        server.limits.connections = Some(3);
        server.limits.egress = Some(1 << 30);
    });
    assert_eq!(own.network(), Network::Relayed(vec![443, 8443]));
    for name in ["connections", "egress"] {
        assert_eq!(own.origins[name], Origin::Manifest);
    }
    let egress = own.egress.unwrap();
    assert_eq!(egress.rules.len(), 3);
    assert!(!egress.check_server_name);
    assert_eq!((egress.connections, egress.bytes), (3, Some(1 << 30)));
    let nobody = web(|server| server.egress = rules(&[]));
    assert_eq!(nobody.network(), Network::Relayed(Vec::new()));
    assert_eq!(nobody.origins["connections"], Origin::Profile("web".into()));
}

#[test]
fn a_profile_without_network_refuses_every_word_of_one() {
    let changes: [(&str, Change); 5] = [
        ("egress", |server| server.egress = rules(&[])),
        ("egress_tier", |server| {
            server.egress_tier = Some(EgressTier::Ports)
        }),
        ("tls_server_name", |server| {
            server.check_server_name = Some(true)
        }),
        ("limits.connections", |server| {
            server.limits.connections = Some(1)
        }),
        ("limits.egress", |server| server.limits.egress = Some(1)),
    ];
    for profile in ["offline", "files-ro", "files-rw"] {
        let base = |server: &mut Server| {
            server.profile = profile.into();
            server.files.read = vec!["/srv".into()];
            if profile == "files-rw" {
                server.files.write = vec!["/srv".into()];
            }
        };
        let policy = resolve(base).unwrap();
        assert_eq!((policy.network(), policy.egress), (Network::Off, None));
        for (key, change) in changes {
            let error = resolve(|server| {
                base(server);
                change(server);
            })
            .unwrap_err()
            .to_string();
            for word in [profile, &format!("`{key}`"), "`profile = \"web\"`"] {
                assert!(error.contains(word), "{word}: {error}");
            }
        }
    }
}

#[test]
fn names_need_namespaces_and_ports_do_not() {
    let off = |server: &mut Server| {
        server.profile = "web".into();
        server.layers.namespaces = Requirement::Off;
    };
    let error = resolve(off).unwrap_err().to_string();
    assert!(
        error.contains("`layers.namespaces`") && error.contains("`egress_tier = \"ports\"`"),
        "{error}"
    );
    let ports = resolve(|server| {
        off(server);
        server.egress_tier = Some(EgressTier::Ports);
    })
    .unwrap();
    assert_eq!(ports.network(), Network::Ports(vec![80, 443]));
    assert!(!ports.egress.unwrap().check_server_name);
}

#[test]
fn nothing_is_promised_that_ports_cannot_keep() {
    let changes: [(&str, Change); 3] = [
        ("`tls_server_name`", |server| {
            server.check_server_name = Some(true)
        }),
        ("`limits.connections`", |server| {
            server.limits.connections = Some(1)
        }),
        ("`limits.egress`", |server| server.limits.egress = Some(1)),
    ];
    for (key, change) in changes {
        let with_tier = |tier| {
            resolve(|server| {
                server.profile = "web".into();
                server.egress_tier = Some(tier);
                change(server);
            })
        };
        let error = with_tier(EgressTier::Ports).unwrap_err().to_string();
        assert!(
            error.contains(key) && error.contains("\"ports\""),
            "{error}"
        );
        assert!(with_tier(EgressTier::Names).is_ok(), "{key}");
    }
    let unchecked = |server: &mut Server| {
        server.egress_tier = Some(EgressTier::Ports);
        server.check_server_name = Some(false);
    };
    assert!(!web(unchecked).egress.unwrap().check_server_name);
}

/// Else a machine without namespaces could start it with less than was agreed.
#[test]
fn the_lock_holds_egress_by_name_to_its_namespaces() {
    let least = |policy: &EffectivePolicy| policy.confinement().layers;
    let namespaces = |layers: &[String]| {
        let of_names = Layer::ALL.iter().filter(|layer| layer.is_namespace());
        of_names
            .map(|layer| layer.name())
            .map(|name| (name, layers.iter().any(|layer| layer == name)))
            .collect::<Vec<_>>()
    };
    let names = web(|_| {});
    let found = namespaces(&least(&names));
    assert!(
        found.len() > 1 && found.iter().all(|(_, held)| *held),
        "{found:?}"
    );
    let requirements = names.requirements(&names.confinement()).unwrap();
    assert_eq!(requirements.namespaces, Requirement::Required);
    assert_eq!(requirements.network, Network::Relayed(vec![80, 443]));

    let ports = web(|server| server.egress_tier = Some(EgressTier::Ports));
    let found = namespaces(&least(&ports));
    assert!(found.iter().all(|(_, held)| !*held), "{found:?}");
    let insisting = web(|server| {
        server.egress_tier = Some(EgressTier::Ports);
        server.layers.namespaces = Requirement::Required;
    });
    let shared = Layer::OwnNetwork.name();
    for (name, held) in namespaces(&least(&insisting)) {
        assert_eq!(held, name != shared, "{name}");
    }
}

#[test]
fn what_is_not_limited_is_said() {
    let said = |change: Change| web(change).limitations.join("\n");
    let names = said(|_| {});
    assert!(
        names.contains("any public host") && names.contains("ports 80 and 443"),
        "{names}"
    );
    assert!(!names.contains("UDP"), "{names}");
    let one = said(|server| server.egress = rules(&["*:8443", "a.test:1"]));
    assert!(one.contains("at port 8443,"), "{one}");
    let named = said(|server| server.egress = rules(&["*.a.test:443", "localhost:1"]));
    assert_eq!(named, "");
    let ports = said(|server| {
        server.egress_tier = Some(EgressTier::Ports);
        server.egress = rules(&["a.test:443", "b.test:1"]);
    });
    for word in [
        "only ports",
        "not hosts",
        "ports 1 and 443",
        "UDP is not limited",
    ] {
        assert!(ports.contains(word), "{ports}");
    }
}

#[test]
fn the_box_has_its_own_files_about_names_where_it_has_its_own_names() {
    let own = ["/etc/hosts", "/etc/nsswitch.conf", "/etc/resolv.conf"];
    let granted =
        |policy: &EffectivePolicy, path: &str| policy.grants.iter().any(|grant| grant.path == path);
    let resolver =
        |tier| EffectivePolicy::for_resolver(Runtime::Node, BTreeSet::new(), tier, &[]).unwrap();
    let ports = |server: &mut Server| server.egress_tier = Some(EgressTier::Ports);
    let browser = |server: &mut Server| server.profile = "browser".into();
    for path in own {
        for (policy, expected) in [
            (web(|_| {}), false),
            (web(browser), false),
            (resolver(EgressTier::Names), false),
            (web(ports), true),
            (resolver(EgressTier::Ports), true),
            (resolve(|_| {}).unwrap(), path != "/etc/resolv.conf"),
        ] {
            assert_eq!(
                granted(&policy, path),
                expected,
                "{path} {}",
                policy.profile
            );
        }
    }
    assert!(granted(&web(|_| {}), "/etc/ssl/certs"));
}

#[test]
fn npm_reaches_what_the_settings_name_and_nothing_else() {
    let rules: BTreeSet<EgressRule> = rules(&["registry.test:8443", "localhost:4873"])
        .into_iter()
        .flatten()
        .collect();
    let policy =
        |tier| EffectivePolicy::for_resolver(Runtime::Node, rules.clone(), tier, &[]).unwrap();
    let names = policy(EgressTier::Names);
    assert_eq!(names.network(), Network::Relayed(vec![4873, 8443]));
    assert_eq!(names.namespaces(), Requirement::Required);
    assert!(names.limitations.is_empty(), "{:?}", names.limitations);
    let egress = names.egress.unwrap();
    assert!(egress.trusts_names && egress.check_server_name);
    assert_eq!(egress.rules, rules);
    let ports = policy(EgressTier::Ports);
    assert_eq!(ports.network(), Network::Ports(vec![4873, 8443]));
    assert!(ports.limitations[0].contains("not hosts"));
}
