//! One answer to every request, over HTTP on the loopback interface.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Serves until it is dropped.
pub(crate) struct Page {
    address: SocketAddr,
    stopped: Arc<AtomicBool>,
}

impl Page {
    pub(crate) fn new(kind: &'static str, body: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let stopped = Arc::new(AtomicBool::new(false));
        let ends = Arc::clone(&stopped);
        std::thread::spawn(move || {
            for connection in listener.incoming().flatten() {
                if ends.load(Ordering::SeqCst) {
                    return;
                }
                // A browser opens connections ahead of time and says nothing on them.
                std::thread::spawn(move || answer(&connection, kind, body));
            }
        });
        Self { address, stopped }
    }

    /// `127.0.0.1:PORT`, as in `egress`.
    pub(crate) fn host(&self) -> String {
        self.address.to_string()
    }
}

fn answer(mut connection: &TcpStream, kind: &str, body: &str) {
    let lines = BufReader::new(connection).lines().map_while(Result::ok);
    if lines.take_while(|line| !line.is_empty()).count() == 0 {
        return;
    }
    let length = body.len();
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
    );
    let _ = connection.write_all((head + body).as_bytes());
}

impl Drop for Page {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.address);
    }
}
