//! The alarms of a session: what of its events is a sign of an attack, and when there are too many.
//! Judged without waiting; what trips is told to the session, which puts the server into quarantine.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::config::{Alarm, Alarms, Rate};
use crate::egress::{self, EgressError};
use crate::relay::{self, Drift, Redaction};
use crate::sandbox::Report;

/// An alarm, and what set it off, in words for a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Tripped {
    pub alarm: Alarm,
    pub what: String,
}

/// How often something happened lately. Bounded by its threshold.
#[derive(Clone, Debug)]
struct Burst {
    /// So many within the period are too many.
    times: usize,
    period: Duration,
    /// Oldest first.
    seen: VecDeque<Instant>,
}

/// The alarms of one session.
#[derive(Debug)]
pub struct SessionAlarms {
    settings: Alarms,
    redaction: Redaction,
    bell: UnboundedSender<Tripped>,
    rung: UnboundedReceiver<Tripped>,
}

/// What listens to one kind of events.
#[derive(Debug)]
pub(super) struct Listener {
    settings: Alarms,
    /// What sets off an alarm is kept, and told to clients.
    redaction: Redaction,
    burst: Burst,
    bell: UnboundedSender<Tripped>,
    /// Once is enough.
    has_rung: bool,
}

impl Burst {
    fn new(rate: Rate) -> Self {
        Self {
            times: rate.calls as usize,
            period: rate.period,
            seen: VecDeque::new(),
        }
    }

    /// It happened once more; whether that is too often. Exactly a period apart is not within one.
    fn note(&mut self, now: Instant) -> bool {
        while let Some(oldest) = self.seen.front()
            && now.saturating_duration_since(*oldest) >= self.period
        {
            self.seen.pop_front();
        }
        if self.seen.len() >= self.times {
            self.seen.pop_front();
        }
        self.seen.push_back(now);
        self.seen.len() >= self.times
    }
}

impl SessionAlarms {
    pub(super) fn new(settings: Alarms) -> Self {
        let (bell, rung) = unbounded_channel();
        Self {
            settings,
            redaction: Redaction::default(),
            bell,
            rung,
        }
    }

    /// Takes these out of what is told.
    pub(super) fn redacting(mut self, redaction: Redaction) -> Self {
        self.redaction = redaction;
        self
    }

    /// For the events of the relay, which tell of denied calls.
    pub(super) fn of_relay(&self) -> Listener {
        self.listener(Alarm::DeniedCalls)
    }

    pub(super) fn of_egress(&self) -> Listener {
        self.listener(Alarm::RefusedEgress)
    }

    fn listener(&self, counted: Alarm) -> Listener {
        let rate = match counted {
            Alarm::RefusedEgress => self.settings.refused_egress,
            _ => self.settings.denied_calls,
        };
        Listener {
            settings: self.settings.clone(),
            redaction: self.redaction.clone(),
            burst: Burst::new(rate),
            bell: self.bell.clone(),
            has_rung: false,
        }
    }

    /// Waits until one trips. May be cancelled and called again.
    pub(super) async fn tripped(&mut self) -> Tripped {
        match self.rung.recv().await {
            Some(tripped) => tripped,
            // The bell is ours, so it is not gone.
            None => std::future::pending().await,
        }
    }

    /// One that has tripped already.
    pub(super) fn has_tripped(&mut self) -> Option<Tripped> {
        self.rung.try_recv().ok()
    }

    /// What the end of the server means.
    pub(super) fn at_end(&self, report: &Report) -> Option<Tripped> {
        let is_on = self.settings.quarantine.contains(&Alarm::EscapeSignals);
        (is_on && report.code == 128 + nix::libc::SIGSYS).then(|| Tripped {
            alarm: Alarm::EscapeSignals,
            what: "it was ended by SIGSYS: it made a system call of another architecture, which is how filters are evaded".to_owned(),
        })
    }
}

impl Listener {
    pub(super) fn hear_relay(&mut self, event: &relay::Event, now: Instant) {
        let heard = match event {
            relay::Event::Denied { .. } => Some(Alarm::DeniedCalls),
            relay::Event::DefinitionDiffers { drift, .. } if is_change(*drift) => {
                Some(Alarm::ChangedDefinitions)
            }
            relay::Event::InstructionsWithheld { .. } => Some(Alarm::ChangedDefinitions),
            _ => None,
        };
        if let Some(alarm) = heard {
            self.hear(alarm, event, now);
        }
    }

    pub(super) fn hear_egress(&mut self, event: &egress::Event, now: Instant) {
        let is_refusal = match event {
            egress::Event::NameRefused { .. } => true,
            egress::Event::Refused { why, .. } => is_forbidden(why),
            _ => false,
        };
        if is_refusal {
            self.hear(Alarm::RefusedEgress, event, now);
        }
    }

    fn hear(&mut self, alarm: Alarm, event: &impl std::fmt::Display, now: Instant) {
        if self.has_rung || !self.settings.quarantine.contains(&alarm) {
            return;
        }
        let threshold = self.settings.threshold(alarm);
        if threshold.is_some() && !self.burst.note(now) {
            return;
        }
        self.has_rung = true;
        let event = event.to_string();
        let event = self.redaction.of_hosts(&event);
        let what = match threshold {
            Some(rate) => format!("{rate} reached; the last of them: {event}"),
            None => event.into_owned(),
        };
        // Nobody listens: then the session has ended.
        let _ = self.bell.send(Tripped { alarm, what });
    }
}

/// Not what the user has yet to lock, nor what the server has yet to show.
fn is_change(drift: Drift) -> bool {
    match drift {
        Drift::Changed | Drift::NotCanonical => true,
        Drift::NotPinned | Drift::NotShown => false,
    }
}

/// The policy's no. That a host can't be reached is no sign of anything.
fn is_forbidden(why: &EgressError) -> bool {
    match why {
        EgressError::NotListed
        | EgressError::StandsForNoName
        | EgressError::LeadsTo { .. }
        | EgressError::ServerName(_)
        | EgressError::ClientHello => true,
        EgressError::Bytes(_)
        | EgressError::Lookup(_)
        | EgressError::LookupTimeout(_)
        | EgressError::Connect(_)
        | EgressError::ConnectTimeout(_)
        | EgressError::ClientHelloTimeout(_)
        | EgressError::ProxyConnect { .. }
        | EgressError::ProxyTimeout { .. }
        | EgressError::ProxyRefused { .. }
        | EgressError::ProxySetting(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::HostName;
    use crate::egress::Host;

    const SECOND: Duration = Duration::from_secs(1);

    fn alarms(on: &[Alarm]) -> SessionAlarms {
        let rate = Rate {
            calls: 3,
            period: 10 * SECOND,
        };
        SessionAlarms::new(Alarms {
            quarantine: on.iter().copied().collect(),
            denied_calls: rate,
            refused_egress: rate,
        })
    }

    fn denied() -> relay::Event {
        relay::Event::Denied {
            tool: "rm".to_owned(),
        }
    }

    fn differs(drift: Drift) -> relay::Event {
        relay::Event::DefinitionDiffers {
            tool: "echo".parse().unwrap(),
            drift,
            review: "pinfold review x".to_owned(),
        }
    }

    fn refused(why: EgressError) -> egress::Event {
        let host = Host::Localhost;
        egress::Event::Refused { host, port: 1, why }
    }

    #[test]
    fn a_burst_is_so_many_within_a_period() {
        let begin = Instant::now();
        let trips = |seconds: &[u64]| {
            let calls = 3;
            let period = 10 * SECOND;
            let mut burst = Burst::new(Rate { calls, period });
            let noted = seconds
                .iter()
                .map(|at| burst.note(begin + Duration::from_secs(*at)));
            noted.collect::<Vec<bool>>()
        };
        assert_eq!(trips(&[0, 0, 0, 0]), [false, false, true, true]);
        assert_eq!(trips(&[0, 5, 9]), [false, false, true]);
        assert_eq!(trips(&[0, 5, 10, 14]), [false, false, false, true]);
        assert_eq!(trips(&[0, 6, 12, 18, 24]), [false; 5]);
        // Time that goes back counts as now.
        assert_eq!(trips(&[9, 5, 0]), [false, false, true]);
        let mut many = Burst::new(Rate {
            calls: 3,
            period: SECOND,
        });
        for _ in 0..100 {
            many.note(begin);
        }
        assert_eq!(many.seen.len(), 3);
    }

    #[test]
    fn only_what_is_switched_on_trips_and_once() {
        let now = Instant::now();
        for (on, expected) in [
            (&[][..], None),
            (&[Alarm::DeniedCalls], Some(Alarm::DeniedCalls)),
        ] {
            let mut alarms = alarms(on);
            let mut listener = alarms.of_relay();
            for times in 1..=10 {
                listener.hear_relay(&denied(), now);
                if times < 3 {
                    assert_eq!(alarms.has_tripped(), None);
                }
            }
            let tripped = alarms.has_tripped();
            assert_eq!(tripped.as_ref().map(|one| one.alarm), expected);
            let said = tripped.map_or_else(|| "`rm`".to_owned(), |one| one.what);
            assert!(said.contains("`rm`"), "{said}");
            assert_eq!(alarms.has_tripped(), None);
        }
    }

    #[test]
    fn a_changed_definition_is_enough() {
        let now = Instant::now();
        for (event, trips) in [
            (differs(Drift::Changed), true),
            (differs(Drift::NotCanonical), true),
            (differs(Drift::NotPinned), false),
            (differs(Drift::NotShown), false),
            (
                relay::Event::InstructionsWithheld {
                    review: String::new(),
                },
                true,
            ),
            (denied(), false),
        ] {
            let mut alarms = alarms(&[Alarm::ChangedDefinitions]);
            alarms.of_relay().hear_relay(&event, now);
            assert_eq!(alarms.has_tripped().is_some(), trips, "{event}");
        }
    }

    #[test]
    fn refused_egress_is_what_the_policy_refused() {
        let now = Instant::now();
        let name = HostName::parse("evil.example").unwrap();
        for (event, trips) in [
            (refused(EgressError::NotListed), true),
            (refused(EgressError::ServerName(name.clone())), true),
            (egress::Event::NameRefused { name }, true),
            (refused(EgressError::ConnectTimeout(SECOND)), false),
            (egress::Event::BytesSpent { limit: 1 }, false),
        ] {
            let mut alarms = alarms(&[Alarm::RefusedEgress]);
            let mut listener = alarms.of_egress();
            for _ in 0..3 {
                listener.hear_egress(&event, now);
            }
            assert_eq!(alarms.has_tripped().is_some(), trips, "{event}");
        }
    }

    #[test]
    fn what_set_it_off_is_told_without_secrets() {
        for (value, told) in [
            ("Xyz-Token", "[redacted: T].evil.example"),
            // The control.
            ("another", "xyz-token.evil.example"),
        ] {
            let redaction = Redaction::new([("T".to_owned(), value.to_owned())]);
            let mut alarms = alarms(&[Alarm::RefusedEgress]).redacting(redaction);
            let mut listener = alarms.of_egress();
            let name = HostName::parse("xyz-token.evil.example").unwrap();
            for _ in 0..3 {
                let event = egress::Event::NameRefused { name: name.clone() };
                listener.hear_egress(&event, Instant::now());
            }
            let what = alarms.has_tripped().unwrap().what;
            assert!(what.contains(told), "{what}");
        }
    }

    #[test]
    fn an_escape_signal_is_the_servers_end() {
        let report = |code| Report {
            code,
            ..Report::default()
        };
        let on = alarms(&[Alarm::EscapeSignals]);
        assert!(on.at_end(&report(159)).is_some());
        for code in [0, 1, 31, 137, 139] {
            assert_eq!(on.at_end(&report(code)), None, "{code}");
        }
        assert_eq!(alarms(&[]).at_end(&report(159)), None);
    }
}
