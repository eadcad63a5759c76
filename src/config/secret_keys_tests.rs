//! What a manifest may say of a value that is elsewhere.

use super::*;
use crate::config::{EnvValue, Manifest};

fn value(written: &str) -> Result<EnvValue, Vec<(Code, usize, usize)>> {
    let text =
        format!("[servers.s]\nsource = \"npm:x\"\ntools.allow = []\nenv.TOKEN = {written}\n");
    let home = Some(Path::new("/home/ada"));
    match Manifest::parse(&text, Path::new("/m/pinfold.toml"), home) {
        Ok(mut manifest) => {
            let (_, mut server) = manifest.servers.pop_first().unwrap();
            Ok(server.env.remove("TOKEN").unwrap())
        }
        Err(diagnostics) => Err(diagnostics
            .items()
            .iter()
            .map(|item| {
                let (line, column) = diagnostics.position(item);
                (item.code, line, column)
            })
            .collect()),
    }
}

fn secret(source: SecretSource, delivery: Delivery) -> EnvValue {
    EnvValue::Secret(SecretUse { source, delivery })
}

#[test]
fn each_kind_is_read() {
    let name = |text: &str| text.parse::<SecretName>().unwrap();
    for (written, expected) in [
        (
            "{ secret = 'git.hub_2-a' }",
            secret(SecretSource::Stored(name("git.hub_2-a")), Delivery::Value),
        ),
        (
            "{ secret = 'a', deliver = 'file' }",
            secret(SecretSource::Stored(name("a")), Delivery::File),
        ),
        (
            "{ command = ['pass', 'show', 'x y'], deliver = 'value' }",
            secret(
                SecretSource::Command(vec!["pass".into(), "show".into(), "x y".into()]),
                Delivery::Value,
            ),
        ),
        (
            "{ file = '~/./t' }",
            secret(SecretSource::File("/home/ada/t".into()), Delivery::Value),
        ),
        (
            "{ credential = 'api@1' }",
            secret(SecretSource::Credential("api@1".into()), Delivery::Value),
        ),
        ("{ from = 'T' }", EnvValue::FromClient { name: "T".into() }),
        ("'literal'", EnvValue::Literal("literal".into())),
    ] {
        assert_eq!(value(written), Ok(expected), "{written}");
    }
}

#[test]
fn every_mistake_has_its_place() {
    use Code::{InvalidValue, MissingKey, UnknownKey, WrongType};
    for (written, expected) in [
        ("{ secrets = 'a' }", &[(UnknownKey, 15)][..]),
        ("{}", &[(MissingKey, 13)]),
        ("{ deliver = 'file' }", &[(MissingKey, 13)]),
        ("{ secret = 'A' }", &[(InvalidValue, 24)]),
        ("{ secret = '.a' }", &[(InvalidValue, 24)]),
        ("{ secret = '../a' }", &[(InvalidValue, 24)]),
        ("{ secret = '' }", &[(InvalidValue, 24)]),
        ("{ secret = 1 }", &[(WrongType, 24)]),
        ("{ secret = 'a', deliver = 'pipe' }", &[(InvalidValue, 39)]),
        ("{ from = 'A', deliver = 'file' }", &[(InvalidValue, 37)]),
        // Two sources, and both are looked at no further than that.
        ("{ secret = 'a', file = '/x' }", &[(InvalidValue, 36)]),
        ("{ command = [] }", &[(InvalidValue, 25)]),
        ("{ command = 'pass show x' }", &[(WrongType, 25)]),
        ("{ command = ['pass show x'] }", &[(InvalidValue, 25)]),
        ("{ command = ['./pass'] }", &[(InvalidValue, 25)]),
        ("{ command = ['/a/../pass'] }", &[(InvalidValue, 25)]),
        ("{ file = 'token' }", &[(InvalidValue, 22)]),
        ("{ file = '/a/../b' }", &[(InvalidValue, 22)]),
        ("{ credential = 'a/b' }", &[(InvalidValue, 28)]),
        // All at once.
        (
            "{ secret = 'A', deliver = 'pipe', more = 1 }",
            &[(InvalidValue, 24), (InvalidValue, 39), (UnknownKey, 47)],
        ),
    ] {
        let expected: Vec<_> = expected.iter().map(|(code, at)| (*code, 4, *at)).collect();
        assert_eq!(value(written).unwrap_err(), expected, "{written}");
    }
}
