//! From a host to a connection: looked up, judged, dialled.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::task::{JoinSet, spawn_blocking};
use tokio::time::{sleep, timeout};

use super::error::EgressError;
use super::event::Host;
use super::interfaces::near;
use super::session::Session;
use super::target::is_own;
use super::tunnel;
use crate::config::HostName;
use crate::policy::EgressPolicy;

/// Look-ups at one time; each is a thread, and one that hangs goes on hanging.
pub(super) const MAX_LOOKUPS: usize = 16;
/// Addresses of one name that are tried.
const MAX_ADDRESSES: usize = 6;
/// The next address is tried beside one that does not answer for so long (RFC 8305, section 8).
const STAGGER: Duration = Duration::from_millis(250);

/// From a name and a port to addresses; blocks.
pub(super) type Lookup = Arc<dyn Fn(&str, u16) -> io::Result<Vec<SocketAddr>> + Send + Sync>;

/// getaddrinfo(3), by which the rest of the machine resolves names, too.
pub(super) fn system_lookup(host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    Ok((host, port).to_socket_addrs()?.collect())
}

/// Look-ups in threads, a bounded number of them.
pub(super) struct Lookups {
    lookup: Lookup,
    permits: Arc<Semaphore>,
}

impl Lookups {
    pub(super) fn new(lookup: Lookup) -> Self {
        Self {
            lookup,
            permits: Arc::new(Semaphore::new(MAX_LOOKUPS)),
        }
    }

    /// # Errors
    /// Whatever getaddrinfo(3) reports.
    pub(super) async fn find(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        let permits = Arc::clone(&self.permits);
        let permit = permits.acquire_owned().await.map_err(io::Error::other)?;
        let lookup = Arc::clone(&self.lookup);
        let host = host.to_owned();
        let found = spawn_blocking(move || {
            // Given back when the thread is free, however early the caller gives up.
            let _permit = permit;
            lookup(&host, port)
        });
        found.await.map_err(io::Error::other)?
    }
}

/// Connects to a host that the policy allows.
///
/// # Errors
/// When it has no address that may be reached, or none that can be.
pub(super) async fn dial(
    session: &Session,
    host: &Host,
    port: u16,
) -> Result<TcpStream, EgressError> {
    let proxy = session
        .proxies
        .as_ref()
        .and_then(|proxies| proxies.for_host(host, port));
    let addresses = match (host, &proxy) {
        (Host::Name(_), Some(proxy)) if proxy.resolves() => {
            return tunnel::dial(session, proxy, host, port).await;
        }
        (Host::Name(name), _) => resolve(session, name, port).await?,
        (Host::Address(address), _) => vec![SocketAddr::new(*address, port)],
        (Host::Localhost, _) => [Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()]
            .map(|address: IpAddr| SocketAddr::new(address, port))
            .to_vec(),
    };
    match (proxy, addresses.first()) {
        // A name that may lead to this machine is meant to lead to this one, not to the proxy's.
        (Some(proxy), Some(first)) if !is_own(first.ip()) => {
            tunnel::dial(session, &proxy, &Host::Address(first.ip()), port).await
        }
        _ => match timeout(session.timing.connect, connect(&addresses)).await {
            Ok(connected) => connected.map_err(EgressError::Connect),
            Err(_) => Err(EgressError::ConnectTimeout(session.timing.connect)),
        },
    }
}

async fn resolve(
    session: &Session,
    name: &HostName,
    port: u16,
) -> Result<Vec<SocketAddr>, EgressError> {
    let lookup = session.lookups.find(name.as_str(), port);
    let found = timeout(session.timing.connect, lookup)
        .await
        .map_err(|_| EgressError::LookupTimeout(session.timing.connect))?
        .map_err(EgressError::Lookup)?;
    let near = near().map_err(EgressError::Lookup)?;
    judge(found, port, &session.policy, &near)
}

/// The addresses that a name may lead to, in their order, each once. Pure.
///
/// # Errors
/// When there is none; with the first that was refused, if there was one.
fn judge(
    found: Vec<SocketAddr>,
    port: u16,
    policy: &EgressPolicy,
    near: &[IpNet],
) -> Result<Vec<SocketAddr>, EgressError> {
    let mut allowed = Vec::new();
    let mut refused = None;
    for address in found {
        match policy.may_lead_to(address.ip(), port, near) {
            Ok(()) if allowed.contains(&address) || allowed.len() == MAX_ADDRESSES => {}
            Ok(()) => allowed.push(address),
            Err(kind) => {
                refused.get_or_insert_with(|| (address.ip(), kind));
            }
        }
    }
    if allowed.is_empty() {
        return Err(match refused {
            Some((address, kind)) => EgressError::LeadsTo { address, kind },
            None => EgressError::Lookup(io::Error::other("it has no address")),
        });
    }
    Ok(allowed)
}

/// The first connection that stands; later addresses are begun while earlier ones keep silent.
///
/// # Errors
/// The last failure, when all have failed.
pub(super) async fn connect(addresses: &[SocketAddr]) -> io::Result<TcpStream> {
    let mut left = addresses.iter().copied();
    let mut attempts = JoinSet::new();
    let mut failure = io::Error::other("it has no address");
    while let Some(address) = left.next() {
        attempts.spawn_local(TcpStream::connect(address));
        tokio::select! {
            biased;
            Some(attempt) = attempts.join_next() => match attempt.map_err(io::Error::other) {
                Ok(Ok(stream)) => return Ok(stream),
                Ok(Err(error)) | Err(error) => failure = error,
            },
            () = sleep(STAGGER), if left.len() > 0 => {}
        }
    }
    while let Some(attempt) = attempts.join_next().await {
        match attempt.map_err(io::Error::other) {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) | Err(error) => failure = error,
        }
    }
    Err(failure)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::Kind;

    fn policy(rules: &[&str]) -> EgressPolicy {
        EgressPolicy::by_name(rules)
    }

    fn addresses(texts: &[&str]) -> Vec<SocketAddr> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn only_judged_addresses_are_dialled() {
        let policy = policy(&["a.test:443", "10.0.0.0/8:443"]);
        let found = addresses(&[
            "127.0.0.1:443",
            "8.8.8.8:443",
            "8.8.8.8:443",
            "[::ffff:169.254.169.254]:443",
            "10.0.0.1:443",
            "[64:ff9b::7f00:1]:443",
            "[2606:4700::1111]:443",
        ]);
        assert_eq!(
            judge(found, 443, &policy, &[]).unwrap(),
            addresses(&["8.8.8.8:443", "10.0.0.1:443", "[2606:4700::1111]:443"])
        );
        let rebound = judge(addresses(&["127.0.0.1:443"]), 443, &policy, &[]);
        assert!(matches!(
            rebound,
            Err(EgressError::LeadsTo {
                kind: Kind::Loopback,
                ..
            })
        ));
        let none = judge(Vec::new(), 443, &policy, &[]);
        assert!(matches!(none, Err(EgressError::Lookup(_))));
        let many = (1..100).map(|last| SocketAddr::new([8, 8, 8, last].into(), 443));
        assert_eq!(
            judge(many.collect(), 443, &policy, &[]).unwrap().len(),
            MAX_ADDRESSES
        );
    }
}
