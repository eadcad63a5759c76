//! A TLS handshake names the host that was dialled, or none.

use super::{Ground, SETTING, Setting};

/// Dials `allowed.test` and asks for another host in the handshake.
const FRONTED: &str = "
    import ssl
    context = ssl.create_default_context(cafile=ca)
    one = socket.create_connection(('allowed.test', port), 20)
    with context.wrap_socket(one, server_hostname=host) as one:
        one.sendall(b'GET / HTTP/1.0\\r\\n\\r\\n')
        return one.recv(65536).decode()";

const UNNAMED: &str = "
    import ssl
    context = ssl.create_default_context(cafile=ca); context.check_hostname = False
    one = socket.create_connection((host, port), 20)
    with context.wrap_socket(one) as one:
        one.sendall(b'GET / HTTP/1.0\\r\\n\\r\\n')
        return one.recv(65536).decode()";

/// As above; a record without content goes first, which OpenSSL's servers pass over.
const FRONTED_AND_DISGUISED: &str = "
    import ssl
    context = ssl.create_default_context(cafile=ca)
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    two = context.wrap_bio(incoming, outgoing, server_hostname=host)
    one = socket.create_connection(('allowed.test', port), 20)
    one.sendall(b'\\x16\\x03\\x01\\x00\\x00')
    while True:
        try: two.do_handshake(); break
        except ssl.SSLWantReadError:
            one.sendall(outgoing.read()); answer = one.recv(65536)
            if not answer: raise ConnectionResetError(errno.ECONNRESET, 'nothing came')
            incoming.write(answer)
    return two.version()";

#[test]
fn another_server_name_is_refused() {
    let Some(mut ground) = Ground::new("egress::another_server_name_is_refused", &SETTING) else {
        return;
    };
    for code in [FRONTED, FRONTED_AND_DISGUISED] {
        let control = ground.bare(code, "refused.test", 8443, Some("tls refused.test"));
        assert!(control.starts_with("ok:"), "control: {control}");
        let (answer, news) = ground.boxed(code, "refused.test", 8443);
        assert!(!answer.starts_with("ok:"), "{answer}");
        assert!(
            !news.iter().any(|contact| contact.starts_with("tls")),
            "{news:#?}"
        );
    }
    ground.reaches("its own name", FRONTED, "allowed.test", 8443);
    ground.reaches("no name", UNNAMED, "allowed.test", 8443);
}

#[test]
fn the_check_can_be_switched_off() {
    let setting = Setting {
        manifest: "egress = [\"allowed.test:8443\"]\ntls_server_name = \"off\"",
        ..SETTING
    };
    if let Some(mut ground) = Ground::new("egress::the_check_can_be_switched_off", &setting) {
        ground.reaches("another name", FRONTED, "refused.test", 8443);
    }
}
