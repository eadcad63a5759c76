//! Why a box does not get what it asked the network for, and why its network can't be served.

use std::io;
use std::net::IpAddr;
use std::time::Duration;

use crate::config::HostName;
use crate::policy::Kind;

/// The one error of this room. As a text it is the part of a sentence after the host and a colon.
#[derive(Debug, thiserror::Error)]
pub enum EgressError {
    #[error("no rule allows it")]
    NotListed,
    /// A synthetic address that was never told, or that stands for another name by now.
    #[error("the address stands for no name; names have to be looked up before they are dialled")]
    StandsForNoName,
    #[error("the session has moved {0} bytes, which is all that it may")]
    Bytes(u64),
    #[error("its address can't be found: {0}")]
    Lookup(io::Error),
    #[error("its address was not found within {} s", .0.as_secs())]
    LookupTimeout(Duration),
    /// The name has addresses and may lead to none of them. DNS rebinding looks like this.
    #[error("it leads to {address}, an address {kind}")]
    LeadsTo { address: IpAddr, kind: Kind },
    #[error("it can't be connected to: {0}")]
    Connect(io::Error),
    #[error("it did not take the connection within {} s", .0.as_secs())]
    ConnectTimeout(Duration),
    #[error("the TLS handshake asks for `{0}`, which is not the host that was dialled")]
    ServerName(HostName),
    #[error("it begins like TLS but its first message can't be read")]
    ClientHello,
    #[error("its first TLS message did not come whole within {} s", .0.as_secs())]
    ClientHelloTimeout(Duration),
    #[error("the proxy {proxy} can't be reached: {source}")]
    ProxyConnect { proxy: String, source: io::Error },
    #[error("the proxy {proxy} did not answer within {} s", .after.as_secs())]
    ProxyTimeout { proxy: String, after: Duration },
    #[error("the proxy {proxy} {answer}")]
    ProxyRefused { proxy: String, answer: ProxyAnswer },
    /// A setting of the user; its value may hold a password and is not told.
    #[error(
        "`{0}` can't be used: it is no proxy of the form http://, socks5:// or socks5h://HOST:PORT"
    )]
    ProxySetting(&'static str),
}

/// What a proxy says instead of connecting.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProxyAnswer {
    #[error("answers with the HTTP status {0}")]
    Status(u16),
    #[error("wants a user and a password, or others (HTTP status 407)")]
    Authenticate,
    /// RFC 1928, section 6.
    #[error("refuses with the SOCKS reply {0}{why}", why = socks_reply(*.0))]
    Reply(u8),
    #[error("wants another authentication than it was given (SOCKS)")]
    Method,
    #[error("does not take the user and password (SOCKS)")]
    Password,
    #[error("does not speak the protocol that its address names")]
    Protocol,
}

fn socks_reply(reply: u8) -> &'static str {
    match reply {
        2 => " (not allowed by its rules)",
        3 => " (network unreachable)",
        4 => " (host unreachable)",
        5 => " (connection refused)",
        _ => "",
    }
}
