//! What a token says, and whether it is what a rule asks for.

use std::fmt::Write as _;

use crate::jose::{Json, base64url};
use crate::{ClaimEncoding, ClaimRule, ClaimTest};

/// The claim that the names lead to, from the outermost object. One that is null is not there.
#[must_use]
pub fn claim<'a>(claims: &'a Json, path: &[String]) -> Option<&'a Json> {
    claims.at(path).filter(|claim| !matches!(claim, Json::Null))
}

/// Whether the claims are what a rule asks for. A rule without exactly one test holds for nothing.
#[must_use]
pub fn holds(rule: &ClaimRule, claims: &Json) -> bool {
    let claim = claim(claims, &rule.claim);
    let Some(test) = rule.test() else { return false };
    match test {
        ClaimTest::Present(present) => claim.is_some() == present,
        ClaimTest::Equals(wanted) => claim.and_then(scalar) == Some(wanted),
        ClaimTest::OneOf(wanted) => {
            claim.and_then(scalar).is_some_and(|text| wanted.iter().any(|one| one == text))
        }
        ClaimTest::Contains(wanted) => match claim {
            Some(Json::Array(elements)) => elements.iter().any(|element| scalar(element) == Some(wanted)),
            Some(Json::String(text)) => text.split(' ').any(|word| word == wanted),
            _ => false,
        },
        ClaimTest::Matches(glob) => claim.and_then(scalar).is_some_and(|text| glob.matches(text)),
    }
}

/// A text, number or boolean as text: numbers as the token writes them.
#[must_use]
pub fn scalar(claim: &Json) -> Option<&str> {
    match claim {
        Json::String(text) => Some(text),
        Json::Number(number) => Some(number.as_str()),
        Json::Bool(true) => Some("true"),
        Json::Bool(false) => Some("false"),
        Json::Null | Json::Array(_) | Json::Object(_) => None,
    }
}

/// A claim as a header's value (RFC 9110 §5.5), if it can be one.
#[must_use]
pub fn header_value(claim: &Json, encoding: ClaimEncoding) -> Option<String> {
    let value = match (encoding, claim) {
        (ClaimEncoding::Base64urlJson, claim) => {
            let mut text = String::new();
            write_json(claim, &mut text);
            base64url::encode(text.as_bytes())
        }
        (ClaimEncoding::Text, Json::Array(elements)) => {
            let texts: Option<Vec<&str>> =
                elements.iter().map(|element| scalar(element).filter(|text| !text.contains(','))).collect();
            texts?.join(",")
        }
        (ClaimEncoding::Text, claim) => scalar(claim)?.to_owned(),
    };
    let fits = value.bytes().all(|byte| matches!(byte, b' '..=b'~')) && value.trim_ascii() == value;
    fits.then_some(value)
}

/// Writes a value as JSON (RFC 8259), without spaces.
fn write_json(value: &Json, text: &mut String) {
    match value {
        Json::Null => text.push_str("null"),
        Json::Bool(_) | Json::Number(_) => text.push_str(scalar(value).unwrap_or_default()),
        Json::String(string) => write_string(string, text),
        Json::Array(elements) => {
            text.push('[');
            for (i, element) in elements.iter().enumerate() {
                if i > 0 {
                    text.push(',');
                }
                write_json(element, text);
            }
            text.push(']');
        }
        Json::Object(object) => {
            text.push('{');
            for (i, (name, member)) in object.iter().enumerate() {
                if i > 0 {
                    text.push(',');
                }
                write_string(name, text);
                text.push(':');
                write_json(member, text);
            }
            text.push('}');
        }
    }
}

fn write_string(string: &str, text: &mut String) {
    text.push('"');
    for c in string.chars() {
        match c {
            '"' | '\\' => text.extend(['\\', c]),
            '\0'..='\x1f' => {
                // Writing to a text does not fail.
                let _ = write!(text, "\\u{:04x}", u32::from(c));
            }
            c => text.push(c),
        }
    }
    text.push('"');
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn read(value: &Value) -> Json {
        Json::parse(value.to_string().as_bytes()).unwrap()
    }

    fn rule(test: Value) -> ClaimRule {
        serde_json::from_value(test).unwrap()
    }

    #[track_caller]
    fn check(test: Value, held_by: &[Value], not_by: &[Value]) {
        let rule = rule(test);
        for claims in held_by {
            assert!(holds(&rule, &read(claims)), "{rule:?} holds of {claims}");
        }
        for claims in not_by {
            assert!(!holds(&rule, &read(claims)), "{rule:?} does not hold of {claims}");
        }
    }

    #[test]
    fn a_claim_is_found_by_the_names_that_lead_to_it() {
        check(
            json!({"claim": ["a.b", "c"], "present": true}),
            &[json!({"a.b": {"c": 0}}), json!({"a.b": {"c": ""}}), json!({"a.b": {"c": []}})],
            &[json!({"a": {"b": {"c": 0}}}), json!({"a.b": {"c": null}}), json!({"a.b": [0]}), json!({})],
        );
        check(
            json!({"claim": ["a"], "present": false}),
            &[json!({}), json!({"a": null})],
            &[json!({"a": 1})],
        );
    }

    #[test]
    fn values_are_compared_to_the_letter_and_numbers_as_json_writes_them() {
        check(
            json!({"claim": ["a"], "equals": "1"}),
            &[json!({"a": "1"}), json!({"a": 1})],
            &[json!({"a": "1 "}), json!({"a": 1.0}), json!({"a": ["1"]}), json!({"a": true}), json!({})],
        );
        check(json!({"claim": ["a"], "equals": "true"}), &[json!({"a": true})], &[json!({"a": false})]);
        check(
            json!({"claim": ["a"], "oneOf": ["x", "y"]}),
            &[json!({"a": "x"}), json!({"a": "y"})],
            &[json!({"a": "xy"}), json!({"a": ["x"]}), json!({})],
        );
    }

    #[test]
    fn a_list_or_a_text_of_words_contains_a_value() {
        check(
            json!({"claim": ["scope"], "contains": "read"}),
            &[json!({"scope": "write read"}), json!({"scope": "read"}), json!({"scope": ["read"]})],
            &[
                json!({"scope": "reader"}),
                json!({"scope": ["reader"]}),
                json!({"scope": {"read": 1}}),
                json!({}),
            ],
        );
    }

    #[test]
    fn a_pattern_is_for_the_whole_value() {
        check(
            json!({"claim": ["email"], "matches": "*@shop.example"}),
            &[json!({"email": "a@shop.example"})],
            &[json!({"email": "a@shop.example.org"}), json!({"email": ["a@shop.example"]}), json!({})],
        );
    }

    #[test]
    fn a_claim_becomes_a_header_only_where_nothing_of_it_is_lost() {
        for (claim, want) in [
            (json!("a b"), Some("a b")),
            (json!(7), Some("7")),
            (json!(true), Some("true")),
            (json!(["a", 7, false]), Some("a,7,false")),
            (json!([]), Some("")),
            (json!(["a,b"]), None),
            (json!([["a"]]), None),
            (json!({"a": 1}), None),
            (json!("a\r\nx-admin: 1"), None),
            (json!("é"), None),
            (json!(" a"), None),
            (json!("a\u{0}"), None),
        ] {
            assert_eq!(header_value(&read(&claim), ClaimEncoding::Text).as_deref(), want, "{claim}");
        }
        for object in [json!({"a": "é\"\\\n"}), json!([null, true, 1.5, {"b": []}]), json!({})] {
            let value = header_value(&read(&object), ClaimEncoding::Base64urlJson).unwrap();
            let decoded = base64url::decode(value.as_bytes()).unwrap();
            assert_eq!(serde_json::from_slice::<Value>(&decoded).unwrap(), object);
        }
    }
}
