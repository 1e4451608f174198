//! A strict RFC 6902 applier, written from the RFC's text and sharing nothing with the one that made the patch.

use serde_json::Value;

/// Applies `patch`, a JSON array of operations, or says which could not be.
pub(crate) fn apply(mut document: Value, patch: &Value) -> Result<Value, String> {
    for operation in patch.as_array().ok_or("a patch is an array")? {
        step(&mut document, operation).map_err(|error| format!("{operation}: {error}"))?;
    }
    Ok(document)
}

fn step(document: &mut Value, operation: &Value) -> Result<(), String> {
    let member = |name: &str| operation.get(name).ok_or(format!("it has no {name}"));
    let pointer = |name: &str| member(name)?.as_str().map(str::to_owned).ok_or(format!("{name} is not text"));
    let path = pointer("path")?;
    match member("op")?.as_str() {
        Some("add") => add(document, &path, member("value")?.clone()),
        Some("remove") => remove(document, &path).map(drop),
        Some("replace") => {
            *find(document, &path)? = member("value")?.clone();
            Ok(())
        }
        Some("move") => {
            let from = pointer("from")?;
            if path.starts_with(&format!("{from}/")) {
                return Err("what is moved can't be moved into itself".to_owned());
            }
            let value = remove(document, &from)?;
            add(document, &path, value)
        }
        Some("copy") => {
            let value = find(document, &pointer("from")?)?.clone();
            add(document, &path, value)
        }
        Some("test") => {
            let equal = find(document, &path)? == member("value")?;
            if equal { Ok(()) } else { Err("the test fails".to_owned()) }
        }
        _ => Err("no such operation".to_owned()),
    }
}

/// RFC 6901, section 4: the steps of a pointer. `~1` is resolved before `~0`.
fn steps(pointer: &str) -> Result<Vec<String>, String> {
    if pointer.is_empty() {
        return Ok(Vec::new());
    }
    let rest = pointer.strip_prefix('/').ok_or("a pointer starts with a slash")?;
    Ok(rest.split('/').map(|step| step.replace("~1", "/").replace("~0", "~")).collect())
}

/// RFC 6901, section 4: digits without a leading zero.
fn index(step: &str, end: usize) -> Result<usize, String> {
    let digits = step == "0" || (!step.starts_with('0') && step.bytes().all(|byte| byte.is_ascii_digit()));
    let index: usize = step.parse().map_err(|_| format!("{step} is no index"))?;
    if digits && index < end { Ok(index) } else { Err(format!("{step} is no index of {end} places")) }
}

fn find<'v>(document: &'v mut Value, pointer: &str) -> Result<&'v mut Value, String> {
    let mut at = document;
    for step in steps(pointer)? {
        at = match at {
            Value::Object(fields) => fields.get_mut(&step).ok_or(format!("there is no {step}"))?,
            Value::Array(list) => {
                let index = index(&step, list.len())?;
                &mut list[index]
            }
            _ => return Err(format!("{step} is below a scalar")),
        };
    }
    Ok(at)
}

fn parent<'v>(document: &'v mut Value, pointer: &str) -> Result<(&'v mut Value, String), String> {
    let (parent, _) = pointer.rsplit_once('/').ok_or("the whole document has no parent")?;
    let last = steps(pointer)?.pop().ok_or("the whole document has no parent")?;
    Ok((find(document, parent)?, last))
}

fn add(document: &mut Value, pointer: &str, value: Value) -> Result<(), String> {
    if pointer.is_empty() {
        *document = value;
        return Ok(());
    }
    match parent(document, pointer)? {
        (Value::Object(fields), name) => drop(fields.insert(name, value)),
        (Value::Array(list), step) if step == "-" => list.push(value),
        (Value::Array(list), step) => list.insert(index(&step, list.len() + 1)?, value),
        _ => return Err("nothing can be added to a scalar".to_owned()),
    }
    Ok(())
}

fn remove(document: &mut Value, pointer: &str) -> Result<Value, String> {
    match parent(document, pointer)? {
        (Value::Object(fields), name) => fields.remove(&name).ok_or(format!("there is no {name}")),
        (Value::Array(list), step) => Ok(list.remove(index(&step, list.len())?)),
        _ => Err("nothing can be removed from a scalar".to_owned()),
    }
}

#[test]
fn the_examples_of_the_rfc_hold() {
    use serde_json::json;
    let cases = [
        (
            json!({"foo": "bar"}),
            json!([{"op": "add", "path": "/baz", "value": "qux"}]),
            Some(json!({"baz": "qux", "foo": "bar"})),
        ),
        (
            json!({"foo": ["bar", "baz"]}),
            json!([{"op": "add", "path": "/foo/1", "value": "qux"}]),
            Some(json!({"foo": ["bar", "qux", "baz"]})),
        ),
        (
            json!({"foo": ["bar", "qux", "baz"]}),
            json!([{"op": "remove", "path": "/foo/1"}]),
            Some(json!({"foo": ["bar", "baz"]})),
        ),
        (
            json!({"foo": {"bar": "baz", "waldo": "fred"}, "qux": {"corge": "grault"}}),
            json!([{"op": "move", "from": "/foo/waldo", "path": "/qux/thud"}]),
            Some(json!({"foo": {"bar": "baz"}, "qux": {"corge": "grault", "thud": "fred"}})),
        ),
        (
            json!({"foo": ["all", "grass", "cows", "eat"]}),
            json!([{"op": "move", "from": "/foo/1", "path": "/foo/3"}]),
            Some(json!({"foo": ["all", "cows", "eat", "grass"]})),
        ),
        (json!({"baz": "qux"}), json!([{"op": "test", "path": "/baz", "value": "bar"}]), None),
        (json!({"foo": "bar"}), json!([{"op": "add", "path": "/baz/bat", "value": "qux"}]), None),
        (
            json!({"/": 9, "~1": 10}),
            json!([{"op": "test", "path": "/~01", "value": 10}]),
            Some(json!({"/": 9, "~1": 10})),
        ),
        (
            json!({"foo": ["bar"]}),
            json!([{"op": "add", "path": "/foo/-", "value": ["abc", "def"]}]),
            Some(json!({"foo": ["bar", ["abc", "def"]]})),
        ),
        (json!({"foo": ["a"]}), json!([{"op": "remove", "path": "/foo/01"}]), None),
    ];
    for (document, patch, wanted) in cases {
        assert_eq!(apply(document, &patch).ok(), wanted, "{patch}");
    }
}
