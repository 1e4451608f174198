//! The arithmetic, against the definition in whole numbers that do not overflow.

use std::time::Duration;

use proptest::prelude::*;
use sallyport_traffic::Limit;
use sallyport_traffic::host::Monotonic;
use sallyport_traffic::limit::gcra::{Gcra, GcraError, Tat};

use crate::reference::{keeps, limit};

/// The algorithm in u128, from the specification's side: the time since when the key would have had to be idle.
struct Reference {
    interval: u128,
    tolerance: u128,
    tat: u128,
}

impl Reference {
    fn new(limit: &Limit) -> Self {
        let period = u128::from(limit.period.as_millis()) * 1_000_000;
        let interval = period.div_ceil(u128::from(limit.requests));
        Self { interval, tolerance: interval * u128::from(limit.burst()), tat: 0 }
    }

    fn admits(&self, now: u128, requests: u128) -> bool {
        self.tat.max(now) + requests * self.interval <= now + self.tolerance
    }

    /// The first time from `now` on that admits, found by halving.
    fn next(&self, now: u128) -> u128 {
        let (mut below, mut above) = (now, now + self.tat + self.interval);
        while below < above {
            let middle = below.midpoint(above);
            if self.admits(middle, 1) {
                above = middle;
            } else {
                below = middle + 1;
            }
        }
        above
    }

    fn remaining(&self, now: u128) -> u128 {
        (self.tolerance - self.tat.saturating_sub(now).min(self.tolerance)) / self.interval
    }
}

fn limits() -> impl Strategy<Value = Limit> {
    let requests = prop_oneof![1..20_u32, 1..=u32::MAX];
    let period = prop_oneof![1..5_000_u64, 1..=365 * 86_400_000_u64];
    (requests, period, proptest::option::of(prop_oneof![1..20_u32, 1..=u32::MAX]))
        .prop_map(|(requests, millis, burst)| limit(requests, millis, burst))
}

proptest! {
    #[test]
    fn it_decides_and_tells_as_the_definition_does(
        limit in limits(),
        start in prop_oneof![0..10_u64, 0..u64::MAX / 2],
        steps in proptest::collection::vec((0..2_u64, any::<u64>(), 1..4_u32), 1..80),
    ) {
        let gcra = match Gcra::new(&limit) {
            Ok(gcra) => gcra,
            Err(error) => {
                prop_assert_eq!(error, GcraError::TooLong);
                prop_assert!(Reference::new(&limit).tolerance > u128::from(u64::MAX / 8));
                return Ok(());
            }
        };
        let mut reference = Reference::new(&limit);
        let (mut now, mut tat, mut admitted) = (start, Tat::default(), Vec::new());
        for (goes_on, by, requests) in steps {
            // About the time of one request, so that both verdicts are common.
            now += goes_on * (by % (2 * reference.interval.min(1 << 56) as u64));
            let at = Monotonic(now);
            let after = gcra.admit(tat, at, requests);
            prop_assert_eq!(after.is_some(), reference.admits(now.into(), requests.into()));
            let wait = gcra.wait(tat, at, requests);
            prop_assert_eq!(wait == Some(Duration::ZERO), after.is_some());
            prop_assert_eq!(wait.is_none(), requests > limit.burst());
            if let Some(after) = after {
                tat = after;
                reference.tat = reference.tat.max(now.into()) + u128::from(requests) * reference.interval;
                admitted.extend((0..requests).map(|_| now));
            }
            let standing = gcra.standing(tat, at);
            prop_assert_eq!(u128::from(standing.remaining), reference.remaining(now.into()));
            prop_assert_eq!(standing.wait.as_nanos(), reference.next(now.into()) - u128::from(now));
            prop_assert_eq!(standing.reset.as_nanos(), reference.tat.saturating_sub(now.into()));
            prop_assert_eq!(gcra.wait(tat, at, 1), Some(standing.wait));
        }
        prop_assert_eq!(keeps(&limit, &admitted), Ok(()));
    }

    #[test]
    fn a_client_that_never_rests_gets_a_burst_and_then_the_rate(
        requests in 1..50_u32, millis in 1..5_000_u64, burst in 1..50_u32, start in 0..u64::MAX / 2,
    ) {
        let limit = limit(requests, millis, Some(burst));
        let gcra = Gcra::new(&limit).unwrap();
        let (mut tat, mut admitted, mut now) = (Tat::default(), 0_u32, start);
        for _ in 0..burst + 20 {
            let standing = gcra.standing(tat, Monotonic(now));
            prop_assert_eq!(standing.remaining > 0, standing.wait.is_zero());
            now += standing.wait.as_nanos() as u64;
            tat = gcra.admit(tat, Monotonic(now), 1).expect("it waited as long as it was told");
            admitted += 1;
            // Rounding the time of one request up costs less than a nanosecond for each.
            let rate = u128::from(now - start) * u128::from(requests) / (u128::from(millis) * 1_000_000);
            prop_assert!(u128::from(admitted.saturating_sub(burst)) <= rate);
        }
        prop_assert_eq!(now - start, u64::from(20_u32) * gcra.interval().as_nanos() as u64);
    }

    #[test]
    fn nothing_overflows(limit in limits(), tat in any::<u64>(), now in any::<u64>(), requests in any::<u32>()) {
        if let Ok(gcra) = Gcra::new(&limit) {
            let (tat, now) = (Tat(Monotonic(tat)), Monotonic(now));
            if let Some(after) = gcra.admit(tat, now, requests) {
                prop_assert!(after.0 >= tat.0.max(now) && after <= gcra.spent(now));
            }
            let _ = (gcra.standing(tat, now), gcra.wait(tat, now, requests));
        }
    }
}

#[test]
fn what_cannot_be_counted_is_said() {
    let error = |requests, millis, burst| Gcra::new(&limit(requests, millis, burst)).err();
    assert_eq!(error(0, 1, None), Some(GcraError::Nothing));
    assert_eq!(error(1, 1, Some(0)), Some(GcraError::Nothing));
    assert_eq!(error(1, 0, None), Some(GcraError::NoTime));
    assert_eq!(error(1, u64::MAX, None), Some(GcraError::TooLong));
    assert_eq!(error(1, 86_400_000, Some(u32::MAX)), Some(GcraError::TooLong));
    assert_eq!(error(u32::MAX, 86_400_000, None), None);
}
