//! Taking connections of the box, each into a task of its own.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::task::{LocalSet, coop, spawn_local};
use tokio::time::sleep;

use super::Listeners;
use super::dns::DnsServer;
use super::error::EgressError;
use super::session::Session;
use super::target::meant;
use super::{connection, event::Host};

/// After an error that may stay, such as too many open files (accept(2)).
const BACK_OFF: Duration = Duration::from_millis(100);

/// Starts a task for each socket. To be called within the runtime's context.
///
/// # Errors
/// When a socket can't be made non-blocking or watched.
pub(super) fn start(
    listeners: Listeners,
    session: &Rc<Session>,
    tasks: &LocalSet,
) -> io::Result<()> {
    listeners.names.set_nonblocking(true)?;
    let names = UdpSocket::from_std(listeners.names)?;
    let name_server = names.local_addr()?;
    let dns = Rc::new(DnsServer::new(Rc::clone(session)));
    for listener in listeners.streams {
        listener.set_nonblocking(true)?;
        let accepting = Accepting {
            listener: TcpListener::from_std(listener)?,
            name_server,
            dns: Rc::clone(&dns),
            session: Rc::clone(session),
        };
        tasks.spawn_local(accepting.run());
    }
    tasks.spawn_local(async move { dns.serve_datagrams(&names).await });
    Ok(())
}

struct Accepting {
    listener: TcpListener,
    name_server: SocketAddr,
    dns: Rc<DnsServer>,
    session: Rc<Session>,
}

impl Accepting {
    async fn run(self) {
        loop {
            match self.listener.accept().await {
                Ok((stream, _)) => self.take(stream),
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
                Err(error) => {
                    tracing::debug!(%error, "a connection of the box can't be accepted");
                    sleep(BACK_OFF).await;
                }
            }
            coop::consume_budget().await;
        }
    }

    /// Decides who serves a connection. One that is dropped here is reset.
    fn take(&self, stream: TcpStream) {
        // Until it has ended in order; so it is reset whenever and however it is given up. A socket
        // of which this can't be said is broken already.
        if stream.set_zero_linger().is_err() {
            return;
        }
        let Ok(local) = stream.local_addr() else {
            return;
        };
        if local == self.name_server {
            Rc::clone(&self.dns).take(stream);
            return;
        }
        let session = &self.session;
        let port = local.port();
        let judged = meant(local, &session.names.borrow(), &session.policy);
        let host = match judged {
            Ok(host) => host,
            Err((host, why)) => return session.refuse(host, port, why),
        };
        if session.is_spent() {
            let limit = session.policy.bytes.unwrap_or_default();
            return session.refuse(host, port, EgressError::Bytes(limit));
        }
        let Some(mut place) = session.admit() else {
            return session.counters.refuse(&host);
        };
        if let (Host::Name(_), IpAddr::V4(address)) = (&host, local.ip().to_canonical()) {
            place.hold(address);
        }
        let session = Rc::clone(session);
        spawn_local(connection::serve(session, stream, host, port, place));
    }
}
