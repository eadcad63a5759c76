//! One frame of the control protocol, as each side reads it: a refusal, or one message, which is
//! written as a frame that reads the same, and which says nothing that the frame does not.
#![no_main]

use std::fmt::Debug;

use libfuzzer_sys::fuzz_target;
use pinfold::daemon::protocol::{
    Answer, FromRun, MAX_FRAME, Order, ProtocolError, Report, Request, ToRun, read, write,
};
use serde::Serialize;
use serde::de::DeserializeOwned;

fuzz_target!(|data: &[u8]| {
    check::<Request>(data);
    check::<Answer>(data);
    check::<FromRun>(data);
    check::<ToRun>(data);
    check::<Order>(data);
    check::<Report>(data);
});

fn check<Message: Serialize + DeserializeOwned + PartialEq + Debug>(data: &[u8]) {
    let message = match read::<Message>(data) {
        Ok(message) => message,
        Err(ProtocolError::TooLong) => return assert!(data.len() > MAX_FRAME),
        Err(_) => return,
    };
    assert!(data.len() <= MAX_FRAME);
    // Some letters are longer when they are written out.
    let Ok(frame) = write(&message) else {
        return;
    };
    assert_eq!(
        read::<Message>(&frame).expect("refused the second time"),
        message
    );
    let said: serde_json::Value = serde_json::from_slice(data).expect("accepted, but no JSON");
    let meant: serde_json::Value = serde_json::from_slice(&frame).expect("written, but no JSON");
    assert_eq!(
        without_nulls(said),
        without_nulls(meant),
        "something was passed over"
    );
}

/// A field that may be missing is the same as `null`, and a message without fields may be written as
/// `{"name":null}`.
fn without_nulls(value: serde_json::Value) -> serde_json::Value {
    use serde_json::Value;
    match value {
        Value::Object(fields) if fields.len() == 1 && fields.values().all(Value::is_null) => {
            fields.keys().cloned().collect()
        }
        Value::Object(fields) => fields
            .into_iter()
            .filter(|(_, value)| !value.is_null())
            .map(|(key, value)| (key, without_nulls(value)))
            .collect(),
        Value::Array(values) => values.into_iter().map(without_nulls).collect(),
        other => other,
    }
}
