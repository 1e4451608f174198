//! The RFC 6902 patch that turns one object into another.
//!
//! Elements of lists are aligned by their names from both ends, so that a container put before others is one `add`
//! and not a rewriting of all that follow it.

use json_patch::jsonptr::{PointerBuf, Token};
use json_patch::{AddOperation, Patch, PatchOperation, RemoveOperation, ReplaceOperation};
use serde_json::{Map, Value};

/// The patch that turns `before` into `after`; empty where they are equal.
#[must_use]
pub fn difference(before: &Value, after: &Value) -> Patch {
    let mut builder = Builder { at: Vec::new(), operations: Vec::new() };
    builder.value(before, after);
    Patch(builder.operations)
}

/// A step of a pointer. Pointers are made only where there is an operation.
#[derive(Clone, Copy)]
enum Step<'v> {
    Key(&'v str),
    Index(usize),
}

struct Builder<'v> {
    at: Vec<Step<'v>>,
    operations: Vec<PatchOperation>,
}

impl<'v> Builder<'v> {
    fn value(&mut self, before: &'v Value, after: &'v Value) {
        match (before, after) {
            (Value::Object(before), Value::Object(after)) => self.object(before, after),
            (Value::Array(before), Value::Array(after)) => self.list(before, after),
            _ if before == after => {}
            _ => {
                let path = self.pointer();
                self.operations
                    .push(PatchOperation::Replace(ReplaceOperation { path, value: after.clone() }));
            }
        }
    }

    fn object(&mut self, before: &'v Map<String, Value>, after: &'v Map<String, Value>) {
        for key in before.keys().filter(|key| !after.contains_key(*key)) {
            self.within(Step::Key(key), Self::remove);
        }
        for (key, value) in after {
            self.within(Step::Key(key), |builder| match before.get(key) {
                Some(before) => builder.value(before, value),
                None => builder.add(value),
            });
        }
    }

    fn list(&mut self, before: &'v [Value], after: &'v [Value]) {
        let start = before.iter().zip(after).take_while(|(before, after)| alike(before, after)).count();
        let (rest, rest_after) = (before.iter().skip(start), after.iter().skip(start));
        let end = rest.rev().zip(rest_after.rev()).take_while(|(before, after)| alike(before, after)).count();
        // What is at neither end in both is replaced in place as far as it goes; the others come or go behind it.
        let replaced = before.len().min(after.len()) - end;
        for (index, (before, after)) in before.iter().zip(after).enumerate().take(replaced) {
            self.within(Step::Index(index), |builder| builder.value(before, after));
        }
        for _ in replaced..before.len() - end {
            self.within(Step::Index(replaced), Self::remove);
        }
        for (index, value) in after.iter().enumerate().take(after.len() - end).skip(replaced) {
            self.within(Step::Index(index), |builder| builder.add(value));
        }
        let ends =
            before.iter().skip(before.len() - end).zip(after.iter().enumerate().skip(after.len() - end));
        for (before, (index, after)) in ends {
            self.within(Step::Index(index), |builder| builder.value(before, after));
        }
    }

    fn within(&mut self, step: Step<'v>, act: impl FnOnce(&mut Self)) {
        self.at.push(step);
        act(self);
        self.at.pop();
    }

    fn add(&mut self, value: &Value) {
        let path = self.pointer();
        self.operations.push(PatchOperation::Add(AddOperation { path, value: value.clone() }));
    }

    fn remove(&mut self) {
        let path = self.pointer();
        self.operations.push(PatchOperation::Remove(RemoveOperation { path }));
    }

    fn pointer(&self) -> PointerBuf {
        PointerBuf::from_tokens(self.at.iter().map(|step| match step {
            Step::Key(key) => Token::new(*key),
            Step::Index(index) => Token::from(*index),
        }))
    }
}

/// Whether two elements are the same one, if perhaps changed: by name where they have one.
fn alike(before: &Value, after: &Value) -> bool {
    match (before.get("name"), after.get("name")) {
        (Some(before), Some(after)) => before == after,
        _ => before == after,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[track_caller]
    fn check(before: &Value, after: &Value, patch: &Value) {
        let difference = difference(before, after);
        assert_eq!(&serde_json::to_value(&difference).unwrap(), patch);
        let mut patched = before.clone();
        json_patch::patch(&mut patched, &difference).unwrap();
        assert_eq!(&patched, after);
    }

    #[test]
    fn fields_come_change_and_go() {
        check(
            &json!({"a/b": 1, "c": {"d~": 2}, "e": 3}),
            &json!({"c": {"d~": 4}, "e": 3, "f": {}}),
            &json!([
                {"op": "remove", "path": "/a~1b"},
                {"op": "replace", "path": "/c/d~0", "value": 4},
                {"op": "add", "path": "/f", "value": {}},
            ]),
        );
    }

    #[test]
    fn an_element_put_before_others_is_one_operation() {
        check(
            &json!([{"name": "a", "x": 1}, {"name": "b"}]),
            &json!([{"name": "new"}, {"name": "a", "x": 2}, {"name": "b"}]),
            &json!([
                {"op": "add", "path": "/0", "value": {"name": "new"}},
                {"op": "replace", "path": "/1/x", "value": 2},
            ]),
        );
    }

    #[test]
    fn elements_are_replaced_and_removed_between_those_that_stay() {
        check(
            &json!(["a", "b", "c", "d"]),
            &json!(["a", "x", "d"]),
            &json!([{"op": "replace", "path": "/1", "value": "x"}, {"op": "remove", "path": "/2"}]),
        );
        check(&json!(["a", "a"]), &json!(["a"]), &json!([{"op": "remove", "path": "/1"}]));
        check(
            &json!(["a"]),
            &json!(["a", "a", "b"]),
            &json!([
                {"op": "add", "path": "/1", "value": "a"},
                {"op": "add", "path": "/2", "value": "b"},
            ]),
        );
        check(&json!([1]), &json!({"a": 1}), &json!([{"op": "replace", "path": "", "value": {"a": 1}}]));
    }
}
