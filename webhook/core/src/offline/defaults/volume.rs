//! The defaults of a volume.

use serde_json::{Value, json};

use super::{canonical_quantity, for_each, image_pull_policy, object, resource_list, set_missing, set_zero};
use crate::object::{Fields, get_str, object_entry};

/// 0644, in decimal as JSON has it.
const DEFAULT_MODE: i32 = 0o644;

/// What a volume gets; without a source it is an emptyDir.
pub(super) fn apply(volume: &mut Fields) {
    let has_source = volume.iter().any(|(field, value)| field != "name" && !value.is_null());
    if !has_source {
        volume.insert("emptyDir".to_owned(), json!({}));
    }
    for name in ["secret", "configMap", "downwardAPI", "projected"] {
        if let Some(source) = object(volume, name) {
            set_missing(source, "defaultMode", DEFAULT_MODE);
        }
    }
    let Some((name, source)) = source(volume) else { return };
    match name.as_str() {
        "emptyDir" => canonical_quantity::write(source, "sizeLimit"),
        "hostPath" => set_missing(source, "type", ""),
        "downwardAPI" => for_each(source, "items", field_refs),
        "projected" => for_each(source, "sources", projection),
        "image" => {
            let policy = image_pull_policy::of(get_str(source, &["reference"]).unwrap_or_default());
            set_zero(source, "pullPolicy", policy);
        }
        "ephemeral" => {
            if let Some(template) = object(source, "volumeClaimTemplate") {
                object_entry(template, "metadata");
                if let Some(spec) = object_entry(template, "spec") {
                    claim_spec(spec);
                }
            }
        }
        "iscsi" => set_zero(source, "iscsiInterface", "default"),
        "rbd" => {
            set_zero(source, "pool", "rbd");
            set_zero(source, "user", "admin");
            set_zero(source, "keyring", "/etc/ceph/keyring");
        }
        "azureDisk" => {
            set_missing(source, "cachingMode", "ReadWrite");
            set_missing(source, "fsType", "ext4");
            set_missing(source, "readOnly", false);
            set_missing(source, "kind", "Shared");
        }
        "scaleIO" => {
            set_zero(source, "storageMode", "ThinProvisioned");
            set_zero(source, "fsType", "xfs");
        }
        _ => {}
    }
}

/// The volume's source: a valid volume has one.
fn source(volume: &mut Fields) -> Option<(&String, &mut Fields)> {
    volume.iter_mut().find_map(|(name, source)| Some((name, source.as_object_mut()?)))
}

fn projection(projection: &mut Fields) {
    if let Some(downward) = object(projection, "downwardAPI") {
        for_each(downward, "items", field_refs);
    }
    if let Some(token) = object(projection, "serviceAccountToken") {
        set_missing(token, "expirationSeconds", 3600);
    }
}

/// What the `fieldRef` and `resourceFieldRef` of a variable or file get.
pub(super) fn field_refs(source: &mut Fields) {
    if let Some(field) = object(source, "fieldRef") {
        set_zero(field, "apiVersion", "v1");
    }
    if let Some(resource) = object(source, "resourceFieldRef") {
        // No pointer: the conversion to JSON writes the zero.
        set_missing(resource, "divisor", "0");
        canonical_quantity::write(resource, "divisor");
    }
}

/// What the spec of a PersistentVolumeClaim gets.
pub(super) fn claim_spec(spec: &mut Fields) {
    set_missing(spec, "volumeMode", Value::from("Filesystem"));
    if let Some(resources) = object_entry(spec, "resources") {
        resource_list::apply(resources, "limits");
        resource_list::apply(resources, "requests");
    }
}
