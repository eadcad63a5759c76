//! Which addresses are public, and what the others are (the IANA special-purpose address registries).

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::fmt;

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
    /// Public by its number, and this machine's own or of a network that it is in.
    Near,
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
        // The last is public by number only: in Azure each virtual machine reaches its host there.
        [169, 254, ..] | [168, 63, 129, 16] => Kind::LinkLocal,
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
        // NAT64 (RFC 6052). Where the local-use prefix 64:ff9b:1::/48 (RFC 8215) carries it is for each
        // network to choose, so that one is reserved.
        [0x0064, 0xff9b, 0, 0, 0, 0, high, low] => from(high, low),
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
            Self::Near => "of this machine or of a network that it is in",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_from_its_first_to_its_last() {
        for (kind_expected, addresses) in [
            (
                Kind::Public,
                &[
                    "1.0.0.0",
                    "9.255.255.255",
                    "11.0.0.0",
                    "100.63.255.255",
                    "100.128.0.0",
                    "126.255.255.255",
                    "128.0.0.0",
                    "168.63.129.15",
                    "168.63.129.17",
                    "169.253.255.255",
                    "169.255.0.0",
                    "172.15.255.255",
                    "172.32.0.0",
                    "192.167.255.255",
                    "192.169.0.0",
                    "198.17.255.255",
                    "198.20.0.0",
                    "203.0.112.255",
                    "203.0.114.0",
                    "223.255.255.255",
                    "2000::",
                    "2001:200::1",
                    "2606:4700::1111",
                    "2001:db7::1",
                    "2a00:1450::1",
                    "64:ff9b::808:808",
                    "2002:808:808::1",
                    "::ffff:8.8.8.8",
                ][..],
            ),
            (
                Kind::Unspecified,
                &["0.0.0.0", "0.255.255.255", "::", "::ffff:0.0.0.0"],
            ),
            (
                Kind::Loopback,
                &[
                    "127.0.0.0",
                    "127.255.255.255",
                    "::1",
                    "::ffff:127.0.0.1",
                    "::127.0.0.1",
                    "64:ff9b::7f00:1",
                    "2002:7f00:1::",
                    "::ffff:0:127.0.0.1",
                ],
            ),
            (
                Kind::Private,
                &[
                    "10.0.0.0",
                    "10.255.255.255",
                    "172.16.0.0",
                    "172.31.255.255",
                    "192.168.0.0",
                    "192.168.255.255",
                    "fc00::",
                    "fdff:ffff::1",
                    "fec0::1",
                    "::ffff:10.0.0.1",
                    "64:ff9b::a00:1",
                    "2002:c0a8:101::1",
                ],
            ),
            (
                Kind::LinkLocal,
                &[
                    "169.254.0.0",
                    "169.254.169.254",
                    "169.254.255.255",
                    "168.63.129.16",
                    "::ffff:168.63.129.16",
                    "fe80::1",
                    "febf:ffff::1",
                    "::ffff:169.254.169.254",
                    "64:ff9b::a9fe:a9fe",
                ],
            ),
            (
                Kind::SharedByProvider,
                &["100.64.0.0", "100.100.100.200", "100.127.255.255"],
            ),
            (
                Kind::Multicast,
                &["224.0.0.1", "239.255.255.255", "ff00::1", "ff02::fb"],
            ),
            (
                Kind::Reserved,
                &[
                    "192.0.0.192",
                    "192.0.2.1",
                    "192.88.99.1",
                    "198.18.0.0",
                    "198.19.255.255",
                    "198.51.100.1",
                    "203.0.113.1",
                    "240.0.0.0",
                    "255.255.255.255",
                    "100::1",
                    "2001:db8::1",
                    "3fff::1",
                    "2001:10::1",
                    "2001:20::1",
                    "4000::1",
                    "64:ff9b:1::808:808",
                    "64:ff9b:1:a00:0:100::",
                    "fe00::1",
                ],
            ),
        ] {
            for address in addresses {
                assert_eq!(kind(address.parse().unwrap()), kind_expected, "{address}");
            }
        }
        // Teredo carries the address inverted: this is 127.0.0.1.
        let teredo = "2001:0:4136:e378:8000:63bf:80ff:fffe".parse().unwrap();
        assert_eq!(kind(teredo), Kind::Loopback);
    }
}
