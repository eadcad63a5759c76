//! An object that is changed member by member on its way, and copied only if it is.

use super::json::Object;

pub(super) struct Edited<'a> {
    original: Object<'a>,
    changed: Option<Vec<u8>>,
}

impl<'a> Edited<'a> {
    pub(super) fn new(original: Object<'a>) -> Self {
        Self {
            original,
            changed: None,
        }
    }

    /// Replaces the value of a member that is there. The same value changes nothing.
    pub(super) fn set(&mut self, key: &str, value: &[u8]) {
        let now = self.now();
        if now.find(key).is_some_and(|old| old.raw() != value) {
            self.changed = Some(now.with(key, value));
        }
    }

    pub(super) fn remove(&mut self, key: &str) {
        let now = self.now();
        if now.find(key).is_some() {
            self.changed = Some(now.without(key));
        }
    }

    /// The object as it is now, if it was changed.
    pub(super) fn changed(self) -> Option<Vec<u8>> {
        self.changed
    }

    fn now(&self) -> Object<'_> {
        match &self.changed {
            Some(bytes) => Object::of_canonical(bytes),
            None => self.original,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::relay::strict::CanonicalLine;

    #[test]
    fn it_is_copied_only_when_something_changes() {
        let line = CanonicalLine::read(br#"{"a":1,"b":2,"c":3}"#, 100).unwrap();
        let mut edited = Edited::new(line.root());
        edited.set("a", b"1");
        edited.set("x", b"1");
        edited.remove("y");
        assert_eq!(edited.changed(), None);
        let mut edited = Edited::new(line.root());
        edited.set("a", b"10");
        edited.remove("b");
        edited.set("c", b"{}");
        assert_eq!(edited.changed().unwrap(), br#"{"a":10,"c":{}}"#);
    }
}
