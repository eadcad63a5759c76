//! Keys of `tools`: what is read, and each mistake in its place.

use std::path::Path;
use std::time::Duration;

use crate::config::{Code, Manifest, Rate, Tools};

/// `lines` stand in `[servers.s.tools]`, which begins on line 3.
fn parse(lines: &str) -> Result<Tools, Vec<(Code, usize, usize, String)>> {
    let text = format!("[servers.s]\nsource = \"npm:x\"\n[servers.s.tools]\n{lines}\n");
    match Manifest::parse(&text, Path::new("/m/pinfold.toml"), None) {
        Ok(mut manifest) => Ok(manifest.servers.pop_first().unwrap().1.tools),
        Err(diagnostics) => Err(diagnostics
            .items()
            .iter()
            .map(|item| {
                let (line, column) = diagnostics.position(item);
                (item.code, line, column, item.message.clone())
            })
            .collect()),
    }
}

/// The only mistake in `lines`.
#[track_caller]
fn mistake(lines: &str) -> (Code, usize, usize, String) {
    let mut mistakes = parse(lines).expect_err(lines);
    assert_eq!(mistakes.len(), 1, "{lines}: {mistakes:?}");
    mistakes.remove(0)
}

#[test]
fn limits_and_repeats_are_read() {
    let tools = parse(
        "allow = [\"a\", \"b\"]\nlimits = { a = \"10/min\", \"*\" = \"2/s\" }\nrepeat = { b = \"5s\" }",
    )
    .unwrap();
    let rate = |calls, seconds| Rate {
        calls,
        period: Duration::from_secs(seconds),
    };
    let [a, b] = ["a", "b"].map(|name| name.parse().unwrap());
    assert_eq!(tools.limits.of(&a), Some((&rate(10, 60), "a")));
    assert_eq!(tools.limits.of(&b), Some((&rate(2, 1), "*")));
    assert_eq!(tools.repeat.of(&a), None);
    assert_eq!(tools.repeat.of(&b), Some((&Duration::from_secs(5), "b")));
    let tools = parse("allow = [\"a\"]\nrepeat = \"1min\"\nlimits.a = \"3/h\"").unwrap();
    assert_eq!(tools.repeat.of(&a), Some((&Duration::from_secs(60), "*")));
    assert_eq!(tools.limits.of(&a), Some((&rate(3, 3600), "a")));
    assert_eq!(tools.limits.of(&b), None);
    assert!(parse("allow = []").unwrap().limits.is_empty());
}

#[test]
fn what_is_no_limit_is_refused_in_its_place() {
    for rate in [
        "10",
        "10/m",
        "10/minute",
        "0/s",
        "-1/s",
        "+1/s",
        "/s",
        "1.5/s",
        "1000001/s",
        "1/s/s",
        " 1/s",
        "99999999999/s",
    ] {
        let (code, line, column, message) =
            mistake(&format!("allow = [\"a\"]\nlimits = {{ a = \"{rate}\" }}"));
        assert_eq!(
            (code, line, column),
            (Code::InvalidValue, 5, 16),
            "{message}"
        );
        assert!(message.contains("how often"), "{message}");
    }
    for span in ["5", "0s", "2days", "-1s", ""] {
        let (code, line, _, message) = mistake(&format!("allow = [\"a\"]\nrepeat = \"{span}\""));
        assert_eq!((code, line), (Code::InvalidValue, 5), "{message}");
        assert!(message.contains("time span"), "{message}");
    }
    for lines in [
        "limits = 5",
        "limits = \"1/s\"",
        "limits.a = 5",
        "repeat = 5",
        "repeat.a = 5",
        "rules = 1",
    ] {
        let (code, line, _, message) = mistake(&format!("allow = [\"a\"]\n{lines}"));
        assert_eq!((code, line), (Code::WrongType, 5), "{message}");
    }
}

#[test]
fn what_is_said_of_a_tool_that_is_not_allowed_is_a_mistake() {
    for lines in [
        "limits = { c = \"1/s\" }",
        "repeat = { c = \"1s\" }",
        "rules.c.type = \"object\"",
    ] {
        let (code, line, _, message) = mistake(&format!("allow = [\"a\"]\n{lines}"));
        assert_eq!((code, line), (Code::InvalidValue, 5), "{message}");
        assert!(message.contains("`c`, which is not allowed"), "{message}");
    }
    assert!(parse("allow = [\"a\"]\nlimits = { \"*\" = \"1/s\" }").is_ok());
    // A rule for all tools could only be a misunderstanding: their arguments differ.
    mistake("allow = [\"a\"]\nrules.\"*\".type = \"object\"");
}

#[test]
fn a_tool_is_allowed_or_asked_about() {
    let tools = parse("allow = [\"a\"]\nask = [\"b\"]\nlimits.b = \"1/s\"").unwrap();
    let [a, b] = ["a", "b"].map(|name| name.parse().unwrap());
    assert_eq!(tools.allow, [a, b].into());
    assert_eq!(tools.ask, ["b".parse().unwrap()].into());
    let (code, line, column, _) = mistake("allow = [\"a\"]\nask = [\"b\", \"a\"]");
    assert_eq!((code, line, column), (Code::Duplicate, 5, 13));
    assert_eq!(
        mistake("allow = []\nask = [\"b\", \"b\"]").0,
        Code::Duplicate
    );
    assert_eq!(mistake("allow = []\nask = [\"*\"]").0, Code::InvalidValue);
    assert_eq!(mistake("allow = []\nask = \"b\"").0, Code::WrongType);
    assert_eq!(mistake("ask = [\"b\"]").0, Code::MissingKey);
}

#[test]
fn a_rule_is_read_as_json_schema() {
    let tools = parse(
        r#"allow = ["a"]
[servers.s.tools.rules.a]
required = ["owner"]
additionalProperties = false
properties.owner.enum = ["me", 5, 1.5, true]
properties.title = { type = ["string", "null"], minLength = 1, maxLength = 80, pattern = '^\w+$' }
properties.count = { minimum = 0, maximum = 0x10, exclusiveMinimum = -1, exclusiveMaximum = 1e3 }
properties.tags = { maxItems = 3, minItems = 0, items.const = "x" }
properties.any = { anyOf = [{ type = "string" }, { not = { type = "array" } }], allOf = [true] }
"#,
    )
    .unwrap();
    let (_, rule) = tools.rules.first_key_value().unwrap();
    assert_eq!(
        rule.document().to_string(),
        concat!(
            r#"[["required",["owner"]],["properties",{"named":{"any":[["allOf",[[]]],["anyOf",[[["type",["string"]]],"#,
            r#"[["not",[["type",["array"]]]]]]]],"count":[["minimum",0.0],["maximum",16.0],["exclusiveMinimum",-1.0],"#,
            r#"["exclusiveMaximum",1000.0]],"owner":[["enum",["me",5.0,1.5,true]]],"tags":[["minItems",0],["maxItems",3],"#,
            r#"["items",[["const","x"]]]],"title":[["type",["null","string"]],["minLength",1],["maxLength",80],"#,
            r#"["pattern","^\\w+$"]]},"others":[["false",true]]}]]"#
        )
    );
}

#[test]
fn what_could_not_be_applied_is_refused_in_its_place() {
    for (rule, code, column, says) in [
        ("$ref = \"#/x\"", Code::Syntax, 27, ""),
        (
            "\"$ref\" = \"#/x\"",
            Code::UnknownKey,
            27,
            "unknown key `$ref`",
        ),
        (
            "propertys.a = true",
            Code::UnknownKey,
            27,
            "unknown key `propertys`",
        ),
        (
            "properties.a.enums = [1]",
            Code::UnknownKey,
            40,
            "unknown key `enums`",
        ),
        (
            "format = \"uri\"",
            Code::UnknownKey,
            27,
            "unknown key `format`",
        ),
        (
            "multipleOf = 2",
            Code::UnknownKey,
            27,
            "unknown key `multipleOf`",
        ),
        (
            "type = \"strnig\"",
            Code::InvalidValue,
            34,
            "`strnig` is none of the types",
        ),
        ("type = []", Code::InvalidValue, 34, "no entry"),
        ("enum = []", Code::InvalidValue, 34, "no entry"),
        ("anyOf = []", Code::InvalidValue, 35, "no entry"),
        (
            "enum = [[1]]",
            Code::WrongType,
            35,
            "a string, a number or a boolean",
        ),
        (
            "const = 1979-05-27",
            Code::WrongType,
            35,
            "a string, a number",
        ),
        ("const = 9007199254740993", Code::InvalidValue, 35, "2^53"),
        ("maximum = inf", Code::InvalidValue, 37, "2^53"),
        ("minimum = nan", Code::InvalidValue, 37, "2^53"),
        ("minLength = -1", Code::InvalidValue, 39, "negative"),
        ("minLength = 1.0", Code::WrongType, 39, "a whole number"),
        ("pattern = \"(\"", Code::InvalidValue, 37, "can't be used"),
        (
            "pattern = '(a)\\1'",
            Code::InvalidValue,
            37,
            "can't be used",
        ),
        ("pattern = '(?=a)'", Code::InvalidValue, 37, "can't be used"),
        (
            "pattern = '(((a{99}){99}){99}){99}'",
            Code::InvalidValue,
            37,
            "can't be used",
        ),
        ("required = \"a\"", Code::WrongType, 38, "a list of strings"),
        ("properties = []", Code::WrongType, 40, "a table"),
        ("properties.a = 1", Code::WrongType, 42, "a table"),
        ("items = 1", Code::WrongType, 35, "a table"),
        ("not = {}", Code::MissingKey, 33, "refuse nothing"),
    ] {
        let lines = format!("allow = [\"a\"]\nrules = {{ \"a\" = {{         {rule} }} }}");
        let mistakes = parse(&lines).expect_err(rule);
        let (found, line, place, message) = &mistakes[0];
        if code == Code::Syntax {
            assert_eq!((*found, *line), (code, 5), "{rule}: {mistakes:?}");
            continue;
        }
        assert_eq!(mistakes.len(), 1, "{rule}: {mistakes:?}");
        assert_eq!(
            (*found, *line, *place),
            (code, 5, column),
            "{rule}: {message}"
        );
        assert!(message.contains(says), "{rule}: {message}");
    }
    mistake("allow = [\"a\"]\nrules.a = true");
    mistake("allow = [\"a\"]\nrules.a = {}");
    let nested = |depth: usize| {
        let (open, close) = ("{ not = ".repeat(depth), " }".repeat(depth));
        format!("allow = [\"a\"]\nrules.a = {open}true{close}")
    };
    assert!(parse(&nested(15)).is_ok());
    assert!(mistake(&nested(17)).3.contains("inside of each other"));
}
