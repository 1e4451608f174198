//! Where images come from and how they are named.

use std::fmt;

use sallyport_policy::{Diagnostics, FieldPath, Glob};
use serde_json::Value;

use super::image_reference::ImageReference;
use super::mesh::is_mesh_s_own;
use super::quoted::{either, quoted};
use super::registry::Registry;
use super::shape::{ElementAt, FieldAt, list_in, object_in, wrong_type};
use super::{Report, Rule, Subject};
use crate::object::name_of;
use crate::resources::{DigestRequirement, ImageRule};

/// The rule, compiled.
#[derive(Debug)]
pub(crate) struct Images {
    registries: Vec<Registry>,
    needs_digest: bool,
    forbidden_tags: Vec<Glob>,
}

impl Images {
    pub(crate) fn compile(rule: &ImageRule, path: &FieldPath, found: &mut Diagnostics) -> Self {
        let tags = rule.tags.as_ref().map(|tags| tags.forbidden.as_slice()).unwrap_or_default();
        let needs_digest = rule.digest == Some(DigestRequirement::Required);
        if rule.registries.is_empty() && tags.is_empty() && !needs_digest {
            found.error(
                path.clone(),
                "the rule asks for nothing; give registries, digest: Required or tags.forbidden",
            );
        }
        let mut registries: Vec<Registry> = Vec::new();
        for (i, text) in rule.registries.iter().enumerate() {
            let at = path.field("registries").index(i);
            match Registry::parse(text) {
                Err(wrong) => found.error(at, wrong.to_string()),
                Ok(registry) => {
                    if let Some(wider) = registries.iter().find(|other| other.covers(&registry)) {
                        found.warn(at, format!("has no effect: {wider} holds all of it"));
                    }
                    registries.push(registry);
                }
            }
        }
        for (i, tag) in tags.iter().enumerate() {
            let of_tags = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-' | '*');
            let at = path.field("tags").field("forbidden").index(i);
            if tag.is_empty() {
                found.error(at, "expected a tag, or a pattern with *");
            } else if let Some(other) = tag.chars().find(|c| !of_tags(*c)) {
                found
                    .error(at, format!("no tag holds {other:?}; write letters, digits, '_', '.', '-' and *"));
            }
        }
        let forbidden_tags = tags.iter().map(|tag| Glob::from(tag.as_str())).collect();
        Self { registries, needs_digest, forbidden_tags }
    }

    /// Judges what stands where an image reference should.
    fn judge_value(&self, value: Option<&Value>, at: &dyn fmt::Display, report: &mut Report) {
        match value {
            None | Some(Value::Null) => report.violation(at, "found none; wanted an image reference"),
            Some(Value::String(text)) => self.judge_text(text, at, report),
            Some(other) => wrong_type(at, other, "an image reference", report),
        }
    }

    fn judge_text(&self, text: &str, at: &dyn fmt::Display, report: &mut Report) {
        let image = match ImageReference::parse(text) {
            Ok(image) => image,
            Err(why) => {
                let found = quoted(text);
                return report.violation(at, format!("found {found}, which is no image reference: {why}"));
            }
        };
        if !self.registries.is_empty() && !self.registries.iter().any(|registry| registry.holds(&image)) {
            let (found, wanted) = (quoted(text), either(&self.registries));
            let name = image.name().to_string();
            let meant = if text.starts_with(&name) { String::new() } else { format!(", which is {name}") };
            report.violation(at, format!("found {found}{meant}; wanted an image of {wanted}"));
        }
        if self.needs_digest && image.digest().is_none() {
            let (found, name) = (quoted(text), image.name());
            report.violation(
                at,
                format!("found {found}, which has no digest; wanted {name}@sha256:… or the like"),
            );
        }
        if let Some(tag) = image.tag()
            && self.forbidden_tags.iter().any(|forbidden| forbidden.matches(tag))
        {
            let (found, wanted) = (quoted(text), either(&self.forbidden_tags));
            let why = if image.names_tag() { "" } else { ", because it names neither tag nor digest" };
            report.violation(
                at,
                format!("found {found}, whose tag is {tag}{why}; wanted a tag that is not {wanted}"),
            );
        }
    }
}

impl Rule for Images {
    fn heeds_containers(&self) -> bool {
        true
    }

    fn objections_to_image(&self, image: &str) -> Vec<String> {
        let mut report = Report::default();
        self.judge_text(image, &"", &mut report);
        report.violations.into_iter().map(|violation| violation.message).collect()
    }

    fn judge(&self, subject: &Subject<'_>, report: &mut Report) {
        let Some(pod) = subject.readable_pod(report) else { return };
        // A public image is no less public under a mesh's name: only the operator's word lets one off.
        let let_off = subject.mesh_images.are_named();
        for container in subject.containers() {
            if let_off && is_mesh_s_own(container.path.list, container.fields, subject.mesh_images) {
                continue;
            }
            self.judge_value(container.fields.get("image"), &FieldAt(&container.path, "image"), report);
        }
        // An image volume (KEP-4639) is pulled whichever containers mount it.
        for (i, volume) in list_in(pod.spec(), &"spec", "volumes", report).iter().enumerate() {
            let Some(fields) = volume.as_object() else {
                wrong_type(ElementAt(&"spec.volumes", &i), volume, "an object", report);
                continue;
            };
            let at = ElementAt(&"spec.volumes", &name_of(volume));
            if let Some(image) = object_in(fields, &at, "image", report) {
                let at = FieldAt(&at, "image");
                self.judge_value(image.get("reference"), &FieldAt(&at, "reference"), report);
            }
        }
    }
}
