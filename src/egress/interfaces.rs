//! The machine's own addresses, which can be public ones as well.

use std::io;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use nix::ifaddrs::getifaddrs;
use nix::sys::socket::SockaddrStorage;

/// What is on one link has this prefix or a longer one (RFC 4291, section 2.5.1); a shorter one says
/// nothing of who is near.
const LINK_PREFIX: u8 = 64;

/// The addresses of this machine, and the IPv6 networks of its links: with a public IPv6 address, as
/// each device of a home has one, a router or a printer is reached from within only.
///
/// # Errors
/// What getifaddrs(3) reports.
pub(super) fn near() -> io::Result<Vec<IpNet>> {
    let interfaces = getifaddrs()?;
    Ok(interfaces
        .filter_map(|interface| network(&interface.address?, interface.netmask.as_ref()))
        .collect())
}

fn network(address: &SockaddrStorage, mask: Option<&SockaddrStorage>) -> Option<IpNet> {
    if let Some(address) = address.as_sockaddr_in() {
        return Some(Ipv4Net::from(address.ip()).into());
    }
    let address = address.as_sockaddr_in6()?.ip();
    let prefix = mask
        .and_then(SockaddrStorage::as_sockaddr_in6)
        .and_then(|mask| u8::try_from(mask.ip().to_bits().leading_ones()).ok())
        .map_or(128, |prefix| prefix.max(LINK_PREFIX));
    let network = Ipv6Net::new(address, prefix).ok()?;
    Some(network.trunc().into())
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use super::*;

    fn storage(address: &str) -> SockaddrStorage {
        let address: SocketAddr = format!("{address}:0").parse().unwrap();
        address.into()
    }

    #[test]
    fn an_address_is_near_and_so_is_its_ipv6_link() {
        for (address, mask, expected) in [
            ("192.0.2.7", "255.255.255.0", "192.0.2.7/32"),
            ("[2001:db8::7]", "[ffff:ffff:ffff:ffff::]", "2001:db8::/64"),
            (
                "[2001:db8::7]",
                "[ffff:ffff:ffff:ffff:ffff::]",
                "2001:db8::/80",
            ),
            ("[2001:db8::7]", "[ffff:ffff::]", "2001:db8::/64"),
        ] {
            let found = network(&storage(address), Some(&storage(mask)));
            assert_eq!(found.unwrap().to_string(), expected, "{address} {mask}");
        }
        let alone = network(&storage("[2001:db8::7]"), None);
        assert_eq!(alone.unwrap().to_string(), "2001:db8::7/128");
        assert!(near().is_ok());
    }
}
