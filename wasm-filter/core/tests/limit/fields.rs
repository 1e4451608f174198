//! What a client is told.

use std::time::Duration;

use proptest::prelude::*;
use sallyport_traffic::host::Monotonic;
use sallyport_traffic::limit::fields::{
    QuotaPolicy, ServiceLimit, closest, legacy, rate_limit, rate_limit_policy, retry_after,
};
use sallyport_traffic::limit::gcra::{Gcra, Tat};
use sfv::{BareItem, FieldType as _, Item, List, ListEntry, Parser};

use crate::reference::limit;

fn policy(name: &str, requests: u32, secs: u64) -> QuotaPolicy {
    QuotaPolicy::new(name, &limit(requests, secs * 1_000, None))
}

const fn fixed(remaining: u32, secs: u64) -> ServiceLimit {
    ServiceLimit::fixed(remaining, Duration::from_secs(secs))
}

/// The same value: whitespace around commas does not matter (RFC 9651 §4.2.1).
#[track_caller]
fn check(ours: &str, draft: &str) {
    let parse = |text: &str| Parser::new(text).parse::<List>().unwrap();
    assert_eq!(parse(ours), parse(draft), "{ours}");
}

#[test]
fn the_drafts_examples_of_policies_come_out() {
    let value = |policies: &[QuotaPolicy]| rate_limit_policy(policies).unwrap();
    check(&value(&[policy("default", 100, 10)]), r#""default";q=100;w=10"#);
    check(
        &value(&[policy("permin", 50, 60), policy("perhr", 1_000, 3_600)]),
        r#""permin";q=50;w=60,"perhr";q=1000;w=3600"#,
    );
    check(
        &value(&[policy("burst", 100, 60), policy("daily", 1_000, 86_400)]),
        r#""burst";q=100;w=60,"daily";q=1000;w=86400"#,
    );
    check(&value(&[policy("fixedwindow", 100, 60)]), r#""fixedwindow";q=100;w=60"#);
    assert_eq!(rate_limit_policy(&[]), None);
}

#[test]
fn the_drafts_examples_of_limits_come_out() {
    let value = |name, limit| rate_limit(&policy(name, 100, 60), &limit);
    assert_eq!(value("default", fixed(50, 30)), r#""default";r=50;t=30"#);
    assert_eq!(value("default", fixed(0, 50)), r#""default";r=0;t=50"#);
    assert_eq!(value("fixedwindow", fixed(99, 50)), r#""fixedwindow";r=99;t=50"#);
    assert_eq!(value("dynamic", fixed(9, 50)), r#""dynamic";r=9;t=50"#);
}

#[test]
fn the_limit_closest_to_being_exhausted_is_told_of() {
    // Appendix B.1.2: 100 left of the day's, more of the hour's.
    let hour = fixed(1_000, 3_600);
    let day = fixed(100, 36_000);
    assert_eq!(closest(&[hour, day]), Some(1));
    assert_eq!(rate_limit(&policy("dayLimit", 5_000, 86_400), &day), r#""dayLimit";r=100;t=36000"#);
    assert_eq!(closest(&[fixed(0, 10), fixed(0, 20), fixed(0, 15)]), Some(1));
    assert_eq!(closest(&[fixed(1, 60), fixed(0, 1)]), Some(1));
    assert_eq!(closest(&[]), None);
}

#[test]
fn times_are_whole_seconds_rounded_up() {
    let nanos = Duration::from_nanos;
    assert_eq!(retry_after(Duration::ZERO), "1");
    assert_eq!(retry_after(nanos(1)), "1");
    assert_eq!(retry_after(Duration::from_secs(5)), "5");
    assert_eq!(retry_after(Duration::from_millis(5_001)), "6");
    assert_eq!(retry_after(Duration::MAX), "999999999999999");
    let policy = |millis| rate_limit_policy(&[QuotaPolicy::new("p", &limit(10, millis, None))]).unwrap();
    assert_eq!(policy(1), r#""p";q=10;w=1"#);
    assert_eq!(policy(1_500), r#""p";q=10;w=2"#);
}

#[test]
fn the_older_fields_say_the_same() {
    let gcra = Gcra::new(&limit(10, 60_000, None)).unwrap();
    let (start, mut tat) = (Monotonic(1), Tat::default());
    for _ in 0..4 {
        tat = gcra.admit(tat, start, 1).unwrap();
    }
    let limit = ServiceLimit::local(&gcra, &gcra.standing(tat, start));
    let fields = legacy(&policy("p", 10, 60), &limit);
    let wanted = [("x-ratelimit-limit", "10"), ("x-ratelimit-remaining", "6"), ("x-ratelimit-reset", "24")];
    assert_eq!(fields.each_ref().map(|(name, value)| (*name, value.as_str())), wanted);
}

#[test]
fn a_name_that_no_limit_has_is_still_a_string() {
    let value = rate_limit(&policy("a\"b\\c\r\nd\u{e9}", 1, 1), &fixed(0, 1));
    assert_eq!(value, r#""a\"b\\c__d_";r=0;t=1"#);
    Parser::new(&value).parse::<List>().unwrap();
}

fn integer(item: &Item, name: &str) -> i64 {
    let number = item.params.get(name).and_then(BareItem::as_integer).expect("the parameter is there");
    i64::from(number)
}

proptest! {
    #[test]
    fn what_is_told_is_a_structured_field_of_what_is_meant(
        name in "[ -~]{0,63}", requests in 1..=u32::MAX, millis in 1..=u64::MAX,
        remaining in any::<u32>(), window in any::<u64>(), nanos in 0..1_000_000_000_u32,
    ) {
        let policy = QuotaPolicy::new(&name, &limit(requests, millis, None));
        let limit = ServiceLimit::fixed(remaining, Duration::new(window, nanos));
        for (value, parameters) in [
            (rate_limit(&policy, &limit), [("r", remaining.into()), ("t", u128::from(window) + u128::from(nanos > 0))]),
            (rate_limit_policy([&policy]).unwrap(), [("q", requests.into()), ("w", u128::from(millis.div_ceil(1_000)))]),
        ] {
            let list: List = Parser::new(&value).parse().unwrap();
            // Written as RFC 9651 has it, so that nothing is left to say otherwise.
            prop_assert_eq!(list.serialize(), Some(value.clone()));
            let [ListEntry::Item(item)] = list.as_slice() else { panic!("{value}") };
            prop_assert_eq!(item.bare_item.as_string().map(sfv::StringRef::as_str), Some(name.as_str()));
            prop_assert_eq!(item.params.len(), 2);
            for (parameter, number) in parameters {
                prop_assert_eq!(integer(item, parameter) as u128, number.min(999_999_999_999_999));
            }
        }
    }

    #[test]
    fn a_client_that_keeps_to_what_it_is_told_is_never_refused(
        requests in 1..60_u32, millis in 1..5_000_u64, burst in 1..60_u32,
        steps in proptest::collection::vec(1..40_u32, 1..30),
    ) {
        let gcra = Gcra::new(&limit(requests, millis, Some(burst))).unwrap();
        let (mut now, mut tat) = (1_u64, Tat::default());
        for step in steps {
            let limit = ServiceLimit::local(&gcra, &gcra.standing(tat, Monotonic(now)));
            let value = rate_limit(&QuotaPolicy::new("p", &crate::reference::limit(requests, millis, Some(burst))), &limit);
            let list: List = Parser::new(&value).parse().unwrap();
            let [ListEntry::Item(item)] = list.as_slice() else { panic!("{value}") };
            let (remaining, window) = (integer(item, "r") as u32, integer(item, "t") as u64);
            // No faster than the limit's rate, whatever is left.
            prop_assert!(u128::from(remaining) * u128::from(millis) <= u128::from(window) * 1_000 * u128::from(requests));
            // It makes no more than it is told within the window: some at the start, the others at its end.
            let first = remaining.min(step);
            for made in 0..remaining {
                if made == first {
                    now += window * 1_000_000_000;
                }
                let after = gcra.admit(tat, Monotonic(now), 1);
                prop_assert!(after.is_some());
                tat = after.unwrap_or_default();
            }
            if first == remaining {
                now += window * 1_000_000_000;
            }
            if remaining == 0 {
                // Retry-After names no time before the end of the window (§6), and then it is admitted.
                let wait = gcra.standing(tat, Monotonic(now - window * 1_000_000_000)).wait;
                prop_assert!(retry_after(wait).parse::<u64>().unwrap() >= window);
                prop_assert!(gcra.admit(tat, Monotonic(now), 1).is_some());
            }
        }
    }
}
