//! A session of generated lines, held against the model: the bytes are the generator's choices,
//! so that nearly every input is a conversation in which something passes.
#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../tests/relay_model/mod.rs"]
mod relay_model;

use relay_model::Rules;
use relay_model::asking::asking_conversation;
use relay_model::generator::conversation;
use relay_model::granted::Granted;
use relay_model::model::watch_session;
use relay_model::task_lines::task_conversation;

fuzz_target!(|data: &[u8]| {
    let lines = conversation(data);
    for pinned in [false, true] {
        let granted = Granted::default();
        if let Err(broken) = watch_session(Rules { pinned, granted }, &lines) {
            panic!("{:?}: {}", broken.property, broken.how);
        }
    }
    let Some((first, rest)) = data.split_first() else {
        return;
    };
    let rules = Rules {
        pinned: false,
        granted: Granted::drawn(usize::from(*first) % Granted::DRAWN),
    };
    for lines in [asking_conversation(rest), task_conversation(rest)] {
        if let Err(broken) = watch_session(rules, &lines) {
            panic!("{rules:?} {:?}: {}", broken.property, broken.how);
        }
    }
});
