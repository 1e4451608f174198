//! Sets a container's fields on one that is there already.

use serde_json::Value;

use super::log::Log;
use crate::object::{Fields, element, get_list, holds, list_entry, name_of};

/// Sets the policy's fields on the container that is there; what others added to its lists stays.
pub(super) fn override_container(existing: &mut Fields, wanted: &Fields, path: &str, log: &mut Log) {
    for (field, value) in wanted {
        if !["env", "ports", "volumeMounts"].contains(&field.as_str()) {
            if !existing.get(field).is_some_and(|own| holds(own, value)) {
                log.set(existing, &[field], value, path);
            }
            continue;
        }
        for element in value.as_array().into_iter().flatten() {
            let Some(key) = element::name(field, element) else { continue };
            if field == "volumeMounts" && meets_device(existing, element) {
                log.skip(format_args!("{path}.{field}[{key}]"), "the container has a device there");
                continue;
            }
            let is_same = |own: &Value| element::name(field, own).as_ref() == Some(&key);
            let Some(list) = list_entry(existing, field) else { return };
            if field == "ports" && !name_of(element).is_empty() {
                // Names of ports are unique too: one that the policy gives to this port goes from another.
                let named = |own: &Value| name_of(own) == name_of(element) && !is_same(own);
                for other in list.extract_if(.., |own| named(own)) {
                    let key = element::name(field, &other).unwrap_or_default().into_owned();
                    log.change(format_args!("{path}.{field}[{key}]"), Some(other), None);
                }
            }
            let before = match list.iter_mut().find(|own| is_same(own)) {
                Some(own) if holds(own, element) => continue,
                Some(own) => Some(std::mem::replace(own, element.clone())),
                None => {
                    list.push(element.clone());
                    None
                }
            };
            log.change(format_args!("{path}.{field}[{key}]"), before, Some(element.clone()));
        }
    }
}

/// Whether the container has a device of the mount's volume, or at its path; one can't stand beside the other.
fn meets_device(container: &Fields, mount: &Value) -> bool {
    get_list(container, &["volumeDevices"])
        .iter()
        .any(|device| name_of(device) == name_of(mount) || device.get("devicePath") == mount.get("mountPath"))
}
