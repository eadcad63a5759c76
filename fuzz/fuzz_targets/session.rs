//! A session of raw lines, held against the model: each line of the input is said by the side
//! that its first byte chooses, `>` the server and everything else the client.
#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../tests/relay_model/mod.rs"]
mod relay_model;

use relay_model::granted::Granted;
use relay_model::model::watch_session;
use relay_model::{From, Rules, Sent};

fuzz_target!(|data: &[u8]| {
    let lines: Vec<_> = data
        .split(|byte| *byte == b'\n')
        .filter_map(<[u8]>::split_first)
        .map(|(side, line)| Sent {
            from: if *side == b'>' {
                From::Server
            } else {
                From::Client
            },
            line: line.to_vec(),
        })
        .collect();
    for (pinned, granted) in [
        (false, Granted::default()),
        (true, Granted::default()),
        (false, Granted::EVERYTHING),
    ] {
        if let Err(broken) = watch_session(Rules { pinned, granted }, &lines) {
            panic!("{:?}: {}", broken.property, broken.how);
        }
    }
});
