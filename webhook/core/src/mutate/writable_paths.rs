//! Makes paths writable under a read-only root file system, by mounting emptyDir volumes there.
//!
//! Volume and mount come together or not at all. A path that is mounted already, or lies below a writable mount, is
//! left alone.

use std::borrow::Cow;

use sallyport_policy::{Diagnostics, FieldPath};
use serde_json::{Value, json};

use super::log::Log;
use super::transformation::{Heeds, Subject, Terms, Transformation, for_each_selected};
use crate::object::{Fields, Os, get_list, get_str, list_entry, name_of, named_element};
use crate::resources::{ContainerType, WritablePath};

/// Paths, each with the volume that makes it writable.
#[derive(Debug)]
pub(crate) struct WritablePaths(Vec<Writable>);

#[derive(Debug)]
struct Writable {
    path: String,
    volume: String,
    /// Whether all containers see the same files.
    shared: bool,
    empty_dir: Value,
}

impl WritablePaths {
    pub(crate) fn compile(paths: &[WritablePath], path: &FieldPath, found: &mut Diagnostics) -> Self {
        let mut compiled: Vec<Writable> = Vec::with_capacity(paths.len());
        for (i, wanted) in paths.iter().enumerate() {
            let at = path.index(i);
            let normal = normalize(&wanted.path).into_owned();
            let climbs = wanted.path.split('/').any(|part| part == "..");
            if !wanted.path.starts_with('/') || (normal == "/" && !climbs) || wanted.path.contains(':') {
                found.error(
                    at.field("path"),
                    format!("found `{}`; expected an absolute path below /, without a colon", wanted.path),
                );
            } else if climbs {
                found.error(
                    at.field("path"),
                    format!("found `{}`; expected a path without `..`", wanted.path),
                );
            }
            if compiled.iter().any(|other| other.path == normal) {
                found.error(at.field("path"), format!("`{normal}` is given twice"));
            }
            if let Some(name) = &wanted.volume
                && let Err(wrong) = sallyport_policy::check_dns_label(name)
            {
                found.error(at.field("volume"), wrong.to_string());
            }
            let mut empty_dir = Fields::new();
            if let Some(limit) = &wanted.size_limit {
                empty_dir.insert("sizeLimit".to_owned(), json!(limit.to_string()));
            }
            if let Some(medium) = wanted.medium {
                empty_dir.insert("medium".to_owned(), json!(medium));
            }
            compiled.push(Writable {
                volume: wanted.volume.clone().unwrap_or_else(|| volume_name(&normal)),
                shared: wanted.volume.is_some(),
                path: normal,
                empty_dir: Value::Object(empty_dir),
            });
        }
        Self(compiled)
    }
}

/// The path without a slash at its end and without empty, `.` or `..` parts.
fn normalize(path: &str) -> Cow<'_, str> {
    if path.starts_with('/')
        && path.len() > 1
        && !path.ends_with('/')
        && !path.contains("//")
        && !path.contains("/.")
    {
        return Cow::Borrowed(path);
    }
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/').filter(|part| !part.is_empty() && *part != ".") {
        if part == ".." {
            parts.pop();
        } else {
            parts.push(part);
        }
    }
    Cow::Owned(format!("/{}", parts.join("/")))
}

/// A volume name (RFC 1123 label) for a path: `/var/log/app` becomes `writable-var-log-app`. What does not fit in 63
/// characters, or has other characters than letters and digits, gets a hash, so that no two paths share a name.
fn volume_name(path: &str) -> String {
    let plain: String = path
        .trim_start_matches('/')
        .chars()
        .map(|c| if c.is_ascii_lowercase() || c.is_ascii_digit() { c } else { '-' })
        .collect();
    let faithful = path.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '/');
    if faithful && plain.len() <= 54 {
        return format!("writable-{plain}");
    }
    let start: String = plain.trim_matches('-').chars().take(37).collect();
    format!("writable-{}-{:016x}", start.trim_matches('-'), fnv1a(path.as_bytes())).replace("--", "-")
}

/// FNV-1a, 64 bits: names need to be spread, not secret, and the same in every build.
fn fnv1a(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

impl Transformation for WritablePaths {
    fn heeds(&self) -> Heeds {
        Heeds { containers: true, strategy: false }
    }

    fn apply(&self, terms: &Terms, subject: &mut Subject<'_>, log: &mut Log) {
        // Ephemeral containers can't bring volumes: they are reached on a subresource that takes nothing else.
        let Some(mut pod) = subject.whole_pod(log) else { return };
        if pod.read().is_some_and(|pod| pod.os() == Os::Windows) {
            return log.skip("spec.volumes", "the pod is for Windows");
        }
        for writable in &self.0 {
            let Some(now) = pod.read() else { return };
            let existing = named_element(get_list(now.spec(), &["volumes"]), &writable.volume);
            let device = now.containers().any(|(_, c)| has_device(c, &writable.volume));
            let unfit =
                device.then(|| "the pod has a volume of this name that is used as a device".to_owned());
            let unfit = unfit.or_else(|| objection(existing?, writable));
            if let Some(reason) = unfit {
                log.skip(format_args!("spec.volumes[{}]", writable.volume), reason);
                continue;
            }
            let volume_is_there = existing.is_some();
            let read_only: Vec<String> = get_list(now.spec(), &["volumes"])
                .iter()
                .filter(|volume| read_only_source(volume).is_some())
                .map(|volume| name_of(volume).to_owned())
                .collect();
            let mut mounted = false;
            for_each_selected(&mut pod, terms, |container| {
                if container.kind == ContainerType::Ephemeral {
                    return;
                }
                match cover(container.fields, &writable.path, &read_only) {
                    Cover::Writable => {}
                    Cover::ReadOnly(parent) => log.skip(
                        format_args!("{}.volumeMounts[{}]", container.path, writable.path),
                        format!("it lies in the read-only mount {parent}"),
                    ),
                    Cover::None => {
                        let mut mount = json!({"name": writable.volume, "mountPath": writable.path});
                        if !writable.shared
                            && let Some(mount) = mount.as_object_mut()
                        {
                            mount.insert("subPath".to_owned(), json!(container.path.name));
                        }
                        let Some(mounts) = list_entry(container.fields, "volumeMounts") else { return };
                        mounts.push(mount.clone());
                        let path =
                            format_args!("{}.volumeMounts[{}]", container.path, writable.path).to_string();
                        log.change(path, None, Some(mount));
                        mounted = true;
                    }
                }
            });
            // A shared volume is there for others to mount, so it is added even if every container had its own.
            if (mounted || writable.shared) && !volume_is_there {
                let Some(volumes) = pod.spec().and_then(|spec| list_entry(spec, "volumes")) else { return };
                let volume = json!({"name": writable.volume, "emptyDir": writable.empty_dir});
                volumes.push(volume.clone());
                log.change(format_args!("spec.volumes[{}]", writable.volume), None, Some(volume));
            }
        }
    }

    fn sets(&self) -> Vec<(String, Value)> {
        self.0.iter().map(|w| (format!("container.volumeMounts[{}]", w.path), w.empty_dir.clone())).collect()
    }
}

/// Why a volume that is there already can't be the one.
fn objection(volume: &Value, wanted: &Writable) -> Option<String> {
    let fields = volume.as_object()?;
    if wanted.shared {
        let source = read_only_source(volume)?;
        Some(format!("the pod has a volume of this name that can't be written to: {source}"))
    } else if fields.contains_key("emptyDir") {
        None
    } else {
        Some("the pod has another volume of this name".to_owned())
    }
}

/// The volume's source, if nothing can be written to it: by its nature, or by its own word.
fn read_only_source(volume: &Value) -> Option<&str> {
    const READ_ONLY: [&str; 5] = ["configMap", "secret", "downwardAPI", "projected", "image"];
    let mut sources =
        volume.as_object()?.iter().filter(|(field, source)| *field != "name" && !source.is_null());
    let (source, _) = sources.find(|(field, source)| {
        READ_ONLY.contains(&field.as_str()) || source.get("readOnly").and_then(Value::as_bool) == Some(true)
    })?;
    Some(source)
}

/// Whether a container uses the volume as a device; nothing can be mounted of such a volume.
fn has_device(container: &Fields, volume: &str) -> bool {
    named_element(get_list(container, &["volumeDevices"]), volume).is_some()
}

enum Cover {
    None,
    Writable,
    ReadOnly(String),
}

/// What is mounted at `path` or above it in this container: the deepest mount decides. A mount at the very path is
/// the author's choice, writable or not, and so is a device. `read_only` are the volumes that are so themselves.
fn cover(container: &Fields, path: &str, read_only: &[String]) -> Cover {
    let devices = get_list(container, &["volumeDevices"]);
    let device_paths = devices.iter().filter_map(|device| device.get("devicePath")?.as_str());
    if device_paths.map(normalize).any(|device| device == path) {
        return Cover::Writable;
    }
    let mounts = get_list(container, &["volumeMounts"]);
    let deepest = mounts
        .iter()
        .filter_map(|mount| Some((normalize(mount.get("mountPath")?.as_str()?), mount)))
        .filter(|(at, _)| {
            at == path
                || at == "/"
                || path.strip_prefix(at.as_ref()).is_some_and(|rest| rest.starts_with('/'))
        })
        .max_by_key(|(at, _)| at.len());
    match deepest {
        None => Cover::None,
        Some((at, _)) if at == path => Cover::Writable,
        Some((at, mount))
            if mount.get("readOnly").and_then(Value::as_bool) == Some(true)
                || read_only.iter().any(|volume| volume == name_of(mount)) =>
        {
            Cover::ReadOnly(at.into_owned())
        }
        Some(_) => Cover::Writable,
    }
}

/// The names of the volumes that a container mounts.
pub(super) fn mounted_volumes(container: &Fields) -> impl Iterator<Item = &str> {
    get_list(container, &["volumeMounts"]).iter().map(name_of).chain(
        get_list(container, &["volumeDevices"])
            .iter()
            .filter_map(|device| get_str(device.as_object()?, &["name"])),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn volume_names_are_labels_and_differ() {
        assert_eq!(volume_name("/tmp"), "writable-tmp");
        assert_eq!(volume_name("/var/log/app"), "writable-var-log-app");
        let odd = [
            "/var/Log",
            "/var/log_",
            "/var-log",
            "/var/log",
            "/Ä",
            "/a/.b",
            &format!("/{}", "x".repeat(200)),
        ];
        let names: Vec<String> = odd.iter().map(|path| volume_name(path)).collect();
        for (i, name) in names.iter().enumerate() {
            assert_eq!(sallyport_policy::check_dns_label(name), Ok(()), "{name}");
            assert!(!names.get(..i).unwrap_or_default().contains(name), "{name}");
        }
    }

    #[test]
    fn the_deepest_mount_decides() {
        let container = json!({"volumeMounts": [
            {"name": "a", "mountPath": "/data/"},
            {"name": "b", "mountPath": "/data/conf", "readOnly": true},
        ]});
        let container = container.as_object().unwrap();
        assert!(matches!(cover(container, "/data", &[]), Cover::Writable));
        assert!(matches!(cover(container, "/data/x", &[]), Cover::Writable));
        assert!(matches!(cover(container, "/data/conf/x", &[]), Cover::ReadOnly(at) if at == "/data/conf"));
        assert!(matches!(cover(container, "/database", &[]), Cover::None));
    }
}
