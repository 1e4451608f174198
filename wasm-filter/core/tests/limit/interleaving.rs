//! Workers that come between each other at every access to shared data: in every order there is, for a few, and in
//! orders thrown with dice, for many.

use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use sallyport_traffic::Limit;
use sallyport_traffic::host::{
    Clock, Expect, HostError, Monotonic, Shared, SharedData, WallClock, WriteError,
};
use sallyport_traffic::limit::charge::{Charge, Effect, LocalLimit, charge, take_back};
use sallyport_traffic::limit::gcra::Gcra;
use sallyport_traffic::limit::key::Key;
use sallyport_traffic::limit::lease::{Leases, Reply, Take};
use sallyport_traffic::limit::rls::Answer;
use sallyport_traffic::limit::table::{SLOTS, Table, TableName, TableUse};
use shuttle::rand::Rng as _;
use shuttle::scheduler::DfsScheduler;
use shuttle::{Runner, check_random_with_seed, thread};

use crate::memory::{FAULTS, Fault, Memory, Proxy};
use crate::reference::{keeps, limit};
use crate::tables::{NAME, SECOND, key};

/// What all workers share. Each access is one step, and any worker may come before it.
struct Workers {
    memory: Mutex<Memory>,
    /// How many in a hundred accesses fail; thrown with dice.
    faults: u32,
    /// Whether the clock goes on, so that it matters when it is read.
    is_timed: bool,
}

impl Workers {
    fn start(proxy: Proxy, faults: u32, is_timed: bool) -> Arc<Self> {
        Arc::new(Self { memory: Mutex::new(proxy.memory.into_inner()), faults, is_timed })
    }

    fn fault(&self) -> Option<Fault> {
        let thrown = self.faults > 0 && shuttle::rand::thread_rng().gen_range(0..100) < self.faults;
        thrown.then(|| FAULTS[shuttle::rand::thread_rng().gen_range(0..FAULTS.len())])
    }

    /// One step: any worker may come before it.
    fn step(&self) -> MutexGuard<'_, Memory> {
        thread::yield_now();
        self.memory()
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap()
    }
}

impl SharedData for Workers {
    fn read(&self, key: &[u8]) -> Result<Option<Shared>, HostError> {
        let fault = self.fault();
        self.step().read(key, fault)
    }

    fn write(&self, key: &[u8], value: &[u8], expect: Expect) -> Result<(), WriteError> {
        let fault = self.fault();
        self.step().write(key, value, expect, fault)
    }
}

impl Clock for Workers {
    fn monotonic(&self) -> Monotonic {
        let memory = if self.is_timed { self.step() } else { self.memory() };
        Monotonic(memory.time)
    }

    fn wall(&self) -> WallClock {
        panic!("limits do not ask for the wall clock")
    }
}

/// A limit's counts, by name, in this proxy.
fn open(shared: &dyn SharedData, name: &str, limit: &Limit) -> LocalLimit {
    let parameters = format!("{limit:?}");
    let table = Table::open(shared, TableName { limit: name, ..NAME }, &[parameters.as_bytes()]).unwrap();
    LocalLimit { gcra: Gcra::new(limit).unwrap(), table }
}

/// A worker that makes requests for these keys, one after the other, each by all limits: when they were admitted.
fn requests(workers: &Workers, limits: &[LocalLimit], keys: &[Key]) -> Vec<(Key, u64)> {
    let mut admitted = Vec::new();
    for &key in keys {
        let started = workers.memory().time;
        let charges: Vec<_> =
            limits.iter().map(|limit| Charge { limit, key, requests: 1, effect: Effect::Enforce }).collect();
        let Ok(outcome) = charge(workers, workers, workers.monotonic(), &charges) else { continue };
        if outcome.refused_by.is_none() {
            let at = outcome.findings[0].at.0;
            assert!((started..=workers.memory().time).contains(&at), "it is counted while it is made");
            admitted.push((key, at));
        }
    }
    admitted
}

/// Starts workers that each make requests for these keys; the clock goes on meanwhile. What they admitted.
fn work(workers: &Arc<Workers>, limits: &[LocalLimit], plans: &[&[Key]], ticks: &[u64]) -> Vec<(Key, u64)> {
    let limits = Arc::new(limits.to_vec());
    let mut started = Vec::new();
    let Some((last, others)) = plans.split_last() else { return Vec::new() };
    for plan in others {
        let (workers, limits, keys) = (Arc::clone(workers), Arc::clone(&limits), plan.to_vec());
        started.push(thread::spawn(move || requests(&workers, &limits, &keys)));
    }
    if !ticks.is_empty() {
        let (workers, ticks) = (Arc::clone(workers), ticks.to_vec());
        started.push(thread::spawn(move || {
            for tick in ticks {
                workers.step().time += tick;
            }
            Vec::new()
        }));
    }
    let mut admitted = requests(workers, &limits, last);
    admitted.extend(started.into_iter().flat_map(|worker| worker.join().unwrap()));
    admitted
}

fn times(admitted: &[(Key, u64)], key: Key) -> Vec<u64> {
    admitted.iter().filter(|(of, _)| *of == key).map(|(_, at)| *at).collect()
}

/// Runs it in every order there is; in no fewer than so many, or it shows nothing.
fn in_every_order(at_least: usize, run: impl Fn() + Send + Sync + 'static) {
    let orders = Runner::new(DfsScheduler::new(None, false), shuttle::Config::default()).run(run);
    assert!(orders >= at_least, "{orders} orders");
}

#[test]
fn two_workers_with_one_request_left_admit_one() {
    in_every_order(8, || {
        let proxy = Proxy::at(SECOND);
        let limits = [open(&proxy, "l", &limit(1, 1_000, None))];
        let workers = Workers::start(proxy, 0, false);
        let admitted = work(&workers, &limits, &[&[key(0)], &[key(0)]], &[]);
        assert_eq!(admitted.len(), 1);
    });
}

#[test]
fn three_workers_admit_a_burst_and_no_more() {
    in_every_order(1_000, || {
        let proxy = Proxy::at(SECOND);
        let limits = [open(&proxy, "l", &limit(2, 1_000, None))];
        let workers = Workers::start(proxy, 0, false);
        let admitted = work(&workers, &limits, &[&[key(0)], &[key(0)], &[key(0)]], &[]);
        assert_eq!(admitted.len(), 2);
    });
}

#[test]
fn a_clock_that_goes_on_meanwhile_admits_no_more_than_the_rate() {
    in_every_order(1_000, || {
        let limit = limit(1, 1_000, None);
        let proxy = Proxy::at(SECOND);
        let limits = [open(&proxy, "l", &limit)];
        let workers = Workers::start(proxy, 0, true);
        let admitted = work(&workers, &limits, &[&[key(0)], &[key(0), key(0)]], &[SECOND]);
        assert_eq!(keeps(&limit, &times(&admitted, key(0))), Ok(()));
    });
}

#[test]
fn keys_that_come_into_a_full_set_and_leave_it_are_admitted_no_more_often() {
    in_every_order(1_000, || {
        let limit = limit(1, 1_000, None);
        let proxy = Proxy::at(SECOND);
        let limits = [open(&proxy, "l", &limit)];
        let mut before = Vec::new();
        for number in 0..SLOTS {
            let charge =
                [Charge { limit: &limits[0], key: key(number), requests: 1, effect: Effect::Enforce }];
            let outcome =
                sallyport_traffic::limit::charge::charge(&proxy, &proxy, proxy.monotonic(), &charge).unwrap();
            assert_eq!(outcome.refused_by, None);
            before.push((key(number), SECOND));
        }
        let workers = Workers::start(proxy, 0, true);
        // One without a slot, and one whose slot the other may get.
        let (new, old) = (key(SLOTS), key(0));
        let plans: [&[Key]; 2] = [&[new, new], &[old]];
        let admitted = [before, work(&workers, &limits, &plans, &[SECOND])].concat();
        for key in [new, old] {
            assert_eq!(keeps(&limit, &times(&admitted, key)), Ok(()));
        }
    });
}

#[test]
fn several_limits_are_each_kept_when_one_of_them_changes_its_mind() {
    in_every_order(40, || {
        let (wide, narrow) = (limit(2, 1_000, None), limit(1, 1_000, None));
        let proxy = Proxy::at(SECOND);
        let limits = [open(&proxy, "wide", &wide), open(&proxy, "narrow", &narrow)];
        let workers = Workers::start(proxy, 0, false);
        let admitted = work(&workers, &limits, &[&[key(0)], &[key(0)]], &[]);
        assert_eq!(admitted.len(), 1);
        // The other was taken back, or else stays charged; what is left is never too much.
        let alone = work(&workers, &limits[..1], &[&[key(0), key(0)]], &[]);
        assert!(alone.len() <= 1, "{} of 2", admitted.len() + alone.len());
    });
}

#[test]
fn what_is_taken_back_is_never_what_another_was_charged() {
    in_every_order(100, || {
        let limit = limit(2, 1_000, None);
        let proxy = Proxy::at(SECOND);
        let limits = [open(&proxy, "l", &limit)];
        let workers = Workers::start(proxy, 0, false);
        let repentant = {
            let (workers, limit) = (Arc::clone(&workers), limits[0].clone());
            thread::spawn(move || {
                let charges = [Charge { limit: &limit, key: key(0), requests: 1, effect: Effect::Enforce }];
                let outcome = charge(&*workers, &*workers, workers.monotonic(), &charges).unwrap();
                take_back(&*workers, &outcome.receipts);
            })
        };
        let admitted = work(&workers, &limits, &[&[key(0), key(0)]], &[]);
        repentant.join().unwrap();
        let after = work(&workers, &limits, &[&[key(0), key(0)]], &[]);
        assert!(admitted.len() + after.len() <= 2);
        assert!(!admitted.is_empty());
    });
}

#[test]
fn workers_that_are_configured_at_different_times_keep_each_limit() {
    in_every_order(1_000, || {
        let (old, new) = (limit(1, 1_000, None), limit(2, 1_000, None));
        let proxy = Proxy::at(SECOND);
        let old = open(&proxy, "l", &old);
        let workers = Workers::start(proxy, 0, true);
        let late = {
            let workers = Arc::clone(&workers);
            thread::spawn(move || requests(&workers, &[old], &[key(0)]))
        };
        let renewed = open(&*workers, "l", &new);
        let admitted = requests(&workers, &[renewed], &[key(0), key(0), key(0)]);
        late.join().unwrap();
        assert_eq!(keeps(&new, &times(&admitted, key(0))), Ok(()));
    });
}

#[test]
fn workers_that_are_configured_at_once_count_together() {
    in_every_order(100, || {
        let limit = limit(1, 1_000, None);
        let proxy = Proxy::at(SECOND);
        open(&proxy, "l", &Limit { requests: 2, ..limit.clone() });
        let workers = Workers::start(proxy, 0, false);
        let other = {
            let (workers, limit) = (Arc::clone(&workers), limit.clone());
            thread::spawn(move || requests(&workers, &[open(&*workers, "l", &limit)], &[key(0)]))
        };
        let mut admitted = requests(&workers, &[open(&*workers, "l", &limit)], &[key(0)]);
        admitted.extend(other.join().unwrap());
        assert_eq!(admitted.len(), 1);
    });
}

#[test]
fn each_leased_request_is_made_once() {
    in_every_order(1_000, || {
        let proxy = Proxy::at(SECOND);
        let name = TableName { use_: TableUse::Leases, ..NAME };
        let leases = Leases {
            table: Table::open(&proxy, name, &[]).unwrap(),
            cost: NonZeroU32::MIN,
            size: NonZeroU32::new(3).unwrap(),
            period: Duration::from_secs(60),
        };
        let timeout = Duration::from_millis(50);
        let granted = Some(Answer::Granted { remaining: 50, reset: Duration::from_secs(60) });
        let mut under_way = None;
        for hits in [1, 3] {
            let Take::Ask(ask) = leases.take(&proxy, proxy.now(), key(0), timeout).unwrap() else { panic!() };
            assert_eq!(ask.hits.get(), hits);
            if hits == 1 {
                leases.answered(&proxy, proxy.now(), ask, granted);
            } else {
                under_way = Some(ask);
            }
        }
        let workers = Workers::start(proxy, 0, false);
        let take = |times: usize| {
            let (workers, leases) = (Arc::clone(&workers), leases.clone());
            thread::spawn(move || {
                let taken = (0..times).map(|_| leases.take(&*workers, workers.monotonic(), key(0), timeout));
                taken.filter(|taken| matches!(taken, Ok(Take::Share(_)))).count()
            })
        };
        let started = [take(2), take(1)];
        let reply = leases.answered(&*workers, workers.monotonic(), under_way.unwrap(), granted);
        assert!(matches!(reply, Reply::Share(_)));
        let early: usize = started.into_iter().map(|worker| worker.join().unwrap()).sum();
        let late = take(3).join().unwrap();
        assert_eq!(early + late, 2, "of three, one is for the request that asked");
    });
}

/// Six workers, forty requests each, over more keys than a set has slots, a clock that goes on by steps of any size.
fn at_random(faults: u32, iterations: usize) {
    check_random_with_seed(
        move || {
            let wide = limit(6, 1_000, None);
            let narrow = limit(4, 500, Some(2));
            let proxy = Proxy::at(SECOND);
            let limits = [open(&proxy, "narrow", &narrow), open(&proxy, "wide", &wide)];
            let workers = Workers::start(proxy, faults, true);
            let mut random = shuttle::rand::thread_rng();
            let plans: Vec<Vec<Key>> =
                (0..6).map(|_| (0..40).map(|_| key(random.gen_range(0..SLOTS + 6))).collect()).collect();
            let plans: Vec<&[Key]> = plans.iter().map(Vec::as_slice).collect();
            let ticks: Vec<u64> = (0..200)
                .map(|_| [0, 1, 1_000, SECOND / 50, SECOND / 6, SECOND][random.gen_range(0..6)])
                .collect();
            let admitted = work(&workers, &limits, &plans, &ticks);
            assert!(faults > 0 || admitted.len() > 40);
            for number in 0..SLOTS + 6 {
                for limit in [&wide, &narrow] {
                    assert_eq!(keeps(limit, &times(&admitted, key(number))), Ok(()));
                }
            }
        },
        7,
        iterations,
    );
}

#[test]
fn many_workers_admit_no_more_than_the_limits() {
    at_random(0, 60);
}

#[test]
fn many_workers_admit_no_more_than_the_limits_when_the_proxy_fails_at_times() {
    at_random(10, 60);
}
