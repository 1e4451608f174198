//! Any value in the place of a set: of counts, and of leases. No limit admits more than it may because of it, and none
//! refuses for longer than it takes to come back.

use std::num::NonZeroU32;
use std::time::Duration;

use sallyport_traffic::host::Clock as _;
use sallyport_traffic::limit::charge::{Charge, Effect, LocalLimit, charge};
use sallyport_traffic::limit::gcra::Gcra;
use sallyport_traffic::limit::key::Key;
use sallyport_traffic::limit::lease::{Leases, Take};
use sallyport_traffic::limit::rls::Answer;
use sallyport_traffic::limit::table::{Table, TableName, TableUse};

use crate::memory::Proxy;
use crate::reference::{keeps, limit};

const SECOND: u64 = 1_000_000_000;
/// Two of one set.
const KEYS: [Key; 2] = [Key(1 << 64), Key(1 << 65)];
/// The era of every table here.
const ERA: [u8; 4] = [1, 0, 0, 0];

pub(crate) fn run(value: &[u8]) -> bool {
    let counted = counts(value);
    leases(value);
    counted
}

fn name(use_: TableUse) -> TableName<'static> {
    TableName { namespace: "shop", policy: "api", limit: "login", use_ }
}

/// Whether the value is a set of counts, by how it begins.
fn counts(value: &[u8]) -> bool {
    let five_a_second = limit(5, 1_000, None);
    let proxy = Proxy::at(1_000 * SECOND);
    let limit = LocalLimit {
        gcra: Gcra::new(&five_a_second).expect("it can be counted"),
        table: Table::open(&proxy, name(TableUse::Counts), &[]).expect("the model does not fail"),
    };
    let ask = |key| {
        let charges = [Charge { limit: &limit, key, requests: 1, effect: Effect::Enforce }];
        let outcome = charge(&proxy, &proxy, proxy.monotonic(), &charges).expect("the model does not fail");
        outcome.refused_by.is_none().then(|| outcome.findings.first().expect("there is one").at.0)
    };
    assert!(ask(KEYS[0]).is_some());
    proxy.memory.borrow_mut().only("counts").value = value.to_vec();
    let mut admitted = [Vec::new(), Vec::new()];
    for step in 0..40 {
        for (key, admitted) in KEYS.into_iter().zip(&mut admitted) {
            admitted.extend(ask(key));
        }
        proxy.advance([SECOND / 10, 1, SECOND / 7][step % 3]);
    }
    let is_ours = value.starts_with(b"SPg1");
    // What a later era counted is not this one's to judge.
    let is_later = is_ours && value.get(4..8).is_some_and(|era| era.iter().rev().gt(ERA.iter().rev()));
    for admitted in &admitted {
        assert_eq!(keeps(&five_a_second, admitted), Ok(()));
        assert!(is_later || admitted.last().is_some_and(|last| *last > 1_002 * SECOND), "{admitted:?}");
    }
    is_ours
}

fn leases(value: &[u8]) {
    let proxy = Proxy::at(1_000 * SECOND);
    let leases = Leases {
        table: Table::open(&proxy, name(TableUse::Leases), &[]).expect("the model does not fail"),
        cost: NonZeroU32::MIN,
        size: NonZeroU32::MIN.saturating_add(9),
        period: Duration::from_secs(60),
    };
    let take = |key| {
        leases.take(&proxy, proxy.now(), key, Duration::from_millis(50)).expect("the model does not fail")
    };
    let granted = Answer::Granted { remaining: 50, reset: Duration::from_secs(60) };
    let Take::Ask(ask) = take(KEYS[0]) else { panic!("nothing was leased") };
    leases.answered(&proxy, proxy.now(), ask, Some(granted));
    proxy.memory.borrow_mut().only("leases").value = value.to_vec();
    for key in KEYS {
        match take(key) {
            Take::Ask(ask) => drop(leases.answered(&proxy, proxy.now(), ask, Some(granted))),
            Take::Share(share) => leases.give_back(&proxy, proxy.now(), share),
            Take::Over(_) => {}
        }
    }
    // Two windows later nothing of it is left.
    proxy.advance(121 * SECOND);
    for key in KEYS {
        assert!(matches!(take(key), Take::Ask(ask) if ask.hits == NonZeroU32::MIN));
    }
}
