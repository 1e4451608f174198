//! A host as one decision sees it: its wall clock stands still, and what it knows of the connection is asked for once. Each
//! call to a proxy costs about as much as everything that is decided between two of them.
//!
//! The clock that never goes back goes on: whoever counts a request reads it anew where another worker has written a later
//! time, and takes what is later still for a value that is not ours.

use std::cell::OnceCell;

use crate::host::{
    Clock, Connection, Expect, Host, HostError, Monotonic, Random, Shared, SharedData, Signatures, WallClock,
    WriteError,
};

pub(super) struct Moment<'h> {
    host: &'h dyn Host,
    wall: OnceCell<WallClock>,
    source: OnceCell<Option<Vec<u8>>>,
}

impl<'h> Moment<'h> {
    pub(super) fn of(host: &'h dyn Host) -> Self {
        Self { host, wall: OnceCell::new(), source: OnceCell::new() }
    }
}

impl Clock for Moment<'_> {
    fn monotonic(&self) -> Monotonic {
        self.host.monotonic()
    }

    fn wall(&self) -> WallClock {
        *self.wall.get_or_init(|| self.host.wall())
    }
}

impl Connection for Moment<'_> {
    fn source_address(&self) -> Option<Vec<u8>> {
        self.source.get_or_init(|| self.host.source_address()).clone()
    }

    fn peer(&self) -> Option<Vec<u8>> {
        self.host.peer()
    }
}

impl Random for Moment<'_> {
    fn fill(&self, bytes: &mut [u8]) {
        self.host.fill(bytes);
    }
}

impl SharedData for Moment<'_> {
    fn read(&self, key: &[u8]) -> Result<Option<Shared>, HostError> {
        self.host.read(key)
    }

    fn write(&self, key: &[u8], value: &[u8], expect: Expect) -> Result<(), WriteError> {
        self.host.write(key, value, expect)
    }
}

impl Signatures for Moment<'_> {
    fn verify_signature(&self, arguments: &[u8]) -> Result<Vec<u8>, HostError> {
        self.host.verify_signature(arguments)
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    /// Counts how often it is asked.
    #[derive(Default)]
    struct Counting(Cell<u64>);

    impl Counting {
        fn ask(&self) -> u64 {
            self.0.set(self.0.get() + 1);
            self.0.get()
        }
    }

    impl Clock for Counting {
        fn monotonic(&self) -> Monotonic {
            Monotonic(self.ask())
        }

        fn wall(&self) -> WallClock {
            WallClock(self.ask())
        }
    }

    impl Connection for Counting {
        fn source_address(&self) -> Option<Vec<u8>> {
            self.ask();
            None
        }

        fn peer(&self) -> Option<Vec<u8>> {
            None
        }
    }

    impl Random for Counting {
        fn fill(&self, _: &mut [u8]) {}
    }

    impl SharedData for Counting {
        fn read(&self, _: &[u8]) -> Result<Option<Shared>, HostError> {
            Ok(None)
        }

        fn write(&self, _: &[u8], _: &[u8], _: Expect) -> Result<(), WriteError> {
            Ok(())
        }
    }

    impl Signatures for Counting {
        fn verify_signature(&self, _: &[u8]) -> Result<Vec<u8>, HostError> {
            Ok(Vec::new())
        }
    }

    #[test]
    fn the_host_is_asked_once_but_for_the_clock_that_goes_on() {
        let host = Counting::default();
        let moment = Moment::of(&host);
        for _ in 0..3 {
            assert_eq!((moment.wall(), moment.source_address()), (WallClock(1), None));
        }
        assert_eq!((moment.monotonic(), moment.monotonic()), (Monotonic(3), Monotonic(4)));
    }
}
