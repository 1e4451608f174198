//! What can be said of a validation entry before anything is judged by it.

use sallyport_policy::{Diagnostics, FieldPath, check_label_key};

use super::Conditions;
use crate::cel::Expression;
use crate::resources::ValidateEntry;

/// Finds what is wrong with an entry.
pub(super) fn check(entry: &ValidateEntry, path: &FieldPath, found: &mut Diagnostics) {
    Conditions::compile(&entry.labels, entry.when.as_deref(), path, found);
    let given = [
        ("podSecurity", entry.pod_security.is_some()),
        ("images", entry.images.is_some()),
        ("metadata", entry.metadata.is_some()),
        ("probes", entry.probes.is_some()),
        ("resources", entry.resources.is_some()),
        ("secretsInEnv", entry.secrets_in_env.is_some()),
        ("serviceAccount", entry.service_account.is_some()),
        ("spread", entry.spread.is_some()),
        ("cel", entry.cel.is_some()),
        ("requireTraffic", entry.require_traffic.is_some()),
    ];
    let names: Vec<&str> = given.iter().filter(|(_, given)| *given).map(|(name, _)| *name).collect();
    if names.len() != 1 {
        let given =
            if names.is_empty() { "has none".to_owned() } else { format!("has {}", names.join(" and ")) };
        found.error(
            path.clone(),
            format!("an entry has exactly one rule, such as podSecurity; this one {given}"),
        );
    }
    if let Some(rule) = &entry.cel {
        let at = path.field("cel");
        if let Err(error) = Expression::compile(&rule.expression) {
            found.error(at.field("expression"), error.to_string());
        }
        if let Some(message) = &rule.message_expression
            && let Err(error) = Expression::compile_message(message)
        {
            found.error(at.field("messageExpression"), error.to_string());
        }
        if rule.message.is_some() && rule.message_expression.is_some() {
            found.error(at.field("messageExpression"), "give message or messageExpression, not both");
        }
    }
    if let Some(version) = entry.pod_security.as_ref().and_then(|rule| rule.version.as_ref())
        && version != "latest"
        && version.strip_prefix("v1.").is_none_or(|minor| minor.parse::<u16>().is_err())
    {
        found.error(
            path.field("podSecurity").field("version"),
            format!("found `{version}`; expected latest or v1.N"),
        );
    }
    if let Some(rule) = &entry.metadata {
        let lists =
            [("requiredLabels", &rule.required_labels), ("requiredAnnotations", &rule.required_annotations)];
        for (field, keys) in lists {
            for (i, key) in keys.iter().enumerate() {
                if let Err(wrong) = check_label_key(key) {
                    found.error(path.field("metadata").field(field).index(i), wrong.to_string());
                }
            }
        }
    }
    if let Some(rule) = &entry.resources {
        for (resource, min) in &rule.min {
            if let Some(max) = rule.max.get(resource)
                && min > max
            {
                let at = path.field("resources").field("min").key(resource);
                found.error(at, format!("the least, {min}, is above the most, {max}"));
            }
        }
    }
}
