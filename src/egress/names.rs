//! Synthetic addresses: each stands for one name, so that the address that a program dials tells
//! which name it means. Pure.

use std::collections::{BTreeMap, HashMap};
use std::net::Ipv4Addr;

use ipnet::Ipv4Net;

use crate::config::HostName;

/// So many names have an address at one time. A flood of names costs no more memory than this.
const CAPACITY: u32 = 16_384;
/// The network's own address, and the one that the box's `lo` has.
const FIRST: u32 = 2;

/// Which address stands for which name. The one that was not used for longest is given anew, but
/// never while it has connections.
#[derive(Debug)]
pub(super) struct Names {
    network: Ipv4Net,
    entries: Vec<Entry>,
    by_name: HashMap<HostName, u32>,
    /// Those without connections, by when they were last used.
    free: BTreeMap<u64, u32>,
    uses: u64,
}

#[derive(Debug)]
struct Entry {
    name: HostName,
    /// Key in `free`.
    used: u64,
    connections: u32,
}

impl Names {
    /// An empty table whose addresses are in `network`.
    pub(super) fn new(network: Ipv4Net) -> Self {
        Self {
            network,
            entries: Vec::new(),
            by_name: HashMap::new(),
            free: BTreeMap::new(),
            uses: 0,
        }
    }

    /// Whether this address is one that only stands for names.
    pub(super) fn holds(&self, address: Ipv4Addr) -> bool {
        self.network.contains(&address)
    }

    /// The address for `name`; none when all addresses have connections.
    pub(super) fn address(&mut self, name: &HostName) -> Option<Ipv4Addr> {
        if let Some(&index) = self.by_name.get(name) {
            self.touch(index);
            return Some(self.address_of(index));
        }
        let new = Entry {
            name: name.clone(),
            used: 0,
            connections: 0,
        };
        let index = u32::try_from(self.entries.len()).unwrap_or(CAPACITY);
        let index = if index < CAPACITY {
            self.entries.push(new);
            index
        } else {
            let (_, oldest) = self.free.pop_first()?;
            let old = std::mem::replace(&mut self.entries[oldest as usize], new);
            self.by_name.remove(&old.name);
            oldest
        };
        self.by_name.insert(name.clone(), index);
        self.touch(index);
        Some(self.address_of(index))
    }

    /// The name that `address` stands for.
    pub(super) fn name(&self, address: Ipv4Addr) -> Option<&HostName> {
        let index = self.index(address)?;
        self.entries.get(index as usize).map(|entry| &entry.name)
    }

    /// Marks one connection more to `address`, so that it goes on standing for its name.
    pub(super) fn open(&mut self, address: Ipv4Addr) {
        let Some(index) = self.index(address) else {
            return;
        };
        self.touch(index);
        if let Some(entry) = self.entries.get_mut(index as usize) {
            entry.connections += 1;
            self.free.remove(&entry.used);
        }
    }

    /// Takes back one [`Self::open`].
    pub(super) fn close(&mut self, address: Ipv4Addr) {
        let Some(index) = self.index(address) else {
            return;
        };
        if let Some(entry) = self.entries.get_mut(index as usize) {
            entry.connections = entry.connections.saturating_sub(1);
        }
        self.touch(index);
    }

    /// Makes it the one that was used last.
    fn touch(&mut self, index: u32) {
        let Some(entry) = self.entries.get_mut(index as usize) else {
            return;
        };
        self.free.remove(&entry.used);
        self.uses += 1;
        entry.used = self.uses;
        if entry.connections == 0 {
            self.free.insert(entry.used, index);
        }
    }

    fn address_of(&self, index: u32) -> Ipv4Addr {
        Ipv4Addr::from_bits(self.network.network().to_bits() + FIRST + index)
    }

    fn index(&self, address: Ipv4Addr) -> Option<u32> {
        let offset = address
            .to_bits()
            .checked_sub(self.network.network().to_bits() + FIRST)?;
        (offset < CAPACITY).then_some(offset)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Names {
        Names::new("198.18.0.0/15".parse().unwrap())
    }

    fn name(number: u32) -> HostName {
        HostName::parse(&format!("h{number}.example")).unwrap()
    }

    #[test]
    fn a_name_keeps_its_address_and_two_names_never_share_one() {
        let mut names = table();
        let first = names.address(&name(1)).unwrap();
        let second = names.address(&name(2)).unwrap();
        assert_eq!(first, Ipv4Addr::new(198, 18, 0, 2));
        assert_eq!(second, Ipv4Addr::new(198, 18, 0, 3));
        assert_eq!(names.address(&name(1)), Some(first));
        assert_eq!(names.name(second), Some(&name(2)));
        for unused in ["198.18.0.0", "198.18.0.1", "198.18.0.4", "8.8.8.8"] {
            assert_eq!(names.name(unused.parse().unwrap()), None, "{unused}");
        }
    }

    #[test]
    fn the_table_is_bounded_and_the_name_used_last_stays() {
        let mut names = table();
        let kept = names.address(&name(0)).unwrap();
        let lost = names.address(&name(1)).unwrap();
        for number in 2..40_000 {
            let address = names.address(&name(number)).unwrap();
            assert!(names.holds(address));
            if number % 1000 == 0 {
                assert_eq!(names.address(&name(0)), Some(kept));
            }
        }
        assert_eq!(names.entries.len(), CAPACITY as usize);
        assert_eq!(names.by_name.len(), CAPACITY as usize);
        assert_eq!(names.free.len(), CAPACITY as usize);
        assert_eq!(names.name(kept), Some(&name(0)));
        assert_ne!(names.name(lost), Some(&name(1)));
    }

    #[test]
    fn an_address_with_connections_is_never_given_anew() {
        let mut names = table();
        let busy = names.address(&name(0)).unwrap();
        names.open(busy);
        names.open(busy);
        names.close(busy);
        for number in 1..40_000 {
            assert_ne!(names.address(&name(number)), Some(busy));
        }
        assert_eq!(names.name(busy), Some(&name(0)));
        names.close(busy);
        for number in 40_000..60_000 {
            names.address(&name(number)).unwrap();
        }
        assert_ne!(names.name(busy), Some(&name(0)));
    }

    #[test]
    fn when_all_have_connections_a_new_name_gets_none() {
        let mut names = table();
        for number in 0..CAPACITY {
            let address = names.address(&name(number)).unwrap();
            names.open(address);
        }
        assert_eq!(names.address(&name(CAPACITY)), None);
        let first = names.address(&name(0)).unwrap();
        names.close(first);
        assert_eq!(names.address(&name(CAPACITY)), Some(first));
    }
}
