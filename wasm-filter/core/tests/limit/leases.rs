//! Leases: no window ever admits more than the limit, whatever is late, lost or in the wrong order.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::time::Duration;

use proptest::prelude::*;
use sallyport_traffic::host::Monotonic;
use sallyport_traffic::limit::lease::{Ask, Leases, Reply, Share, Take};
use sallyport_traffic::limit::rls::Answer;
use sallyport_traffic::limit::table::{SLOTS, Table, TableName, TableUse};

use crate::memory::{Fault, Proxy};
use crate::service::{Counted, Service};
use crate::tables::{NAME, SECOND, key};

const TIMEOUT: Duration = Duration::from_millis(50);

fn leases(proxy: &Proxy, size: u32, period: u64) -> Leases {
    costly_leases(proxy, 1, size, period)
}

fn costly_leases(proxy: &Proxy, cost: u32, size: u32, period: u64) -> Leases {
    let name = TableName { use_: TableUse::Leases, ..NAME };
    Leases {
        table: Table::open(proxy, name, &[]).unwrap(),
        cost: NonZeroU32::new(cost).unwrap(),
        size: NonZeroU32::new(size).unwrap(),
        period: Duration::from_secs(period),
    }
}

struct Member {
    proxy: Proxy,
    leases: Leases,
    /// What its clock shows at the start, and how much too fast it goes, in parts of 10,000.
    clock: (u64, i64),
}

struct Call {
    member: usize,
    ask: Ask,
    is_refused_elsewhere: bool,
    stage: Stage,
}

enum Stage {
    Sent,
    Counted(Counted),
    Answered(Counted, Answer),
}

/// Proxies, a service and what is under way between them.
struct World {
    now: u64,
    service: Service,
    members: Vec<Member>,
    calls: Vec<Call>,
    /// What was admitted, by the service's windows.
    admitted: BTreeMap<u64, u64>,
    asked: usize,
}

impl World {
    fn new(limit: u64, period: u64, (cost, size): (u32, u32), offset: u64, clocks: &[(u64, i64)]) -> Self {
        let member = |&clock| {
            let proxy = Proxy::default();
            Member { leases: costly_leases(&proxy, cost, size, period), proxy, clock }
        };
        Self {
            now: 0,
            service: Service::new(limit, period, offset),
            members: clocks.iter().map(member).collect(),
            calls: Vec::new(),
            admitted: BTreeMap::new(),
            asked: 0,
        }
    }

    fn clock(&self, member: usize) -> Monotonic {
        let (start, drift) = self.members[member].clock;
        Monotonic(start + self.now.checked_add_signed(self.now as i64 / 10_000 * drift).unwrap())
    }

    /// A request of a token: it is admitted, unless another limit refuses it.
    fn spend(&mut self, member: usize, share: Share, window: u64, is_refused_elsewhere: bool) {
        if is_refused_elsewhere {
            let Member { proxy, leases, .. } = &self.members[member];
            leases.give_back(proxy, self.clock(member), share);
        } else {
            *self.admitted.entry(window).or_default() += u64::from(self.members[member].leases.cost.get());
        }
    }

    fn request(&mut self, member: usize, is_refused_elsewhere: bool) {
        let Member { proxy, leases, .. } = &self.members[member];
        match leases.take(proxy, self.clock(member), key(0), TIMEOUT).unwrap() {
            Take::Share(share) => {
                self.spend(member, share, self.service.window(self.now), is_refused_elsewhere);
            }
            Take::Ask(ask) => {
                self.asked += 1;
                self.calls.push(Call { member, ask, is_refused_elsewhere, stage: Stage::Sent });
            }
            Take::Over(_) => {}
        }
    }

    /// One call comes further: is counted, gets its answer, arrives.
    fn progress(&mut self, at: usize) {
        let call = &mut self.calls[at];
        match call.stage {
            Stage::Sent => {
                call.stage = Stage::Counted(self.service.count(self.now, call.ask.hits.get()));
            }
            Stage::Counted(counted) => {
                call.stage = Stage::Answered(counted, self.service.answer(self.now, counted));
            }
            Stage::Answered(counted, answer) => {
                let call = self.calls.swap_remove(at);
                let Member { proxy, leases, .. } = &self.members[call.member];
                let reply = leases.answered(proxy, self.clock(call.member), call.ask, Some(answer));
                match (reply, answer) {
                    (Reply::Share(share), Answer::Granted { .. }) => {
                        self.spend(call.member, share, counted.window, call.is_refused_elsewhere);
                    }
                    (Reply::Over(_), Answer::Refused { .. }) => {}
                    other => panic!("{other:?}"),
                }
            }
        }
    }

    /// Nobody hears of this call again; or the proxy gives up waiting.
    fn lose(&mut self, at: usize, is_noticed: bool) {
        let call = self.calls.swap_remove(at);
        if is_noticed {
            let Member { proxy, leases, .. } = &self.members[call.member];
            let reply = leases.answered(proxy, self.clock(call.member), call.ask, None);
            assert_eq!(reply, Reply::Unavailable);
        }
    }

    fn answer_all(&mut self) {
        while !self.calls.is_empty() {
            self.progress(0);
        }
    }

    fn check(&self) -> Result<(), TestCaseError> {
        for (window, admitted) in &self.admitted {
            prop_assert!(*admitted <= self.service.limit, "{admitted} in window {window}");
        }
        Ok(())
    }
}

#[derive(Clone, Copy, Debug)]
enum Event {
    Request {
        member: usize,
        is_refused_elsewhere: bool,
    },
    Progress(prop::sample::Index),
    Lose(prop::sample::Index, bool),
    Fault(Fault),
    Advance(u64),
    /// To the next window, or so many nanoseconds after or before.
    ToNextWindow(i64),
}

fn events() -> impl Strategy<Value = Event> {
    prop_oneof![
        12 => (0..3_usize, prop::bool::weighted(0.1)).prop_map(|(member, is_refused_elsewhere)| Event::Request {
            member, is_refused_elsewhere,
        }),
        24 => any::<prop::sample::Index>().prop_map(Event::Progress),
        1 => (any::<prop::sample::Index>(), any::<bool>()).prop_map(|(at, is_noticed)| Event::Lose(at, is_noticed)),
        1 => prop_oneof![Just(Fault::Changed), Just(Fault::FailsAfterwards)].prop_map(Event::Fault),
        4 => prop_oneof![
            Just(1), Just(1_000_000), Just(SECOND / 10), Just(SECOND - 1), Just(SECOND), 0..3 * SECOND, 0..30 * SECOND,
        ].prop_map(Event::Advance),
        2 => prop_oneof![Just(0), Just(-1), Just(1), -2_000_000_000..2_000_000_000_i64].prop_map(Event::ToNextWindow),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_500))]
    #[test]
    fn no_window_admits_more_than_the_limit(
        limit in 1..40_u64,
        period in prop_oneof![Just(1), Just(60), Just(60), Just(60), Just(3_600)],
        cost in prop_oneof![4 => Just(1), 1 => 2..4_u32],
        size in 1..12_u32,
        offset in 0..7_200 * SECOND,
        clocks in proptest::collection::vec((0..1_000 * SECOND, -2..=2_i64), 3),
        events in proptest::collection::vec(events(), 1..400),
    ) {
        let mut world = World::new(limit, period, (cost, size), offset, &clocks);
        for event in events {
            let calls = world.calls.len();
            match event {
                Event::Request { member, is_refused_elsewhere } => world.request(member, is_refused_elsewhere),
                Event::Progress(at) if calls > 0 => world.progress(at.index(calls)),
                Event::Lose(at, is_noticed) if calls > 0 => world.lose(at.index(calls), is_noticed),
                Event::Progress(_) | Event::Lose(..) => {}
                // Where a request's own access fails, the failure mode decides; a write that is in doubt must not
                // make tokens.
                Event::Fault(fault) => {
                    let faults = vec![Some(fault), None];
                    if let Some(answered) = world.calls.iter().position(|call| matches!(call.stage, Stage::Answered(..))) {
                        world.members[world.calls[answered].member].proxy.faults.replace(faults);
                        world.progress(answered);
                        world.members.iter().for_each(|member| member.proxy.faults.borrow_mut().clear());
                    }
                }
                Event::Advance(nanos) => world.now += nanos,
                Event::ToNextWindow(by) => {
                    let until = world.service.until_next(world.now);
                    world.now += until.saturating_add_signed(by);
                }
            }
        }
        world.answer_all();
        world.check()?;
    }

    #[test]
    fn one_proxy_gets_all_of_a_limit_by_few_calls(
        limit in 1..200_u64, size in 1..50_u32, offset in 0..7_200 * SECOND, start in 0..1_000 * SECOND,
    ) {
        let mut world = World::new(limit, 60, (1, size), offset, &[(start, 0)]);
        world.now += world.service.until_next(0);
        let window = world.service.window(world.now);
        // As many as are admitted, over 50 seconds.
        for _ in 0..limit {
            world.request(0, false);
            world.answer_all();
            world.now += 50 * SECOND / limit;
        }
        prop_assert_eq!(world.admitted.get(&window), Some(&limit));
        let few = 1 + (limit - 1).div_ceil(size.into()) as usize;
        prop_assert_eq!(world.asked, few, "one that learns of the window, then leases");
        // Then all are refused. Only one asks, as long as the window is sure to last.
        for _ in 0..50 {
            world.request(0, false);
            world.answer_all();
            world.now += SECOND / 10;
        }
        prop_assert_eq!((world.admitted.get(&window), world.asked), (Some(&limit), few + 1));
        // And in the next window all is there again.
        world.now += world.service.until_next(world.now);
        for _ in 0..limit {
            world.request(0, false);
            world.answer_all();
        }
        prop_assert_eq!(world.admitted.get(&(window + 1)), Some(&limit));
    }
}

#[test]
fn one_lease_of_a_key_is_under_way_at_a_time_and_none_for_ever() {
    let mut world = World::new(100, 60, (1, 10), 0, &[(0, 0)]);
    let hits = |world: &World| world.calls.iter().map(|call| call.ask.hits.get()).collect::<Vec<_>>();
    world.request(0, false);
    world.request(0, false);
    assert_eq!(hits(&world), [1, 1], "the window is not known yet");
    world.answer_all();
    for _ in 0..3 {
        world.request(0, false);
    }
    assert_eq!(hits(&world), [10, 1, 1]);
    // Whoever asked is gone.
    world.calls.clear();
    world.now += TIMEOUT.as_nanos() as u64 - 1;
    world.request(0, false);
    assert_eq!(hits(&world), [1]);
    world.now += 1;
    world.request(0, false);
    assert_eq!(hits(&world), [1, 10]);
    world.answer_all();
    // One was made at once, nine are left.
    let asked = world.asked;
    for _ in 0..9 {
        world.request(0, false);
    }
    assert_eq!(world.asked, asked);
    world.request(0, false);
    assert_eq!(hits(&world), [10]);
}

#[test]
fn what_another_limit_refuses_is_there_for_the_next() {
    let mut world = World::new(100, 60, (1, 10), 0, &[(0, 0)]);
    world.request(0, false);
    world.answer_all();
    world.request(0, true);
    world.answer_all();
    for _ in 0..5 {
        world.request(0, true);
    }
    let asked = world.asked;
    for _ in 0..10 {
        world.request(0, false);
    }
    assert_eq!((world.asked, world.admitted.values().sum()), (asked, 11_u64));
}

#[test]
fn with_a_window_of_a_second_every_request_asks() {
    let mut world = World::new(100, 1, (1, 10), 0, &[(0, 0)]);
    for _ in 0..20 {
        world.request(0, false);
        assert_eq!(world.calls[0].ask.hits, NonZeroU32::MIN);
        world.answer_all();
    }
    assert_eq!(world.asked, 20);
}

#[test]
fn a_service_that_says_nonsense_of_its_windows_is_not_believed_for_longer_than_one() {
    let proxy = Proxy::at(SECOND);
    let leases = leases(&proxy, 10, 60);
    for _ in 0..2 {
        let Take::Ask(ask) = leases.take(&proxy, proxy.now(), key(0), TIMEOUT).unwrap() else { panic!() };
        let answer = Answer::Refused { reset: Duration::from_secs(u64::MAX) };
        leases.answered(&proxy, proxy.now(), ask, Some(answer));
    }
    let over = leases.take(&proxy, proxy.now(), key(0), TIMEOUT).unwrap();
    assert!(matches!(over, Take::Over(window) if window.reset <= Duration::from_secs(60)), "{over:?}");
    proxy.advance(60 * SECOND);
    assert!(matches!(leases.take(&proxy, proxy.now(), key(0), TIMEOUT), Ok(Take::Ask(_))));
}

#[test]
fn a_service_that_does_not_count_is_not_available() {
    let proxy = Proxy::at(SECOND);
    let leases = leases(&proxy, 10, 60);
    for answer in [None, Some(Answer::NotCounted)] {
        let Take::Ask(ask) = leases.take(&proxy, proxy.now(), key(0), TIMEOUT).unwrap() else { panic!() };
        assert_eq!(leases.answered(&proxy, proxy.now(), ask, answer), Reply::Unavailable);
    }
}

#[test]
fn keys_without_a_place_ask_each_time() {
    let proxy = Proxy::at(SECOND);
    let leases = leases(&proxy, 10, 60);
    let granted = Answer::Granted { remaining: 50, reset: Duration::from_secs(60) };
    for round in 0..2 {
        for number in 0..SLOTS + 2 {
            let Take::Ask(ask) = leases.take(&proxy, proxy.now(), key(number), TIMEOUT).unwrap() else {
                panic!()
            };
            assert_eq!(ask.hits.get() > 1, round == 1 && number < SLOTS, "{number} in round {round}");
            let reply = leases.answered(&proxy, proxy.now(), ask, Some(granted));
            assert!(matches!(reply, Reply::Share(_)));
        }
    }
    // In the next window all is forgotten, and there is room.
    proxy.advance(60 * SECOND);
    let Take::Ask(ask) = leases.take(&proxy, proxy.now(), key(SLOTS), TIMEOUT).unwrap() else { panic!() };
    leases.answered(&proxy, proxy.now(), ask, Some(granted));
    let Take::Ask(ask) = leases.take(&proxy, proxy.now(), key(SLOTS), TIMEOUT).unwrap() else { panic!() };
    assert_eq!(ask.hits.get(), 10);
    assert_eq!(proxy.memory.borrow_mut().only("leases").value.len(), 8 + 56);
}

fn asks(proxy: &Proxy, leases: &Leases) -> Ask {
    match leases.take(proxy, proxy.now(), key(0), TIMEOUT).unwrap() {
        Take::Ask(ask) => ask,
        other => panic!("{other:?}"),
    }
}

fn takes_token(proxy: &Proxy, leases: &Leases) -> bool {
    matches!(leases.take(proxy, proxy.now(), key(0), TIMEOUT), Ok(Take::Share(_)))
}

fn grant(proxy: &Proxy, leases: &Leases, ask: Ask, secs: u64) {
    let answer = Answer::Granted { remaining: 50, reset: Duration::from_secs(secs) };
    let reply = leases.answered(proxy, proxy.now(), ask, Some(answer));
    assert!(matches!(reply, Reply::Share(_)));
}

#[test]
fn of_replicas_whose_clocks_differ_the_one_whose_window_ends_first_is_believed() {
    let proxy = Proxy::at(SECOND);
    let leases = leases(&proxy, 10, 60);
    grant(&proxy, &leases, asks(&proxy, &leases), 50);
    let early = asks(&proxy, &leases);
    proxy.advance(TIMEOUT.as_nanos() as u64);
    let late = asks(&proxy, &leases);
    assert_eq!([early.hits.get(), late.hits.get()], [10, 10]);
    grant(&proxy, &leases, early, 6);
    grant(&proxy, &leases, late, 50);
    proxy.advance(4 * SECOND);
    assert!(takes_token(&proxy, &leases));
    proxy.advance(SECOND);
    assert!(!takes_token(&proxy, &leases), "five seconds after they were asked for");
}

#[test]
fn when_a_lease_is_refused_single_requests_may_still_be_granted() {
    let proxy = Proxy::at(SECOND);
    let leases = leases(&proxy, 10, 60);
    grant(&proxy, &leases, asks(&proxy, &leases), 50);
    let refused = Some(Answer::Refused { reset: Duration::from_secs(50) });
    for hits in [10, 1] {
        let ask = asks(&proxy, &leases);
        assert_eq!(ask.hits.get(), hits);
        assert!(matches!(leases.answered(&proxy, proxy.now(), ask, refused), Reply::Over(_)));
    }
    assert!(matches!(leases.take(&proxy, proxy.now(), key(0), TIMEOUT), Ok(Take::Over(_))));
}

#[test]
fn a_clock_that_is_slow_spends_no_token_in_a_later_window() {
    // The service's clock is at the very end of a second, so that it says a whole second too much.
    let mut world = World::new(100, 3_600, (1, 10), SECOND - 1, &[(0, -2)]);
    for _ in 0..2 {
        world.request(0, false);
        world.answer_all();
    }
    assert_eq!(world.asked, 2);
    world.now += world.service.until_next(world.now) - 2 * SECOND;
    world.request(0, false);
    assert_eq!(world.asked, 2, "a token lasts nearly as long as its window");
    world.now += world.service.until_next(world.now);
    world.request(0, false);
    assert_eq!(world.asked, 3, "and no longer");
}

#[test]
fn a_request_takes_as_many_tokens_as_it_costs() {
    let mut world = World::new(100, 60, (3, 10), 0, &[(0, 0)]);
    let mut hits = Vec::new();
    for _ in 0..5 {
        world.request(0, false);
        hits.extend(world.calls.iter().map(|call| call.ask.hits.get()));
        world.answer_all();
    }
    // Ten are three requests, and one token is left: not enough for a fourth.
    assert_eq!(hits, [3, 10, 10]);
    world.request(0, true);
    let asked = world.asked;
    for _ in 0..2 {
        world.request(0, false);
    }
    assert_eq!((world.asked, world.admitted.values().sum()), (asked, 21_u64));
}
