//! The rate limit protocol, against prost.

use std::time::Duration;

use proptest::prelude::*;
use prost::Message as _;
use sallyport_traffic::limit::rls::{Answer, Descriptor, GlobalKey, Malformed, Unit, decode, encode};

use crate::protobuf::{
    self, DescriptorStatus, Entry, Limit, RateLimitDescriptor, RateLimitRequest, RateLimitResponse,
};

fn descriptor() -> Descriptor {
    Descriptor {
        policy: "shop/api".to_owned(),
        limit: "login".to_owned(),
        requests: 100,
        unit: Unit::Minute,
        key: GlobalKey::new([&b"10.0.0.1"[..]]),
    }
}

fn status(code: i32, remaining: u32, seconds: i64) -> DescriptorStatus {
    DescriptorStatus {
        code,
        current_limit: Some(Limit { requests_per_unit: 100, unit: 2 }),
        limit_remaining: remaining,
        duration_until_reset: Some(protobuf::Duration { seconds, nanos: 0 }),
    }
}

#[test]
fn a_request_is_what_the_service_reads() {
    let read = RateLimitRequest::decode(encode(&descriptor(), 300).as_slice()).unwrap();
    let entry = |key: &str, value: &str| Entry { key: key.to_owned(), value: value.to_owned() };
    let [of] = read.descriptors.as_slice() else { panic!("{read:?}") };
    assert_eq!(of.entries[..2], [entry("policy", "shop/api"), entry("limit", "login")]);
    assert_eq!(of.entries.len(), 3);
    assert_eq!(of.entries[2].key, "key");
    let hex = &of.entries[2].value;
    assert!(
        hex.len() == 32 && hex.bytes().all(|c| c.is_ascii_digit() || (b'a'..=b'f').contains(&c)),
        "{hex}"
    );
    assert_eq!(of.limit, Some(Limit { requests_per_unit: 100, unit: 2 }));
    assert_eq!((read.domain.as_str(), read.hits_addend), ("sallyport", 300));
}

#[test]
fn a_key_is_the_same_in_every_proxy_and_another_for_other_parts() {
    let value = |parts: &[&[u8]]| {
        let key = GlobalKey::new(parts.iter().copied());
        let request = encode(&Descriptor { key, ..descriptor() }, 1);
        RateLimitRequest::decode(request.as_slice()).unwrap().descriptors[0].entries[2].value.clone()
    };
    // SHA-256 of the length of 3 as eight bytes, and "abc".
    assert_eq!(value(&[b"abc"]), "c3494ca1a2cf8eeb8a11ded316fb55b8");
    assert_ne!(value(&[b"ab", b"c"]), value(&[b"a", b"bc"]));
    assert_ne!(value(&[]), value(&[b""]));
}

#[test]
fn units_are_those_of_the_protocol() {
    let unit = |millis| Unit::of(sallyport_policy::Duration::from_millis(millis)).map(|unit| unit as u8);
    assert_eq!([1_000, 60_000, 3_600_000, 86_400_000].map(unit), [Some(1), Some(2), Some(3), Some(4)]);
    assert_eq!(unit(2_000), None);
}

#[track_caller]
fn check(response: &RateLimitResponse, answer: Answer) {
    assert_eq!(decode(&response.encode_to_vec(), &descriptor()), Ok(answer));
    assert_eq!(response.answer(), answer);
}

#[test]
fn answers_are_read() {
    let response = |overall_code, statuses: &[DescriptorStatus]| RateLimitResponse {
        overall_code,
        statuses: statuses.to_vec(),
    };
    let reset = Duration::from_secs(42);
    check(&response(1, &[status(1, 7, 42)]), Answer::Granted { remaining: 7, reset });
    check(&response(2, &[status(2, 0, 42)]), Answer::Refused { reset });
    // In the service's shadow mode.
    check(&response(1, &[status(2, 0, 42)]), Answer::Granted { remaining: 0, reset });
    // A domain that it does not know.
    check(&response(1, &[DescriptorStatus { code: 1, ..DescriptorStatus::default() }]), Answer::NotCounted);
    // A limit of its own.
    let own = Limit { requests_per_unit: 1_000, unit: 2 };
    check(
        &response(1, &[DescriptorStatus { current_limit: Some(own), ..status(1, 7, 42) }]),
        Answer::NotCounted,
    );
    check(&response(0, &[status(1, 7, 42)]), Answer::NotCounted);
    check(&response(1, &[]), Answer::NotCounted);
    check(&response(1, &[status(1, 7, 42), status(1, 7, 42)]), Answer::NotCounted);
    check(&response(1, &[status(1, 7, -1)]), Answer::Granted { remaining: 7, reset: Duration::ZERO });
    check(&RateLimitResponse::default(), Answer::NotCounted);
}

#[test]
fn what_is_no_message_is_refused() {
    let cases: [(&[u8], Malformed); 14] = [
        (b"\x08", Malformed::Truncated),
        (b"\x12\x05\x08", Malformed::Truncated),
        (b"\x09\0\0\0", Malformed::Truncated),
        (b"\x12\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", Malformed::Truncated),
        (b"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02", Malformed::Varint),
        (b"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x80\x01", Malformed::Varint),
        (b"\x00\x01", Malformed::Field),
        (b"\x0e", Malformed::Field),
        (b"\x0a\x00", Malformed::Field),
        (b"\x10\x01", Malformed::Field),
        (b"\xf8\xff\xff\xff\x7f\x01", Malformed::Field),
        (b"\x54", Malformed::Group),
        (b"\x53\x5c", Malformed::Group),
        (b"\x53", Malformed::Truncated),
    ];
    for (bytes, malformed) in cases {
        assert_eq!(decode(bytes, &descriptor()), Err(malformed), "{bytes:x?}");
        assert!(RateLimitResponse::decode(bytes).is_err(), "{bytes:x?}");
    }
    let nested = [vec![0x53; 101], vec![0x54; 101]].concat();
    assert_eq!(decode(&nested, &descriptor()), Err(Malformed::Group));
    let nested = [vec![0x53; 100], vec![0x54; 100]].concat();
    assert_eq!(decode(&nested, &descriptor()), Ok(Answer::NotCounted));
}

#[test]
fn fields_of_tomorrow_are_skipped() {
    let response = RateLimitResponse { overall_code: 1, statuses: vec![status(1, 7, 42)] };
    let answer = Answer::Granted { remaining: 7, reset: Duration::from_secs(42) };
    // A number, a string, both fixed sizes, a group with a group in it; field 100.
    let unknown: &[u8] =
        b"\xa0\x06\x96\x01\xa2\x06\x02ab\xa5\x06abcd\xa1\x06abcdefgh\xa3\x06\x0b\x08\x01\x0c\xa4\x06";
    let bytes = [unknown, &response.encode_to_vec(), unknown].concat();
    assert_eq!(decode(&bytes, &descriptor()), Ok(answer));
    // The same within the status.
    let inner = [unknown, &response.statuses[0].encode_to_vec(), unknown].concat();
    let bytes = [&[0x08, 0x01, 0x12, inner.len() as u8], inner.as_slice()].concat();
    assert_eq!(decode(&bytes, &descriptor()), Ok(answer));
}

fn statuses() -> impl Strategy<Value = DescriptorStatus> {
    let limit = proptest::option::of(prop_oneof![Just((100, 2)), (any::<u32>(), any::<i32>())]);
    let reset =
        proptest::option::of((prop_oneof![0..100_i64, any::<i64>()], prop_oneof![Just(0), any::<i32>()]));
    (any::<i32>(), limit, any::<u32>(), reset).prop_map(|(code, limit, limit_remaining, reset)| {
        DescriptorStatus {
            code,
            current_limit: limit.map(|(requests_per_unit, unit)| Limit { requests_per_unit, unit }),
            limit_remaining,
            duration_until_reset: reset.map(|(seconds, nanos)| protobuf::Duration { seconds, nanos }),
        }
    })
}

proptest! {
    #[test]
    fn responses_are_read_as_prost_reads_them(
        code in prop_oneof![0..4_i32, any::<i32>()],
        statuses in proptest::collection::vec(statuses(), 0..3),
        // A message that comes in two parts, and one that is cut or changed.
        twice in any::<bool>(),
        cut in proptest::option::of(any::<prop::sample::Index>()),
        change in proptest::option::of((any::<prop::sample::Index>(), any::<u8>())),
    ) {
        let response = RateLimitResponse { overall_code: code, statuses };
        let mut bytes = response.encode_to_vec();
        if twice {
            bytes.extend(RateLimitResponse { overall_code: 1, ..RateLimitResponse::default() }.encode_to_vec());
        }
        if let Some(cut) = cut && !bytes.is_empty() {
            bytes.truncate(cut.index(bytes.len()));
        }
        if let Some((at, byte)) = change && !bytes.is_empty() {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        let read = RateLimitResponse::decode(bytes.as_slice());
        prop_assert_eq!(decode(&bytes, &descriptor()).ok(), read.as_ref().ok().map(RateLimitResponse::answer));
    }

    #[test]
    fn requests_are_read_as_they_were_written(
        policy in ".{0,200}", limit in "[a-z0-9-]{1,63}", requests in any::<u32>(), hits in any::<u32>(),
    ) {
        let descriptor = Descriptor { policy, limit, requests, ..descriptor() };
        let read = RateLimitRequest::decode(encode(&descriptor, hits).as_slice()).unwrap();
        let [RateLimitDescriptor { entries, limit }] = read.descriptors.as_slice() else { panic!("{read:?}") };
        prop_assert_eq!((&entries[0].value, &entries[1].value), (&descriptor.policy, &descriptor.limit));
        prop_assert_eq!(*limit, Some(Limit { requests_per_unit: requests, unit: 2 }));
        prop_assert_eq!(read.hits_addend, hits);
    }
}
