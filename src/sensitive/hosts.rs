//! Where clouds answer with the credentials of a machine.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Names. Sources: the documentation of Google Cloud, Amazon EC2, Tencent Cloud, Equinix Metal.
const NAMES: &[&str] = &[
    "metadata.google.internal",
    "metadata.goog",
    "metadata",
    "instance-data",
    "metadata.tencentyun.com",
    "metadata.platformequinix.com",
];

/// Domains in which `instance-data` is one, too: the private names of Amazon EC2.
const DOMAINS: &[&str] = &[".ec2.internal", ".compute.internal"];

/// Addresses: most clouds; containers and pods of Amazon; Azure's host; Alibaba; Oracle's older one;
/// Amazon's and Google's of IPv6.
const V4: &[Ipv4Addr] = &[
    Ipv4Addr::new(169, 254, 169, 254),
    Ipv4Addr::new(169, 254, 170, 2),
    Ipv4Addr::new(169, 254, 170, 23),
    Ipv4Addr::new(168, 63, 129, 16),
    Ipv4Addr::new(100, 100, 100, 200),
    Ipv4Addr::new(192, 0, 0, 192),
];
const V6: &[Ipv6Addr] = &[
    Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254),
    Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x23),
    Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254),
];

/// Whether a cloud's metadata service is known by this name or address. In any case, with or without
/// the dot at a name's end, and an IPv6 address with or without brackets.
pub fn is_metadata(host: &str) -> bool {
    let host = host.trim_end_matches('.').to_ascii_lowercase();
    if let Ok(address) = host.trim_matches(['[', ']']).parse::<IpAddr>() {
        return match address.to_canonical() {
            IpAddr::V4(address) => V4.contains(&address),
            IpAddr::V6(address) => V6.contains(&address),
        };
    }
    let is_of = |domain: &str| {
        let label = host.strip_suffix(domain);
        label.is_some_and(|label| label.split('.').next() == Some("instance-data"))
    };
    NAMES.contains(&host.as_str()) || DOMAINS.iter().any(|domain| is_of(domain))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_known_ones_are_told_from_others() {
        for host in [
            "metadata.google.internal",
            "Metadata.Google.Internal.",
            "metadata",
            "instance-data",
            "instance-data.ec2.internal",
            "instance-data.eu-west-1.compute.internal",
            "169.254.169.254",
            "[fd00:ec2::254]",
            "::ffff:169.254.169.254",
            "100.100.100.200",
        ] {
            assert!(is_metadata(host), "{host}");
        }
        for host in [
            "google.internal",
            "metadata.example.com",
            "ip-10-0-0-1.ec2.internal",
            "instance-data.example.com",
            "169.254.1.1",
            "[2001:db8::1]",
            "",
        ] {
            assert!(!is_metadata(host), "{host}");
        }
    }
}
