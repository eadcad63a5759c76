//! The effective policy: what its digest is over, and what the manifest can change.

use super::*;
use crate::relay::Elicitation;
use crate::schema::Schema;

fn config_of(value: ConfigValue) -> BTreeMap<String, ConfigValue> {
    BTreeMap::from([("key".to_owned(), value)])
}

fn server(change: impl FnOnce(&mut Server)) -> Server {
    let mut server = nothing();
    change(&mut server);
    server
}

fn resolve(server: &Server) -> Result<EffectivePolicy, PolicyError> {
    EffectivePolicy::resolve(server, Runtime::Node, &OwnFolders::default())
}

#[test]
fn a_profile_over_files_holds_the_manifest_to_its_name() {
    let (read, write) = (vec![PathBuf::from("/srv/a")], vec![PathBuf::from("/srv/b")]);
    // (profile, read, write, what is said, or nothing)
    let table: [(&str, &[PathBuf], &[PathBuf], &str); 10] = [
        ("files-ro", &[], &[], "`files.read`: name"),
        ("files-ro", &read, &[], ""),
        ("files-ro", &read, &write, "no entry in `files.write`"),
        ("files-rw", &[], &[], "`files.write`: name"),
        ("files-rw", &read, &[], "`files.write`: name"),
        ("files-rw", &[], &write, ""),
        ("files-rw", &read, &write, ""),
        ("offline", &read, &write, ""),
        ("web", &read, &write, ""),
        ("browser", &[], &[], ""),
    ];
    for (profile, read, write, says) in table {
        let result = resolve(&server(|server| {
            server.profile = profile.into();
            server.files.read = read.to_vec();
            server.files.write = write.to_vec();
        }));
        let said = result.err().map(|error| error.to_string());
        assert_eq!(said.is_some(), !says.is_empty(), "{profile} {said:?}");
        assert!(said.unwrap_or_default().contains(says), "{profile}");
    }
}

#[test]
fn the_manifest_is_stronger_than_the_profile_and_that_than_the_base() {
    let policy = resolve(&server(|server| {
        server.profile = "browser".into();
        server.limits.memory = Some(5);
    }))
    .unwrap();
    assert_eq!(policy.limits.memory, Some(5));
    assert_eq!(policy.origins["memory"], Origin::Manifest);
    assert_eq!(policy.limits.open_files, Some(4096));
    assert_eq!(policy.origins["open_files"], Origin::Base);
    assert_eq!(policy.own_root.shared_memory, 1 << 30);
    assert_eq!(
        policy.origins["shared_memory"],
        Origin::Profile("browser".into())
    );
    assert_eq!(policy.limits.processor_time, None);
    assert!(!policy.origins.contains_key("processor_time"));
    let offline = resolve(&server(|_| {})).unwrap();
    assert_eq!(offline.own_root.shared_memory, 64 << 20);
}

/// Elsewhere a socket could be somebody else's.
#[test]
fn only_a_browser_without_granted_files_has_sockets_of_its_own() {
    let policy = |profile: &str, change: &dyn Fn(&mut Server)| {
        resolve(&server(|server| {
            server.profile = profile.into();
            change(server);
        }))
        .unwrap()
    };
    let browser = policy("browser", &|_| {});
    assert!(browser.own_sockets);
    let without = EffectivePolicy {
        own_sockets: false,
        ..browser.clone()
    };
    assert_ne!(browser.digest(), without.digest());
    for profile in ["offline", "web"] {
        assert!(!policy(profile, &|_| {}).own_sockets, "{profile}");
    }
    let changes: [&dyn Fn(&mut Server); 3] = [
        &|server| server.files.read = vec!["/srv/a".into()],
        &|server| server.files.write = vec!["/srv/a".into()],
        &|server| server.egress_tier = Some(EgressTier::Ports),
    ];
    for (place, change) in changes.iter().enumerate() {
        assert!(!policy("browser", change).own_sockets, "{place}");
    }
}

fn matching(patterns: &[&str]) -> Reach {
    Reach::Matching(patterns.iter().map(|text| text.parse().unwrap()).collect())
}

/// The lock of a server that has no `grants` is as it was before there were any.
#[test]
fn a_server_without_grants_keeps_the_digest_that_it_had() {
    let document = |change: &dyn Fn(&mut Server)| resolve(&server(change)).unwrap();
    let before = document(&|_| {});
    assert_eq!(before.protocol, relay::Grants::default());
    let mut with = before.clone();
    with.protocol.roots = true;
    assert_ne!(before.digest(), with.digest());
    with.protocol = relay::Grants::default();
    assert_eq!(before.digest(), with.digest());
}

#[test]
fn every_setting_is_part_of_the_digest() {
    let digest = |change: &dyn Fn(&mut Server)| resolve(&server(change)).unwrap().digest();
    let web = |server: &mut Server| server.profile = "web".into();
    let rules = |entries: &[&str]| -> Vec<EgressRule> {
        entries.iter().map(|entry| entry.parse().unwrap()).collect()
    };
    let rate = |calls| config::Rate {
        calls,
        period: std::time::Duration::from_secs(1),
    };
    let echo = || "echo".parse().unwrap();
    let allowed = |server: &mut Server| {
        server.tools.allow = [echo()].into();
    };
    let changes: [&dyn Fn(&mut Server); 47] = [
        &|_| {},
        &web,
        &|server| {
            web(server);
            server.egress = Some(Vec::new());
        },
        &|server| {
            web(server);
            server.egress = Some(rules(&["a.test:443"]));
        },
        &|server| {
            web(server);
            server.egress = Some(rules(&["b.test:443"]));
        },
        &|server| {
            web(server);
            server.egress = Some(rules(&["a.test:80"]));
        },
        &|server| {
            web(server);
            server.egress_tier = Some(EgressTier::Ports);
        },
        &|server| {
            web(server);
            server.check_server_name = Some(false);
        },
        &|server| {
            web(server);
            server.limits.connections = Some(1);
        },
        &|server| {
            web(server);
            server.limits.egress = Some(1);
        },
        &|server| server.args = vec!["--all".into()],
        &|server| server.program = Some("a".into()),
        &|server| server.program = Some("b".into()),
        &|server| server.config = config_of(ConfigValue::Text("a".into())),
        &|server| server.config = config_of(ConfigValue::List(vec!["a".into()])),
        &|server| server.config = config_of(ConfigValue::FromClient { name: "a".into() }),
        &|server| server.exec = vec!["git".into()],
        &|server| server.files.read = vec!["/srv".into()],
        &|server| server.files.write = vec!["/srv".into()],
        &|server| server.limits.memory = Some(1),
        &|server| server.limits.cpu = Some(1),
        &|server| server.limits.cpu = Some(2),
        &|server| server.layers.namespaces = Requirement::Off,
        &|server| server.layers.landlock = Requirement::Preferred,
        &allowed,
        &|server| {
            allowed(server);
            server.tools.ask = [echo()].into();
        },
        &|server| {
            allowed(server);
            server.tools.limits.others = Some(rate(1));
        },
        &|server| {
            allowed(server);
            server.tools.limits.others = Some(rate(2));
        },
        &|server| {
            allowed(server);
            server.tools.limits.named = [(echo(), rate(1))].into();
        },
        &|server| {
            allowed(server);
            server.tools.repeat.others = Some(rate(1).period);
        },
        &|server| {
            allowed(server);
            let rule = Schema(vec![crate::schema::Keyword::Never]);
            server.tools.rules = [(echo(), rule)].into();
        },
        &|server| server.redact = config::Redact::None,
        &|server| server.redact = config::Redact::All,
        &|server| server.redact = config::Redact::Named(["A".to_owned()].into()),
        &|server| server.neutralise = true,
        &|server| server.grants.sampling = true,
        &|server| server.grants.elicitation = Elicitation::Form,
        &|server| server.grants.elicitation = Elicitation::Url,
        &|server| server.grants.roots = true,
        &|server| server.grants.tasks = true,
        &|server| server.grants.notifications = ["notifications/x".to_owned()].into(),
        &|server| server.grants.methods = ["x/y".to_owned()].into(),
        &|server| server.grants.resources = Reach::Off,
        &|server| server.grants.resources = matching(&["a", "b"]),
        &|server| server.grants.prompts = Reach::Off,
        &|server| server.grants.completion = false,
        &|server| server.grants.logging = false,
    ];
    let digests: BTreeSet<Digest> = changes.iter().map(|change| digest(*change)).collect();
    assert_eq!(digests.len(), changes.len());
    // The order in which hosts are written, and saying what holds anyway, change nothing.
    let same = |change: &dyn Fn(&mut Server), other: &dyn Fn(&mut Server)| {
        assert_eq!(digest(change), digest(other));
    };
    same(
        &|server| server.grants.resources = matching(&["a", "b"]),
        &|server| server.grants.resources = matching(&["b", "a"]),
    );
    same(&web, &|server| {
        web(server);
        server.egress = Some(rules(&["*:443", "*:80"]));
        server.egress_tier = Some(EgressTier::Names);
        server.check_server_name = Some(true);
        server.limits.connections = Some(256);
    });
}
