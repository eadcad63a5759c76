//! Through a proxy: HTTP CONNECT (RFC 9110, section 9.3.6) and SOCKS 5 (RFC 1928, RFC 1929).

use std::io;
use std::net::IpAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::dial::connect;
use super::error::{EgressError, ProxyAnswer};
use super::event::Host;
use super::proxy::{Protocol, Proxy};
use super::session::Session;

/// The longest answer to CONNECT that is read, with all its fields.
const MAX_ANSWER_BYTES: usize = 16 * 1024;

const SOCKS_VERSION: u8 = 5;
const NO_AUTHENTICATION: u8 = 0;
const USER_AND_PASSWORD: u8 = 2;
/// Of the negotiation of RFC 1929.
const PASSWORD_VERSION: u8 = 1;
const COMMAND_CONNECT: u8 = 1;
const ADDRESS_V4: u8 = 1;
const ADDRESS_NAME: u8 = 3;
const ADDRESS_V6: u8 = 4;

/// A connection to `host` through `proxy`. What is read of it is the host's.
///
/// The proxy is the user's own choice, so its address is not judged.
///
/// # Errors
/// When the proxy can't be reached or does not connect.
pub(super) async fn dial(
    session: &Session,
    proxy: &Proxy,
    host: &Host,
    port: u16,
) -> Result<TcpStream, EgressError> {
    let after = session.timing.proxy;
    timeout(after, dial_slowly(session, proxy, host, port))
        .await
        .unwrap_or_else(|_| {
            Err(EgressError::ProxyTimeout {
                proxy: proxy.to_string(),
                after,
            })
        })
}

async fn dial_slowly(
    session: &Session,
    proxy: &Proxy,
    host: &Host,
    port: u16,
) -> Result<TcpStream, EgressError> {
    let reached = async {
        let addresses = session.lookups.find(&proxy.host, proxy.port).await?;
        connect(&addresses).await
    };
    let unreachable = |source| EgressError::ProxyConnect {
        proxy: proxy.to_string(),
        source,
    };
    let mut stream = reached.await.map_err(unreachable)?;
    let answer = match &proxy.protocol {
        Protocol::Http(authorization) => {
            let request = connect_request(host, port, authorization.as_deref());
            ask_http(&mut stream, request.as_bytes()).await
        }
        Protocol::Socks { account, .. } => {
            let request = socks_request(host, port);
            ask_socks(&mut stream, account.as_ref(), &request).await
        }
    };
    match answer.map_err(unreachable)? {
        Ok(()) => Ok(stream),
        Err(answer) => Err(EgressError::ProxyRefused {
            proxy: proxy.to_string(),
            answer,
        }),
    }
}

fn connect_request(host: &Host, port: u16, authorization: Option<&str>) -> String {
    let target = match host {
        Host::Address(IpAddr::V6(address)) => format!("[{address}]:{port}"),
        other => format!("{other}:{port}"),
    };
    let mut request = format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n");
    if let Some(value) = authorization {
        request.push_str("Proxy-Authorization: ");
        request.push_str(value);
        request.push_str("\r\n");
    }
    request.push_str("\r\n");
    request
}

/// Sends the request and reads the answer to its end and not beyond: what follows is the host's.
async fn ask_http(stream: &mut TcpStream, request: &[u8]) -> io::Result<Result<(), ProxyAnswer>> {
    stream.write_all(request).await?;
    let mut answer = Vec::new();
    let mut chunk = [0; 2048];
    while answer.len() < MAX_ANSWER_BYTES {
        let seen = stream.peek(&mut chunk).await?;
        if seen == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let before = answer.len();
        answer.extend_from_slice(&chunk[..seen]);
        let end = memchr::memmem::find(&answer, b"\r\n\r\n").map(|at| at + 4);
        let wanted = end.unwrap_or(answer.len()) - before;
        stream.read_exact(&mut chunk[..wanted]).await?;
        if let Some(end) = end {
            return Ok(judge_http(&answer[..end]));
        }
    }
    Ok(Err(ProxyAnswer::Protocol))
}

/// RFC 9112, section 4.
fn judge_http(answer: &[u8]) -> Result<(), ProxyAnswer> {
    let status = answer
        .strip_prefix(b"HTTP/1.1 ")
        .or_else(|| answer.strip_prefix(b"HTTP/1.0 "))
        .and_then(|rest| rest.get(..3))
        .and_then(|digits| std::str::from_utf8(digits).ok())
        .and_then(|digits| digits.parse().ok());
    match status {
        Some(200..=299) => Ok(()),
        Some(407) => Err(ProxyAnswer::Authenticate),
        Some(status) => Err(ProxyAnswer::Status(status)),
        None => Err(ProxyAnswer::Protocol),
    }
}

fn socks_request(host: &Host, port: u16) -> Vec<u8> {
    let mut request = vec![SOCKS_VERSION, COMMAND_CONNECT, 0];
    match host {
        Host::Address(IpAddr::V4(address)) => {
            request.push(ADDRESS_V4);
            request.extend_from_slice(&address.octets());
        }
        Host::Address(IpAddr::V6(address)) => {
            request.push(ADDRESS_V6);
            request.extend_from_slice(&address.octets());
        }
        other => push_counted(&mut request, Some(ADDRESS_NAME), &other.to_string()),
    }
    request.extend_from_slice(&port.to_be_bytes());
    request
}

/// A text of 255 bytes at most, which all that is sent here is, after its length.
fn push_counted(request: &mut Vec<u8>, before: Option<u8>, text: &str) {
    request.extend(before);
    request.push(u8::try_from(text.len()).unwrap_or(u8::MAX));
    request.extend_from_slice(text.as_bytes());
}

async fn ask_socks(
    stream: &mut TcpStream,
    account: Option<&(String, String)>,
    request: &[u8],
) -> io::Result<Result<(), ProxyAnswer>> {
    let method = if account.is_some() {
        USER_AND_PASSWORD
    } else {
        NO_AUTHENTICATION
    };
    stream.write_all(&[SOCKS_VERSION, 1, method]).await?;
    let mut answer = [0; 2];
    stream.read_exact(&mut answer).await?;
    match answer {
        [SOCKS_VERSION, chosen] if chosen == method => {}
        [SOCKS_VERSION, _] => return Ok(Err(ProxyAnswer::Method)),
        _ => return Ok(Err(ProxyAnswer::Protocol)),
    }
    if let Some((user, password)) = account {
        let mut login = vec![PASSWORD_VERSION];
        push_counted(&mut login, None, user);
        push_counted(&mut login, None, password);
        stream.write_all(&login).await?;
        stream.read_exact(&mut answer).await?;
        if answer[1] != 0 {
            return Ok(Err(ProxyAnswer::Password));
        }
    }
    stream.write_all(request).await?;
    let mut head = [0; 4];
    stream.read_exact(&mut head).await?;
    let [version, reply, _, address] = head;
    if version != SOCKS_VERSION {
        return Ok(Err(ProxyAnswer::Protocol));
    }
    if reply != 0 {
        return Ok(Err(ProxyAnswer::Reply(reply)));
    }
    // The address and port that the proxy uses; nobody needs them.
    let length = match address {
        ADDRESS_V4 => 4,
        ADDRESS_V6 => 16,
        ADDRESS_NAME => usize::from(stream.read_u8().await?),
        _ => return Ok(Err(ProxyAnswer::Protocol)),
    };
    let mut unused = [0; 255 + 2];
    stream.read_exact(&mut unused[..length + 2]).await?;
    Ok(Ok(()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::HostName;

    #[test]
    fn requests_as_the_rfcs_write_them() {
        let name = Host::Name(HostName::parse("a.test").unwrap());
        let address = Host::Address("2001:db8::1".parse().unwrap());
        assert_eq!(
            connect_request(&name, 80, Some("Basic eA==")),
            "CONNECT a.test:80 HTTP/1.1\r\nHost: a.test:80\r\nProxy-Authorization: Basic eA==\r\n\r\n"
        );
        assert!(
            connect_request(&address, 1, None).starts_with("CONNECT [2001:db8::1]:1 HTTP/1.1\r\n")
        );
        assert_eq!(
            socks_request(&name, 258),
            b"\x05\x01\0\x03\x06a.test\x01\x02"
        );
        assert_eq!(socks_request(&address, 1).len(), 4 + 16 + 2);
        let v4 = Host::Address([8, 8, 4, 4].into());
        assert_eq!(
            socks_request(&v4, 1),
            b"\x05\x01\0\x01\x08\x08\x04\x04\0\x01"
        );
    }

    #[test]
    fn only_a_success_is_one() {
        for (answer, expected) in [
            ("HTTP/1.1 200 OK\r\n\r\n", Ok(())),
            ("HTTP/1.0 200 Connection established\r\n\r\n", Ok(())),
            ("HTTP/1.1 407 x\r\n\r\n", Err(ProxyAnswer::Authenticate)),
            ("HTTP/1.1 503 x\r\n\r\n", Err(ProxyAnswer::Status(503))),
            ("HTTP/1.1 100 x\r\n\r\n", Err(ProxyAnswer::Status(100))),
            ("HTTP/1.1 2\r\n\r\n", Err(ProxyAnswer::Protocol)),
            ("SSH-2.0-x\r\n\r\n", Err(ProxyAnswer::Protocol)),
        ] {
            assert_eq!(judge_http(answer.as_bytes()), expected, "{answer}");
        }
    }
}
