//! The table of tasks, and what is taken for a task.

use super::*;
use crate::relay::strict::CanonicalLine;

fn canonical(text: &str) -> CanonicalLine {
    CanonicalLine::read(text.as_bytes(), 1 << 16).unwrap()
}

#[test]
fn a_task_is_known_until_it_is_closed_and_once() {
    let mut tasks = Tasks::new();
    tasks.note("a".to_owned(), 1).unwrap();
    assert_eq!(tasks.note("a".to_owned(), 2), Err(NotNoted::Known));
    // Ids are compared byte for byte.
    assert_eq!(tasks.key("A"), None);
    tasks.note("A".to_owned(), 3).unwrap();
    let key = tasks.key("a").unwrap();
    assert_eq!(tasks.find(&key), Some(&1));
    *tasks.find_mut(&key).unwrap() = 4;
    assert_eq!(tasks.set_over(&key), None);
    assert_eq!(tasks.set_over(&key), None);
    assert_eq!(tasks.over.len(), 1);
    // One that is over is still known, and its id is not free.
    assert_eq!(tasks.find(&key), Some(&4));
    assert_eq!(tasks.note("a".to_owned(), 5), Err(NotNoted::Known));
    assert_eq!(tasks.close(&key), Some(4));
    assert_eq!((tasks.find(&key), tasks.over.len()), (None, 0));
    // The id given again is another task: what was asked of the first is not of this one.
    tasks.note("a".to_owned(), 6).unwrap();
    assert_eq!(tasks.find(&key), None);
    assert_eq!(tasks.find_mut(&key), None);
    assert_eq!((tasks.close(&key), tasks.set_over(&key)), (None, None));
    assert_eq!(tasks.find(&tasks.key("a").unwrap()), Some(&6));
    assert_eq!(tasks.over.len(), 0);
}

#[test]
fn the_table_is_bounded() {
    let mut tasks = Tasks::new();
    let id = |number: usize| format!("{number}");
    for number in 0..MAX_LIVE {
        assert!(!tasks.is_full());
        tasks.note(id(number), number).unwrap();
    }
    assert!(tasks.is_full());
    assert_eq!(tasks.note(id(MAX_LIVE), 0), Err(NotNoted::TooMany));
    // Those that are over make place, and the oldest of them are forgotten.
    let over = |number: usize| State {
        id: id(number),
        is_over: true,
    };
    for number in 0..MAX_OVER {
        assert_eq!(tasks.see(&over(number)), None);
    }
    tasks.note(id(MAX_LIVE), MAX_LIVE).unwrap();
    assert_eq!(tasks.see(&over(MAX_LIVE)), Some(0));
    assert_eq!(tasks.key(&id(0)), None);
    assert_eq!(tasks.by_id.len(), MAX_OVER);
}

#[test]
fn a_wish_is_a_time_and_nothing_else() {
    for wish in ["{}", r#"{"ttl":0}"#, r#"{"ttl":60000,"pollInterval":1}"#] {
        assert_eq!(
            check_wish(
                canonical(&format!("{{\"t\":{wish}}}"))
                    .root()
                    .find("t")
                    .unwrap()
            ),
            Ok(()),
            "{wish}"
        );
    }
    for wish in [
        "null",
        "true",
        "[]",
        r#""x""#,
        r#"{"ttl":null}"#,
        r#"{"ttl":-1}"#,
        r#"{"ttl":1.5}"#,
        r#"{"ttl":1e3}"#,
        r#"{"ttl":"1"}"#,
        r#"{"ttl":9007199254740992}"#,
        r#"{"TTL":1}"#,
        r#"{"ttl":1,"x":{}}"#,
        r#"{"taskId":"t"}"#,
    ] {
        let line = canonical(&format!("{{\"t\":{wish}}}"));
        assert!(
            check_wish(line.root().find("t").unwrap()).is_err(),
            "{wish}"
        );
    }
}

#[test]
fn a_state_is_one_of_2025_11_25() {
    let read = |text: &str| read_state(canonical(text).root());
    for (status, is_over) in [
        ("working", false),
        ("input_required", false),
        ("completed", true),
        ("failed", true),
        ("cancelled", true),
    ] {
        let text = format!(r#"{{"taskId":"a\u002db","status":"{status}","ttl":null,"x":1}}"#);
        let id = "a-b".to_owned();
        assert_eq!(read(&text), Ok(State { id, is_over }));
    }
    let long = format!(r#"{{"taskId":"{}","status":"working"}}"#, "x".repeat(256));
    read(&long).unwrap();
    for wrong in [
        "{}",
        r#"{"taskId":"t"}"#,
        r#"{"status":"working"}"#,
        r#"{"taskId":1,"status":"working"}"#,
        r#"{"taskId":"","status":"working"}"#,
        r#"{"taskId":"a b","status":"working"}"#,
        r#"{"taskId":"a\u0000","status":"working"}"#,
        r#"{"taskId":"é","status":"working"}"#,
        &long.replace("xx\"", "xxx\""),
        r#"{"taskId":"t","status":"Working"}"#,
        r#"{"taskId":"t","status":1}"#,
        r#"{"taskId":"t","TaskId":"u","status":"working"}"#,
        r#"{"taskId":"t","status":"working","Status":"completed"}"#,
        r#"{"taskId":"t","status":"completed","result":{}}"#,
        r#"{"taskId":"t","status":"failed","error":{}}"#,
        r#"{"taskId":"t","status":"input_required","inputRequests":{}}"#,
        r#"{"taskId":"t","status":"working","requestState":"s"}"#,
        r#"{"taskId":"t","status":"working","resultType":"task"}"#,
        r#"{"taskId":"t","status":"working","task":{}}"#,
    ] {
        assert!(read(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn a_task_is_made_alone() {
    let state = r#"{"taskId":"t","status":"working"}"#;
    let read = |text: &str| read_made(canonical(text).root());
    let made = Ok(State {
        id: "t".to_owned(),
        is_over: false,
    });
    assert_eq!(read(&format!(r#"{{"task":{state}}}"#)), made);
    assert_eq!(
        read(&format!(r#"{{"_meta":{{"x":1}},"task":{state}}}"#)),
        made
    );
    for more in [
        r#""content":[]"#,
        r#""resultType":"complete""#,
        r#""inputRequests":{}"#,
        r#""Task":1"#,
    ] {
        assert!(
            read(&format!(r#"{{"task":{state},{more}}}"#)).is_err(),
            "{more}"
        );
    }
    assert!(read(r#"{"task":[]}"#).is_err());
    assert!(read("{}").is_err());
}

#[test]
fn the_id_that_is_asked_for_has_one_reading() {
    let read = |text: &str| asked_id(Some(canonical(text).root()));
    assert_eq!(read(r#"{"taskId":"t","_meta":{}}"#), Ok("t".to_owned()));
    for wrong in [
        "{}",
        r#"{"taskId":1}"#,
        r#"{"taskId":"\n"}"#,
        r#"{"taskId":"t","taskid":"u"}"#,
        r#"{"taskId":"t","taskId\u0000":"u"}"#,
    ] {
        assert!(read(wrong).is_err(), "{wrong}");
    }
    assert!(asked_id(None).is_err());
}

#[test]
fn what_a_message_belongs_to() {
    let read = |text: &str| related(canonical(text).root());
    let meta = |inner: &str| {
        read(&format!(
            r#"{{"_meta":{{"io.modelcontextprotocol/related-task":{inner}}}}}"#
        ))
    };
    assert_eq!(meta(r#"{"taskId":"t"}"#), Some("t".to_owned()));
    for none in [
        "1",
        "{}",
        r#"{"taskId":1}"#,
        r#"{"taskId":"t","TaskID":"u"}"#,
    ] {
        assert_eq!(meta(none), Some(String::new()), "{none}");
    }
    for none in ["{}", r#"{"_meta":{}}"#, r#"{"_meta":1}"#] {
        assert_eq!(read(none), None, "{none}");
    }
}
