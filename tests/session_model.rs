//! Whatever client and server say: no call of an unlisted tool reaches the server, no unlisted
//! tool is shown, nothing asks the client for anything but what is granted, each request gets one
//! answer, and what passes has one reading. The model itself is in `relay_model`; the fuzz
//! targets use it, too.

use pinfold::relay::{Outcome, Session};
use proptest::prelude::*;

use crate::place::project;
use crate::relay_model::asking::asking_conversation;
use crate::relay_model::checks::CLIENT_CAPABILITIES;
use crate::relay_model::choices::bytes_of_seed;
use crate::relay_model::corpus::read;
use crate::relay_model::generator::conversation;
use crate::relay_model::granted::{Elicitation, Granted};
use crate::relay_model::model::{Left, Passed, Property, Relay, watch, watch_session};
use crate::relay_model::readings::Tree;
use crate::relay_model::task_lines::task_conversation;
use crate::relay_model::{From, Rules, Sent, policy};

/// Without pins and with them.
const RULES: [Rules; 2] = [granting_nothing(false), granting_nothing(true)];

const fn granting_nothing(pinned: bool) -> Rules {
    Rules {
        pinned,
        granted: Granted {
            sampling: false,
            elicitation: Elicitation::Never,
            roots: false,
            tasks: false,
            notification: false,
            method: false,
        },
    }
}

const fn granting(granted: Granted) -> Rules {
    Rules {
        granted,
        ..granting_nothing(false)
    }
}

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

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn whatever_is_asked(
        number in 0..Granted::DRAWN,
        bytes in prop::collection::vec(any::<u8>(), 0..600),
    ) {
        let rules = granting(Granted::drawn(number));
        for lines in [asking_conversation(&bytes), conversation(&bytes)] {
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

fn asking() -> impl Iterator<Item = Vec<Sent>> {
    (0..SEEDS).map(|seed| asking_conversation(&bytes_of_seed(seed, 600)))
}

#[test]
fn the_questions_of_fixed_seeds() {
    let mut all = Passed::default();
    for number in 0..Granted::DRAWN {
        let granted = Granted::drawn(number);
        let mut sum = Passed::default();
        for lines in asking().step_by(32) {
            let passed = watch_session(granting(granted), &lines).unwrap_or_else(|broken| {
                panic!("{granted:?} {:?}: {}", broken.property, broken.how)
            });
            sum.requests += passed.requests;
            sum.inside += passed.inside;
            sum.pages += passed.pages;
            sum.given += passed.given;
            sum.named += passed.named;
        }
        let asks = granted.sampling || granted.roots || granted.elicitation != Elicitation::Never;
        let counts = [sum.requests, sum.inside, sum.given].map(|count| count > 0);
        assert_eq!(counts, [asks; 3], "{granted:?} {sum:?}");
        let pages = granted.elicitation == Elicitation::Url;
        assert!(sum.pages == 0 || pages, "{granted:?} {sum:?}");
        let named = granted.notification || granted.method || granted.roots || pages;
        // Of tasks few come here; they have conversations of their own.
        let may = named || granted.tasks;
        assert!(sum.named > 0 || !named, "{granted:?} {sum:?}");
        assert!(sum.named == 0 || may, "{granted:?} {sum:?}");
        all.inside += sum.inside;
        all.pages += sum.pages;
        all.given += sum.given;
    }
    // A model over nothing proves nothing.
    assert!(all.inside > 250 && all.given > 400, "{all:?}");
    assert!(all.pages > 3, "{all:?}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn whatever_is_a_task(
        number in 0..Granted::DRAWN,
        pinned in any::<bool>(),
        bytes in prop::collection::vec(any::<u8>(), 0..600),
    ) {
        let rules = Rules { pinned, granted: Granted::drawn(number) };
        if let Err(broken) = watch_session(rules, &task_conversation(&bytes)) {
            prop_assert!(false, "{rules:?} {:?}: {}", broken.property, broken.how);
        }
    }
}

fn about_tasks() -> impl Iterator<Item = Vec<Sent>> {
    (0..SEEDS).map(|seed| task_conversation(&bytes_of_seed(seed, 600)))
}

#[test]
fn the_tasks_of_fixed_seeds() {
    for (tasks, pinned) in [(false, false), (true, false), (true, true)] {
        let granted = Granted {
            tasks,
            ..Granted::EVERYTHING
        };
        let rules = Rules { pinned, granted };
        let (mut made, mut fetched) = (0, 0);
        for lines in about_tasks() {
            let passed = watch_session(rules, &lines)
                .unwrap_or_else(|broken| panic!("{rules:?} {:?}: {}", broken.property, broken.how));
            made += passed.made;
            fetched += passed.fetched;
        }
        // A model over nothing proves nothing.
        let expected = [tasks; 2];
        assert_eq!(
            [made > 250, fetched > 90],
            expected,
            "{rules:?} {made} {fetched}"
        );
        assert!(tasks || made + fetched == 0, "{made} {fetched}");
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
    /// Tells the server the client's roots as they are.
    RootsPass,
    /// Forwards answers to what no result has asked.
    UnaskedPass,
    /// Has the model told what other servers said.
    ContextPass,
    /// Forwards the client's requests about any task, and the server's.
    TaskRequestsPass,
    /// Forwards each task that is made, whoever wished for it, under whatever id.
    MadeTasksPass,
    /// Forwards whatever is said of a task.
    TaskStatesPass,
    /// Leaves what a message says that it belongs to.
    RelatedTasksPass,
    /// Delivers results of tools that were withdrawn.
    WithdrawnResultsPass,
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
            Weakness::RootsPass => client && has("\"roots\":[") && passed.is_some(),
            Weakness::UnaskedPass => client && has("inputResponses") && passed.is_some(),
            Weakness::ContextPass => !client && has("allServers") && passed.is_some(),
            Weakness::TaskRequestsPass => has("\"tasks/") && passed.is_none(),
            Weakness::MadeTasksPass => has("\"task\":{\"taskId") && has("result"),
            Weakness::TaskStatesPass => has("tasks/status") && passed.is_none(),
            Weakness::RelatedTasksPass => !client && has("related-task") && passed.is_some(),
            Weakness::WithdrawnResultsPass => {
                let answer = to_client.as_deref().map(String::from_utf8_lossy);
                let answer = answer.unwrap_or_default();
                client && has("tasks/result") && answer.contains("isError")
                    || !client && answer.contains("it is a result of")
            }
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
                let pinned = hides || matches!(weakness, Weakness::PinsPass);
                let rules = granting_nothing(pinned);
                let session = Session::new(policy(granting_nothing(hides)));
                watch(&mut Weakened { session, weakness }, rules, &lines).err()
            })
            .any(|broken| broken.property == property);
        assert!(seen, "{weakness:?} was not seen");
    }
}

/// A session that tells the server nothing of what the client can, so that only its asking is
/// seen.
struct Quiet(Session);

impl Relay for Quiet {
    fn judge(&mut self, sent: &Sent) -> Left {
        let left = self.0.judge(sent);
        let quiet = |line: Vec<u8>| {
            let tree = Tree::read(&line)?.without(&["params", "capabilities"]);
            let tree = tree.without(&["params", "_meta", CLIENT_CAPABILITIES]);
            Some(tree.canonical().into_bytes())
        };
        let to_server = match sent.from {
            From::Client => left.to_server.and_then(quiet),
            From::Server => left.to_server,
        };
        Left { to_server, ..left }
    }
}

/// Control: a session that grants one thing more than it should is seen, in each place where
/// that has to be held back.
#[test]
fn control_the_model_sees_each_grant() {
    let nothing = Granted::default();
    let (asked, inside, told) = ("a request: ", "\"inputRequests\"", "\"method\"");
    let elicitation = |elicitation| Granted {
        elicitation,
        ..nothing
    };
    let form = elicitation(Elicitation::Form);
    let url = elicitation(Elicitation::Url);
    let sampling = Granted {
        sampling: true,
        ..nothing
    };
    let roots = Granted {
        roots: true,
        ..nothing
    };
    let notification = Granted {
        notification: true,
        ..nothing
    };
    let method = Granted {
        method: true,
        ..nothing
    };
    for (granted, rules, places) in [
        (sampling, nothing, vec![asked, inside, told]),
        (form, nothing, vec![asked, inside, told]),
        (url, form, vec![asked, inside, told, "-32042"]),
        (roots, nothing, vec![asked, inside, told]),
        (notification, nothing, vec!["a notification: "]),
        (method, nothing, vec![told]),
    ] {
        let seen: Vec<_> = asking()
            .step_by(4)
            .flat_map(|lines| {
                let session = || Session::new(policy(granting(granted)));
                let rules = granting(rules);
                [
                    watch(&mut session(), rules, &lines).err(),
                    watch(&mut Quiet(session()), rules, &lines).err(),
                ]
            })
            .flatten()
            .filter(|broken| broken.property == Property::NoPower)
            .map(|broken| broken.how.lines().next().unwrap_or_default().to_owned())
            .collect();
        for place in places {
            let found = seen.iter().any(|how| how.contains(place));
            assert!(found, "{granted:?}: {place} was not seen");
        }
    }
}

/// Control: with tasks granted it sees each of their walls that is down.
#[test]
fn control_the_model_sees_tasks() {
    for (weakness, property) in [
        (Weakness::TaskRequestsPass, Property::NoPower),
        (Weakness::MadeTasksPass, Property::NoPower),
        (Weakness::TaskStatesPass, Property::NoPower),
        (Weakness::RelatedTasksPass, Property::NoPower),
        (Weakness::WithdrawnResultsPass, Property::Pinned),
    ] {
        let rules = Rules {
            pinned: true,
            granted: Granted::EVERYTHING,
        };
        let seen = about_tasks()
            .filter_map(|lines| {
                let session = Session::new(policy(rules));
                watch(&mut Weakened { session, weakness }, rules, &lines).err()
            })
            .any(|broken| broken.property == property);
        assert!(seen, "{weakness:?} was not seen");
    }
}

/// Control: with everything granted it sees what is still to be held back.
#[test]
fn control_the_model_sees_what_no_grant_lets_through() {
    for weakness in [
        Weakness::RootsPass,
        Weakness::UnaskedPass,
        Weakness::ContextPass,
    ] {
        let rules = granting(Granted::EVERYTHING);
        let seen = asking()
            .filter_map(|lines| {
                let session = Session::new(policy(rules));
                watch(&mut Weakened { session, weakness }, rules, &lines).err()
            })
            .any(|broken| broken.property == Property::NoPower);
        assert!(seen, "{weakness:?} was not seen");
    }
}
