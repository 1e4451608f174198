//! Several limits on one request.

use std::cell::Cell;
use std::time::Duration;

use sallyport_traffic::Limit;
use sallyport_traffic::host::{Clock as _, Expect, HostError, Shared, SharedData, WriteError};
use sallyport_traffic::limit::charge::Effect::{Enforce, Shadow};
use sallyport_traffic::limit::charge::{
    Charge, Effect, LocalLimit, Outcome, Verdict, charge, peek, take_back,
};
use sallyport_traffic::limit::gcra::Gcra;
use sallyport_traffic::limit::table::{Table, TableName};

use crate::memory::{FAULTS, Fault, Proxy};
use crate::reference::limit;
use crate::tables::{NAME, SECOND, key};

fn named(proxy: &Proxy, name: &str, limit: &Limit) -> LocalLimit {
    let table = Table::open(proxy, TableName { limit: name, ..NAME }, &[]).unwrap();
    LocalLimit { gcra: Gcra::new(limit).unwrap(), table }
}

fn charges<'a>(limits: &[(&'a LocalLimit, Effect)]) -> Vec<Charge<'a>> {
    limits.iter().map(|&(limit, effect)| Charge { limit, key: key(0), requests: 1, effect }).collect()
}

fn remaining(proxy: &Proxy, limit: &LocalLimit) -> u32 {
    let outcome = peek(proxy, proxy, proxy.monotonic(), &charges(&[(limit, Enforce)])).unwrap();
    outcome.findings[0].standing.remaining
}

fn run(proxy: &Proxy, limits: &[(&LocalLimit, Effect)]) -> Outcome {
    charge(proxy, proxy, proxy.monotonic(), &charges(limits)).unwrap()
}

#[test]
fn all_limits_are_charged_if_all_admit_and_else_none() {
    let proxy = Proxy::at(SECOND);
    let wide = named(&proxy, "wide", &limit(10, 60_000, None));
    let narrow = named(&proxy, "narrow", &limit(2, 60_000, None));
    let both = [(&wide, Enforce), (&narrow, Enforce)];
    for left in [9, 8] {
        let outcome = run(&proxy, &both);
        assert_eq!(outcome.refused_by, None);
        assert_eq!(outcome.findings[0].standing.remaining, left, "with the request");
        assert_eq!(outcome.receipts.len(), 2);
    }
    for _ in 0..3 {
        let outcome = run(&proxy, &both);
        assert_eq!(outcome.refused_by, Some(1));
        assert_eq!(outcome.findings[0].verdict, Verdict::Within);
        assert_eq!(outcome.findings[1].verdict, Verdict::Over);
        assert_eq!(outcome.findings[1].wait, Duration::from_secs(30));
        assert!(outcome.receipts.is_empty());
    }
    assert_eq!(remaining(&proxy, &wide), 8);
}

#[test]
fn of_those_that_refuse_the_one_with_the_longest_wait_is_named() {
    let proxy = Proxy::at(SECOND);
    let limits = [1_000, 60_000, 30_000].map(|millis| limit(1, millis, None));
    let names = ["a", "b", "c"];
    let limits: Vec<LocalLimit> = (0..3).map(|i| named(&proxy, names[i], &limits[i])).collect();
    for limit in &limits {
        assert_eq!(run(&proxy, &[(limit, Enforce)]).refused_by, None);
    }
    let all: Vec<_> = limits.iter().map(|limit| (limit, Enforce)).collect();
    assert_eq!(run(&proxy, &all).refused_by, Some(1));
    let shadow: Vec<_> = limits.iter().zip([Enforce, Shadow, Enforce]).collect();
    assert_eq!(run(&proxy, &shadow).refused_by, Some(2), "a shadow refuses nobody");
}

#[test]
fn a_shadow_counts_what_is_admitted_and_reports_what_it_would_refuse() {
    let proxy = Proxy::at(SECOND);
    let enforced = named(&proxy, "enforced", &limit(3, 60_000, None));
    let shadow = named(&proxy, "shadow", &limit(2, 60_000, None));
    let both = [(&shadow, Shadow), (&enforced, Enforce)];
    let verdicts: Vec<_> = (0..4)
        .map(|_| {
            let outcome = run(&proxy, &both);
            (outcome.findings[0].verdict, outcome.refused_by)
        })
        .collect();
    let wanted =
        [(Verdict::Within, None), (Verdict::Within, None), (Verdict::Over, None), (Verdict::Over, Some(1))];
    assert_eq!(verdicts, wanted);
}

#[test]
fn a_request_that_counts_for_more_than_a_burst_is_never_admitted() {
    let proxy = Proxy::at(SECOND);
    let limit = named(&proxy, "few", &limit(3, 1_000, None));
    let of = |requests| [Charge { limit: &limit, key: key(0), requests, effect: Enforce }];
    let outcome = charge(&proxy, &proxy, proxy.monotonic(), &of(4)).unwrap();
    assert_eq!((outcome.refused_by, outcome.findings[0].wait), (Some(0), Duration::MAX));
    assert_eq!(charge(&proxy, &proxy, proxy.monotonic(), &of(3)).unwrap().refused_by, None);
    assert_eq!(remaining(&proxy, &limit), 0);
}

#[test]
fn what_is_taken_back_is_there_again_unless_somebody_counted_since() {
    let proxy = Proxy::at(SECOND);
    let limit = named(&proxy, "l", &limit(5, 60_000, None));
    let first = run(&proxy, &[(&limit, Enforce)]);
    take_back(&proxy, &first.receipts);
    assert_eq!(remaining(&proxy, &limit), 5);
    take_back(&proxy, &first.receipts);
    assert_eq!(remaining(&proxy, &limit), 5, "no more than once");

    let [one, other] = [run(&proxy, &[(&limit, Enforce)]), run(&proxy, &[(&limit, Enforce)])];
    take_back(&proxy, &one.receipts);
    assert_eq!(remaining(&proxy, &limit), 3, "the other counted since");
    take_back(&proxy, &other.receipts);
    take_back(&proxy, &one.receipts);
    assert_eq!(remaining(&proxy, &limit), 5, "and is gone");
}

#[test]
fn a_failing_proxy_costs_the_request_and_admits_no_more() {
    // Any access fails in any way, and any two do.
    let mut failed = 0;
    for one in 0..8 {
        for other in 0..8 {
            for faults in FAULTS.iter().flat_map(|one| FAULTS.map(|other| [*one, other])) {
                let proxy = Proxy::at(SECOND);
                let limits = ["a", "b"].map(|name| named(&proxy, name, &limit(3, 60_000, None)));
                let both = charges(&[(&limits[0], Enforce), (&limits[1], Enforce)]);
                assert_eq!(charge(&proxy, &proxy, proxy.monotonic(), &both).unwrap().refused_by, None);
                let mut plan = vec![None; 8];
                plan[one] = Some(faults[0]);
                plan[other] = Some(faults[1]);
                proxy.faults.replace(plan);
                let second = charge(&proxy, &proxy, proxy.monotonic(), &both);
                proxy.faults.borrow_mut().clear();
                let admitted = second.as_ref().is_ok_and(|outcome| outcome.refused_by.is_none());
                if faults == [Fault::Changed; 2] {
                    assert!(admitted, "{one} {other}: {second:?}");
                }
                failed += usize::from(second.is_err());
                let more = (0..5).filter(|_| {
                    charge(&proxy, &proxy, proxy.monotonic(), &both).unwrap().refused_by.is_none()
                });
                let total = 1 + usize::from(admitted) + more.count();
                assert!((2..=3).contains(&total), "{total} with {faults:?} at {one} and {other}");
            }
        }
    }
    assert!(failed > 100, "{failed}");
}

/// A proxy in which another worker makes a request just before the second write.
struct Overtaken<'a> {
    proxy: &'a Proxy,
    other: &'a LocalLimit,
    writes: Cell<usize>,
}

impl SharedData for Overtaken<'_> {
    fn read(&self, key: &[u8]) -> Result<Option<Shared>, HostError> {
        self.proxy.read(key)
    }

    fn write(&self, key: &[u8], value: &[u8], expect: Expect) -> Result<(), WriteError> {
        self.writes.set(self.writes.get() + 1);
        if self.writes.get() == 2 {
            assert_eq!(run(self.proxy, &[(self.other, Enforce)]).refused_by, None);
        }
        self.proxy.write(key, value, expect)
    }
}

#[test]
fn a_limit_that_changes_its_mind_gives_back_what_those_before_it_charged() {
    let proxy = Proxy::at(SECOND);
    let limits = ["first", "second", "last"].map(|name| named(&proxy, name, &limit(1, 60_000, None)));
    let overtaken = Overtaken { proxy: &proxy, other: &limits[1], writes: Cell::new(0) };
    let all: Vec<_> = limits.iter().map(|limit| (limit, Enforce)).collect();
    let outcome = charge(&overtaken, &proxy, proxy.monotonic(), &charges(&all)).unwrap();
    assert_eq!((outcome.refused_by, outcome.receipts.len()), (Some(1), 0));
    assert_eq!(outcome.findings[1].verdict, Verdict::Over);
    assert_eq!(outcome.findings[0].standing.remaining, 1, "as if it had not been charged");
    assert_eq!(limits.each_ref().map(|limit| remaining(&proxy, limit)), [1, 0, 1]);
}
