//! The keys that the proxy is given to check tokens with.
//!
//! Whoever could give it another key would sign the tokens himself. So each must come from the Secret that its variable is
//! named after.

use sallyport_policy::{SECRET_VARIABLE_PREFIX, secret_variable};
use serde_json::Value;

use super::super::Report;
use super::super::shape::ElementAt;
use crate::object::{Container, get, get_list, get_str, name_of};

/// Reports each variable that holds another key than the pod's namespace has under that name.
pub(super) fn judge(container: &Container<'_>, namespace: &str, report: &mut Report) {
    let keys = get_list(container.fields, &["env"]).iter();
    for variable in keys.filter(|variable| name_of(variable).starts_with(SECRET_VARIABLE_PREFIX)) {
        if !is_named_after_its_key(variable, namespace) {
            let at = format!("{}.env", container.path);
            let message = format!(
                "found a key from elsewhere; wanted that of the Secret of namespace {namespace} after which the variable \
                 is named"
            );
            report.violation(ElementAt(&at, &name_of(variable)), message);
        }
    }
}

fn is_named_after_its_key(variable: &Value, namespace: &str) -> bool {
    let Some(fields) = variable.as_object() else { return false };
    let reference = |field| get_str(fields, &["valueFrom", "secretKeyRef", field]);
    let (Some(secret), Some(key)) = (reference("name"), reference("key")) else { return false };
    get(fields, &["value"]).is_none() && secret_variable(namespace, secret, key) == name_of(variable)
}
