//! Which addresses are public, and what the others are (the IANA special-purpose address registries).

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What an address is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Public,
    /// "This host", and what it leads to: the machine itself.
    Unspecified,
    Loopback,
    /// RFC 1918, unique local (RFC 4193) and site-local addresses.
    Private,
    /// RFC 3927, RFC 4291; also where clouds keep their metadata.
    LinkLocal,
    /// Between a provider and its customers (RFC 6598).
    SharedByProvider,
    Multicast,
    /// Documentation, benchmarks, and what is not assigned.
    Reserved,
}

/// The kind of an address. One that carries an IPv4 address inside (mapped, NAT64, 6to4, Teredo) is
/// what that one is, unless it is worse by itself.
pub fn kind(address: IpAddr) -> Kind {
    match address {
        IpAddr::V4(address) => kind_of_v4(address),
        IpAddr::V6(address) => kind_of_v6(address),
    }
}

fn kind_of_v4(address: Ipv4Addr) -> Kind {
    match address.octets() {
        [0, ..] => Kind::Unspecified,
        [127, ..] => Kind::Loopback,
        [10, ..] | [172, 16..=31, ..] | [192, 168, ..] => Kind::Private,
        [169, 254, ..] => Kind::LinkLocal,
        [100, 64..=127, ..] => Kind::SharedByProvider,
        [224..=239, ..] => Kind::Multicast,
        [192, 0, 0 | 2, _]
        | [192, 88, 99, _]
        | [198, 18..=19, ..]
        | [198, 51, 100, _]
        | [203, 0, 113, _]
        | [240..=255, ..] => Kind::Reserved,
        _ => Kind::Public,
    }
}

fn kind_of_v6(address: Ipv6Addr) -> Kind {
    if address.is_unspecified() {
        return Kind::Unspecified;
    }
    if address.is_loopback() {
        return Kind::Loopback;
    }
    if let Some(inner) = embedded(address) {
        return kind_of_v4(inner);
    }
    match address.segments() {
        [0xfe80..=0xfebf, ..] => Kind::LinkLocal,
        [0xfc00..=0xfdff, ..] | [0xfec0..=0xfeff, ..] => Kind::Private,
        [0xff00..=0xffff, ..] => Kind::Multicast,
        // Documentation (RFC 3849, RFC 9637) and the protocol assignments of 2001::/23 (RFC 2928).
        [0x2001, 0x0db8, ..] | [0x3fff, 0..=0x0fff, ..] | [0x2001, 0..=0x01ff, ..] => {
            Kind::Reserved
        }
        // Only 2000::/3 is assigned to the public.
        [0x2000..=0x3fff, ..] => Kind::Public,
        _ => Kind::Reserved,
    }
}

/// The IPv4 address to which a packet to this one would be carried in the end.
fn embedded(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let from = |high: u16, low: u16| {
        let [a, b] = high.to_be_bytes();
        let [c, d] = low.to_be_bytes();
        Some(Ipv4Addr::new(a, b, c, d))
    };
    match address.segments() {
        // Mapped and compatible (RFC 4291), translated (RFC 2765).
        [0, 0, 0, 0, 0, 0 | 0xffff, high, low] | [0, 0, 0, 0, 0xffff, 0, high, low] => {
            from(high, low)
        }
        // NAT64, well-known and local-use prefix (RFC 6052, RFC 8215).
        [0x0064, 0xff9b, 0, 0, 0, 0, high, low] | [0x0064, 0xff9b, 1, _, _, _, high, low] => {
            from(high, low)
        }
        // 6to4 (RFC 3056).
        [0x2002, high, low, ..] => from(high, low),
        // Teredo (RFC 4380): the client's address, inverted.
        [0x2001, 0, _, _, _, _, high, low] => from(!high, !low),
        _ => None,
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Public => "public",
            Self::Unspecified => "of no host in particular",
            Self::Loopback => "on this machine",
            Self::Private => "in a private network",
            Self::LinkLocal => "on the local link, where clouds keep their metadata",
            Self::SharedByProvider => "in a provider's own network",
            Self::Multicast => "of a group (multicast)",
            Self::Reserved => "reserved",
        })
    }
}
