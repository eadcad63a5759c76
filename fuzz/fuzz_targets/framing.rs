//! Lines out of a stream: whatever the bytes and however they arrive, every line comes out
//! whole, in order and once, and what is too long is told and bounded.
#![no_main]

use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

use libfuzzer_sys::fuzz_target;
use pinfold::relay::{Line, LineReader};
use tokio::io::{AsyncRead, ReadBuf};

const MAX_LINE: usize = 64;

/// Gives the bytes in pieces whose sizes come from `sizes`, round and round.
struct Pieces<'a> {
    bytes: &'a [u8],
    sizes: &'a [u8],
    turn: usize,
}

impl AsyncRead for Pieces<'_> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        let size = self.sizes.get(self.turn % self.sizes.len().max(1));
        self.turn += 1;
        let size = usize::from(size.copied().unwrap_or(255)).max(1);
        let size = size.min(self.bytes.len()).min(buffer.remaining());
        let (now, later) = self.bytes.split_at(size);
        buffer.put_slice(now);
        self.bytes = later;
        Poll::Ready(Ok(()))
    }
}

/// What the lines must be, by the plainest of splits: each line, `None` when it is too long, and
/// the length of what came after the last newline.
fn expected(bytes: &[u8]) -> (Vec<Option<Vec<u8>>>, Option<usize>) {
    let is_line =
        |line: &&[u8]| line.len() > MAX_LINE || line.iter().any(|byte| !b" \t\r".contains(byte));
    let mut pieces: Vec<&[u8]> = bytes.split(|byte| *byte == b'\n').collect();
    let rest = pieces.pop().filter(is_line).map(<[u8]>::len);
    let lines = pieces
        .into_iter()
        .filter(is_line)
        .map(|line| (line.len() <= MAX_LINE).then(|| line.to_vec()))
        .collect();
    (lines, rest)
}

/// The end of a future that never waits.
fn ready<T>(future: impl Future<Output = T>) -> T {
    let mut context = Context::from_waker(Waker::noop());
    match pin!(future).poll(&mut context) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("it waits for a source that never does"),
    }
}

fuzz_target!(|data: &[u8]| {
    let Some((count, data)) = data.split_first() else {
        return;
    };
    let sizes = usize::from(*count % 8).min(data.len());
    let (sizes, bytes) = data.split_at(sizes);
    let source = Pieces {
        bytes,
        sizes,
        turn: 0,
    };
    let mut reader = LineReader::new(source, MAX_LINE);
    let (mut found, mut incomplete) = (Vec::new(), None);
    while let Some(line) = ready(reader.next()).unwrap() {
        match line {
            Line::Whole(line) => found.push(Some(line.to_vec())),
            Line::TooLong { head, tail } => {
                // 64 KiB and 4 KiB are kept of it.
                assert!(head.len() <= 64 * 1024 && tail.len() <= 4 * 1024);
                assert!(head.len() > MAX_LINE && !tail.is_empty());
                found.push(None);
            }
            Line::Incomplete { length } => incomplete = Some(length),
        }
    }
    assert_eq!((found, incomplete), expected(bytes));
});
