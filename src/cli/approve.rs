//! `pinfold approve`: calls that wait for the user in sessions of the daemon, decided in a terminal.

use std::path::Path;

use super::args::Approve;
use super::exit::{DriftError, Exit, UsageError};
use super::output;
use crate::config::{Environment, Paths};
use crate::daemon::protocol::{Decided, HeldCall, ShownCall};
use crate::daemon::{DaemonError, client};

/// Characters of names.
const MAX_NAME: usize = 160;
/// Characters of a reason.
const MAX_REASON: usize = 1000;

pub(super) async fn run(manifest: Option<&Path>, arguments: &Approve) -> anyhow::Result<Exit> {
    let paths = Paths::resolve(&Environment::current(), manifest)?;
    let socket = paths.control_socket().ok_or(DaemonError::NoRuntimeFolder)?;
    let Some(id) = arguments.call.as_deref() else {
        return list(&socket).await;
    };
    if arguments.deny {
        let decided = client::decide(&socket, id, false).await?;
        return told(id, decided);
    }
    if !output::at_a_terminal() {
        return Err(UsageError(format!(
            "a call is approved in a terminal, by a person who has seen it; without one, `pinfold approve --deny {}` declines it",
            output::foreign(id, MAX_NAME)
        ))
        .into());
    }
    let Some((server, shown)) = client::show(&socket, id).await? else {
        return told(id, Decided::Gone);
    };
    show(id, &server, &shown);
    if shown.missing > 0 {
        return told(id, Decided::TooLong);
    }
    let accept = output::yes("Let this call happen? [y/N] ");
    told(id, client::decide(&socket, id, accept).await?)
}

async fn list(socket: &Path) -> anyhow::Result<Exit> {
    let (sessions, silent) = client::held(socket).await?;
    let mut is_any = false;
    for session in &sessions {
        for HeldCall { number, .. } in &session.calls {
            let id = format!("{}/{number}", session.session);
            // One that is gone meanwhile needs nobody.
            if let Some((server, shown)) = client::show(socket, &id).await? {
                show(&id, &server, &shown);
                is_any = true;
            }
        }
    }
    if is_any {
        output::note("`pinfold approve CALL` decides about one.");
    } else {
        output::note("No call waits for your approval in a session of the daemon.");
    }
    if silent > 0 {
        output::warning(&format!(
            "{silent} sessions did not say in time what waits there"
        ));
    }
    Ok(Exit::Success)
}

/// Everything that a yes would let happen.
fn show(id: &str, server: &str, shown: &ShownCall) {
    for line in lines(id, server, shown) {
        output::data(&line);
    }
}

fn lines(id: &str, server: &str, shown: &ShownCall) -> Vec<String> {
    let ShownCall {
        call,
        arguments,
        missing,
    } = shown;
    let name = |text: &str| output::foreign(text, MAX_NAME);
    let mut lines = vec![
        format!(
            "{}  the tool `{}` of `{}`, {} s left",
            name(id),
            name(&call.tool),
            name(server),
            call.left_seconds
        ),
        format!("    {}", output::foreign(arguments, usize::MAX)),
    ];
    if *missing > 0 {
        lines.push(format!(
            "    ({missing} characters more, which are not shown)"
        ));
    }
    lines
}

fn told(id: &str, decided: Decided) -> anyhow::Result<Exit> {
    let id = output::foreign(id, MAX_NAME);
    match decided {
        Decided::Passed => output::note("It goes to the server."),
        Decided::Declined => output::note("It is declined; the server never sees it."),
        Decided::Refused { reason } => {
            let reason = output::foreign(&reason, MAX_REASON);
            return Err(DriftError(format!("the call `{id}` was not passed on: {reason}")).into());
        }
        Decided::Gone => {
            return Err(UsageError(format!(
                "no call `{id}` waits: it was decided about, cancelled by its client, or has waited for a minute; `pinfold approve` lists those that wait"
            ))
            .into());
        }
        Decided::TooLong => {
            return Err(UsageError(format!(
                "the call `{id}` is too long to be seen whole here, so it can't be approved here; `pinfold approve --deny {id}` declines it"
            ))
            .into());
        }
    }
    Ok(Exit::Success)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_is_shown_whole_and_without_escapes() {
        let shown = ShownCall {
            call: HeldCall {
                number: 3,
                tool: "rm".to_owned(),
                left_seconds: 42,
            },
            arguments: format!("{{\"a\":\"\u{1b}[2J\u{202e}{}end\"}}", "x".repeat(9000)),
            missing: 0,
        };
        let whole = lines("f@k7q2x9m/3", "f", &shown);
        assert_eq!(whole[0], "f@k7q2x9m/3  the tool `rm` of `f`, 42 s left");
        assert!(whole[1].starts_with(r#"    {"a":"\x1b[2J\u{202e}xxx"#));
        assert!(whole[1].ends_with("end\"}") && whole.len() == 2);
        let cut = ShownCall {
            missing: 7,
            ..shown
        };
        assert!(lines("i", "f", &cut)[2].contains("7 characters more"));
    }
}
