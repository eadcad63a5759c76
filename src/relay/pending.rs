//! Requests that wait for an answer, in one direction. Bounded: a side that asks without
//! end, or cancels without end, can't make the table grow.

use std::collections::{HashMap, VecDeque};

use super::message::Id;

/// Most requests of one side that may wait for an answer at once.
pub(super) const MAX_OUTSTANDING: usize = 4096;

/// Outstanding requests by id, each with what is known of it.
#[derive(Debug)]
pub(super) struct Pending<T> {
    entries: HashMap<Id, Entry<T>>,
    /// Cancelled requests, oldest first. They usually get no answer, but a late one is
    /// fine, so they stay until their place is needed.
    cancelled: VecDeque<Id>,
}

#[derive(Debug)]
struct Entry<T> {
    what: T,
    cancelled: bool,
}

/// Why a request could not be entered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NotEntered {
    Duplicate,
    Full,
}

impl<T> Pending<T> {
    pub(super) fn new() -> Self {
        Self {
            entries: HashMap::new(),
            cancelled: VecDeque::new(),
        }
    }

    pub(super) fn contains(&self, id: &Id) -> bool {
        self.entries.contains_key(id)
    }

    pub(super) fn find(&self, id: &Id) -> Option<&T> {
        self.entries.get(id).map(|entry| &entry.what)
    }

    pub(super) fn find_mut(&mut self, id: &Id) -> Option<&mut T> {
        self.entries.get_mut(id).map(|entry| &mut entry.what)
    }

    pub(super) fn enter(&mut self, id: Id, what: T) -> Result<(), NotEntered> {
        if self.contains(&id) {
            return Err(NotEntered::Duplicate);
        }
        if self.entries.len() >= MAX_OUTSTANDING {
            let oldest = self.cancelled.pop_front().ok_or(NotEntered::Full)?;
            self.entries.remove(&oldest);
        }
        self.entries.insert(
            id,
            Entry {
                what,
                cancelled: false,
            },
        );
        Ok(())
    }

    /// The request that an answer with this id belongs to. It is answered once.
    pub(super) fn take(&mut self, id: &Id) -> Option<T> {
        let entry = self.entries.remove(id)?;
        if entry.cancelled {
            self.cancelled.retain(|cancelled| cancelled != id);
        }
        Some(entry.what)
    }

    /// Forgets every request; gives the ids of those that were not cancelled.
    pub(super) fn clear(&mut self) -> Vec<Id> {
        self.cancelled.clear();
        let entries = self.entries.drain();
        entries
            .filter(|(_, entry)| !entry.cancelled)
            .map(|(id, _)| id)
            .collect()
    }

    /// Notes that no answer is needed; whether there was such a request.
    pub(super) fn cancel(&mut self, id: &Id) -> bool {
        let Some(entry) = self.entries.get_mut(id) else {
            return false;
        };
        if !entry.cancelled {
            entry.cancelled = true;
            self.cancelled.push_back(id.clone());
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: usize) -> Id {
        Id::Number(i64::try_from(number).unwrap())
    }

    #[test]
    fn a_request_is_answered_once() {
        let mut pending = Pending::new();
        pending.enter(id(1), 'a').unwrap();
        assert_eq!(pending.enter(id(1), 'b'), Err(NotEntered::Duplicate));
        pending.enter(Id::Text("1".into()), 'c').unwrap();
        assert_eq!(pending.take(&id(1)), Some('a'));
        assert_eq!(pending.take(&id(1)), None);
        assert_eq!(pending.take(&Id::Text("1".into())), Some('c'));
    }

    #[test]
    fn the_table_is_bounded_and_cancelled_requests_give_way() {
        let mut pending = Pending::new();
        for number in 0..MAX_OUTSTANDING {
            pending.enter(id(number), ()).unwrap();
        }
        assert_eq!(
            pending.enter(id(MAX_OUTSTANDING), ()),
            Err(NotEntered::Full)
        );
        assert!(pending.cancel(&id(5)));
        assert!(pending.cancel(&id(5)));
        assert!(pending.cancel(&id(6)));
        assert!(!pending.cancel(&id(9_999_999)));
        // A late answer to a cancelled request is still known.
        assert_eq!(pending.take(&id(6)), Some(()));
        pending.enter(id(6), ()).unwrap();
        pending.enter(id(MAX_OUTSTANDING), ()).unwrap();
        assert!(!pending.contains(&id(5)));
        assert_eq!(pending.enter(id(5), ()), Err(NotEntered::Full));
        assert_eq!(pending.cancelled.len(), 0);
    }
}
