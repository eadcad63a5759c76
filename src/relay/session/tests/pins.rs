//! A tool that is not as it was agreed is neither shown nor called; one that is, is.

use super::*;
use crate::relay::{Differing, Drift, ToolDefinition};

fn agreed(name: &str) -> String {
    tool(name, "agreed")
}

fn page(tools: &[&str]) -> String {
    result("77", &format!(r#"{{"tools":[{}]}}"#, tools.join(",")))
}

/// The events of the client's listing.
fn events_of(session: &mut Session, tools: &[&str]) -> Vec<Event> {
    client_passes(session, &request("77", "tools/list", "{}"));
    server(session, &page(tools)).2
}

#[test]
fn definitions_as_agreed_are_shown_verbatim_and_called() {
    let mut session = pinned();
    let tools = [agreed("echo"), agreed("sum")];
    let tools: Vec<&str> = tools.iter().map(String::as_str).collect();
    assert_eq!(listed(&mut session, None, &tools, None), page(&tools));
    assert!(callable(&mut session, "echo") && callable(&mut session, "sum"));
}

#[test]
fn one_letter_withholds_the_tool_and_its_calls() {
    let mut session = pinned();
    let changed = tool("echo", "agreeD");
    let seen = listed(&mut session, None, &[&changed, &agreed("sum")], None);
    assert_eq!(seen, page(&[&agreed("sum")]));
    assert!(!callable(&mut session, "echo"));
    assert!(callable(&mut session, "sum"));
    // Control: without pins the client sees it and the call arrives.
    let mut open = super::session();
    let seen = listed(&mut open, None, &[&changed], None);
    assert_eq!(seen, page(&[&changed]));
    assert!(callable(&mut open, "echo"));
}

#[test]
fn every_part_of_a_definition_counts() {
    for other in [
        r#"{"name":"echo","description":"agreed","inputSchema":{"type":"object"},"title":"x"}"#,
        r#"{"name":"echo","description":"agreed","inputSchema":{"type":"object","properties":{}}}"#,
        r#"{"name":"echo","description":"agreed","inputSchema":{"type":"object"},"_meta":{"a":1}}"#,
        r#"{"name":"echo","description":"agreed","inputSchema":{"type":"object"},"unheard":null}"#,
        r#"{"name":"echo","description":"agreed\u200b","inputSchema":{"type":"object"}}"#,
        r#"{"name":"echo","description":"agreed"}"#,
    ] {
        let mut session = pinned();
        assert_eq!(
            listed(&mut session, None, &[other], None),
            page(&[]),
            "{other}"
        );
        assert!(!callable(&mut session, "echo"), "{other}");
    }
}

#[test]
fn order_and_spelling_do_not_count() {
    let pinned_as = r#"{"name":"echo","n":[1,100,0.5],"d":"é/A"}"#;
    let pins = Pins {
        tools: [("echo".parse().unwrap(), digest(pinned_as))].into(),
        instructions: None,
        review: String::new(),
    };
    for same in [
        r#"{"d":"é/A","n":[1,100,0.5],"name":"echo"}"#,
        r#"{"name":"echo","n":[1.0,1e2,5e-1],"d":"é/A"}"#,
        r#"{"name":"\u0065cho","n":[1,100,0.5],"d":"\u00e9\/\u0041"}"#,
        r#"{ "name" : "echo", "n" : [1, 100, 0.50], "d" : "é/A" }"#,
    ] {
        let allow = ["echo".parse().unwrap()];
        let policy = SessionPolicy::locked(allow.into(), pins.clone());
        let mut session = Session::new(policy);
        assert!(
            listed(&mut session, None, &[same], None).contains("cho"),
            "{same}"
        );
        assert!(callable(&mut session, "echo"), "{same}");
    }
}

#[test]
fn a_tool_that_the_lock_does_not_know_is_withheld_listed_or_not() {
    let mut session = pinned();
    assert!(!callable(&mut session, "fresh"));
    assert_eq!(
        listed(&mut session, None, &[&agreed("fresh")], None),
        page(&[])
    );
    assert!(!callable(&mut session, "fresh"));
}

#[test]
fn what_can_not_be_read_in_one_way_is_withheld() {
    for unreadable in [
        r#"{"name":"echo","n":1e400}"#,
        r#"{"name":"echo","description":"agreed","Description":"evil","inputSchema":{"type":"object"}}"#,
    ] {
        let mut session = pinned();
        assert_eq!(listed(&mut session, None, &[unreadable], None), page(&[]));
        assert!(!callable(&mut session, "echo"), "{unreadable}");
        // Shown properly again, it counts again.
        let seen = listed(&mut session, None, &[&agreed("echo")], None);
        assert_eq!(seen, page(&[&agreed("echo")]));
        assert!(callable(&mut session, "echo"));
    }
}

#[test]
fn every_page_is_compared() {
    let mut session = pinned();
    let first = listed(&mut session, None, &[&agreed("echo")], Some("2"));
    assert!(first.contains("echo"));
    let second = listed(&mut session, Some("2"), &[&tool("sum", "evil")], None);
    assert_eq!(second, page(&[]));
    assert!(callable(&mut session, "echo") && !callable(&mut session, "sum"));
}

#[test]
fn of_two_definitions_the_first_counts_and_a_changed_one_is_never_shown() {
    let (good, evil) = (agreed("echo"), tool("echo", "evil"));
    for (first, second, shown) in [(&good, &evil, true), (&evil, &good, false)] {
        let expected = if shown { page(&[&good]) } else { page(&[]) };
        let mut session = pinned();
        assert_eq!(listed(&mut session, None, &[first, second], None), expected);
        assert_eq!(callable(&mut session, "echo"), shown);
        // Also when they are on two pages.
        let mut session = pinned();
        let on_first = listed(&mut session, None, &[first], Some("2"));
        let on_second = listed(&mut session, Some("2"), &[second], None);
        assert_eq!(on_first.contains("echo"), shown);
        assert_eq!(on_second, page(&[]));
        assert_eq!(callable(&mut session, "echo"), shown);
    }
}

#[test]
fn what_was_shown_last_counts() {
    let mut session = pinned();
    let (good, evil) = (agreed("echo"), tool("echo", "evil"));
    for round in 0..3 {
        assert_eq!(listed(&mut session, None, &[&good], None), page(&[&good]));
        assert!(callable(&mut session, "echo"), "{round}");
        assert_eq!(listed(&mut session, None, &[&evil], None), page(&[]));
        assert!(!callable(&mut session, "echo"), "{round}");
        // Leaving it out afterwards makes nothing good.
        assert_eq!(listed(&mut session, None, &[], None), page(&[]));
        assert!(!callable(&mut session, "echo"), "{round}");
    }
}

#[test]
fn it_is_said_once_and_what_differs_is_known_after_each_listing() {
    let mut session = pinned();
    let evil = tool("echo", "evil");
    let echo: ToolName = "echo".parse().unwrap();
    let differing = Differing {
        tool: echo.clone(),
        pinned: Some(digest(&agreed("echo"))),
        definition: ToolDefinition::of_canonical(&evil)
            .map(|it| String::from_utf8(it.canonical).unwrap().into()),
    };
    let shown = Event::ToolsShown {
        differing: vec![differing],
    };
    let said = Event::DefinitionDiffers {
        tool: echo,
        drift: Drift::Changed,
        review: "pinfold review files".to_owned(),
    };
    assert_eq!(
        events_of(&mut session, &[&evil]),
        [said.clone(), shown.clone()]
    );
    assert_eq!(events_of(&mut session, &[&evil]), [shown]);
    let text = said.to_string();
    assert!(
        text.contains("`echo`") && text.contains("`pinfold review files`"),
        "{text}"
    );
    let none = Event::ToolsShown { differing: vec![] };
    assert_eq!(events_of(&mut session, &[&agreed("echo")]), [none]);
}

#[test]
fn a_refused_call_is_a_result_as_its_revision_wants_it() {
    let mut session = pinned();
    listed(&mut session, None, &[&tool("echo", "evil")], None);
    for (meta, kind) in [
        ("{}", ""),
        (
            r#"{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}"#,
            r#""resultType":"complete","#,
        ),
    ] {
        let call = request(
            "1",
            "tools/call",
            &format!(r#"{{"name":"echo","_meta":{meta}}}"#),
        );
        let (to_server, to_client, events) = client(&mut session, &call);
        assert_eq!(to_server, None);
        let answer = to_client.unwrap();
        let start = format!(
            r#"{{"jsonrpc":"2.0","id":1,"result":{{{kind}"content":[{{"type":"text","text":""#
        );
        assert!(answer.starts_with(&start), "{answer}");
        assert!(matches!(
            events.as_slice(),
            [Event::CallWithheld {
                drift: Drift::Changed,
                ..
            }]
        ));
        // What is not on the list doesn't exist, as before.
        let other = request("2", "tools/call", r#"{"name":"other"}"#);
        client_refused(
            &mut session,
            &other,
            "2",
            codes::INVALID_PARAMS,
            "Unknown tool: other",
        );
    }
}

#[test]
fn other_instructions_are_taken_out_and_the_rest_stays() {
    for method in ["initialize", "server/discover"] {
        for (instructions, passes) in [
            (r#","instructions":"be kind""#, true),
            (r#","instructions":"be\u0020kind""#, true),
            ("", true),
            (r#","instructions":"be kinD""#, false),
            (r#","instructions":["be kind"]"#, false),
            (r#","instructions":null"#, false),
        ] {
            let mut session = pinned();
            client_passes(&mut session, &request("1", method, "{}"));
            let answer = |text: &str| {
                result(
                    "1",
                    &format!(r#"{{"capabilities":{{"tools":{{}}}}{text},"serverInfo":{{}}}}"#),
                )
            };
            let (_, to_client, events) = server(&mut session, &answer(instructions));
            let expected = if passes {
                instructions.replace("\\u0020", " ")
            } else {
                String::new()
            };
            assert_eq!(
                to_client,
                Some(answer(&expected)),
                "{method} {instructions}"
            );
            assert_eq!(events.is_empty(), passes, "{method} {instructions}");
        }
    }
    // A server that had none when it was locked may not begin to instruct.
    let pins = Pins::default();
    let mut session = Session::new(SessionPolicy::locked(BTreeSet::new(), pins));
    client_passes(&mut session, &request("1", "initialize", "{}"));
    let (_, to_client, _) = server(
        &mut session,
        &result("1", r#"{"capabilities":{"tasks":{}},"instructions":""}"#),
    );
    assert_eq!(to_client, Some(result("1", r#"{"capabilities":{}}"#)));
    // Control: without pins they pass.
    let mut open = super::session();
    client_passes(&mut open, &request("1", "initialize", "{}"));
    server_passes(&mut open, &result("1", r#"{"instructions":"be kinD"}"#));
}
