//! Trace context on its way to a server (SEP-414: `traceparent`, `tracestate` and `baggage` in
//! `params._meta`). The first two pass; baggage is whatever the client's side put there for its own
//! services, and no business of a server.

use memchr::memmem;

use super::json::Object;

const BAGGAGE: &[u8] = b"baggage";

/// The canonical message `line` without `params._meta.baggage`; `None` when it has none.
pub(super) fn without_baggage(line: &[u8]) -> Option<Vec<u8>> {
    // The key needs no escapes, and canonical keys have none that they don't need.
    let is_baggage = |raw_key: &[u8]| raw_key == BAGGAGE;
    memmem::find(line, BAGGAGE)?;
    let root = Object::of_canonical(line);
    let params = root.find("params")?.as_object()?;
    let meta = params.find("_meta")?.as_object()?;
    if !meta.members().any(|member| is_baggage(member.raw_key)) {
        return None;
    }
    let meta = meta.retain(|member| !is_baggage(member.raw_key));
    Some(root.with("params", &params.with("_meta", &meta)))
}
