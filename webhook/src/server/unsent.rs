//! Answers that a client has not taken yet.
//!
//! Who sends requests and reads no answers, or opens an HTTP/2 connection with a window of nothing (RFC 9113 section
//! 6.9.2), has the server hold what it would be sent. So answers count against the memory of bodies until their last
//! byte is on its way, and a connection that does not take one in time is closed.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::sync::OwnedSemaphorePermit;

/// The answers that one connection holds, with the time since when.
#[derive(Debug, Default)]
pub(crate) struct Unsent(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    next: u64,
    since: BTreeMap<u64, Instant>,
}

impl Unsent {
    /// The bytes of an answer, which keep `room` for as long as any of them is there.
    pub(crate) fn hold(self: &Arc<Self>, bytes: Vec<u8>, room: OwnedSemaphorePermit) -> Bytes {
        let mut state = self.lock();
        let id = state.next;
        state.next += 1;
        state.since.insert(id, Instant::now());
        drop(state);
        Bytes::from_owner(Answer { bytes, id, unsent: Arc::clone(self), _room: room })
    }

    /// Whether an answer has been here for as long as this.
    pub(crate) fn is_overdue(&self, allowance: Duration) -> bool {
        self.lock().since.first_key_value().is_some_and(|(_, since)| since.elapsed() >= allowance)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Answer {
    bytes: Vec<u8>,
    id: u64,
    unsent: Arc<Unsent>,
    _room: OwnedSemaphorePermit,
}

impl AsRef<[u8]> for Answer {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        self.unsent.lock().since.remove(&self.id);
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::Semaphore;

    use super::*;

    #[tokio::test]
    async fn an_answer_keeps_its_room_until_the_last_of_its_bytes_is_gone() {
        let (memory, unsent) = (Arc::new(Semaphore::new(10)), Arc::new(Unsent::default()));
        let room = Arc::clone(&memory).try_acquire_many_owned(4).unwrap();
        let mut bytes = unsent.hold(vec![1, 2, 3, 4], room);
        let first = bytes.split_to(1);
        drop(bytes);
        assert_eq!((memory.available_permits(), unsent.is_overdue(Duration::ZERO)), (6, true));
        assert!(!unsent.is_overdue(Duration::MAX));
        drop(first);
        assert_eq!((memory.available_permits(), unsent.is_overdue(Duration::ZERO)), (10, false));
    }
}
