//! Adds environment variables to containers, after their own.

use std::collections::HashSet;

use sallyport_policy::{Diagnostics, FieldPath};
use serde_json::Value;

use super::log::Log;
use super::transformation::{Heeds, Subject, Terms, Transformation, for_each_selected};
use crate::object::{holds, list_entry, name_of};
use crate::resources::{Embedded, Strategy};

/// Environment variables (core/v1 EnvVar), each with a name.
#[derive(Debug)]
pub(crate) struct EnvFill(Vec<(String, Value)>);

impl EnvFill {
    pub(crate) fn compile(env: &[Embedded], path: &FieldPath, found: &mut Diagnostics) -> Self {
        let mut variables: Vec<(String, Value)> = Vec::with_capacity(env.len());
        for (i, Embedded(fields)) in env.iter().enumerate() {
            let at = path.index(i);
            let name = fields.get("name").and_then(Value::as_str).unwrap_or_default();
            if name.is_empty() || name.contains('=') {
                found.error(
                    at.field("name"),
                    format!("found `{name}`; expected a variable's name, without `=`"),
                );
            }
            if variables.iter().any(|(other, _)| other == name) {
                found.error(at.field("name"), format!("`{name}` is given twice"));
            }
            match (fields.get("value"), fields.get("valueFrom")) {
                (Some(value), None) if !value.is_string() => {
                    found.error(
                        at.field("value"),
                        format!("found {value}; expected text, so put it in quotes: \"{value}\""),
                    );
                }
                (Some(_), Some(_)) => found.error(at.clone(), "give value or valueFrom, not both"),
                (None, Some(from)) if from.as_object().is_none_or(|from| from.len() != 1) => {
                    found.error(at.field("valueFrom"), "expected exactly one source, such as secretKeyRef");
                }
                _ => {}
            }
            for key in fields.keys().filter(|key| !["name", "value", "valueFrom"].contains(&key.as_str())) {
                found.error(at.field(key.clone()), "unknown field; expected name, value, valueFrom");
            }
            variables.push((name.to_owned(), Value::Object(fields.clone())));
        }
        Self(variables)
    }
}

impl Transformation for EnvFill {
    fn heeds(&self) -> Heeds {
        Heeds::BOTH
    }

    fn apply(&self, terms: &Terms, subject: &mut Subject<'_>, log: &mut Log) {
        let Some(mut pod) = subject.pod(log) else { return };
        for_each_selected(&mut pod, terms, |container| {
            let own = container.fields.get("env").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
            // A set pays only for long lists: real ones have some dozen entries at most.
            let names: HashSet<&str> = own.iter().map(name_of).collect();
            let (present, missing): (Vec<_>, Vec<_>) =
                self.0.iter().partition(|(name, _)| names.contains(name.as_str()));
            let path = &container.path;
            if !missing.is_empty() {
                let Some(list) = list_entry(container.fields, "env") else { return };
                for (name, variable) in missing {
                    list.push(variable.clone());
                    log.change(format_args!("{path}.env[{name}]"), None, Some(variable.clone()));
                }
            }
            if terms.strategy == Strategy::Override {
                for (name, variable) in present {
                    let Some(list) = container.fields.get_mut("env").and_then(Value::as_array_mut) else {
                        return;
                    };
                    for element in
                        list.iter_mut().filter(|e| name_of(e) == name.as_str() && !same(e, variable))
                    {
                        let before = std::mem::replace(element, variable.clone());
                        log.change(format_args!("{path}.env[{name}]"), Some(before), Some(variable.clone()));
                    }
                }
            }
        });
    }

    fn sets(&self) -> Vec<(String, Value)> {
        self.0.iter().map(|(name, value)| (format!("container.env[{name}]"), value.clone())).collect()
    }
}

/// Whether two variables of one name are the same; the API server fills in the version of a fieldRef.
fn same(own: &Value, wanted: &Value) -> bool {
    own.get("value") == wanted.get("value")
        && match (own.get("valueFrom"), wanted.get("valueFrom")) {
            (Some(own), Some(wanted)) => holds(own, wanted),
            (own, wanted) => own == wanted,
        }
}
