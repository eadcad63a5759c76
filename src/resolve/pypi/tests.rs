//! What is chosen and refused of the index's pages, and what uv is asked.

use super::tags::tests::debian;
use super::*;

const HASH: &str = "2c6a25e3877b13a135efe0546989722b37469b1287e8310c27709048d3e79722";
const OTHER: &str = "3c6a25e3877b13a135efe0546989722b37469b1287e8310c27709048d3e79722";

fn time(text: &str) -> SystemTime {
    humantime::parse_rfc3339(text).unwrap()
}

fn request(exact: Option<&str>) -> PypiRequest {
    PypiRequest {
        name: "A_b".to_owned(),
        extras: vec!["x".to_owned()],
        specifiers: exact.map(|version| format!("=={version}")),
        exact: exact.map(str::to_owned),
        release_age: Duration::from_secs(72 * 3600),
        now: time("2026-11-20T00:00:00Z"),
    }
}

/// A file of the page, as `NAME HASH UPLOADED MORE` where MORE is JSON.
fn page(files: &[(&str, &str)]) -> simple::Project {
    let files: Vec<String> = files
        .iter()
        .map(|(name, more)| {
            format!(r#"{{"filename":"{name}","url":"https://f.example/{name}"{more}}}"#)
        })
        .collect();
    let text = format!(
        r#"{{"meta":{{"api-version":"1.1"}},"name":"a-b","files":[{}]}}"#,
        files.join(",")
    );
    let url = Url::parse("https://i.example/simple/a-b/").unwrap();
    simple::parse(text.as_bytes(), "a-b", &url).unwrap()
}

fn package(wheels: &[&str]) -> pylock::Package {
    pylock::Package {
        name: "a-b".to_owned(),
        version: "1.0".parse().unwrap(),
        wheels: wheels
            .iter()
            .map(|name| ((*name).to_owned(), HASH.to_owned()))
            .collect(),
    }
}

fn chosen(
    request: &PypiRequest,
    wheels: &[&str],
    page: &simple::Project,
) -> Result<(ResolvedWheel, Option<String>), PypiError> {
    let index = Index::parse("x", "https://i.example/simple/").unwrap();
    let (python, rule) = (debian(), AgeRule::new(request));
    let choice = Choice::new(&python, &index, &rule).unwrap();
    choice.wheel(&package(wheels), page)
}

const PURE: &str = "a_b-1.0-py3-none-any.whl";

/// What a good file has, with more behind it.
fn good(more: &str) -> String {
    format!(r#","hashes":{{"sha256":"{HASH}"}},"upload-time":"2026-10-01T00:00:00Z"{more}"#)
}

#[test]
fn the_wheel_that_is_meant_for_this_machine_is_chosen() {
    let names = [
        PURE,
        "a_b-1.0-cp311-cp311-manylinux_2_17_x86_64.whl",
        "a_b-1.0-1-cp311-cp311-manylinux_2_17_x86_64.whl",
        "a_b-1.0-cp312-cp312-manylinux_2_17_x86_64.whl",
        "a_b-2.0-cp311-cp311-manylinux_2_17_x86_64.whl",
    ];
    let good = good("");
    let files: Vec<_> = names.iter().map(|name| (*name, good.as_str())).collect();
    let file = |wheels: &[&str]| {
        chosen(&request(None), wheels, &page(&files))
            .unwrap()
            .0
            .file
    };
    assert_eq!(file(&names[..4]), names[2]);
    // What uv didn't see, because it is too young for example, is not chosen.
    assert_eq!(file(&names[..2]), names[1]);
    assert_eq!(file(&[PURE]), PURE);
    let (wheel, warning) = chosen(&request(None), &[PURE], &page(&files)).unwrap();
    assert_eq!(warning, None);
    assert_eq!(wheel.sha256, HASH);
    assert_eq!(wheel.published.as_deref(), Some("2026-10-01T00:00:00Z"));
    assert_eq!(wheel.url, format!("https://f.example/{PURE}"));
    let other = chosen(&request(None), &names[3..4], &page(&files)).unwrap_err();
    assert!(matches!(other, PypiError::Platform { .. }), "{other}");
}

#[test]
fn what_the_index_says_otherwise_is_refused() {
    let refusal = |name: &str, more: &str| {
        let result = chosen(&request(None), &[PURE], &page(&[(name, more)]));
        result.unwrap_err()
    };
    // The control is `good` in the test above.
    let changed = refusal(PURE, &good("").replace(HASH, OTHER));
    assert!(
        matches!(changed, PypiError::HashMismatch { .. }),
        "{changed}"
    );
    let without = refusal(PURE, r#","upload-time":"2026-10-01T00:00:00Z""#);
    assert!(matches!(without, PypiError::NoHash { .. }), "{without}");
    let gone = refusal("a_b-1.1-py3-none-any.whl", &good(""));
    assert!(matches!(gone, PypiError::NotPublished { .. }), "{gone}");
    let newer = refusal(PURE, &good(r#","requires-python":">=3.12""#));
    assert!(matches!(newer, PypiError::RequiresPython { .. }), "{newer}");
    let young = refusal(PURE, &good("").replace("2026-10-01", "2026-11-19"));
    assert!(matches!(young, PypiError::TooYoung { .. }), "{young}");
    let timeless = refusal(PURE, &good("").replace("upload-time", "other"));
    assert!(
        matches!(timeless, PypiError::NoPublishTime { .. }),
        "{timeless}"
    );
    let yanked = refusal(PURE, &good(r#","yanked":"broken""#));
    assert!(yanked.to_string().contains("broken"), "{yanked}");
    let twice = page(&[(PURE, &good("")), (PURE, &good(""))]);
    let twice = chosen(&request(None), &[PURE], &twice).unwrap_err();
    assert!(matches!(twice, PypiError::Page { .. }), "{twice}");
    for address in [
        "https://u:p@f.example/x",
        "https://f.example/x?token=1",
        "ftp://f.example/x",
        "http://127.0.0.1:4/x",
        "https://169.254.169.254/x",
    ] {
        let mut page = page(&[(PURE, &good(""))]);
        page.files[0].url = Url::parse(address).unwrap();
        let refused = chosen(&request(None), &[PURE], &page).unwrap_err();
        assert!(matches!(refused, PypiError::Address { .. }), "{refused}");
        assert!(!refused.to_string().contains("token"));
    }
    let mut quarantined = page(&[(PURE, &good(""))]);
    quarantined.status = Some("quarantined".to_owned());
    assert!(matches!(
        chosen(&request(None), &[PURE], &quarantined),
        Err(PypiError::Withheld { .. })
    ));
}

#[test]
fn what_is_asked_for_exactly_may_be_young_and_yanked() {
    let more = good(r#","yanked":true"#).replace("2026-10-01", "2026-11-19");
    let page = page(&[(PURE, &more)]);
    let (_, warning) = chosen(&request(Some("1.0")), &[PURE], &page).unwrap();
    assert!(warning.unwrap().contains("withdrawn"));
    let found: Version = "1.0".parse().unwrap();
    assert_eq!(asked_version(&request(Some("1")), &found).unwrap(), "1.0");
    assert!(asked_version(&request(Some("1.1")), &found).is_err());
}

#[test]
fn uv_is_asked_with_no_settings_but_these() {
    let environment = |name: &str| {
        let address = "https://ada:p%40ss@i.example/simple";
        (name == "UV_DEFAULT_INDEX").then(|| address.into())
    };
    let settings = PypiSettings::load(&environment, None).unwrap();
    let page = page(&[(PURE, &good(""))]);
    let asked = |exact| {
        let request = request(exact);
        question(&request, &AgeRule::new(&request), &settings, &page).unwrap()
    };
    let question = asked(None);
    assert_eq!(question.files[0], (REQUIREMENTS_FILE, b"A_b[x]\n".to_vec()));
    for word in [
        "--no-config",
        "--only-binary=:all:",
        "--exclude-newer=2026-11-17T00:00:00Z",
    ] {
        assert!(
            question.arguments.iter().any(|argument| argument == word),
            "{word}"
        );
    }
    assert!(
        !question
            .arguments
            .iter()
            .any(|argument| argument.contains("p%40ss"))
    );
    let hosts: Vec<&str> = question
        .endpoints
        .iter()
        .map(|(host, _)| host.as_str())
        .collect();
    assert_eq!(hosts, ["f.example", "i.example"]);
    let exact = asked(Some("1.0")).arguments;
    assert!(
        exact
            .iter()
            .any(|argument| argument.starts_with("--exclude-newer-package=a-b="))
    );

    let said = readable(
        b"x https://ada:p%40ss@i.example/simple/a y p@ss \x1b[31m https://ada:****@z",
        &settings,
    );
    assert!(!said.contains("p%40ss") && !said.contains("p@ss"), "{said}");
    assert!(
        said.contains("i.example") && !said.contains('\x1b'),
        "{said}"
    );
}

#[test]
fn what_is_hopeless_is_said_before_uv_is_asked() {
    let settings = PypiSettings::load(&|_| None, None).unwrap();
    let rule = AgeRule::new(&request(None));
    let look = |page: &simple::Project| first_look(page, "a-b", &rule, &settings);
    assert!(look(&page(&[(PURE, &good(""))])).is_ok());
    let source = page(&[("a_b-1.0.tar.gz", &good(""))]);
    assert!(matches!(look(&source), Err(PypiError::NoWheels { .. })));
    let timeless = page(&[(PURE, "")]);
    assert!(matches!(
        look(&timeless),
        Err(PypiError::NoPublishTime { .. })
    ));
}

#[test]
fn an_index_that_gives_no_answer_is_not_one_without_a_version() {
    for said in [
        "error: Request failed after 2 retries in 3.9s\n  cause: Failed to fetch: `https://i.example/`",
        "error: Failed to fetch: `https://i.example/a.whl`\n  cause: HTTP status client error (403 Forbidden)",
    ] {
        assert!(is_about_network(said), "{said}");
    }
    for said in [
        "error: No solution found when resolving dependencies\n  cause: there are no versions of a",
        "error: No solution found when resolving dependencies\nhint: Failed to fetch b",
        "",
    ] {
        assert!(!is_about_network(said), "{said}");
    }
}
