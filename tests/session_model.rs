//! Whatever client and server say: no call of an unlisted tool reaches the server, no unlisted
//! tool is shown, nothing asks the client for anything, each request gets one answer, and what
//! passes has one reading. The model itself is in `relay_model`; the fuzz targets use it, too.

use pinfold::relay::{Outcome, Session};
use proptest::prelude::*;

use crate::place::project;
use crate::relay_model::choices::bytes_of_seed;
use crate::relay_model::corpus::read;
use crate::relay_model::generator::conversation;
use crate::relay_model::model::{Left, Passed, Property, Relay, watch, watch_session};
use crate::relay_model::{From, Rules, Sent, policy};

/// Without pins and with them.
const RULES: [Rules; 2] = [Rules { pinned: false }, Rules { pinned: true }];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn whatever_is_said(bytes in prop::collection::vec(any::<u8>(), 0..1200)) {
        let lines = conversation(&bytes);
        for rules in RULES {
            if let Err(broken) = watch_session(rules, &lines) {
                prop_assert!(false, "{rules:?} {:?}: {}", broken.property, broken.how);
            }
        }
    }
}

const SEEDS: u64 = 800;

fn conversations() -> impl Iterator<Item = Vec<Sent>> {
    (0..SEEDS).map(|seed| conversation(&bytes_of_seed(seed, 1200)))
}

#[test]
fn the_conversations_of_fixed_seeds() {
    for rules in RULES {
        let mut sum = Passed::default();
        for lines in conversations() {
            let passed = watch_session(rules, &lines)
                .unwrap_or_else(|broken| panic!("{:?}: {}", broken.property, broken.how));
            sum.calls += passed.calls;
            sum.listings += passed.listings;
            sum.answers += passed.answers;
            sum.lines += passed.lines;
        }
        // A model over nothing proves nothing.
        assert!(sum.calls > 100 && sum.listings > 100, "{rules:?} {sum:?}");
        assert!(sum.answers > 2500 && sum.lines > 5000, "{rules:?} {sum:?}");
    }
}

/// The hostile lines, each in its state and all in one session after the other.
#[test]
fn the_hostile_lines() {
    let lines = read(&project().join("tests/hostile_lines"));
    for rules in RULES {
        let mut all = Vec::new();
        for line in &lines {
            for era in &line.eras {
                let mut said = line.before(*era);
                said.push(line.sent.clone());
                watch_session(rules, &said)
                    .unwrap_or_else(|broken| panic!("{}: {}", line.place, broken.how));
                all.extend(said);
            }
        }
        watch_session(rules, &all).unwrap_or_else(|broken| panic!("{:?}", broken.property));
    }
}

/// A session with one of its walls down.
struct Weakened {
    session: Session,
    weakness: Weakness,
}

#[derive(Clone, Copy, Debug)]
enum Weakness {
    /// Filters lists, judges no call.
    CallsPass,
    /// Judges calls, filters no list.
    ListsPass,
    /// Enforces the list, but no pins.
    PinsPass,
    /// Hides what is not as pinned, but lets it be called.
    DifferingCallsPass,
    /// Forwards requests of the server's.
    RequestsPass,
    /// Forwards results that ask for something.
    InputRequestsPass,
    /// Tells the server the client's capabilities.
    CapabilitiesPass,
    /// Forwards answers that nobody waits for.
    AnswersPass,
    /// Forwards the bytes that it got.
    BytesPass,
    /// Does nothing.
    AllPasses,
}

impl Relay for Weakened {
    fn judge(&mut self, sent: &Sent) -> Left {
        let text = String::from_utf8_lossy(&sent.line).into_owned();
        let has = |word: &str| text.contains(word);
        let client = sent.from == From::Client;
        let Outcome {
            to_server,
            to_client,
            own_request,
            events,
        } = match sent.from {
            From::Client => self.session.from_client(&sent.line),
            From::Server => self.session.from_server(&sent.line),
        };
        let passed = if client { &to_server } else { &to_client };
        let through = match self.weakness {
            Weakness::CallsPass => client && has("tools/call") && passed.is_none(),
            Weakness::ListsPass => !client && has("\"tools\"") && passed.is_some(),
            Weakness::RequestsPass => !client && has("roots/list") && passed.is_none(),
            Weakness::InputRequestsPass => !client && has("\"inputRequests\":") && passed.is_some(),
            Weakness::CapabilitiesPass => client && has("lientCapabilities") && passed.is_some(),
            Weakness::AnswersPass => !client && has("\"result\"") && passed.is_none(),
            Weakness::BytesPass => passed.is_some(),
            Weakness::AllPasses => true,
            Weakness::PinsPass => false,
            Weakness::DifferingCallsPass => {
                let answer = to_client.as_deref().map(String::from_utf8_lossy);
                client && answer.is_some_and(|answer| answer.contains("isError"))
            }
        };
        let (to_server, to_client) = match (through, client) {
            (false, _) => (to_server, to_client),
            (true, true) => (Some(sent.line.clone()), None),
            (true, false) => (None, Some(sent.line.clone())),
        };
        Left {
            to_server,
            to_client,
            own_request,
            events,
        }
    }
}

/// Control: each wall that is down is seen, and by the property that it is for.
#[test]
fn control_the_model_sees_what_is_missing() {
    for (weakness, property) in [
        (Weakness::CallsPass, Property::NoUnlistedCall),
        (Weakness::ListsPass, Property::NoUnlistedShown),
        (Weakness::PinsPass, Property::Pinned),
        (Weakness::DifferingCallsPass, Property::Pinned),
        (Weakness::RequestsPass, Property::NoPower),
        (Weakness::InputRequestsPass, Property::NoPower),
        (Weakness::CapabilitiesPass, Property::NoPower),
        (Weakness::AnswersPass, Property::OneAnswer),
        (Weakness::BytesPass, Property::OneReading),
        (Weakness::AllPasses, Property::NoUnlistedCall),
    ] {
        let seen = conversations()
            .filter_map(|lines| {
                let hides = matches!(weakness, Weakness::DifferingCallsPass);
                let rules = Rules {
                    pinned: hides || matches!(weakness, Weakness::PinsPass),
                };
                let session = Session::new(policy(Rules { pinned: hides }));
                watch(&mut Weakened { session, weakness }, rules, &lines).err()
            })
            .any(|broken| broken.property == property);
        assert!(seen, "{weakness:?} was not seen");
    }
}
