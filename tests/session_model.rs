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
use crate::relay_model::{From, Sent, policy};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    #[test]
    fn whatever_is_said(bytes in prop::collection::vec(any::<u8>(), 0..1200)) {
        let lines = conversation(&bytes);
        if let Err(broken) = watch_session(&lines) {
            prop_assert!(false, "{:?}: {}", broken.property, broken.how);
        }
    }
}

const SEEDS: u64 = 1500;

fn conversations() -> impl Iterator<Item = Vec<Sent>> {
    (0..SEEDS).map(|seed| conversation(&bytes_of_seed(seed, 1200)))
}

#[test]
fn the_conversations_of_fixed_seeds() {
    let mut sum = Passed::default();
    for lines in conversations() {
        let passed = watch_session(&lines)
            .unwrap_or_else(|broken| panic!("{:?}: {}", broken.property, broken.how));
        sum.calls += passed.calls;
        sum.listings += passed.listings;
        sum.answers += passed.answers;
        sum.lines += passed.lines;
    }
    // A model over nothing proves nothing.
    assert!(sum.calls > 500 && sum.listings > 200, "{sum:?}");
    assert!(sum.answers > 5000 && sum.lines > 10_000, "{sum:?}");
}

/// The hostile lines, each in its state and all in one session after the other.
#[test]
fn the_hostile_lines() {
    let lines = read(&project().join("tests/hostile_lines"));
    let mut all = Vec::new();
    for line in &lines {
        for era in &line.eras {
            let mut said = line.before(*era);
            said.push(line.sent.clone());
            watch_session(&said).unwrap_or_else(|broken| panic!("{}: {}", line.place, broken.how));
            all.extend(said);
        }
    }
    watch_session(&all).unwrap_or_else(|broken| panic!("{:?}", broken.property));
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
        };
        match (through, client) {
            (false, _) => Left {
                to_server,
                to_client,
                events,
            },
            (true, true) => Left {
                to_server: Some(sent.line.clone()),
                to_client: None,
                events,
            },
            (true, false) => Left {
                to_server: None,
                to_client: Some(sent.line.clone()),
                events,
            },
        }
    }
}

/// Control: each wall that is down is seen, and by the property that it is for.
#[test]
fn control_the_model_sees_what_is_missing() {
    for (weakness, property) in [
        (Weakness::CallsPass, Property::NoUnlistedCall),
        (Weakness::ListsPass, Property::NoUnlistedShown),
        (Weakness::RequestsPass, Property::NoPower),
        (Weakness::InputRequestsPass, Property::NoPower),
        (Weakness::CapabilitiesPass, Property::NoPower),
        (Weakness::AnswersPass, Property::OneAnswer),
        (Weakness::BytesPass, Property::OneReading),
        (Weakness::AllPasses, Property::NoUnlistedCall),
    ] {
        let seen = conversations()
            .filter_map(|lines| {
                let session = Session::new(policy());
                watch(&mut Weakened { session, weakness }, &lines).err()
            })
            .any(|broken| broken.property == property);
        assert!(seen, "{weakness:?} was not seen");
    }
}
