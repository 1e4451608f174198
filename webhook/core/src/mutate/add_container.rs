//! Adds sidecars and init containers, with the volumes that they mount.
//!
//! A container or volume of that name in the pod may be its author's. The policy's own are told from them by what runs,
//! and from where: so a second call stays quiet, and nobody keeps a sidecar out, or feeds it, without a trace.

use sallyport_policy::{Diagnostic, Diagnostics, FieldPath, check_dns_label, nearest};
use serde_json::{Value, json};

use super::log::Log;
use super::node_ports;
use super::override_container::override_container;
use super::security_context::foreign_to;
use super::transformation::{BroughtImage, Phase, Subject, Terms, Transformation};
use crate::object::{
    ContainerList, Fields, Pod, container_type, get, get_list, get_object, get_str, holds, is_mesh_container,
    list_entry, name_of, named_element,
};
use crate::resources::{ContainerType, Embedded, InitContainer, Position, Sidecar, SidecarType, Strategy};
use crate::validate::ImageReference;

/// A container and where it goes.
#[derive(Debug)]
pub(crate) struct AddContainer {
    name: String,
    list: ContainerList,
    position: Position,
    container: Value,
    volumes: Vec<Value>,
}

impl AddContainer {
    pub(crate) fn sidecar(sidecar: &Sidecar, path: &FieldPath, found: &mut Diagnostics) -> Self {
        let mut container = sidecar.container.0.clone();
        let list = match sidecar.r#type {
            SidecarType::Native => {
                if let Some(other) =
                    container.get("restartPolicy").filter(|policy| *policy != &json!("Always"))
                {
                    let at = path.field("container").field("restartPolicy");
                    found.error(at, format!("found {other}; a native sidecar has Always"));
                }
                container.insert("restartPolicy".to_owned(), json!("Always"));
                ContainerList::Init
            }
            SidecarType::Classic => {
                if sidecar.position != Position::Last {
                    found.error(
                        path.field("position"),
                        "a classic sidecar has no position; it goes with type Native",
                    );
                }
                if container.contains_key("restartPolicy") {
                    let at = path.field("container").field("restartPolicy");
                    found.error(at, "a classic sidecar has none; it goes with type Native");
                }
                ContainerList::Containers
            }
        };
        Self::compile(container, &sidecar.volumes, list, sidecar.position.clone(), path, found)
    }

    pub(crate) fn init(init: &InitContainer, path: &FieldPath, found: &mut Diagnostics) -> Self {
        let container = init.container.0.clone();
        let at = path.field("container");
        if container.contains_key("restartPolicy") {
            found.error(
                at.field("restartPolicy"),
                "an init container has none; for a native sidecar use `sidecar`",
            );
        }
        for field in ["startupProbe", "livenessProbe", "readinessProbe", "lifecycle"] {
            if container.contains_key(field) {
                found.error(at.field(field), "an init container can't have it");
            }
        }
        Self::compile(container, &init.volumes, ContainerList::Init, init.position.clone(), path, found)
    }

    fn compile(
        container: Fields,
        volumes: &[Embedded],
        list: ContainerList,
        position: Position,
        path: &FieldPath,
        found: &mut Diagnostics,
    ) -> Self {
        let at = path.field("container");
        let name = container.get("name").and_then(Value::as_str).unwrap_or_default().to_owned();
        if let Err(wrong) = check_dns_label(&name) {
            found.error(at.field("name"), wrong.to_string());
        }
        if is_mesh_container(&name) {
            found.error(at.field("name"), format!("`{name}` is the service mesh's own container"));
        }
        match container.get("image").and_then(Value::as_str).filter(|image| !image.is_empty()) {
            None => found.error(at.field("image"), "expected the container's image"),
            Some(image) => {
                if let Err(why) = ImageReference::parse(image) {
                    found.error(at.field("image"), format!("not an image reference: {why}"));
                }
            }
        }
        for field in container.keys().filter(|field| !CONTAINER_FIELDS.contains(&field.as_str())) {
            let mut unknown = Diagnostic::warning(
                at.field(field.clone()),
                "Kubernetes 1.36 knows no such field of a container",
            );
            unknown.help = nearest(field, CONTAINER_FIELDS).map(|meant| format!("did you mean {meant}?"));
            found.push(unknown);
        }
        for (i, Embedded(volume)) in volumes.iter().enumerate() {
            let named = volume.get("name").and_then(Value::as_str).unwrap_or_default();
            if let Err(wrong) = check_dns_label(named) {
                found.error(path.field("volumes").index(i).field("name"), wrong.to_string());
            }
            if volumes.iter().take(i).any(|Embedded(other)| other.get("name") == volume.get("name")) {
                let at = path.field("volumes").index(i).field("name");
                found.error(at, format!("another of the volumes is named `{named}`"));
            }
            if volume.len() != 2 {
                found.error(path.field("volumes").index(i), "expected a name and exactly one source");
            }
        }
        let volumes = volumes.iter().map(|volume| Value::Object(volume.0.clone())).collect();
        Self { name, list, position, container: Value::Object(container), volumes }
    }

    /// The container as this pod can have it, or why it can't have it at all.
    ///
    /// What a pod has as a whole (KEP-2837) bounds the sum of its containers, so resources that it has are left to it.
    fn fitted(&self, pod: Pod<'_>, log: &mut Log) -> Result<Value, String> {
        let mut container = self.container.clone();
        if let Some(name) = self.foreign_volume(pod) {
            return Err(format!("the pod has a volume {name} that is not the policy's: its source differs"));
        }
        let ports = self.container.as_object().and_then(|own| node_ports::objection(pod, self.list, own));
        if let Some(reason) = ports {
            return Err(reason);
        }
        if let Some(field) = container.as_object().and_then(|container| foreign_to(pod.os(), container)) {
            let os = get_str(pod.spec(), &["os", "name"]).unwrap_or_default();
            return Err(format!("the pod is for {os}, which knows no securityContext.{field}"));
        }
        if container.as_object().is_some_and(|container| !is_host_process(pod, container))
            && pod.containers().any(|(_, other)| is_host_process(pod, other))
        {
            return Err(
                "the pod's containers are HostProcess containers, which stand with no others".to_owned()
            );
        }
        for part in ["requests", "limits"] {
            let pointer = format!("/resources/{part}");
            let Some(own) = container.pointer_mut(&pointer).and_then(Value::as_object_mut) else { continue };
            own.retain(|resource, _| {
                let of_pod =
                    ["limits", "requests"].map(|part| get(pod.spec(), &["resources", part, resource]));
                let Some(of_pod) = of_pod.into_iter().flatten().next() else { return true };
                let place = format!("spec.{}[{}].resources.{part}.{resource}", self.list.field(), self.name);
                let of_pod = of_pod.as_str().map_or_else(|| of_pod.to_string(), str::to_owned);
                log.skip(place, format!("the pod as a whole has {of_pod}"));
                false
            });
        }
        Ok(container)
    }

    /// In what the pod's container of this name is not the one of the policy; what else is in it, other entries and
    /// other webhooks may have brought.
    fn difference(&self, pod: Pod<'_>) -> Option<String> {
        let (list, own) = pod.containers().find(|(_, c)| get_str(c, &["name"]) == Some(&self.name))?;
        if list != self.list {
            return Some(format!("it stands in {}", list.field()));
        }
        let wanted = self.container.as_object()?;
        fn given<'v>(fields: &'v Fields, field: &str) -> Option<&'v Value> {
            get(fields, &[field]).filter(|value| *value != &json!([]))
        }
        let differs = |field: &&str| given(own, field) != given(wanted, field);
        let field = ["image", "command", "args", "restartPolicy"].into_iter().find(differs);
        field.map(|field| format!("its {field} differs")).or_else(|| {
            let volume = self.foreign_volume(pod)?;
            Some(format!("the source of the volume {volume} differs"))
        })
    }

    /// The first of the policy's volumes of which the pod has another; what is in that, the policy does not know.
    fn foreign_volume(&self, pod: Pod<'_>) -> Option<&str> {
        let is_empty_dir = |volume: &Value| volume.get("emptyDir").is_some_and(Value::is_object);
        let same = |own, wanted| holds(own, wanted) || (is_empty_dir(own) && is_empty_dir(wanted));
        self.volumes.iter().map(|wanted| (name_of(wanted), wanted)).find_map(|(name, wanted)| {
            let own = named_element(get_list(pod.spec(), &["volumes"]), name)?;
            (!same(own, wanted)).then_some(name)
        })
    }

    fn first(list: ContainerList, name: &str) -> String {
        format!("the first of {}: {name}", list.field())
    }

    fn insert(&self, container: Value, spec: &mut Fields, log: &mut Log) {
        let Some(list) = list_entry(spec, self.list.field()) else { return };
        let anchor = |name: &str| list.iter().position(|c| name_of(c) == name);
        let index = match &self.position {
            // After those that earlier entries put first.
            Position::First => {
                list.iter().take_while(|c| log.is_claimed(Self::first(self.list, name_of(c)))).count()
            }
            Position::Last => list.len(),
            Position::Before(name) => anchor(name).unwrap_or(list.len()),
            Position::After(name) => anchor(name).map_or(list.len(), |index| index + 1),
        };
        list.insert(index, container.clone());
        log.change(format_args!("spec.{}[{}]", self.list.field(), self.name), None, Some(container));
    }
}

/// Whether this is, or would be in this pod, a HostProcess container (KEP-1981).
fn is_host_process(pod: Pod<'_>, container: &Fields) -> bool {
    let said = |of: &Fields| get(of, &["securityContext", "windowsOptions", "hostProcess"]).cloned();
    said(container).or_else(|| said(pod.spec())) == Some(json!(true))
}

impl Transformation for AddContainer {
    fn phase(&self) -> Phase {
        Phase::Containers
    }

    fn apply(&self, terms: &Terms, subject: &mut Subject<'_>, log: &mut Log) {
        let Some(mut pod) = subject.whole_pod(log) else { return };
        let Some(now) = pod.read() else { return };
        let existing = now.list_of(&self.name);
        let place = format!("spec.{}[{}]", self.list.field(), self.name);
        if existing.is_some() && terms.strategy == Strategy::Default {
            match self.difference(now) {
                None if self.position == Position::First => {
                    log.claim(Self::first(self.list, &self.name));
                }
                None => {}
                Some(difference) => {
                    let whose = "the pod has a container of this name that is not the policy's";
                    log.skip(place, format!("{whose}: {difference}"));
                }
            }
            return;
        }
        if let Some(list) = existing.filter(|list| *list != self.list) {
            return log.skip(place, format!("it stands in {}", list.field()));
        }
        let container = match self.fitted(now, log) {
            Ok(container) => container,
            Err(reason) => return log.skip(place, reason),
        };
        let Some(spec) = pod.spec() else { return };
        if existing.is_none() {
            self.insert(container, spec, log);
        } else {
            let containers = spec.get_mut(self.list.field()).and_then(Value::as_array_mut);
            let own = containers.into_iter().flatten().find(|c| name_of(c) == self.name);
            if let (Some(own), Some(wanted)) = (own.and_then(Value::as_object_mut), container.as_object()) {
                override_container(own, wanted, &place, log);
            }
        }
        if self.position == Position::First {
            log.claim(Self::first(self.list, &self.name));
        }
        for volume in &self.volumes {
            let name = name_of(volume);
            if named_element(get_list(spec, &["volumes"]), name).is_none() {
                let Some(volumes) = list_entry(spec, "volumes") else { return };
                volumes.push(volume.clone());
                log.change(format_args!("spec.volumes[{name}]"), None, Some(volume.clone()));
            }
        }
    }

    fn brings_image(&self) -> Option<BroughtImage<'_>> {
        let container = self.container.as_object()?;
        let image = get_str(container, &["image"])?;
        let kind = container_type(self.list, container);
        let action = if kind == ContainerType::Init { "initContainer" } else { "sidecar" };
        Some(BroughtImage { action, kind, name: &self.name, image })
    }

    fn sets(&self) -> Vec<(String, Value)> {
        vec![(format!("pod.container[{}]", self.name), self.container.clone())]
    }

    fn missing_volume(&self, template: &Fields) -> Option<String> {
        let spec = get_object(template, &["spec"])?;
        let container = named_element(get_list(spec, &[self.list.field()]), &self.name)?.as_object()?;
        let volumes = get(spec, &["volumes"]).and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        super::writable_paths::mounted_volumes(container)
            .find(|name| named_element(volumes, name).is_none())
            .map(|name| format!("it mounts the volume {name}, which neither the pod nor a policy brings"))
    }
}

/// The fields of core/v1 Container in Kubernetes 1.36.
const CONTAINER_FIELDS: [&str; 25] = [
    "args",
    "command",
    "env",
    "envFrom",
    "image",
    "imagePullPolicy",
    "lifecycle",
    "livenessProbe",
    "name",
    "ports",
    "readinessProbe",
    "resizePolicy",
    "resources",
    "restartPolicy",
    "restartPolicyRules",
    "securityContext",
    "startupProbe",
    "stdin",
    "stdinOnce",
    "terminationMessagePath",
    "terminationMessagePolicy",
    "tty",
    "volumeDevices",
    "volumeMounts",
    "workingDir",
];
