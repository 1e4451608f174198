//! Requests that wait for keys.

use sallyport_traffic::decide::{Awake, Waiting};
use sallyport_traffic::host::Monotonic;

const MOST: u32 = 1024;

fn at(seconds: u64) -> Monotonic {
    Monotonic(seconds * 1_000_000_000)
}

fn full() -> Waiting {
    let mut waiting = Waiting::default();
    assert!((0..MOST).all(|request| waiting.add(request, at(1))));
    assert!(!waiting.add(MOST, at(1)), "there is no bound");
    waiting
}

#[test]
fn whoever_goes_away_leaves_its_place_to_another() {
    let mut waiting = full();
    waiting.forget(7);
    // One that has never waited.
    waiting.forget(MOST);
    assert!(waiting.add(MOST, at(1)));
    assert!(!waiting.add(MOST + 1, at(1)));
    let mut awake = waiting.wake(true, at(2));
    while waiting.has_more(at(2)) {
        awake.extend(waiting.wake(false, at(2)));
    }
    assert!(awake.iter().all(|awake| awake.request != 7), "it is woken though gone");
    assert_eq!(awake.len(), MOST as usize);
    for request in 0..MOST {
        assert!(waiting.add(request, at(2)));
        waiting.forget(request);
    }
    assert!(waiting.is_empty());
}

#[test]
fn a_fetch_that_ends_wakes_all_and_time_those_that_have_waited_too_long() {
    let mut waiting = Waiting::default();
    assert!(waiting.add(1, at(1)) && waiting.add(2, at(3)));
    assert_eq!(waiting.wake(false, at(5)), []);
    assert_eq!(waiting.wake(false, at(6)), [Awake { request: 1, too_long: true }]);
    assert!(waiting.add(3, at(6)));
    let awake = [Awake { request: 2, too_long: true }, Awake { request: 3, too_long: false }];
    assert_eq!(waiting.wake(true, at(8)), awake);
    assert!(waiting.is_empty());
}

#[test]
fn a_crowd_is_woken_little_by_little_in_the_order_in_which_it_came() {
    let mut waiting = full();
    assert!(!waiting.has_more(at(2)));
    let (mut ended, mut woken) = (true, Vec::new());
    while !waiting.is_empty() {
        let awake = waiting.wake(ended, at(2));
        assert!((1..=32).contains(&awake.len()), "{} at once", awake.len());
        assert_eq!(waiting.has_more(at(2)), woken.len() + awake.len() < MOST as usize);
        assert!(awake.iter().all(|awake| !awake.too_long));
        woken.extend(awake.iter().map(|awake| awake.request));
        ended = false;
    }
    assert!(woken.into_iter().eq(0..MOST));

    // Whoever comes meanwhile waits for the next fetch.
    let mut waiting = full();
    let awake = waiting.wake(true, at(2));
    assert!(waiting.add(MOST, at(2)));
    let mut others = Vec::new();
    while waiting.has_more(at(2)) {
        others.extend(waiting.wake(false, at(2)));
    }
    assert_eq!(awake.len() + others.len(), MOST as usize);
    // For those who have been called, time no longer counts; for the others it does.
    let mut waiting = full();
    waiting.wake(true, at(2));
    assert!(waiting.add(MOST, at(2)));
    let mut late = Vec::new();
    while waiting.has_more(at(7)) {
        late.extend(waiting.wake(false, at(7)));
    }
    assert_eq!(
        late.iter().filter(|awake| awake.too_long).map(|awake| awake.request).collect::<Vec<_>>(),
        [MOST]
    );
}
