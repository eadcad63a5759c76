//! Lines out of a stream: whatever the bytes and however they arrive, every line comes out
//! whole, in order and once, and what is too long is told and bounded.
#![no_main]

use std::pin::Pin;
use std::task::{Context, Poll};

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

/// What the lines must be, by the plainest of splits.
fn expected(bytes: &[u8]) -> (Vec<Option<Vec<u8>>>, usize) {
    let mut pieces: Vec<&[u8]> = bytes.split(|byte| *byte == b'\n').collect();
    let rest = pieces.pop().unwrap_or_default().len();
    let lines = pieces
        .into_iter()
        .filter(|line| line.len() > MAX_LINE || !line.trim_ascii().is_empty())
        .map(|line| (line.len() <= MAX_LINE).then(|| line.to_vec()))
        .collect();
    (lines, rest)
}

fuzz_target!(|data: &[u8]| {
    let Some((count, data)) = data.split_first() else {
        return;
    };
    let sizes = usize::from(*count % 8).min(data.len());
    let (sizes, bytes) = data.split_at(sizes);
    let (lines, rest) = expected(bytes);
    let runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = { runtime }.build().unwrap();
    runtime.block_on(async {
        let source = Pieces {
            bytes,
            sizes,
            turn: 0,
        };
        let mut reader = LineReader::new(source, MAX_LINE);
        let (mut found, mut incomplete) = (Vec::new(), 0);
        while let Some(line) = reader.next().await.unwrap() {
            match line {
                Line::Whole(line) => found.push(Some(line.to_vec())),
                Line::TooLong { head, tail } => {
                    assert!(head.len() + tail.len() <= 1 << 20);
                    found.push(None);
                }
                Line::Incomplete { length } => incomplete = length,
            }
        }
        assert_eq!(found, lines);
        // White space after the last newline is nothing.
        assert!(incomplete == rest || incomplete == 0);
    });
});
