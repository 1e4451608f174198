//! Who has a connection, and who gives it up when there are no more.
//!
//! Connections are bounded, and most of them are idle: an API server keeps some open, and so could anybody. When all
//! are taken, the one that has been idle for longest is closed for the one that comes. Nobody who has a call is.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

/// How long to wait before somebody is asked again to give up a seat: calls may have ended since.
pub(crate) const ASK_AGAIN: Duration = Duration::from_millis(100);

/// The connections that there may be.
pub(crate) struct Seats {
    free: Arc<Semaphore>,
    taken: Mutex<HashMap<u64, Arc<Activity>>>,
    next: AtomicU64,
    begun: Instant,
}

impl Seats {
    pub(crate) fn new(most: usize) -> Arc<Self> {
        Arc::new(Self {
            free: Arc::new(Semaphore::new(most.min(Semaphore::MAX_PERMITS))),
            taken: Mutex::default(),
            next: AtomicU64::new(0),
            begun: Instant::now(),
        })
    }

    /// A seat, once there is one.
    pub(crate) async fn take(self: &Arc<Self>) -> Option<Seat> {
        let permit = Arc::clone(&self.free).acquire_owned().await.ok()?;
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let activity = Arc::new(Activity::default());
        activity.touch(self.begun);
        self.lock().insert(id, Arc::clone(&activity));
        Some(Seat { seats: Arc::clone(self), id, activity, _permit: permit })
    }

    /// Asks who has been idle for longest to leave, where no seat is free.
    pub(crate) fn make_room(&self) {
        if self.free.available_permits() > 0 {
            return;
        }
        let taken = self.lock();
        let idle = taken.values().filter(|activity| activity.is_idle());
        if let Some(activity) = idle.min_by_key(|activity| activity.last.load(Ordering::Relaxed)) {
            activity.asked.store(1, Ordering::Relaxed);
            activity.leave.notify_one();
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<u64, Arc<Activity>>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One connection's seat, given back when dropped.
pub(crate) struct Seat {
    seats: Arc<Seats>,
    id: u64,
    activity: Arc<Activity>,
    _permit: OwnedSemaphorePermit,
}

impl Seat {
    /// A call begins; it ends when what is returned is dropped.
    pub(crate) fn begin(&self) -> Busy {
        self.activity.calls.fetch_add(1, Ordering::Relaxed);
        self.activity.busy.fetch_add(1, Ordering::Relaxed);
        Busy { activity: Arc::clone(&self.activity), begun: self.seats.begun }
    }

    /// Calls begun so far, and calls without an answer.
    pub(crate) fn read(&self) -> (u64, usize) {
        (self.activity.calls.load(Ordering::Relaxed), self.activity.busy.load(Ordering::Relaxed))
    }

    /// Returns when somebody else needs the seat.
    pub(crate) async fn wanted(&self) {
        self.activity.leave.notified().await;
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.seats.lock().remove(&self.id);
    }
}

/// What a connection is used for.
#[derive(Default)]
struct Activity {
    calls: AtomicU64,
    busy: AtomicUsize,
    /// When it was used last, in milliseconds.
    last: AtomicU64,
    asked: AtomicUsize,
    leave: Notify,
}

impl Activity {
    fn touch(&self, begun: Instant) {
        let millis = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.last.store(millis, Ordering::Relaxed);
    }

    /// Whether it could be asked to leave, and has not been.
    fn is_idle(&self) -> bool {
        self.busy.load(Ordering::Relaxed) == 0 && self.asked.load(Ordering::Relaxed) == 0
    }
}

pub(crate) struct Busy {
    activity: Arc<Activity>,
    begun: Instant,
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.activity.touch(self.begun);
        self.activity.busy.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn who_is_idle_leaves_and_who_has_a_call_stays() {
        let seats = Seats::new(2);
        let (busy, idle) = (seats.take().await.unwrap(), seats.take().await.unwrap());
        let call = busy.begin();
        seats.make_room();
        idle.wanted().await;
        drop(idle);
        // There is room now, so nobody is asked.
        seats.make_room();
        drop(call);
        let third = seats.take().await.unwrap();
        third.activity.last.store(u64::MAX, Ordering::Relaxed);
        seats.make_room();
        busy.wanted().await;
        assert_eq!(busy.read(), (1, 0));
    }
}
