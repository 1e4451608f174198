//! What a body becomes in memory, told before anything is made of it.
//!
//! A body of `{"a":1}` eight bytes each grows a few hundredfold: every object is a map that has a node of 640 bytes,
//! and a decision holds about four copies (what came, what is worked on, what it is compared with, the patch). So
//! bytes say little, and values are counted: one pass over the body, some 5 ms for the largest.

use sallyport_admission::{PodBearing, Request};
use serde_json::Value;

/// What an object adds, over all copies. Measured with the system's allocator: 2.8 KiB for `{"a":1}` in a pod that
/// four entries change, of which a number and its member are counted below.
const OBJECT_BYTES: usize = 2560;
/// What any value adds: measured are 0.1 to 0.5 KiB.
const VALUE_BYTES: usize = 512;
/// What a byte of text adds.
const COPIES: usize = 5;

/// The containers of one pod that are looked at. What entries do, they do to each container, and say of each: some
/// 8 KiB a container beside what the object is. The largest pods that people write have some dozens.
pub(crate) const CONTAINERS_MAX: usize = 1000;

/// Up to this weight nobody asks for more than that it is not exceeded.
const LIGHT: usize = 4 << 20;

/// The bytes that a decision about this body takes, at most. What is no JSON is weighed up to where reading it ends,
/// or higher.
pub(crate) fn weigh(body: &[u8]) -> usize {
    // Brackets and commas within text counted too, which takes a tenth of the time of telling them apart.
    let objects = count(body, b'{');
    let light = weight(objects, 1 + objects + count(body, b'[') + count(body, b','), body.len());
    if light <= LIGHT { light } else { weigh_exactly(body) }
}

/// How often a byte stands in the body.
fn count(body: &[u8], wanted: u8) -> usize {
    // Added up in bytes, as many at a time as the processor compares.
    let some = |chunk: &[u8]| chunk.iter().fold(0_u8, |count, byte| count + u8::from(*byte == wanted));
    body.chunks(usize::from(u8::MAX)).map(|chunk| usize::from(some(chunk))).sum()
}

fn weight(objects: usize, values: usize, bytes: usize) -> usize {
    objects * OBJECT_BYTES + values * VALUE_BYTES + bytes * COPIES
}

fn weigh_exactly(body: &[u8]) -> usize {
    let (mut objects, mut values) = (0_usize, 1_usize);
    let (mut quoted, mut escaped) = (false, false);
    for byte in body {
        match byte {
            _ if escaped => escaped = false,
            b'"' => quoted = !quoted,
            b'\\' if quoted => escaped = true,
            _ if quoted => {}
            b'{' => {
                objects += 1;
                values += 1;
            }
            b'[' | b',' => values += 1,
            _ => {}
        }
    }
    weight(objects, values, body.len())
}

/// Whether the object, or the template in it, has more than [`CONTAINERS_MAX`] containers of all kinds.
pub(crate) fn has_too_many_containers(request: &Request) -> bool {
    let Some(kind) = PodBearing::of(&request.kind) else { return false };
    let template = kind.template().iter().try_fold(&request.object, |at, field| at.get(field));
    let Some(spec) = template.and_then(|template| template.get("spec")) else { return false };
    let lists = ["containers", "initContainers", "ephemeralContainers"];
    let length = |list: &str| spec.get(list).and_then(Value::as_array).map_or(0, Vec::len);
    lists.into_iter().map(length).sum::<usize>() > CONTAINERS_MAX
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_light_weighs_at_least_what_it_does_exactly() {
        for text in ["", "[]", r#"{"a": "{,[", "b": [1, {}, ""{"]}"#, &"{,".repeat(700)] {
            assert!(weigh(text.as_bytes()) >= weigh_exactly(text.as_bytes()), "{text}");
        }
        let plain = br#"{"a": [1, 2, {"b": "c"}]}"#;
        assert_eq!(weigh(plain), weigh_exactly(plain));
        assert_eq!(count(&[b'{'; 1000], b'{'), 1000);
    }

    /// The copies of an object that a decision holds.
    const DECIDED: usize = 4;
    /// What the standard library's map takes for a node, of which each object that is not empty has one at least: the
    /// memory of eleven members, and some for itself.
    const NODE_BYTES: usize = 11 * (size_of::<String>() + size_of::<Value>()) + 16;

    /// The bytes that a value takes.
    fn held(value: &Value) -> usize {
        size_of::<Value>()
            + match value {
                Value::String(text) => text.capacity(),
                Value::Array(elements) => elements.iter().map(held).sum(),
                Value::Object(members) => {
                    let beyond =
                        |(name, value): (&String, &Value)| name.capacity() + held(value) - size_of::<Value>();
                    members.len().div_ceil(11) * NODE_BYTES + members.iter().map(beyond).sum::<usize>()
                }
                _ => 0,
            }
    }

    #[test]
    fn a_body_weighs_what_its_values_take_and_text_weighs_its_bytes() {
        for item in
            [r#"{"a":1}"#, r#"{"a":{"b":[{}]}}"#, r#"{"a":1,"b":"text","c":null}"#, "[0]", "0", "\"text\""]
        {
            for count in [10_usize, 1000, 50_000] {
                let list = format!("[{}]", vec![item; count].join(","));
                let copies = DECIDED * held(&serde_json::from_str(&list).unwrap());
                let weight = weigh(list.as_bytes());
                assert!(
                    (copies..=8 * copies).contains(&weight),
                    "{count} of {item}: {copies} weigh {weight}"
                );
            }
        }
        // Nothing in a text is a value, and an escaped quote does not end it.
        let text = serde_json::to_string(&"{[,\\\"".repeat(100_000)).unwrap();
        assert_eq!(weigh(text.as_bytes()), VALUE_BYTES + text.len() * COPIES);
    }
}
