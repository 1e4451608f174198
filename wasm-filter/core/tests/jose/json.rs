//! Strict JSON, held against serde_json where both must agree.

use proptest::prelude::*;
use sallyport_traffic::jose::json::{MAX_DEPTH, MAX_LENGTH, Number};
use sallyport_traffic::jose::{Json, JsonError};
use serde_json::Value;

/// What serde_json makes of the same value; numbers as they are written.
fn same(json: &Json, value: &Value) -> bool {
    match (json, value) {
        (Json::Null, Value::Null) => true,
        (Json::Bool(one), Value::Bool(other)) => one == other,
        (Json::Number(one), Value::Number(other)) => {
            serde_json::from_str::<serde_json::Number>(one.as_str()).is_ok_and(|one| one == *other)
        }
        (Json::String(one), Value::String(other)) => **one == **other,
        (Json::Array(one), Value::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| same(one, other))
        }
        (Json::Object(one), Value::Object(other)) => {
            one.iter().count() == other.len()
                && one.iter().all(|(name, value)| other.get(name).is_some_and(|other| same(value, other)))
        }
        _ => false,
    }
}

#[track_caller]
fn refused(text: &str, want: JsonError) {
    assert_eq!(Json::parse(text.as_bytes()), Err(want), "{text}");
}

#[test]
fn what_is_no_json_is_refused_with_its_place() {
    for (text, place) in [
        ("", 0),
        (" ", 1),
        ("\u{feff}{}", 0),
        ("nul", 0),
        ("True", 0),
        ("NaN", 0),
        ("Infinity", 0),
        ("'a'", 0),
        ("{a:1}", 1),
        ("{\"a\" 1}", 5),
        ("{\"a\":}", 5),
        ("{\"a\":1,}", 7),
        ("{\"a\":1", 6),
        ("{,}", 1),
        ("[1,]", 3),
        ("[1 2]", 3),
        ("[", 1),
        ("[1", 2),
        ("// no\n1", 0),
        ("\"a", 2),
        ("\"\n\"", 1),
        ("\"\u{1f}\"", 1),
        ("\"\\", 2),
        ("\"\\x\"", 2),
        ("\"\\u12\"", 5),
        ("\"\\u00e\"", 6),
        ("\"\\ud800\"", 3),
        ("\"\\udc00\"", 3),
        ("\"\\ud800\\ud800\"", 3),
        ("\"\\ud800x\"", 3),
        ("+1", 0),
        ("-", 1),
        (".5", 0),
        ("1.", 2),
        ("1.e1", 2),
        ("1e", 2),
        ("1e+", 3),
    ] {
        refused(text, JsonError::Syntax(place));
        assert!(serde_json::from_str::<Value>(text).is_err(), "{text}");
    }
    for (text, place) in
        [("01", 1), ("-00", 2), ("1 1", 2), ("{} {}", 3), ("nullnull", 4), ("1,", 1), ("[]\0", 2), ("0x1", 1)]
    {
        refused(text, JsonError::Trailing(place));
        assert!(serde_json::from_str::<Value>(text).is_err(), "{text}");
    }
    assert_eq!(Json::parse(b"\"a\xff\""), Err(JsonError::NotUtf8(2)));
    assert_eq!(Json::parse(b"\"\xed\xa0\x80\""), Err(JsonError::NotUtf8(1)), "a surrogate in UTF-8");
    assert_eq!(Json::parse(b"\"\xc0\xaf\""), Err(JsonError::NotUtf8(1)), "an overlong form");
}

#[test]
fn a_name_that_comes_twice_is_refused_at_any_depth_and_however_it_is_written() {
    refused(r#"{"a":1,"a":1}"#, JsonError::Duplicate(13));
    refused(r#"{"a":1,"b":2,"a":3}"#, JsonError::Duplicate(19));
    refused(r#"{"alg":"RS256","\u0061lg":"none"}"#, JsonError::Duplicate(33));
    refused(r#"[{"a":{"b":{"c":1,"c":2}}}]"#, JsonError::Duplicate(24));
    refused(r#"{"":1,"":2}"#, JsonError::Duplicate(11));
    assert!(Json::parse(r#"{"a":{"a":1},"A":[{"a":1},{"a":2}],"\u00e4":1,"a\u0308":2}"#.as_bytes()).is_ok());
}

#[test]
fn depth_and_length_are_bounded() {
    let nested = |depth: usize, open: &str, close: &str| open.repeat(depth) + "1" + &close.repeat(depth);
    for (open, close) in [("[", "]"), ("{\"a\":", "}"), ("[{\"a\":", "}]")] {
        let each = open.matches(['[', '{']).count();
        assert!(Json::parse(nested(MAX_DEPTH / each, open, close).as_bytes()).is_ok());
        assert!(matches!(
            Json::parse(nested(MAX_DEPTH / each + 1, open, close).as_bytes()),
            Err(JsonError::TooDeep(_))
        ));
        assert!(Json::parse(nested(20_000, open, "").as_bytes()).is_err());
    }
    let longest = format!("\"{}\"", "a".repeat(MAX_LENGTH - 2));
    assert!(Json::parse(longest.as_bytes()).is_ok());
    refused(&format!("{longest} "), JsonError::TooLong);
}

#[test]
fn an_object_of_many_members_takes_no_square_of_time() {
    let members: Vec<String> = (0..20_000).map(|number| format!("\"{number}\":1")).collect();
    let json = Json::parse(format!("{{{}}}", members.join(",")).as_bytes()).unwrap();
    assert_eq!(json.as_object().unwrap().iter().count(), 20_000);
}

#[test]
fn a_claim_is_found_by_the_names_that_lead_to_it() {
    let json = Json::parse(
        br#"{"sub":"x","realm_access":{"roles":["a"]},"https://a.example/b":{"c.d":1.50},"":{"":null},"list":[{"a":1}]}"#,
    )
    .unwrap();
    let at = |path: &[&str]| json.at(path);
    assert_eq!(at(&["sub"]).and_then(Json::as_str), Some("x"));
    assert_eq!(at(&["realm_access", "roles"]).and_then(Json::as_array).map(<[Json]>::len), Some(1));
    assert_eq!(
        at(&["https://a.example/b", "c.d"]).and_then(Json::as_number).map(Number::as_str),
        Some("1.50")
    );
    assert_eq!(at(&["", ""]), Some(&Json::Null));
    assert_eq!(at(&[]), Some(&json));
    for path in
        [&["Sub"][..], &["sub", "x"], &["realm_access", "role"], &["list", "0"], &["list", "a"], &["c.d"]]
    {
        assert_eq!(at(path), None, "{path:?}");
    }
}

/// Any JSON value.
fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 64, 8, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..8).prop_map(Value::from),
            prop::collection::vec((any::<String>(), inner), 0..8)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn what_serde_json_writes_is_read_as_the_same(value in value(), pretty: bool) {
        let text = if pretty { format!("{value:#}") } else { value.to_string() };
        let json = Json::parse(text.as_bytes()).unwrap();
        // It may round when it reads its own.
        let value: Value = serde_json::from_str(&text).unwrap();
        prop_assert!(same(&json, &value), "{text}");
    }

    /// Made of JSON's own words, so that much of it is JSON, or nearly.
    #[test]
    fn serde_json_reads_all_that_is_read_and_refuses_nothing_else_but_duplicates(
        words in prop::collection::vec(
            prop_oneof![
                "[\\[\\]{}:, \t\r\n\"\\\\0-9a-fu.+eE/-]",
                "\"[ab]\":?",
                r#""(\\[bfnrtu"/\\]|\\u[dD][89abc][0-9]{2}|\\u00[0-9a-f]{2}|[a-zé])*""#,
                "-?(0|[1-9][0-9]{0,24})(\\.[0-9]{1,3})?([eE][+-]?[0-9]{1,3})?",
                "true|false|null",
                "[\\[{,:\\]}]",
            ],
            0..12,
        )
    ) {
        let text = words.concat();
        let (json, value) = (Json::parse(text.as_bytes()), serde_json::from_str::<Value>(&text));
        match (json, value) {
            (Ok(json), Ok(value)) => prop_assert!(same(&json, &value), "{text}"),
            // serde_json keeps no number that is too great for f64.
            (Ok(_), Err(error)) => prop_assert!(error.to_string().contains("number out of range"), "{text}: {error}"),
            (Err(error), Ok(_)) => prop_assert!(matches!(error, JsonError::Duplicate(_)), "{text}: {error}"),
            (Err(_), Err(_)) => {}
        }
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes: Vec<u8>) {
        prop_assert_eq!(Json::parse(&bytes).is_ok(), serde_json::from_slice::<Value>(&bytes).is_ok());
    }
}
