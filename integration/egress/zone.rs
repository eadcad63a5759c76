//! The names of the tests' world.

use crate::support::Name;

/// Where `allowed.test` is.
pub(super) const ALLOWED: &[&str] = &["93.184.216.34", "2606:2800:220:1::1"];

pub(super) const ZONE: &[Name] = &[
    ("allowed.test", &[ALLOWED]),
    ("refused.test", &[&["93.184.216.99", "2606:2800:220:1::99"]]),
    ("*.allowed.test", &[&["93.184.216.98"]]),
    ("allowed.test.evil.test", &[&["93.184.216.66"]]),
    ("notallowed.test", &[&["93.184.216.67"]]),
    // `a` is the Cyrillic letter.
    ("xn--llowed-2nf.test", &[&["93.184.216.68"]]),
    ("*.wild.test", &[&["93.184.216.40"]]),
    ("wild.test", &[&["93.184.216.41"]]),
    ("*.tunnel.test", &[&["93.184.216.77"]]),
];
