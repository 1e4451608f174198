//! A table in shared data: places, eras, the secret, values that are not ours.

use sallyport_traffic::Limit;
use sallyport_traffic::host::{Clock as _, Monotonic};
use sallyport_traffic::limit::charge::{Charge, Effect, LocalLimit, Outcome, Verdict, charge};
use sallyport_traffic::limit::gcra::Gcra;
use sallyport_traffic::limit::key::{Key, Secret};
use sallyport_traffic::limit::table::{SETS, SLOTS, Table, TableError, TableName, TableUse};

use crate::memory::{FAULTS, Fault, Proxy};
use crate::reference::{keeps, limit};

pub(crate) const SECOND: u64 = 1_000_000_000;
pub(crate) const NAME: TableName<'static> =
    TableName { namespace: "shop", policy: "api", limit: "login", use_: TableUse::Counts };

pub(crate) fn local(proxy: &Proxy, limit: &Limit) -> LocalLimit {
    let parameters = format!("{limit:?}");
    LocalLimit {
        gcra: Gcra::new(limit).unwrap(),
        table: Table::open(proxy, NAME, &[parameters.as_bytes()]).unwrap(),
    }
}

/// Keys that share a set.
pub(crate) fn key(number: usize) -> Key {
    Key((number as u128 + 1) * u128::from(SETS))
}

pub(crate) fn ask(proxy: &Proxy, limit: &LocalLimit, key: Key) -> Outcome {
    charge(proxy, proxy, proxy.monotonic(), &[Charge { limit, key, requests: 1, effect: Effect::Enforce }])
        .unwrap()
}

pub(crate) fn admits(proxy: &Proxy, limit: &LocalLimit, key: Key) -> bool {
    ask(proxy, limit, key).refused_by.is_none()
}

#[test]
fn a_request_costs_one_read_and_one_write_and_a_refused_one_no_write() {
    let proxy = Proxy::at(SECOND);
    let limit = local(&proxy, &limit(1, 1_000, None));
    let cost = |wanted| {
        let before = (proxy.memory.borrow().reads, proxy.memory.borrow().writes);
        assert_eq!(admits(&proxy, &limit, key(0)), wanted);
        let memory = proxy.memory.borrow();
        (memory.reads - before.0, memory.writes - before.1)
    };
    assert_eq!(cost(true), (1, 1));
    assert_eq!(cost(false), (1, 0));
    assert_eq!(proxy.memory.borrow_mut().only("login").value.len(), 48, "a header and a slot");
}

#[test]
fn keys_are_counted_apart_as_long_as_there_are_slots() {
    let proxy = Proxy::at(SECOND);
    let limit = local(&proxy, &limit(2, 1_000, None));
    for round in 0..4 {
        for number in 0..SLOTS {
            assert_eq!(admits(&proxy, &limit, key(number)), round < 2, "{number} in round {round}");
        }
    }
}

#[test]
fn keys_of_a_full_set_share_one_limit_and_take_it_along_to_a_slot() {
    let proxy = Proxy::at(SECOND);
    let limit = local(&proxy, &limit(2, 1_000, None));
    for number in 0..SLOTS {
        assert!(admits(&proxy, &limit, key(number)));
    }
    // All slots are taken for half a second.
    proxy.advance(SECOND / 4);
    let (one, other) = (key(SLOTS), key(SLOTS + 1));
    assert!(admits(&proxy, &limit, one) && admits(&proxy, &limit, other));
    assert!(!admits(&proxy, &limit, one) && !admits(&proxy, &limit, other), "two in all, not two each");
    // The slots' time has passed, and that of the overflow has not: it is at 2.25 s.
    proxy.advance(SECOND / 2);
    assert!(admits(&proxy, &limit, one), "one has come back");
    assert!(!admits(&proxy, &limit, one), "a slot is no fresh start");
    assert!(admits(&proxy, &limit, other) && !admits(&proxy, &limit, other));
}

#[test]
fn a_slot_is_given_away_only_when_its_time_has_passed() {
    let proxy = Proxy::at(SECOND);
    let limit = local(&proxy, &limit(4, 1_000, None));
    for number in 0..SLOTS {
        for _ in 0..4 {
            assert!(admits(&proxy, &limit, key(number)));
        }
    }
    proxy.advance(SECOND - 1);
    for number in SLOTS..2 * SLOTS {
        ask(&proxy, &limit, key(number));
    }
    // Each has its own time still: three of four came back.
    for number in 0..SLOTS {
        let admitted = (0..4).filter(|_| admits(&proxy, &limit, key(number))).count();
        assert_eq!(admitted, 3, "{number}");
    }
}

#[test]
fn whatever_keys_clients_send_there_are_no_more_than_so_many_values() {
    let proxy = Proxy::at(SECOND);
    let limit = local(&proxy, &limit(1, 1_000, None));
    let secret = Secret::establish(&proxy, [7; 16]).unwrap();
    for number in 0..40_000_u32 {
        ask(&proxy, &limit, Key::new(&secret, [&number.to_le_bytes()[..]]));
    }
    let memory = proxy.memory.borrow();
    assert_eq!(memory.values.len(), usize::from(SETS) + 2, "the sets, the era and the secret");
    let longest = memory.values.values().map(|shared| shared.value.len()).max();
    assert_eq!(longest, Some(24 + 24 * SLOTS));
}

#[test]
fn keys_spread_over_all_sets_and_not_as_a_client_expects() {
    let sets = |secret: [u8; 16]| {
        let proxy = Proxy::default();
        let secret = Secret::establish(&proxy, secret).unwrap();
        (0..20_000_u32)
            .map(|n| (Key::new(&secret, [&n.to_le_bytes()[..]]).0 % u128::from(SETS)) as usize)
            .collect::<Vec<_>>()
    };
    let (one, other) = (sets([1; 16]), sets([2; 16]));
    let mut counts = [0; SETS as usize];
    for set in &one {
        counts[*set] += 1;
    }
    // 20 on average; a Poisson distribution leaves these once in millions of tables.
    assert!(counts.iter().all(|count| (1..60).contains(count)), "{counts:?}");
    let same = one.iter().zip(&other).filter(|(one, other)| one == other).count();
    assert!(same < 60, "{same} of 20,000 are in the same set under another secret");
}

#[test]
fn parts_of_a_key_are_told_apart() {
    let secret = Secret::establish(&Proxy::default(), [3; 16]).unwrap();
    let of = |parts: &[&str]| Key::new(&secret, parts.iter().map(|part| part.as_bytes()));
    assert_eq!(of(&["ab", "c"]), of(&["ab", "c"]));
    assert_ne!(of(&["ab", "c"]), of(&["a", "bc"]));
    assert_ne!(of(&["ab"]), of(&["ab", ""]));
    assert_ne!(of(&[]), of(&[""]));
}

#[test]
fn all_workers_hash_with_the_secret_that_the_first_one_brought() {
    let proxy = Proxy::default();
    let first = Secret::establish(&proxy, [1; 16]).unwrap();
    assert!(Secret::establish(&proxy, [2; 16]).unwrap() == first);
    assert_eq!(format!("{first:?}"), "Secret(..)");
    // Between reading and writing another worker wrote.
    for fault in FAULTS {
        let proxy = Proxy::default();
        proxy.faults.borrow_mut().extend([Some(fault), None]);
        let established = Secret::establish(&proxy, [4; 16]);
        assert_eq!(established.is_ok(), fault == Fault::Changed, "{established:?}");
    }
    // What is no secret is replaced.
    proxy.memory.borrow_mut().only("secret").value.push(0);
    assert!(Secret::establish(&proxy, [5; 16]).unwrap() != first);
}

#[test]
fn names_that_look_alike_have_tables_of_their_own() {
    let proxy = Proxy::at(SECOND);
    let name = |namespace, policy, limit, use_| TableName { namespace, policy, limit, use_ };
    let tables = [
        name("a", "b/1:c", "d", TableUse::Counts),
        name("a/1:b", "c", "d", TableUse::Counts),
        name("a", "b", "c/d", TableUse::Counts),
        name("a", "b", "c/d", TableUse::Leases),
        name("", "a", "b", TableUse::Counts),
        name("a", "", "b", TableUse::Counts),
    ];
    let limit = limit(1, 1_000, None);
    for name in tables {
        let table = Table::open(&proxy, name, &[]).unwrap();
        let limit = LocalLimit { gcra: Gcra::new(&limit).unwrap(), table };
        assert!(admits(&proxy, &limit, key(0)), "{name:?}");
        assert!(!admits(&proxy, &limit, key(0)), "{name:?}");
    }
}

#[test]
fn counts_are_kept_when_nothing_changed_and_start_afresh_when_something_did() {
    let proxy = Proxy::at(SECOND);
    let old = limit(1, 60_000, None);
    assert!(admits(&proxy, &local(&proxy, &old), key(0)));
    let same = local(&proxy, &old);
    assert!(!admits(&proxy, &same, key(0)), "the same limit, configured again");
    let other = local(&proxy, &limit(2, 60_000, None));
    assert!(admits(&proxy, &other, key(0)) && admits(&proxy, &other, key(0)));
    assert!(!admits(&proxy, &other, key(0)));
    assert!(admits(&proxy, &local(&proxy, &old), key(0)), "changed back is changed");
}

#[test]
fn a_limit_that_is_being_replaced_leaves_the_counts_of_its_successor() {
    let proxy = Proxy::at(SECOND);
    // The old one's worker still has requests; its time for a request is shorter, and its burst costs less.
    let old = local(&proxy, &limit(10, 1_000, None));
    let limit = limit(2, 60_000, None);
    let new = local(&proxy, &limit);
    let mut admitted = Vec::new();
    for _ in 0..200 {
        admits(&proxy, &old, key(0));
        admits(&proxy, &old, key(1));
        let outcome = ask(&proxy, &new, key(0));
        if outcome.refused_by.is_none() {
            admitted.push(outcome.findings[0].at.0);
        }
        proxy.advance(SECOND);
    }
    assert_eq!(keeps(&limit, &admitted), Ok(()));
    assert!(admitted.len() >= 4, "{admitted:?}");
}

#[test]
fn what_the_predecessor_counted_for_longer_than_the_limit_can_does_not_last_as_long() {
    let proxy = Proxy::at(SECOND);
    let old = local(&proxy, &limit(1, 86_400_000, None));
    let new = local(&proxy, &limit(1, 1_000, None));
    // Afresh, and then counted by the old one for a day.
    assert!(admits(&proxy, &new, key(1)));
    assert!(admits(&proxy, &old, key(0)));
    assert!(!admits(&proxy, &new, key(0)));
    proxy.advance(SECOND);
    assert!(admits(&proxy, &new, key(0)));
}

#[test]
fn a_value_that_is_not_ours_is_taken_for_one_that_is_used_up_and_heals() {
    let limit = limit(5, 1_000, None);
    let valid = {
        let proxy = Proxy::at(SECOND);
        assert!(admits(&proxy, &local(&proxy, &limit), key(0)));
        proxy.memory.borrow_mut().only("login").value.clone()
    };
    let with = |at: usize, bytes: &[u8]| {
        let mut value = valid.clone();
        value[at..at + bytes.len()].copy_from_slice(bytes);
        value
    };
    let values = [
        Vec::new(),
        b"who wrote this?".to_vec(),
        valid[..valid.len() - 1].to_vec(),
        [valid.as_slice(), &[0; 24 * SLOTS]].concat(),
        with(0, b"SPg2"),
        // Written by a clock that is not this one.
        with(8, &u64::MAX.to_le_bytes()),
        // Counted until far later than this limit can.
        with(16, &u64::MAX.to_le_bytes()),
        with(40, &u64::MAX.to_le_bytes()),
    ];
    for value in values {
        let proxy = Proxy::at(SECOND);
        let counted = local(&proxy, &limit);
        assert!(admits(&proxy, &counted, key(0)));
        proxy.memory.borrow_mut().only("login").value.clone_from(&value);
        let mut admitted = vec![SECOND];
        for _ in 0..40 {
            let outcome = ask(&proxy, &counted, key(0));
            if outcome.refused_by.is_none() {
                admitted.push(outcome.findings[0].at.0);
            }
            proxy.advance(SECOND / 10);
        }
        assert_eq!(keeps(&limit, &admitted), Ok(()), "{value:?}");
        // One every 200 ms from when it is found, if not from before.
        assert!((15..=25).contains(&admitted.len()), "{} by {value:?}", admitted.len());
    }
}

#[test]
fn other_workers_that_always_write_first_are_survived_and_the_request_refused() {
    let proxy = Proxy::at(SECOND);
    let limit = local(&proxy, &limit(10, 1_000, None));
    assert!(admits(&proxy, &limit, key(0)));
    for _ in 0..64 {
        proxy.faults.borrow_mut().extend([Some(Fault::Changed), None]);
    }
    let outcome = ask(&proxy, &limit, key(0));
    assert_eq!(outcome.findings[0].verdict, Verdict::Contended);
    assert_eq!(outcome.findings[0].wait, limit.gcra.interval());
    assert!(outcome.refused_by == Some(0) && outcome.receipts.is_empty());
    assert!(admits(&proxy, &limit, key(0)), "and what it did not get it did not pay for");

    for fault in [Fault::Fails, Fault::Changed] {
        let faults = vec![Some(fault); 200];
        proxy.faults.replace(faults);
        let opened = Table::open(&proxy, TableName { limit: "new", ..NAME }, &[]).err();
        assert_eq!(opened == Some(TableError::Contended), fault == Fault::Changed, "{opened:?}");
    }
}

#[test]
fn a_clock_that_was_read_before_another_workers_counts_from_there() {
    let proxy = Proxy::at(10 * SECOND);
    let limit = local(&proxy, &limit(1, 1_000, None));
    assert!(admits(&proxy, &limit, key(0)));
    // This worker read its clock a second ago, and reads it again when it sees that.
    proxy.memory.borrow_mut().time = 9 * SECOND;
    proxy.tick.set(SECOND / 2);
    let outcome = ask(&proxy, &limit, key(1));
    assert_eq!(outcome.findings[0].at, Monotonic(10 * SECOND));
    assert!(outcome.refused_by.is_none());
    assert!(proxy.monotonic() > Monotonic(10 * SECOND));
}
