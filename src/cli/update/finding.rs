//! What an update of one server would be, for a person and as JSON.

use std::collections::BTreeSet;
use std::time::SystemTime;

use serde_json::{Value, json};

use super::risk::{Alarm, Risk, age_of, in_words};
use crate::cli::context::Context;
use crate::cli::definitions::Definitions;
use crate::cli::output;
use crate::config::Server;
use crate::lockfile::{ChangeKind, LockedServer, ServerName};
use crate::relay::Introspection;
use crate::resolve::npm::Waiting;
use crate::store::Staging;

/// Longest line about a change, in characters.
const MAX_LINE: usize = 600;
/// `status` of an update without an alarm.
const UPDATE: u8 = 1;

/// What was found for one server.
pub(super) struct Finding {
    pub name: ServerName,
    pub old: LockedServer,
    /// Newer than what may be chosen.
    pub waiting: Option<Waiting>,
    /// `None` when there is nothing to update.
    pub proposal: Option<Proposal>,
}

/// What would be locked.
pub(super) struct Proposal {
    pub locked: LockedServer,
    pub changes: Vec<ChangeKind>,
    pub alarms: Vec<Alarm>,
    pub introspection: Introspection,
    /// Keeps what was got until the lock names it.
    pub _staging: Staging,
}

/// The alarm that the same code says something else of itself.
pub(super) fn drift(definitions: &Definitions<'_>) -> Vec<Alarm> {
    let alarm = |subject: String, message: String| Alarm {
        risk: Risk::ToolDrift,
        subject,
        message,
    };
    let mut alarms: Vec<Alarm> = definitions
        .differing()
        .map(|(name, state)| {
            alarm(
                name.to_string(),
                format!(
                    "is {}, although not a byte of the code did: somebody else decides what the model is told",
                    state.word()
                ),
            )
        })
        .collect();
    if definitions.instructions.differs() {
        let message = "changed, although not a byte of the code did: somebody else decides what the model is told";
        alarms.push(alarm("instructions".to_owned(), message.to_owned()));
    }
    alarms
}

impl Finding {
    /// The command that accepts what is proposed, with every alarm that it raised.
    pub(super) fn accepting(&self) -> Option<String> {
        let alarms = &self.proposal.as_ref()?.alarms;
        let risks: BTreeSet<&str> = alarms.iter().map(|alarm| alarm.risk.code()).collect();
        let risks: String = risks
            .into_iter()
            .map(|code| format!(" --accept-risk {code}"))
            .collect();
        Some(format!("pinfold update {} --accept{risks}", self.name))
    }

    /// Everything, for a person.
    pub(super) fn show(&self, context: &Context, server: &Server) {
        let name = &self.name;
        let old = self.old.version.as_deref().unwrap_or("(no version)");
        match &self.proposal {
            None if server.source.asks_for_exact_version() => output::data(&format!(
                "{name}: {old}, which the manifest asks for exactly; nothing to update"
            )),
            None => output::data(&format!("{name}: {old}; nothing to update")),
            Some(proposal) => {
                let new = proposal.locked.version.as_deref().unwrap_or("(no version)");
                output::data(&match new == old {
                    true => format!("{name}: {old}, and not what was locked"),
                    false => format!("{name}: {old} → {}", output::foreign(new, 200)),
                });
                proposal.show(context, server, &self.old);
            }
        }
        if let Some(waiting) = &self.waiting {
            output::data(&format!("{name}: {}", sentence(waiting)));
        }
    }

    pub(super) fn json(
        &self,
        context: &Context,
        server: &Server,
        accepted: bool,
        risks: &BTreeSet<Risk>,
    ) -> Value {
        let mut value = json!({
            "name": self.name.as_str(),
            "source": server.source_text,
            "exact": server.source.asks_for_exact_version(),
            "state": "unchanged",
            "status": 0,
            "accepted": accepted,
            "old_version": self.old.version,
            "new_version": self.old.version,
            "changes": [],
            "alarms": [],
            "waiting": self.waiting.as_ref().map(|waiting| json!({
                "code": Risk::TooYoung.code(),
                "status": Risk::TooYoung.status(),
                "version": waiting.version,
                "published": time(waiting.published),
                "until": time(waiting.until),
                "message": sentence(waiting),
            })),
            "definitions": null,
            "build": null,
        });
        if self.waiting.is_some() {
            value["state"] = json!("waiting");
            value["status"] = json!(Risk::TooYoung.status());
        }
        let Some(proposal) = &self.proposal else {
            return value;
        };
        value["state"] = json!("update");
        value["status"] = json!(proposal.status(accepted, risks));
        value["new_version"] = json!(proposal.locked.version);
        value["build"] = json!(proposal.locked.build.as_ref().map(|build| json!({
            "packages": build.packages,
            "egress": build.egress,
        })));
        value["changes"] = proposal.changes.iter().map(change).collect();
        value["alarms"] = proposal
            .alarms
            .iter()
            .map(|alarm| {
                json!({
                    "code": alarm.risk.code(),
                    "status": alarm.risk.status(),
                    "subject": alarm.subject,
                    "message": alarm.message,
                    "accepted": accepted || risks.contains(&alarm.risk),
                })
            })
            .collect();
        let definitions = proposal.definitions(context, server, &self.old);
        let tools = definitions.tools.keys().filter(|_| accepted);
        value["definitions"] = Value::Object(definitions.json(&tools.cloned().collect(), accepted));
        value
    }
}

impl Proposal {
    fn definitions<'a>(
        &'a self,
        context: &'a Context,
        server: &'a Server,
        old: &LockedServer,
    ) -> Definitions<'a> {
        Definitions::compare(
            &old.behaviour,
            &self.introspection,
            &server.tools.allow,
            &context.store,
        )
    }

    /// 0 when accepted, the largest number of an alarm that is open, or 1.
    fn status(&self, accepted: bool, risks: &BTreeSet<Risk>) -> u8 {
        if accepted {
            return 0;
        }
        let open = self.alarms.iter().map(|alarm| alarm.risk);
        open.filter(|risk| !risks.contains(risk))
            .map(Risk::status)
            .max()
            .unwrap_or(UPDATE)
    }

    fn show(&self, context: &Context, server: &Server, old: &LockedServer) {
        for change in self.changes.iter().filter(|change| is_said_here(change)) {
            let age = change
                .new_artifact()
                .and_then(|new| age_of(new, SystemTime::now()))
                .map(|age| format!(", published {} ago", in_words(age)))
                .unwrap_or_default();
            let line = output::foreign(&change.to_string(), MAX_LINE);
            output::data(&format!("  {line}{age}"));
        }
        if let Some(build) = &self.locked.build {
            output::data(&format!(
                "  built: the install scripts of {} were run in a box",
                output::foreign(&build.to_string(), MAX_LINE)
            ));
        }
        self.definitions(context, server, old).show_changes();
        for tool in &server.tools.allow {
            if !self.locked.behaviour.tools.contains_key(tool) {
                output::data(&format!(
                    "  the tool `{tool}`, which the manifest allows, is not offered any more"
                ));
            }
        }
        for alarm in &self.alarms {
            output::data(&format!(
                "  ALARM {}: `{}` {}",
                alarm.risk.code(),
                output::foreign(&alarm.subject, 200),
                output::foreign(&alarm.message, MAX_LINE)
            ));
        }
    }
}

/// The version is in the headline, definitions are shown word by word, scripts and publishers that
/// are news are alarms as well but belong to the list.
fn is_said_here(change: &ChangeKind) -> bool {
    !matches!(
        change,
        ChangeKind::VersionChanged { .. }
            | ChangeKind::ToolAdded(_)
            | ChangeKind::ToolRemoved(_)
            | ChangeKind::ToolChanged { .. }
            | ChangeKind::InstructionsChanged { .. }
    )
}

fn change(change: &ChangeKind) -> Value {
    let mut value = json!({ "code": change.code(), "message": change.to_string() });
    if let Some(new) = change.new_artifact() {
        let age = age_of(new, SystemTime::now());
        value["artifact"] = json!({
            "name": new.name,
            "version": new.version,
            "path": new.path,
            "published": new.published,
            "age_seconds": age.map(|age| age.as_secs()),
            "publisher": new.publisher,
            "install_script": new.install_script,
        });
    }
    value
}

fn sentence(waiting: &Waiting) -> String {
    format!(
        "too-young: version {} was published {} and waits until {}; to take it now: `--accept --accept-risk too-young`",
        output::foreign(&waiting.version, 200),
        time(waiting.published),
        time(waiting.until)
    )
}

fn time(time: SystemTime) -> String {
    humantime::format_rfc3339_seconds(time).to_string()
}
