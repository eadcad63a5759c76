//! One line: a refusal, or the one form of it, which reads the same again, which another
//! parser reads in the same way, and which nobody cuts in two.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pinfold::relay::{CanonicalLine, Message};

#[path = "../../tests/relay_model/mod.rs"]
mod relay_model;

use relay_model::MAX_LINE;
use relay_model::readings::{Tree, is_one_line};

fuzz_target!(|data: &[u8]| {
    let Ok(line) = CanonicalLine::read(data, MAX_LINE) else {
        return;
    };
    let bytes = line.as_bytes();
    assert!(bytes.len() <= MAX_LINE);
    assert!(is_one_line(bytes), "several lines");
    let again = CanonicalLine::read(bytes, MAX_LINE).expect("refused the second time");
    assert_eq!(again.as_bytes(), bytes, "another form the second time");
    let before = Tree::read(data).expect("accepted, but no JSON");
    assert_eq!(before.canonical().as_bytes(), bytes, "another meaning");
    if Message::read(&line).is_ok() {
        for key in ["jsonrpc", "id", "method", "params", "result", "error"] {
            assert!(before.readings(key).len() <= 1, "two readings of {key}");
        }
    }
});
