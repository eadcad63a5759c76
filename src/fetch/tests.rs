//! The client against a server of a few lines on the loopback interface. Also used by the
//! tests of `resolve`.

use std::collections::VecDeque;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::client::{check_scheme, next_hop};
use super::*;

/// Answers requests from a script and remembers what it was asked.
pub(crate) struct TestServer {
    pub(crate) port: u16,
    requests: Arc<Mutex<Vec<String>>>,
}

/// Raw answers, in order; the last one repeats.
pub(crate) fn serve(answers: Vec<Vec<u8>>) -> TestServer {
    let mut answers = VecDeque::from(answers);
    serve_with(move |_| {
        let next = answers.pop_front().unwrap_or_default();
        if answers.is_empty() {
            answers.push_back(next.clone());
        }
        next
    })
}

/// One connection at a time, one request each; `answer` sees the request's head.
pub(crate) fn serve_with(mut answer: impl FnMut(&str) -> Vec<u8> + Send + 'static) -> TestServer {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let requests = Arc::new(Mutex::new(Vec::new()));
    let seen = requests.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(stream) = stream else { return };
            let mut reader = BufReader::new(stream);
            let mut head = String::new();
            while reader.read_line(&mut head).is_ok_and(|n| n > 2) {}
            let reply = answer(&head);
            seen.lock().unwrap().push(head);
            // The client may have hung up by design.
            let _ = reader.into_inner().write_all(&reply);
        }
    });
    TestServer { port, requests }
}

impl TestServer {
    pub(crate) fn url(&self, path: &str) -> Url {
        Url::parse(&format!("http://127.0.0.1:{}{path}", self.port)).unwrap()
    }

    pub(crate) fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }
}

pub(crate) fn answer(status: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let mut bytes = format!(
        "HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: {}\r\n{headers}\r\n",
        body.len()
    )
    .into_bytes();
    bytes.extend_from_slice(body);
    bytes
}

pub(crate) fn client() -> Client {
    let retry = RetrySettings {
        attempts: 4,
        first_pause: Duration::from_millis(1),
    };
    Client::new(&FetchSettings {
        retry,
        ..FetchSettings::default()
    })
    .unwrap()
}

pub(crate) fn run<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
        .block_on(future)
}

fn get(server: &TestServer, authorization: Option<&Authorization>) -> Result<Vec<u8>, FetchError> {
    run(client().get(&server.url("/x?token=hidden"), authorization, "*/*", 100))
}

#[derive(Default)]
struct Recorder {
    restarts: usize,
    bytes: Vec<u8>,
    refuse: bool,
}

impl Sink for Recorder {
    fn restart(&mut self) -> Result<(), SinkError> {
        self.restarts += 1;
        self.bytes.clear();
        Ok(())
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), SinkError> {
        if self.refuse {
            return Err("disk full".into());
        }
        self.bytes.extend_from_slice(bytes);
        Ok(())
    }
}

#[test]
fn a_document_arrives_with_the_authorization_that_was_given() {
    let server = serve(vec![answer("200 OK", "", b"hello")]);
    let token = Authorization::bearer("s3cret");
    assert_eq!(get(&server, Some(&token)).unwrap(), b"hello");
    let request = &server.requests()[0];
    assert!(
        request
            .to_ascii_lowercase()
            .contains("authorization: bearer s3cret"),
        "{request}"
    );
    assert!(!format!("{token:?}").contains("s3cret"));
}

#[test]
fn overload_is_waited_out_and_errors_of_the_server_are_tried_four_times() {
    let server = serve(vec![
        answer("429 Too Many Requests", "Retry-After: 0\r\n", b""),
        answer("503 Service Unavailable", "", b""),
        answer("200 OK", "", b"ok"),
    ]);
    assert_eq!(get(&server, None).unwrap(), b"ok");
    assert_eq!(server.requests().len(), 3);

    let broken = serve(vec![answer("500 Internal Server Error", "", b"")]);
    let error = get(&broken, None).unwrap_err();
    assert!(
        matches!(
            error,
            FetchError::Status {
                status: 500,
                attempts: 4,
                ..
            }
        ),
        "{error}"
    );
    assert_eq!(broken.requests().len(), 4);

    let patient = serve(vec![answer(
        "429 Too Many Requests",
        "Retry-After: 3600\r\n",
        b"",
    )]);
    assert_eq!(get(&patient, None).unwrap_err().status(), Some(429));
    assert_eq!(patient.requests().len(), 1);
}

#[test]
fn a_refusal_is_final_and_its_message_has_no_query() {
    let server = serve(vec![answer("404 Not Found", "", b"no")]);
    let error = get(&server, None).unwrap_err();
    assert_eq!(error.status(), Some(404));
    assert_eq!(server.requests().len(), 1);
    assert!(!error.to_string().contains("hidden"), "{error}");
}

#[test]
fn a_server_that_is_not_there_is_a_network_error() {
    let free = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let url = Url::parse(&format!("http://user:pw@127.0.0.1:{free}/")).unwrap();
    let error = run(client().get(&url, None, "*/*", 1)).unwrap_err();
    assert!(error.is_network());
    assert!(matches!(error, FetchError::Connect { attempts: 4, .. }));
    assert!(!error.to_string().contains("pw"), "{error}");
}

/// A byte now and then is no silence; a client without patience gives up at the first one.
#[test]
fn an_answer_that_only_trickles_is_given_up() {
    let get = |patience| {
        let server = serve(vec![answer("200 OK", "", b"0123456789")]);
        let client = Client::new(&FetchSettings {
            patience,
            ..FetchSettings::default()
        });
        run(client.unwrap().get(&server.url("/"), None, "*/*", 100))
    };
    let error = get(Duration::ZERO).unwrap_err();
    assert!(
        matches!(error, FetchError::TooSlow { received: 10, .. }),
        "{error}"
    );
    // Control: it has come before the patience is over.
    assert_eq!(get(Duration::from_secs(300)).unwrap(), b"0123456789");
}

/// Each cause is told once, and one attempt is not `1 attempts`.
#[test]
fn what_went_wrong_is_said_once() {
    let server = serve(vec![answer("404 Not Found", "", b"")]);
    let text = get(&server, None).unwrap_err().to_string();
    assert!(text.ends_with("status 404 (1 attempt)"), "{text}");
    let nobody = Url::parse("http://127.0.0.1:9/").unwrap();
    let error = run(client().get(&nobody, None, "*/*", 1)).unwrap_err();
    assert!(error.to_string().contains("(4 attempts): "), "{error}");
    assert!(std::error::Error::source(&error).is_none(), "{error:?}");
}

#[test]
fn too_much_is_refused_whether_announced_or_not() {
    let exact = serve(vec![answer("200 OK", "", &[b'x'; 100])]);
    assert_eq!(get(&exact, None).unwrap().len(), 100);
    let announced = serve(vec![answer("200 OK", "", &[b'x'; 101])]);
    assert!(matches!(
        get(&announced, None),
        Err(FetchError::TooLarge { limit: 100, .. })
    ));
    let mut silent = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n".to_vec();
    silent.extend_from_slice(&[b'x'; 101]);
    let silent = serve(vec![silent]);
    assert!(matches!(
        get(&silent, None),
        Err(FetchError::TooLarge { .. })
    ));
    assert_eq!(silent.requests().len(), 1);
}

#[test]
fn a_body_cut_short_starts_the_sink_again() {
    let mut cut = answer("200 OK", "", b"0123456789");
    cut.truncate(cut.len() - 4);
    let server = serve(vec![cut.clone(), answer("200 OK", "", b"0123456789")]);
    let mut sink = Recorder::default();
    let mut last = None;
    let url = server.url("/file");
    run(client().download(&url, None, 100, &mut sink, &mut |p| last = Some(p))).unwrap();
    assert_eq!(
        (sink.restarts, sink.bytes.as_slice()),
        (2, b"0123456789".as_slice())
    );
    assert_eq!(
        last,
        Some(DownloadProgress {
            received: 10,
            total: Some(10)
        })
    );

    let hopeless = serve(vec![cut]);
    let url = hopeless.url("/file");
    let result = run(client().download(&url, None, 100, &mut sink, &mut |_| ()));
    assert!(result.unwrap_err().is_network());
    assert_eq!(hopeless.requests().len(), 4);
}

#[test]
fn a_sink_that_refuses_ends_the_download() {
    let server = serve(vec![answer("200 OK", "", b"0123456789")]);
    let mut sink = Recorder {
        refuse: true,
        ..Recorder::default()
    };
    let result = run(client().download(&server.url("/"), None, 100, &mut sink, &mut |_| ()));
    assert!(matches!(result, Err(FetchError::Sink { .. })));
    assert_eq!(server.requests().len(), 1);
}

#[test]
fn a_redirect_to_another_origin_loses_the_authorization() {
    let token = Authorization::basic("me", "s3cret");
    let target = serve(vec![answer("200 OK", "", b"there")]);
    let elsewhere = format!("Location: {}\r\n", target.url("/y"));
    let server = serve(vec![answer("302 Found", &elsewhere, b"")]);
    assert_eq!(get(&server, Some(&token)).unwrap(), b"there");
    assert!(
        server.requests()[0]
            .to_ascii_lowercase()
            .contains("authorization")
    );
    assert!(
        !target.requests()[0]
            .to_ascii_lowercase()
            .contains("authorization")
    );

    let same = serve(vec![
        answer("301 Moved Permanently", "Location: /z\r\n", b""),
        answer("200 OK", "", b"here"),
    ]);
    assert_eq!(get(&same, Some(&token)).unwrap(), b"here");
    assert!(same.requests()[1].starts_with("GET /z "));
    assert!(
        same.requests()[1]
            .to_ascii_lowercase()
            .contains("authorization")
    );
}

#[test]
fn redirects_are_counted() {
    let server = serve(vec![answer("302 Found", "Location: /again\r\n", b"")]);
    assert!(matches!(
        get(&server, None),
        Err(FetchError::TooManyRedirects { limit: 5, .. })
    ));
    assert_eq!(server.requests().len(), 6);
    let nowhere = serve(vec![answer("302 Found", "", b"")]);
    assert!(matches!(
        get(&nowhere, None),
        Err(FetchError::InvalidRedirect { .. })
    ));
}

#[test]
fn the_way_from_https_to_http_is_closed() {
    let current = Url::parse("https://registry.example/a/b").unwrap();
    let hop = |location| next_hop(&current, Some(location), &[]);
    assert_eq!(hop("../c").unwrap().as_str(), "https://registry.example/c");
    assert_eq!(
        hop("https://cdn.example/d").unwrap().as_str(),
        "https://cdn.example/d"
    );
    for refused in [
        "http://registry.example/c",
        "http://127.0.0.1/c",
        "file:///etc/passwd",
    ] {
        assert!(
            matches!(hop(refused), Err(FetchError::RedirectToPlainHttp { .. })),
            "{refused}"
        );
    }
}

#[test]
fn nobody_leads_into_this_machine_or_its_network() {
    let inside = [
        "http://127.0.0.1:4/admin?x",
        "http://2130706433/",
        "http://localhost/",
        "https://a.localhost./",
        "https://10.1.2.3/",
        "https://192.168.0.1/",
        "https://172.31.0.1/",
        "https://169.254.169.254/latest",
        "https://100.64.0.1/",
        "https://0.0.0.0/",
        "https://[::1]/",
        "https://[::ffff:127.0.0.1]/",
        "https://[fe80::1]/",
        "https://[fd00::1]/",
        "https://[2002:7f00:1::]/",
    ];
    let public = [
        "https://cdn.example/",
        "https://10.example/",
        "https://8.8.8.8/",
        "https://172.32.0.1/",
        "https://[2606:4700::1111]/",
    ];
    let from = Url::parse("http://npm.example/x").unwrap();
    for url in inside {
        let address = Url::parse(url).unwrap();
        assert!(leads_inside(&address, &from), "{url}");
        assert!(!leads_inside(&address, &address), "{url}");
        let hop = next_hop(&from, Some(url), &[]);
        assert!(
            matches!(hop, Err(FetchError::RedirectInside { .. })),
            "{url}"
        );
    }
    let [here, localhost, private] =
        [inside[0], inside[2], inside[4]].map(|url| Url::parse(url).unwrap());
    assert!(!leads_inside(&localhost, &here));
    assert!(leads_inside(&private, &here) && leads_inside(&here, &private));
    for url in public {
        assert!(!leads_inside(&Url::parse(url).unwrap(), &from), "{url}");
        assert!(next_hop(&from, Some(url), &[]).is_ok(), "{url}");
    }
}

#[test]
fn plain_http_needs_the_users_own_word() {
    let check = |url: &str, allowed: &[String]| check_scheme(&Url::parse(url).unwrap(), allowed);
    let own = [origin_of(&Url::parse("http://npm.corp/").unwrap())];
    assert!(check("https://npm.corp/x", &[]).is_ok());
    assert!(check("http://localhost:4873/x", &[]).is_ok());
    assert!(check("http://[::1]:4873/x", &[]).is_ok());
    assert!(check("http://npm.corp/x", &own).is_ok());
    assert!(matches!(
        check("http://npm.corp/x", &[]),
        Err(FetchError::PlainHttp { .. })
    ));
    assert!(matches!(
        check("http://npm.corp:8080/x", &own),
        Err(FetchError::PlainHttp { .. })
    ));
    assert!(matches!(
        check("http://localhost.evil.example/", &[]),
        Err(FetchError::PlainHttp { .. })
    ));
    assert!(matches!(
        check("ftp://npm.corp/x", &own),
        Err(FetchError::InvalidUrl { .. })
    ));
}

#[test]
fn a_compressed_document_is_read_and_bounded_after_decompression() {
    let gzip = |bytes: &[u8]| {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    };
    let header = "Content-Encoding: gzip\r\n";
    let server = serve(vec![answer("200 OK", header, &gzip(&[b'x'; 100]))]);
    assert_eq!(get(&server, None).unwrap(), [b'x'; 100]);
    assert!(
        server.requests()[0]
            .to_ascii_lowercase()
            .contains("accept-encoding: gzip")
    );
    let bomb = serve(vec![answer("200 OK", header, &gzip(&[b'x'; 5000]))]);
    assert!(matches!(get(&bomb, None), Err(FetchError::TooLarge { .. })));
    let damaged = serve(vec![answer("200 OK", header, b"not gzip")]);
    assert!(matches!(
        get(&damaged, None),
        Err(FetchError::Compression { .. })
    ));
}

#[test]
fn settings_that_cannot_be_used_are_refused_without_showing_passwords() {
    let build = |settings| Client::new(&settings).unwrap_err();
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("none.pem");
    let error = build(FetchSettings {
        extra_certificates: vec![missing],
        ..FetchSettings::default()
    });
    assert!(matches!(error, FetchError::ReadCertificates { .. }));
    let error = build(FetchSettings {
        inline_certificates: vec!["no certificate".to_owned()],
        ..FetchSettings::default()
    });
    assert!(matches!(error, FetchError::InvalidCertificates { .. }));
    let proxy = ProxySettings {
        https: Some("gopher://me:pw@proxy.example:1".to_owned()),
        ..ProxySettings::default()
    };
    assert!(!format!("{proxy:?}").contains("pw"));
    let error = build(FetchSettings {
        proxy,
        ..FetchSettings::default()
    });
    assert!(matches!(error, FetchError::InvalidProxy { .. }));
    assert!(!error.to_string().contains("pw"), "{error}");
}

#[test]
fn a_proxy_is_used_for_what_it_was_named_for() {
    let proxy = serve(vec![answer("200 OK", "", b"by proxy")]);
    let settings = |no_proxy: Option<&str>| FetchSettings {
        proxy: ProxySettings {
            http: Some(format!("127.0.0.1:{}", proxy.port)),
            https: None,
            no_proxy: no_proxy.map(str::to_owned),
        },
        plain_http_origins: vec!["http://npm.invalid:80".to_owned()],
        retry: RetrySettings {
            attempts: 1,
            first_pause: Duration::ZERO,
        },
        ..FetchSettings::default()
    };
    let url = Url::parse("http://npm.invalid/x").unwrap();
    let through = Client::new(&settings(None)).unwrap();
    assert_eq!(
        run(through.get(&url, None, "*/*", 100)).unwrap(),
        b"by proxy"
    );
    assert!(proxy.requests()[0].starts_with("GET http://npm.invalid/x "));
    let direct = Client::new(&settings(Some("npm.invalid"))).unwrap();
    assert!(
        run(direct.get(&url, None, "*/*", 100))
            .unwrap_err()
            .is_network()
    );
}
