//! Whether everything that was set in an object is still there.

use serde_json::Value;

/// The first path of `before` that is not in `after` as it was. Null counts as unset; lists may have got elements in
/// any place, as long as their own keep their order. `exempt` says of a path whether it need not be kept.
pub(crate) fn lost(
    before: &Value,
    after: &Value,
    path: &str,
    exempt: &dyn Fn(&str, &Value) -> bool,
) -> Option<String> {
    if before.is_null() || exempt(path, before) {
        return None;
    }
    match (before, after) {
        (Value::Object(before), Value::Object(after)) => before.iter().find_map(|(key, value)| {
            lost(value, after.get(key).unwrap_or(&Value::Null), &format!("{path}.{key}"), exempt)
        }),
        (Value::Array(before), Value::Array(after)) => {
            let mut rest = after.iter();
            before.iter().enumerate().find_map(|(index, element)| {
                let path = format!("{path}[{index}]");
                let kept = exempt(&path, element)
                    || rest.any(|after| {
                        same_name(element, after) && lost(element, after, &path, exempt).is_none()
                    });
                (!kept).then_some(path)
            })
        }
        _ => (before != after).then(|| path.to_owned()),
    }
}

fn same_name(before: &Value, after: &Value) -> bool {
    before.get("name") == after.get("name")
}
