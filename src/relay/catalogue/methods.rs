//! The table of methods. Columns: name, who sends it, request or notification, where it is
//! seen (see [`Method`]), who decides. A method that goes both ways has two rows.

use super::Decision::{Always, ByName, Granted, Never};
use super::Right::{
    Completion, Elicitation, Logging, Prompts, Resources, Roots, Sampling, Tasks, UrlElicitation,
};
use super::{Decision, Kind, Method, Side};

const fn asks(name: &'static str, seen: &'static str, decision: Decision) -> Method {
    row(name, Side::Client, Kind::Request, seen, decision)
}

const fn tells(name: &'static str, seen: &'static str, decision: Decision) -> Method {
    row(name, Side::Client, Kind::Notification, seen, decision)
}

const fn is_asked(name: &'static str, seen: &'static str, decision: Decision) -> Method {
    row(name, Side::Server, Kind::Request, seen, decision)
}

const fn is_told(name: &'static str, seen: &'static str, decision: Decision) -> Method {
    row(name, Side::Server, Kind::Notification, seen, decision)
}

const fn row(
    name: &'static str,
    from: Side,
    kind: Kind,
    seen: &'static str,
    decision: Decision,
) -> Method {
    Method {
        name,
        from,
        kind,
        seen,
        decision,
    }
}

#[rustfmt::skip]
pub(in crate::relay) static METHODS: [Method; 50] = [
    // The client asks.
    asks("initialize",                             "ABCD--", Always),
    asks("server/discover",                        "----E-", Always),
    asks("ping",                                   "ABCD--", Always),
    asks("tools/list",                             "ABCDE-", Always),
    asks("tools/call",                             "ABCDE-", Always),
    asks("resources/list",                         "ABCDE-", Granted(Resources)),
    asks("resources/templates/list",               "ABCDE-", Granted(Resources)),
    asks("resources/read",                         "ABCDE-", Granted(Resources)),
    asks("resources/subscribe",                    "ABCD--", Granted(Resources)),
    asks("resources/unsubscribe",                  "ABCD--", Granted(Resources)),
    asks("prompts/list",                           "ABCDE-", Granted(Prompts)),
    asks("prompts/get",                            "ABCDE-", Granted(Prompts)),
    asks("completion/complete",                    "ABCDE-", Granted(Completion)),
    asks("logging/setLevel",                       "ABCD--", Granted(Logging)),
    asks("subscriptions/listen",                   "----E-", Always),
    // Tasks hand over the result of a call later: only those of this session's own calls, so
    // that every rule about results holds for them, too. Those of the extension (2026-07-28),
    // which a server makes without being asked, never: `task_rules.rs` refuses what is X here.
    asks("tasks/get",                              "---D-X", Granted(Tasks)),
    asks("tasks/result",                           "---D--", Granted(Tasks)),
    // Would show tasks that are not this session's.
    asks("tasks/list",                             "---D--", Never),
    asks("tasks/cancel",                           "---D-X", Granted(Tasks)),
    asks("tasks/update",                           "-----X", Never),
    // The draft of the skills extension: instructions and scripts for the model.
    asks("skills/list",                            "-----X", ByName),
    asks("skills/get",                             "-----X", ByName),
    asks("resources/directory/read",               "-----X", ByName),

    // The client tells.
    tells("notifications/initialized",             "ABCD--", Always),
    tells("notifications/cancelled",               "ABCDE-", Always),
    tells("notifications/progress",                "ABCD--", Always),
    tells("notifications/roots/list_changed",      "ABCD--", Granted(Roots)),
    tells("notifications/tasks/status",            "---D--", Granted(Tasks)),
    // What the client is about to do, for a channel (below) to approve.
    tells("notifications/claude/channel/permission_request", "-----V", Never),

    // The client is asked.
    is_asked("ping",                               "ABCD--", Always),
    is_asked("sampling/createMessage",             "ABCDe-", Granted(Sampling)),
    is_asked("elicitation/create",                 "--CDe-", Granted(Elicitation)),
    is_asked("roots/list",                         "ABCDe-", Granted(Roots)),
    is_asked("tasks/get",                          "---D--", Granted(Tasks)),
    is_asked("tasks/result",                       "---D--", Granted(Tasks)),
    // Would show what other servers have asked.
    is_asked("tasks/list",                         "---D--", Never),
    is_asked("tasks/cancel",                       "---D--", Granted(Tasks)),

    // The client is told.
    is_told("notifications/cancelled",             "ABCDE-", Always),
    is_told("notifications/progress",              "ABCDE-", Always),
    is_told("notifications/message",               "ABCDE-", Granted(Logging)),
    is_told("notifications/tools/list_changed",    "ABCDE-", Always),
    is_told("notifications/resources/list_changed","ABCDE-", Granted(Resources)),
    is_told("notifications/resources/updated",     "ABCDE-", Granted(Resources)),
    is_told("notifications/prompts/list_changed",  "ABCDE-", Granted(Prompts)),
    is_told("notifications/subscriptions/acknowledged", "----E-", Always),
    is_told("notifications/elicitation/complete",  "---D--", Granted(UrlElicitation)),
    is_told("notifications/tasks/status",          "---D--", Granted(Tasks)),
    // Carries a whole task, with its result and its questions.
    is_told("notifications/tasks",                 "-----X", Never),
    // Claude Code's channels: text of the server straight into the session; and answers to the
    // client's questions about permissions, in the place of the user.
    is_told("notifications/claude/channel",        "-----V", ByName),
    is_told("notifications/claude/channel/permission", "-----V", Never),
];
