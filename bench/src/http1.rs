//! As much of HTTP/1.1 as a load generator needs (RFC 9112): one request after the other on a connection, answers by
//! `Content-Length` or in chunks.

use anyhow::{Context as _, Result, bail, ensure};
use tokio::io::{AsyncRead, AsyncReadExt as _};

/// The most that an answer may have: an answer without end is a fault.
const ANSWER_BYTES: usize = 1 << 20;

/// Reads one answer after the other from a connection.
#[derive(Debug)]
pub struct Answers {
    buffer: Vec<u8>,
    filled: usize,
    body: Vec<u8>,
}

/// An answer.
#[derive(Clone, Copy, Debug)]
pub struct Answer<'a> {
    /// Its status.
    pub status: u16,
    /// Its status line and headers, each ended by CR LF.
    pub head: &'a str,
    /// Its body.
    pub body: &'a [u8],
}

impl<'a> Answer<'a> {
    /// Its headers: names as they came, values without the whitespace around them.
    pub fn headers(&self) -> impl Iterator<Item = (&'a str, &'a str)> {
        fields(self.head)
    }
}

impl Default for Answers {
    fn default() -> Self {
        Self::new()
    }
}

impl Answers {
    /// For a connection of which nothing was read.
    #[must_use]
    pub fn new() -> Self {
        Self { buffer: vec![0; 16 * 1024], filled: 0, body: Vec::new() }
    }

    /// The next answer.
    ///
    /// # Errors
    /// When the connection breaks, or what comes is no answer.
    pub async fn next(&mut self, io: &mut (impl AsyncRead + Unpin)) -> Result<Answer<'_>> {
        self.filled = 0;
        let end = loop {
            self.more(io).await?;
            if let Some(end) = find(&self.buffer[..self.filled], b"\r\n\r\n") {
                break end + 4;
            }
        };
        let (status, framing) = read_head(text(&self.buffer[..end])?)?;
        match framing {
            Framing::Length(length) => {
                while self.filled < end + length {
                    self.more(io).await?;
                }
                ensure!(self.filled == end + length, "more came than one answer");
            }
            Framing::Chunked => {
                while !dechunk(&self.buffer[end..self.filled], &mut self.body)? {
                    self.more(io).await?;
                }
            }
        }
        let (head, rest) = self.buffer[..self.filled].split_at(end);
        let body = match framing {
            Framing::Length(_) => rest,
            Framing::Chunked => &self.body,
        };
        Ok(Answer { status, head: text(head)?, body })
    }

    async fn more(&mut self, io: &mut (impl AsyncRead + Unpin)) -> Result<()> {
        if self.filled == self.buffer.len() {
            ensure!(self.filled < ANSWER_BYTES, "the answer has more than {ANSWER_BYTES} bytes");
            self.buffer.resize(self.filled * 2, 0);
        }
        let read = io.read(&mut self.buffer[self.filled..]).await?;
        ensure!(read > 0, "the server closed the connection");
        self.filled += read;
        Ok(())
    }
}

enum Framing {
    Length(usize),
    Chunked,
}

/// Where `needle` first stands in `bytes`.
#[must_use]
pub fn find(bytes: &[u8], needle: &[u8]) -> Option<usize> {
    bytes.windows(needle.len()).position(|window| window == needle)
}

fn text(head: &[u8]) -> Result<&str> {
    std::str::from_utf8(head).context("the head of the answer is no text")
}

fn fields(head: &str) -> impl Iterator<Item = (&str, &str)> {
    let lines = head.split("\r\n").skip(1);
    lines.filter_map(|line| line.split_once(':')).map(|(name, value)| (name, value.trim()))
}

fn read_head(head: &str) -> Result<(u16, Framing)> {
    let line = head.split("\r\n").next().and_then(|line| line.split(' ').nth(1));
    let status = line.context("no status line")?;
    let mut framing = None;
    for (name, value) in fields(head) {
        if name.eq_ignore_ascii_case("content-length") {
            framing = Some(Framing::Length(value.parse()?));
        } else if name.eq_ignore_ascii_case("transfer-encoding") {
            framing = Some(Framing::Chunked);
        }
    }
    let Some(framing) = framing else { bail!("the answer has neither Content-Length nor chunks: {head}") };
    Ok((status.parse()?, framing))
}

/// Puts the chunks together in `body`. Whether the last was there.
fn dechunk(mut rest: &[u8], body: &mut Vec<u8>) -> Result<bool> {
    body.clear();
    while let Some(end) = find(rest, b"\r\n") {
        let size = usize::from_str_radix(std::str::from_utf8(&rest[..end])?, 16).context("no chunk size")?;
        let Some(chunk) = rest[end + 2..].get(..size + 2) else { return Ok(false) };
        if size == 0 {
            return Ok(true);
        }
        body.extend_from_slice(&chunk[..size]);
        rest = &rest[end + 2 + size + 2..];
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn answers_are_read_by_length_and_in_chunks_however_they_arrive() -> Result<()> {
        let cases: [(&[u8], u16, &[u8]); 3] = [
            (b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello", 200, b"hello"),
            (b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n", 403, b""),
            (
                b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n7\r\n, world\r\n0\r\n\r\n",
                200,
                b"hello, world",
            ),
        ];
        for (text, status, body) in cases {
            for piece in [1, 3, text.len()] {
                let mut io = in_pieces(text, piece);
                let mut answers = Answers::new();
                let answer = answers.next(&mut io).await?;
                assert_eq!((answer.status, answer.body), (status, body));
            }
        }
        Ok(())
    }

    #[tokio::test]
    async fn an_answer_has_its_headers() -> Result<()> {
        let text = b"HTTP/1.1 200 OK\r\nx-frame-options:  DENY\r\nContent-Length: 0\r\n\r\n";
        let mut answers = Answers::new();
        let answer = answers.next(&mut &text[..]).await?;
        let headers: Vec<_> = answer.headers().collect();
        assert_eq!(headers, [("x-frame-options", "DENY"), ("Content-Length", "0")]);
        Ok(())
    }

    #[tokio::test]
    async fn an_answer_that_breaks_off_is_an_error() {
        let text = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhell";
        assert!(Answers::new().next(&mut &text[..]).await.is_err());
    }

    /// Gives the text away in pieces.
    fn in_pieces(text: &[u8], piece: usize) -> impl AsyncRead + Unpin {
        let (mut sender, receiver) = tokio::io::duplex(piece);
        let text = text.to_vec();
        tokio::spawn(async move { tokio::io::AsyncWriteExt::write_all(&mut sender, &text).await });
        receiver
    }
}
