//! PolicyExceptions: what is read is what is written, and what has ended stays ended.

use sallyport_admission::resources::PolicyExceptionSpec;
use sallyport_admission::{Exception, NotHonoured};
use serde_json::Value;

use crate::input;

pub(crate) fn run(bytes: &[u8]) -> bool {
    let Some(input) = input::json(bytes) else { return false };
    let mut right = false;
    for document in input::list(&input["exceptions"]) {
        let Ok(spec) = serde_json::from_value::<PolicyExceptionSpec>(document["spec"].clone()) else {
            continue;
        };
        let written = serde_json::to_value(&spec).expect("a spec is JSON");
        let again: PolicyExceptionSpec = serde_json::from_value(written).expect("what is written is read");
        assert_eq!(again, spec);
        let namespace = input::text(&document["metadata"]["namespace"]);
        let name = input::text(&document["metadata"]["name"]);
        let created = document["created"].as_i64();
        let (exception, found) = Exception::compile(namespace, name, created, &spec);
        assert_eq!(exception.is_none(), found.has_errors());
        assert!(found.iter().all(|diagnostic| !diagnostic.message.is_empty()));
        right |= exception.is_some();
        if let Some(exception) = exception {
            ends_once(&input, &exception);
        }
    }
    right
}

fn ends_once(input: &Value, exception: &Exception) {
    let times = [i64::MIN, -1, 0, input["now"].as_i64().unwrap_or(1), 4_000_000_000, i64::MAX];
    for policy in input::policies(input).iter().filter_map(input::policy) {
        let mut answers: Vec<(i64, Result<(), NotHonoured>)> =
            times.iter().map(|now| (*now, exception.honoured_by(&policy, *now))).collect();
        answers.sort_by_key(|(now, _)| *now);
        for pair in answers.windows(2) {
            let [(_, earlier), (_, later)] = pair else { continue };
            if *earlier == Err(NotHonoured::Expired) {
                assert_eq!(*later, Err(NotHonoured::Expired), "{exception:?} at {times:?}");
            }
        }
        assert!(answers.last().is_some_and(|(_, last)| last.is_err()), "{exception} never ends");
    }
}
