//! A connection whose other end takes nothing.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Since when bytes wait to be taken.
#[derive(Clone, Debug, Default)]
pub(crate) struct Stall(Arc<Mutex<Option<Instant>>>);

impl Stall {
    /// Whether none of them has been for as long as this.
    pub(crate) fn lasts(&self, allowance: Duration) -> bool {
        let since = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        since.is_some_and(|since| since.elapsed() >= allowance)
    }

    fn note<T>(&self, written: Poll<T>) -> Poll<T> {
        let mut since = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match &written {
            Poll::Ready(_) => *since = None,
            Poll::Pending => *since = since.or_else(|| Some(Instant::now())),
        }
        written
    }
}

/// What is written to, watched.
pub(crate) struct Watched<I> {
    io: I,
    stall: Stall,
}

impl<I> Watched<I> {
    pub(crate) fn new(io: I) -> (Self, Stall) {
        let stall = Stall::default();
        (Self { io, stall: stall.clone() }, stall)
    }
}

impl<I: AsyncRead + Unpin> AsyncRead for Watched<I> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(cx, buffer)
    }
}

impl<I: AsyncWrite + Unpin> AsyncWrite for Watched<I> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.io).poll_write(cx, bytes);
        self.stall.note(written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.io).poll_write_vectored(cx, slices);
        self.stall.note(written)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    #[tokio::test]
    async fn a_stall_lasts_until_something_is_taken() {
        let (mut theirs, ours) = tokio::io::duplex(2);
        let (mut watched, stall) = Watched::new(ours);
        watched.write_all(&[1, 2]).await.unwrap();
        assert!(!stall.lasts(Duration::ZERO));
        let mut third = Box::pin(watched.write_all(&[3]));
        assert!(polled(third.as_mut()).is_pending());
        assert!(stall.lasts(Duration::ZERO) && !stall.lasts(Duration::MAX));
        assert_eq!(theirs.read_u8().await.unwrap(), 1);
        third.await.unwrap();
        assert!(!stall.lasts(Duration::ZERO));
    }

    fn polled<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
        future.poll(&mut Context::from_waker(std::task::Waker::noop()))
    }
}
