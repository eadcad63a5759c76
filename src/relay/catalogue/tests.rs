//! The tables hold what the published schemas hold, and say who decides.

use std::collections::BTreeSet;

use serde_json::Value;

use super::*;
use crate::relay::grants::{Elicitation, Grants, Reach};

const PUBLISHED: &str = include_str!("../../../tests/relay/published_methods.json");

fn side(word: &str) -> Side {
    match word {
        "client" => Side::Client,
        "server" => Side::Server,
        other => panic!("{other}"),
    }
}

/// (letter, who sends it, request or notification, method) of every published schema
fn published() -> BTreeSet<(char, &'static str, &'static str, String)> {
    let document: Value = serde_json::from_str(PUBLISHED).unwrap();
    let mut all = BTreeSet::new();
    for schema in document["schemas"].as_array().unwrap() {
        let letter = schema["letter"].as_str().unwrap().chars().next().unwrap();
        for (key, from, kind) in [
            ("client_requests", "client", "request"),
            ("client_notifications", "client", "notification"),
            ("server_requests", "server", "request"),
            ("server_notifications", "server", "notification"),
            ("inside_results", "server", "inside"),
        ] {
            for method in schema[key].as_array().unwrap() {
                all.insert((letter, from, kind, method.as_str().unwrap().to_owned()));
            }
        }
    }
    all
}

#[test]
fn the_table_is_the_published_schemas_and_nothing_is_missing() {
    let published = published();
    assert!(published.len() > 120, "{}", published.len());
    let mut in_table = BTreeSet::new();
    for row in &METHODS {
        let from = match row.from {
            Side::Client => "client",
            Side::Server => "server",
        };
        let kind = match row.kind {
            Kind::Request => "request",
            Kind::Notification => "notification",
        };
        for letter in row.seen.chars().filter(|letter| "ABCDE".contains(*letter)) {
            in_table.insert((letter, from, kind, row.name.to_owned()));
        }
        if row.seen.contains('e') {
            in_table.insert(('E', from, "inside", row.name.to_owned()));
        }
        if row.seen.contains('X') && row.name.contains("tasks") {
            in_table.insert(('X', from, kind, row.name.to_owned()));
        }
    }
    let missing: Vec<_> = published.difference(&in_table).collect();
    assert!(missing.is_empty(), "not in the table: {missing:?}");
    let invented: Vec<_> = in_table.difference(&published).collect();
    assert!(invented.is_empty(), "in no published schema: {invented:?}");
}

#[test]
fn control_a_method_that_is_missing_would_be_seen() {
    assert!(published().contains(&('E', "client", "request", "server/discover".to_owned())));
    assert!(find(Side::Client, Kind::Request, "server/discovers").is_none());
    assert!(find(side("server"), Kind::Request, "server/discover").is_none());
}

#[test]
fn each_row_is_well_formed_and_there_once() {
    let mut seen = BTreeSet::new();
    for row in &METHODS {
        assert!(
            seen.insert((row.name, row.from as u8, row.kind as u8)),
            "{} is there twice",
            row.name
        );
        assert_eq!(row.seen.len(), 6, "{}", row.name);
        for (place, letter) in row.seen.chars().enumerate() {
            let allowed = [&['A'][..], &['B'], &['C'], &['D'], &['E', 'e'], &['X', 'V']][place];
            assert!(letter == '-' || allowed.contains(&letter), "{}", row.name);
        }
        assert!(row.seen.chars().any(|letter| letter != '-'), "{}", row.name);
        let is_notification = row.name.starts_with("notifications/");
        assert_eq!(row.kind == Kind::Notification, is_notification);
        // What shows tasks of others, or is the extension's alone, is never granted.
        if row.name.contains("tasks") {
            let of_one = row.seen.contains('D') && row.name != "tasks/list";
            let expected = if of_one {
                Decision::Granted(Right::Tasks)
            } else {
                Decision::Never
            };
            assert_eq!(row.decision, expected, "{}", row.name);
        }
    }
}

#[test]
fn by_default_nothing_is_asked_of_the_client() {
    let nothing = Grants::default();
    let passing: Vec<&str> = METHODS
        .iter()
        .filter(|row| row.from == Side::Server && row.kind == Kind::Request)
        .filter(|row| nothing.admit(row.from, row.kind, row.name))
        .map(|row| row.name)
        .collect();
    assert_eq!(passing, ["ping"]);
    // And what is unknown passes in no direction.
    for from in [Side::Client, Side::Server] {
        for kind in [Kind::Request, Kind::Notification] {
            assert!(!nothing.admit(from, kind, "notifications/x"));
            assert!(!nothing.admit(from, kind, "x"));
        }
    }
}

#[test]
fn every_right_decides_about_something() {
    let all_off = Grants {
        resources: Reach::Off,
        prompts: Reach::Off,
        completion: false,
        logging: false,
        ..Grants::default()
    };
    let all_on = Grants {
        sampling: true,
        elicitation: Elicitation::Url,
        roots: true,
        tasks: true,
        ..Grants::default()
    };
    for right in [
        Right::Sampling,
        Right::Elicitation,
        Right::UrlElicitation,
        Right::Roots,
        Right::Tasks,
        Right::Resources,
        Right::Prompts,
        Right::Completion,
        Right::Logging,
    ] {
        let decided = METHODS
            .iter()
            .filter(|row| row.decision == Decision::Granted(right));
        let mut count = 0;
        for row in decided {
            count += 1;
            assert!(all_on.admit(row.from, row.kind, row.name), "{}", row.name);
            assert!(!all_off.admit(row.from, row.kind, row.name), "{}", row.name);
        }
        assert!(count > 0, "{right:?}");
    }
}

#[test]
fn the_clients_requests_keep_their_names() {
    for row in METHODS
        .iter()
        .filter(|row| row.from == Side::Client && row.kind == Kind::Request)
    {
        assert_eq!(ClientRequest::of(row.name).method(), row.name);
    }
    for method in QUESTION_METHODS {
        assert!(find(Side::Client, Kind::Request, method).is_some());
    }
    assert_eq!(ClientRequest::of("tools/List"), ClientRequest::Named);
}

#[test]
fn what_can_be_granted_by_name() {
    for (kind, name) in [
        (Kind::Request, "skills/list"),
        (Kind::Request, "vendor/x"),
        (Kind::Request, "x"),
        (Kind::Notification, "notifications/claude/channel"),
        (Kind::Notification, "notifications/x.y/z-1"),
    ] {
        assert_eq!(refused_grant(kind, name), None, "{name}");
    }
    for (kind, name, says) in [
        (Kind::Request, "", "1 to 128"),
        (Kind::Request, "vendor/*", "1 to 128"),
        (Kind::Request, "a b", "1 to 128"),
        (Kind::Request, "notifications/x", "a notification"),
        (Kind::Notification, "vendor/x", "starts with"),
        (Kind::Request, "tasks/get", "`grants.tasks` decides"),
        (Kind::Request, "tasks/whatever", "`grants.tasks` decides"),
        (Kind::Request, "Tasks/get", "`grants.tasks` decides"),
        (Kind::Notification, "notifications/tasks", "`grants.tasks`"),
        (
            Kind::Notification,
            "notifications/tasks/status",
            "`grants.tasks`",
        ),
        (Kind::Request, "tools/call", "and passes without"),
        (Kind::Request, "Tools/Call", "and passes without"),
        (Kind::Request, "resources/read", "`grants.resources`"),
        (Kind::Request, "prompts/get", "`grants.prompts`"),
        (Kind::Request, "logging/setLevel", "`grants.logging`"),
        (Kind::Request, "completion/complete", "`grants.completion`"),
        (Kind::Request, "sampling/createMessage", "`grants.sampling`"),
        (Kind::Request, "elicitation/create", "`grants.elicitation`"),
        (Kind::Request, "roots/list", "`grants.roots`"),
        (
            Kind::Notification,
            "notifications/message",
            "grants.logging",
        ),
        (
            Kind::Notification,
            "notifications/elicitation/complete",
            "grants.elicitation = \"url\"",
        ),
        (
            Kind::Notification,
            "notifications/tools/list_changed",
            "and passes without",
        ),
        (
            Kind::Notification,
            "notifications/initialized",
            "none of the notifications of the server",
        ),
        (
            Kind::Notification,
            "notifications/claude/channel/permission",
            "none of the notifications of the server",
        ),
    ] {
        let refused = refused_grant(kind, name).unwrap_or_default();
        assert!(refused.contains(says), "{name}: {refused}");
    }
}
