//! Changes to JSON as a tree.

use serde_json::{Map, Value, json};

use super::Dice;
use super::dictionary::Dictionary;
use super::{expression, text};

/// Members that hold CEL.
const EXPRESSIONS: [&str; 4] = ["expression", "when", "messageExpression", "conditions"];
/// How deep a tree is let grow: serde_json reads 127 levels.
const LEVELS: usize = 60;

/// Changes one place of the tree.
pub(crate) fn change(root: &mut Value, words: &Dictionary, dice: &mut Dice) {
    let whole = root.clone();
    let at = dice.below(count(&whole));
    let other = nth(&whole, dice.below(count(&whole))).cloned().unwrap_or_default();
    let Some((place, key)) = nth_mut(root, at) else { return };
    let before = place.clone();
    if dice.one_in(4) {
        *place = if dice.one_in(2) { other } else { nonsense(dice) };
    } else {
        match place {
            Value::Object(fields) => fields_change(fields, &other, words, dice),
            Value::Array(list) => list_change(list, &other, dice),
            Value::String(value) if EXPRESSIONS.contains(&key.as_str()) => {
                *value = expression::changed(value, &words.terms, dice);
            }
            Value::String(value) => *value = string_change(value, words, dice),
            Value::Number(_) => *place = number(&before, dice),
            Value::Bool(value) => *value = !*value,
            Value::Null => *place = other,
        }
    }
    if levels(root) > LEVELS {
        *root = whole;
    }
}

fn fields_change(fields: &mut Map<String, Value>, other: &Value, words: &Dictionary, dice: &mut Dice) {
    let keys: Vec<String> = fields.keys().cloned().collect();
    let key = dice.pick(&keys).cloned();
    let word = dice.pick(&words.words).cloned().unwrap_or_default();
    match (dice.below(5), key) {
        (0, Some(key)) => drop(fields.remove(&key)),
        (1, Some(key)) => {
            let value = fields.remove(&key).unwrap_or_default();
            fields.insert(word, value);
        }
        // What another object has, or another's member instead of its own.
        (2, _) if other.is_object() => {
            let members: Vec<(&String, &Value)> = other.as_object().into_iter().flatten().collect();
            if let Some((key, value)) = dice.pick(&members) {
                fields.insert((*key).clone(), (*value).clone());
            }
        }
        (3, _) => drop(fields.insert(word, nonsense(dice))),
        _ => drop(fields.insert(word, other.clone())),
    }
}

fn list_change(list: &mut Vec<Value>, other: &Value, dice: &mut Dice) {
    let (one, two) = (dice.below(list.len()), dice.below(list.len()));
    match dice.below(6) {
        0 if !list.is_empty() => drop(list.remove(one)),
        1 if !list.is_empty() => list.swap(one, two),
        2 if !list.is_empty() => list.insert(one, list[two].clone()),
        3 if !list.is_empty() => list.extend(vec![list[one].clone(); dice.below(8)]),
        4 => list.insert(one, nonsense(dice)),
        _ => list.insert(one, other.clone()),
    }
}

fn string_change(value: &str, words: &Dictionary, dice: &mut Dice) -> String {
    let word = dice.pick(&words.words).map(String::as_str).unwrap_or_default();
    match dice.below(4) {
        0 => word.to_owned(),
        1 => format!("{value}{word}"),
        2 => format!("{word}{value}"),
        _ => {
            let mut bytes = value.as_bytes().to_vec();
            text::change(&mut bytes, words, dice);
            String::from_utf8_lossy(&bytes).into_owned()
        }
    }
}

fn number(before: &Value, dice: &mut Dice) -> Value {
    let number = before.as_i64().unwrap_or_default();
    match dice.below(7) {
        0 => number.wrapping_add(1).into(),
        1 => number.wrapping_sub(1).into(),
        2 => number.wrapping_neg().into(),
        3 => json!(i64::from_ne_bytes(dice.throw().to_ne_bytes())),
        4 => json!(number.to_string()),
        5 => dice
            .pick(&[json!(u64::MAX), json!(i64::MIN), json!(0.5), json!(-0.0), json!(1e300)])
            .cloned()
            .unwrap_or_default(),
        _ => dice.below(65_537).into(),
    }
}

/// Anything at all.
fn nonsense(dice: &mut Dice) -> Value {
    let some = [
        Value::Null,
        json!(true),
        json!(false),
        json!(-1),
        json!(0),
        json!(1.5),
        json!(u64::MAX),
        json!(""),
        json!("x"),
        json!("\u{0}\u{1b}[31m\n\u{202e}\u{feff}\u{1f600}"),
        json!("x".repeat(300)),
        json!([]),
        json!({}),
        json!([null]),
        json!([[{}]]),
        json!({"name": 1}),
        json!({"name": "a"}),
        json!({"": {"": null}}),
    ];
    dice.pick(&some).cloned().unwrap_or_default()
}

fn children(value: &Value) -> Vec<&Value> {
    match value {
        Value::Object(fields) => fields.values().collect(),
        Value::Array(list) => list.iter().collect(),
        _ => Vec::new(),
    }
}

fn count(value: &Value) -> usize {
    1 + children(value).into_iter().map(count).sum::<usize>()
}

fn levels(value: &Value) -> usize {
    1 + children(value).into_iter().map(levels).max().unwrap_or_default()
}

/// The `at`-th value of the tree, which itself is the first.
fn nth(root: &Value, mut at: usize) -> Option<&Value> {
    let mut open = vec![root];
    while let Some(value) = open.pop() {
        if at == 0 {
            return Some(value);
        }
        at -= 1;
        open.extend(children(value));
    }
    None
}

/// As [`nth`], with the name of the member that it is, or is an element of.
fn nth_mut(root: &mut Value, mut at: usize) -> Option<(&mut Value, String)> {
    let mut open = vec![(root, String::new())];
    while let Some((value, key)) = open.pop() {
        if at == 0 {
            return Some((value, key));
        }
        at -= 1;
        match value {
            Value::Object(fields) => open.extend(fields.iter_mut().map(|(key, value)| (value, key.clone()))),
            Value::Array(list) => open.extend(list.iter_mut().map(|value| (value, key.clone()))),
            _ => {}
        }
    }
    None
}
