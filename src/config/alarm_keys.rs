//! `[servers.NAME.alarms]`: what puts a server into quarantine by itself.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::time::Duration;

use super::diagnostic::Code;
use super::manifest::Rate;
use super::raw::{Node, Walk};
use super::tool_keys::read_rate;

/// Above this no alarm is meant.
const MAX_TIMES: u32 = 10_000;
const DEFAULT: Rate = Rate {
    calls: 20,
    period: Duration::from_secs(60),
};

/// Something that a server, or who drives it, does, and that may be a sign of an attack.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Alarm {
    /// A definition of a tool on the list, or the instructions, are not what was locked.
    ChangedDefinitions,
    /// Tools that are not on the list are called, as often as a threshold says.
    DeniedCalls,
    /// What it may not reach is asked for, as often as a threshold says.
    RefusedEgress,
    /// The kernel ended it, because it made a system call of another architecture.
    EscapeSignals,
}

/// Which alarms are on. None by default.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alarms {
    pub quarantine: BTreeSet<Alarm>,
    /// So often in this time, and it trips.
    pub denied_calls: Rate,
    pub refused_egress: Rate,
}

impl Alarm {
    pub const ALL: [Self; 4] = [
        Self::ChangedDefinitions,
        Self::DeniedCalls,
        Self::RefusedEgress,
        Self::EscapeSignals,
    ];

    /// As in the manifest.
    pub fn name(self) -> &'static str {
        match self {
            Self::ChangedDefinitions => "changed-definitions",
            Self::DeniedCalls => "denied-calls",
            Self::RefusedEgress => "refused-egress",
            Self::EscapeSignals => "escape-signals",
        }
    }

    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|alarm| alarm.name() == name)
    }
}

impl Default for Alarms {
    fn default() -> Self {
        Self {
            quarantine: BTreeSet::new(),
            denied_calls: DEFAULT,
            refused_egress: DEFAULT,
        }
    }
}

impl Alarms {
    /// How often it takes, of those for which once is not enough.
    pub fn threshold(&self, alarm: Alarm) -> Option<Rate> {
        match alarm {
            Alarm::DeniedCalls => Some(self.denied_calls),
            Alarm::RefusedEgress => Some(self.refused_egress),
            Alarm::ChangedDefinitions | Alarm::EscapeSignals => None,
        }
    }
}

pub(super) fn alarms(walk: &mut Walk, node: &Node<'_>) -> Alarms {
    let mut alarms = Alarms::default();
    let Some(table) = walk.table(node, "`alarms`") else {
        return alarms;
    };
    let keys = ["quarantine", "denied_calls", "refused_egress"];
    walk.only_keys(table, &keys, "`alarms`");
    if table.get("quarantine").is_none() {
        walk.report_with_help(
            Code::MissingKey,
            node.span(),
            "`alarms` has no `quarantine` list, so it says nothing",
            Some("for example: quarantine = [\"changed-definitions\"]".to_owned()),
        );
        return alarms;
    }
    for (text, span) in walk.strings(table.get("quarantine"), "`alarms.quarantine`") {
        let Some(alarm) = Alarm::named(&text) else {
            let mut known = String::new();
            for alarm in Alarm::ALL {
                let _ = write!(known, " \"{}\"", alarm.name());
            }
            let text = format!("`{text}` is no alarm; there are:{known}");
            walk.report(Code::InvalidValue, span, text);
            continue;
        };
        if !alarms.quarantine.insert(alarm) {
            let text = format!("`{text}` is listed twice");
            walk.report(Code::Duplicate, span, text);
        }
    }
    let thresholds = [
        ("denied_calls", Alarm::DeniedCalls),
        ("refused_egress", Alarm::RefusedEgress),
    ];
    for (key, alarm) in thresholds {
        let Some(node) = table.get(key) else { continue };
        let what = format!("`alarms.{key}`");
        let rate = walk.string(node, &what).and_then(|text| {
            let rate = read_rate(&text, MAX_TIMES);
            if rate.is_none() {
                walk.report_with_help(
                    Code::InvalidValue,
                    node.span(),
                    format!("`{text}` is not how often something may happen"),
                    Some(format!(
                        "write a number of at most {MAX_TIMES} and s, min or h: \"20/min\""
                    )),
                );
            }
            rate
        });
        if !alarms.quarantine.contains(&alarm) {
            let name = alarm.name();
            let text = format!(
                "{what} is said of an alarm that is not on: `quarantine` has no \"{name}\""
            );
            walk.report(Code::InvalidValue, node.span(), text);
        }
        let Some(rate) = rate else { continue };
        match alarm {
            Alarm::DeniedCalls => alarms.denied_calls = rate,
            _ => alarms.refused_egress = rate,
        }
    }
    alarms
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::{Manifest, Server};

    fn parse(lines: &str) -> Result<Server, Vec<(Code, usize, usize)>> {
        let text = format!(
            "[servers.s]\nsource = \"npm:x\"\ntools.allow = []\n[servers.s.alarms]\n{lines}\n"
        );
        match Manifest::parse(&text, Path::new("/m/pinfold.toml"), None) {
            Ok(mut manifest) => Ok(manifest.servers.pop_first().unwrap().1),
            Err(diagnostics) => {
                let items = diagnostics.items().iter();
                let place = |item: &crate::config::Diagnostic| {
                    let (line, column) = diagnostics.position(item);
                    (item.code, line, column)
                };
                Err(items.map(place).collect())
            }
        }
    }

    #[test]
    fn they_are_off_unless_named() {
        let all = "quarantine = [\"changed-definitions\", \"denied-calls\", \"refused-egress\", \"escape-signals\"]";
        let alarms = parse(all).unwrap().alarms;
        assert_eq!(alarms.quarantine, BTreeSet::from(Alarm::ALL));
        assert_eq!(alarms.threshold(Alarm::DeniedCalls), Some(DEFAULT));
        let alarms = parse(&format!(
            "{all}\ndenied_calls = \"3/s\"\nrefused_egress = \"1/h\""
        ))
        .unwrap()
        .alarms;
        assert_eq!(alarms.denied_calls.to_string(), "3/s");
        assert_eq!(alarms.refused_egress.to_string(), "1/h");
        assert_eq!(parse("quarantine = []").unwrap().alarms, Alarms::default());
    }

    #[test]
    fn mistakes_are_shown_in_their_place() {
        let on = "quarantine = [\"denied-calls\"]\n";
        for (lines, expected) in [
            (String::new(), (Code::MissingKey, 4, 1)),
            (
                "quarantine = \"denied-calls\"".to_owned(),
                (Code::WrongType, 5, 14),
            ),
            (
                "quarantine = [\"denied\"]".to_owned(),
                (Code::InvalidValue, 5, 15),
            ),
            (
                "quarantine = [\"denied-calls\", \"denied-calls\"]".to_owned(),
                (Code::Duplicate, 5, 31),
            ),
            (format!("{on}denied_calls = 3"), (Code::WrongType, 6, 16)),
            (
                format!("{on}denied_calls = \"0/s\""),
                (Code::InvalidValue, 6, 16),
            ),
            (
                format!("{on}denied_calls = \"10001/s\""),
                (Code::InvalidValue, 6, 16),
            ),
            (
                format!("{on}refused_egress = \"1/s\""),
                (Code::InvalidValue, 6, 18),
            ),
            (format!("{on}denied = 1"), (Code::UnknownKey, 6, 1)),
        ] {
            assert_eq!(parse(&lines).unwrap_err(), [expected], "{lines}");
        }
    }
}
