//! Rules on arguments: what meets each keyword, and what is refused whatever the rule says.

use super::*;
use crate::relay::strict::CanonicalLine;

fn rule(text: &str) -> Schema {
    let manifest = format!(
        "[servers.s]\nsource = \"npm:x\"\n[servers.s.tools]\nallow = [\"t\"]\nrules.t = {text}\n"
    );
    let path = std::path::Path::new("/m/pinfold.toml");
    let mut manifest = crate::config::Manifest::parse(&manifest, path, None).unwrap();
    let (_, server) = manifest.servers.pop_first().unwrap();
    server.tools.rules.into_values().next().unwrap()
}

fn failure(rule_text: &str, arguments: &str) -> Option<String> {
    let line = CanonicalLine::read(arguments.as_bytes(), 16 << 20).unwrap();
    let judged = judge(&rule(rule_text), line.root().as_value());
    judged.err().map(|failure| failure.to_string())
}

#[test]
fn each_keyword_has_what_meets_it_and_what_does_not() {
    // (rule on `a`, what fits, what doesn't); what is of another type meets most keywords.
    for (rule, fits, fails) in [
        ("false", &[][..], &["1", "null"][..]),
        ("true", &["1", "null"], &[]),
        (
            r#"{ type = "integer" }"#,
            &["1", "-0", "1.0", "1e3", "99999999999999999999999"],
            &["1.5", "\"1\"", "true", "null", "1e-1", "1e999"],
        ),
        (r#"{ type = "number" }"#, &["1", "1.5"], &["\"1\"", "[]"]),
        (
            r#"{ type = ["null", "array"] }"#,
            &["null", "[1]"],
            &["0", "{}", "false"],
        ),
        (
            r#"{ type = "boolean" }"#,
            &["true", "false"],
            &["null", "\"true\""],
        ),
        (r#"{ type = "object" }"#, &["{}"], &["[]"]),
        (
            r#"{ const = "x" }"#,
            &["\"x\"", "\"\\u0078\""],
            &["\"X\"", "\"x \"", "\"x\\u0000\"", "[\"x\"]", "null"],
        ),
        (
            "{ const = 1 }",
            &["1", "1.0", "10e-1"],
            &["\"1\"", "2", "true", "9007199254740993"],
        ),
        ("{ const = true }", &["true"], &["false", "1", "\"true\""]),
        (
            r#"{ enum = ["x", 2] }"#,
            &["\"x\"", "2"],
            &["\"2\"", "\"y\"", "{}"],
        ),
        (
            "{ minimum = 2 }",
            &["2", "2.5", "\"1\""],
            &["1", "-1", "1.999"],
        ),
        (
            "{ maximum = 2 }",
            &["2", "-5", "null"],
            &["2.0000001", "1e300"],
        ),
        ("{ exclusiveMinimum = 2 }", &["2.1"], &["2"]),
        ("{ exclusiveMaximum = 2 }", &["1.9"], &["2"]),
        (
            "{ minLength = 2 }",
            &["\"ab\"", "\"éé\"", "1"],
            &["\"a\"", "\"é\""],
        ),
        ("{ maxLength = 2 }", &["\"ab\"", "\"😀😀\""], &["\"abc\""]),
        (
            "{ pattern = '^[a-z]+$' }",
            &["\"abc\"", "1"],
            &["\"\"", "\"aB\"", "\"a\\n\"", "\"\\u00e9\""],
        ),
        (r"{ pattern = '^\d$' }", &["\"5\""], &["\"٣\""]),
        ("{ minItems = 1 }", &["[1]", "\"\""], &["[]"]),
        ("{ maxItems = 1 }", &["[]", "[1]"], &["[1,2]"]),
        ("{ items.const = 1 }", &["[]", "[1,1]", "2"], &["[1,2]"]),
        (
            "{ properties.b.const = 1 }",
            &["{}", "{\"b\":1}", "{\"c\":2}", "5"],
            &["{\"b\":2}", "{\"B\":1}", "{\"\\u212a\":1,\"b\":\"2\"}"],
        ),
        (
            "{ required = [\"b\"] }",
            &["{\"b\":null}", "5"],
            &["{}", "{\"c\":1}", "{\"B\":1,\"b\":1}"],
        ),
        ("{ additionalProperties = false }", &["{}"], &["{\"c\":1}"]),
        (
            "{ properties.b = true, additionalProperties.type = \"string\" }",
            &["{\"b\":1,\"c\":\"x\"}"],
            &["{\"c\":1}"],
        ),
        (
            "{ allOf = [{ minimum = 1 }, { maximum = 2 }] }",
            &["1"],
            &["0", "3"],
        ),
        (
            "{ anyOf = [{ const = 1 }, { const = 2 }] }",
            &["1", "2"],
            &["3"],
        ),
        ("{ not.const = 1 }", &["2"], &["1", "1.0"]),
    ] {
        let rule = format!("{{ properties.a = {rule} }}");
        let of = |value: &&str| format!("{{\"a\":{value}}}");
        for value in fits {
            assert_eq!(failure(&rule, &of(value)), None, "{rule} {value}");
        }
        for value in fails {
            let failure = failure(&rule, &of(value));
            assert!(
                failure.unwrap_or_default().starts_with("`arguments.a"),
                "{rule} {value}"
            );
        }
    }
}

#[test]
fn what_readers_read_differently_never_fits() {
    for rule in [
        "{ properties.a.not.const = 9007199254740991 }",
        "{ properties.a.anyOf = [true, { maximum = 5 }] }",
        "{ properties.a.not.maximum = 5 }",
    ] {
        assert_eq!(failure(rule, r#"{"a":7}"#), None);
        for number in [
            "9007199254740993",
            "1e400",
            "-99999999999999999999999999",
            "5.000000000000000001",
            "0.00500000000000000000000001e3",
        ] {
            let said = failure(rule, &format!("{{\"a\":{number}}}")).unwrap();
            assert_eq!(
                said,
                "`arguments.a` is a number that readers read differently"
            );
        }
    }
    // Where no keyword looks at the number, it is nobody's business here.
    let large = r#"{"a":9007199254740993,"b":1}"#;
    assert_eq!(failure("{ properties.b.const = 1 }", large), None);
    for rule in [
        "{ properties.owner.const = \"me\" }",
        "{ not.required = [\"owner\"] }",
        "{ anyOf = [true, { required = [\"owner\"] }] }",
    ] {
        for key in [
            "Owner",
            "OWNER",
            "owner\\u0000",
            "\\u006fWner",
            // What is behind a NUL is not there for readers in C.
            "owner\\u0000x",
            "OWNER\\u0000\\u0000y",
        ] {
            let said = failure(rule, &format!("{{\"{key}\":\"you\"}}")).unwrap();
            assert!(said.ends_with("is another spelling of `owner`"), "{said}");
        }
    }
}

#[test]
fn the_place_is_named_and_made_safe() {
    let rule = "{ properties.tags.items.properties.b.enum = [\"x\", 1] }";
    assert_eq!(
        failure(rule, r#"{"tags":[{"b":1},{"b":"y"}]}"#).unwrap(),
        "`arguments.tags[1].b` does not meet `enum` (\"x\", 1)"
    );
    let said = failure(
        "{ additionalProperties = false }",
        r#"{"\u001b[2J\u202e":1}"#,
    )
    .unwrap();
    assert_eq!(said, "`arguments.\\x1b[2J\\u{202e}` does not meet `false`");
    let failing = failure("{ anyOf = [{ properties.a.const = 1 }] }", r#"{"a":2}"#);
    assert_eq!(failing.unwrap(), "`arguments` does not meet `anyOf`");
}

#[test]
fn hostile_arguments_end_in_reasonable_time() {
    let deep = |depth| format!("{{\"a\":{}{}}}", "[".repeat(depth), "]".repeat(depth));
    let many: Vec<String> = (0..200_000)
        .map(|key| format!("\"k{key}\":{key}"))
        .collect();
    let many = format!("{{{}}}", many.join(","));
    let long = format!("{{\"a\":\"{}\"}}", "a".repeat(8 << 20));
    let rule = r#"{ required = ["a"], properties.a = { pattern = "^(a|aa)+$", items.items.items.type = "array" }, additionalProperties.minimum = 0 }"#;
    let begin = std::time::Instant::now();
    assert_eq!(failure(rule, &deep(100)), None);
    assert!(failure(rule, &many).is_some());
    assert_eq!(
        failure(rule, &long).unwrap(),
        "`arguments.a` is too much to be judged"
    );
    let numbers = format!("{{\"a\":[{}1]}}", "1,".repeat(4 << 20));
    let heavy = r#"{ properties.a.items.anyOf = [{ const = 2 }, { const = 3 }, { const = 4 }, { const = 5 }] }"#;
    assert!(
        failure(heavy, &numbers)
            .unwrap()
            .starts_with("`arguments.a")
    );
    let within = format!("{{\"a\":\"{}\"}}", "a".repeat(MAX_MATCHED));
    assert_eq!(failure(rule, &within), None);
    assert!(begin.elapsed().as_secs() < 30, "{:?}", begin.elapsed());
}

#[test]
fn text_that_ends_at_a_nul_for_some_never_fits() {
    // A name that some open as `/etc/passwd`.
    let value = r#"{"a":"/etc/passwd\u0000.md"}"#;
    for rule in [
        r#"{ properties.a.pattern = '\.md$' }"#,
        r#"{ properties.a.not.pattern = "passwd$" }"#,
        r#"{ properties.a.not.const = "/etc/passwd" }"#,
        "{ properties.a.anyOf = [true, { minLength = 1 }] }",
    ] {
        assert_eq!(
            failure(rule, value).unwrap(),
            "`arguments.a` holds a NUL, at which some readers end it"
        );
        assert_eq!(failure(rule, r#"{"a":"/etc/passwd .md"}"#), None, "{rule}");
    }
    // Where no keyword looks at the text, it is nobody's business here.
    for rule in [
        "{ properties.b.const = 1 }",
        "{ properties.a.type = \"string\" }",
    ] {
        assert_eq!(failure(rule, value), None, "{rule}");
    }
}

#[test]
fn digits_that_make_no_difference_are_fine() {
    let rule = "{ properties.a.maximum = 100 }";
    for number in [
        "100.000000000000000000000",
        "1e2",
        "0.1",
        "0.30000000000000004",
        "1E-300",
    ] {
        assert_eq!(
            failure(rule, &format!("{{\"a\":{number}}}")),
            None,
            "{number}"
        );
    }
}

/// Each costs more for each byte than what it is compared with, and is counted as that.
#[test]
fn what_is_dear_is_counted_as_dear() {
    let left = |rule_text: &str, arguments: &str| {
        let line = CanonicalLine::read(arguments.as_bytes(), 16 << 20).unwrap();
        let rule = rule(rule_text);
        let judged = |most| judge_within(most, &rule, line.root().as_value()).is_ok();
        let (mut few, mut enough) = (0, MAX_WORK);
        assert!(judged(enough), "{rule_text}");
        while few + 1 < enough {
            let middle = (few + enough) / 2;
            if judged(middle) {
                enough = middle
            } else {
                few = middle
            }
        }
        enough
    };
    let properties = "{ properties = { b = { type = \"null\" } } }";
    // A long key is read anew for each keyword, a short one with a long value is not.
    let key = left(properties, &format!(r#"{{"{}":1}}"#, r"\n".repeat(50_000)));
    let value = left(properties, &format!(r#"{{"a":"{}"}}"#, "n".repeat(100_000)));
    assert!(key >= 100_000 / 16 && key > value, "{key} {value}");
    // A pattern of many states beside one of few, on the same text.
    let text = format!(r#"{{"a":"{}"}}"#, "a".repeat(1000));
    let pattern = |pattern: &str| {
        left(
            &format!("{{ properties = {{ a = {{ pattern = \"{pattern}\" }} }} }}"),
            &text,
        )
    };
    let (small, large) = (pattern("^[a-z]*$"), pattern("a{900}"));
    assert!(small >= 32_000 && large > 3 * small, "{small} {large}");
}

#[test]
fn more_work_than_there_may_be_is_refused() {
    let rule_text = "{ properties = { a = { pattern = \"a{900}\" } } }";
    let arguments = format!(r#"{{"a":"{}"}}"#, "a".repeat(1000));
    let line = CanonicalLine::read(arguments.as_bytes(), 1 << 20).unwrap();
    let rule = rule(rule_text);
    let refused = judge_within(10_000, &rule, line.root().as_value()).unwrap_err();
    assert_eq!(refused.reason, Reason::TooMuch);
    // Neither does a `not` make it fit.
    let not = Schema(vec![Keyword::Not(Box::new(rule.clone()))]);
    let refused = judge_within(10_000, &not, line.root().as_value()).unwrap_err();
    assert_eq!(refused.reason, Reason::TooMuch);
    // The control.
    assert!(judge(&rule, line.root().as_value()).is_ok());
}
