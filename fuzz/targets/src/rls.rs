//! Answers of a rate limit service: read as prost reads them, or refused where prost refuses them.

use prost::Message as _;
use sallyport_traffic::limit::rls::{Descriptor, GlobalKey, Unit, decode};

use crate::protobuf::{LIMIT, RateLimitResponse};

pub(crate) fn run(bytes: &[u8]) -> bool {
    let descriptor = Descriptor {
        policy: "shop/api".to_owned(),
        limit: "login".to_owned(),
        requests: LIMIT.requests_per_unit,
        unit: Unit::Minute,
        key: GlobalKey::new([]),
    };
    let ours = decode(bytes, &descriptor);
    let theirs = RateLimitResponse::decode(bytes);
    assert_eq!(ours.ok(), theirs.as_ref().ok().map(RateLimitResponse::answer), "{ours:?}, {theirs:?}");
    ours.is_ok()
}
