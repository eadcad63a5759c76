//! Where the machine reaches the Internet by a proxy, pinfold does too; the server knows nothing of it.

use super::{EXCHANGE, Ground, SETTING, Setting};

const PROXY: &str = "http://10.9.9.9:3128";

fn behind(test: &str, environment: &[(&str, &str)]) -> Option<Ground> {
    let setting = Setting {
        environment,
        ..SETTING
    };
    Ground::new(test, &setting)
}

fn through_the_proxy(contacts: &[String]) -> Vec<&String> {
    contacts
        .iter()
        .filter(|contact| contact.starts_with("proxy "))
        .collect()
}

#[test]
fn a_proxy_of_the_user_is_used() {
    let test = "egress::a_proxy_of_the_user_is_used";
    for variable in ["HTTPS_PROXY", "https_proxy", "ALL_PROXY"] {
        let Some(mut ground) = behind(test, &[(variable, PROXY)]) else {
            return;
        };
        let (answer, news) = ground.boxed(EXCHANGE, "allowed.test", 8443);
        assert!(answer.starts_with("ok:"), "{variable}: {answer}\n{news:#?}");
        assert!(
            news.contains(&"tcp 10.9.9.9 3128".to_owned()),
            "{variable}: {news:#?}"
        );
        let targets = through_the_proxy(&news);
        assert_eq!(targets, ["proxy allowed.test:8443"], "{variable}");
        // Only the proxy itself calls the host.
        let direct = news
            .iter()
            .filter(|contact| contact.ends_with(" 8443") && contact.starts_with("tcp "));
        assert_eq!(direct.count(), 1, "{variable}: {news:#?}");
        for (host, port) in [
            ("refused.test", 8443),
            ("allowed.test", 8444),
            ("10.9.9.9", 3128),
        ] {
            let (answer, news) = ground.boxed(EXCHANGE, host, port);
            assert!(!answer.starts_with("ok:"), "{host}: {answer}");
            assert!(news.is_empty(), "{host}: {news:#?}");
        }
        let (answer, _) = ground.boxed(
            "return [name for name in os.environ if 'proxy' in name.lower()]",
            "",
            0,
        );
        assert_eq!(answer, "ok: []");
    }
}

#[test]
fn no_proxy_is_used_for_hosts_that_need_none() {
    let test = "egress::no_proxy_is_used_for_hosts_that_need_none";
    let environment = [
        ("HTTPS_PROXY", PROXY),
        ("NO_PROXY", "other.test,allowed.test"),
    ];
    let Some(mut ground) = behind(test, &environment) else {
        return;
    };
    let (answer, news) = ground.boxed(EXCHANGE, "allowed.test", 8443);
    assert!(answer.starts_with("ok:"), "{answer}");
    assert!(through_the_proxy(&news).is_empty(), "{news:#?}");
}
