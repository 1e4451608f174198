//! Takes out of a mutated object what only the API server's defaulting put in.

use serde_json::Value;

use super::apply_defaults;
use crate::object::{Fields, element};
use crate::{GroupVersionKind, PodBearing};

/// The object that a person would have written to get `mutated`: what was `written`, with what the policies
/// changed.
///
/// `defaulted` is `written` after [`apply_defaults`], and `mutated` is `defaulted` after the policies.
/// Wherever the two agree, the person's own text stays, be it nothing; everything else is as the policies
/// left it. So what they insert, such as a container, is shown whole. A default that would come out
/// differently beside what the policies changed (the pull policy of an image that they replaced) is written
/// out: the result's defaults are those of `mutated`.
#[must_use]
pub fn without_defaults(written: &Value, defaulted: &Value, mutated: &Value) -> Value {
    let mut result = strip("", Some(written), defaulted, mutated).unwrap_or_default();
    if let Some(kind) = PodBearing::of(&GroupVersionKind::of(mutated)) {
        let (mut has, mut wants) = (result.clone(), mutated.clone());
        apply_defaults(kind, &mut has);
        apply_defaults(kind, &mut wants);
        write_out(&mut result, &has, &wants);
    }
    result
}

/// What remains of `mutated` in the list or field `field`.
fn strip(field: &str, written: Option<&Value>, defaulted: &Value, mutated: &Value) -> Option<Value> {
    if defaulted == mutated {
        return written.cloned();
    }
    match (written, defaulted, mutated) {
        (Some(Value::Object(written)), Value::Object(defaulted), Value::Object(mutated)) => {
            Some(strip_fields(written, defaulted, mutated).into())
        }
        (None | Some(Value::Null), Value::Object(defaulted), Value::Object(mutated)) => {
            let left = strip_fields(&Fields::new(), defaulted, mutated);
            (!left.is_empty()).then(|| left.into())
        }
        (Some(Value::Array(written)), Value::Array(defaulted), Value::Array(mutated))
            // Defaulting neither moves nor adds elements.
            if written.len() == defaulted.len() =>
        {
            let positions = element::earlier(field, defaulted, mutated);
            let elements = mutated.iter().zip(positions).map(|(mutated, position)| {
                let pair = position.and_then(|i| Some((written.get(i)?, defaulted.get(i)?)));
                pair.and_then(|(written, defaulted)| strip("", Some(written), defaulted, mutated))
                    .unwrap_or_else(|| mutated.clone())
            });
            Some(Value::Array(elements.collect()))
        }
        _ => Some(mutated.clone()),
    }
}

fn strip_fields(written: &Fields, defaulted: &Fields, mutated: &Fields) -> Fields {
    let mut left = Fields::new();
    let added = mutated.keys().filter(|name| !written.contains_key(*name));
    for name in written.keys().chain(added) {
        let own = written.get(name);
        let value = match (defaulted.get(name), mutated.get(name)) {
            (Some(defaulted), Some(mutated)) => strip(name, own, defaulted, mutated),
            (None, None) => own.cloned(),
            (None, Some(mutated)) => Some(mutated.clone()),
            (Some(_), None) => None,
        };
        if let Some(value) = value {
            left.insert(name.clone(), value);
        }
    }
    left
}

/// Writes into `result`, whose defaults make it `has`, what is missing for its defaults to make it `wants`.
fn write_out(result: &mut Value, has: &Value, wants: &Value) {
    if has == wants {
        return;
    }
    match (result, has, wants) {
        (Value::Object(result), Value::Object(has), Value::Object(wants)) => {
            for (name, wants) in wants {
                match (result.get_mut(name), has.get(name)) {
                    (_, Some(has)) if has == wants => {}
                    (Some(result), Some(has)) if !result.is_null() => write_out(result, has, wants),
                    _ => {
                        result.insert(name.clone(), wants.clone());
                    }
                }
            }
        }
        (Value::Array(result), Value::Array(has), Value::Array(wants))
            if result.len() == has.len() && has.len() == wants.len() =>
        {
            for ((result, has), wants) in result.iter_mut().zip(has).zip(wants) {
                write_out(result, has, wants);
            }
        }
        (result, _, wants) => *result = wants.clone(),
    }
}
