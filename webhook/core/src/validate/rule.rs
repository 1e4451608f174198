//! What every rule is.

use std::fmt;

use serde_json::Value;

use crate::Request;
use crate::compile::Facts;
use crate::mutate::Selection;
use crate::object::{Container, Pod, Reads};
use crate::secrets::redact_start;
use crate::traffic::TrafficSelector;
use crate::validate::RequireTraffic;
use crate::validate::mesh::{MeshImages, is_mesh_s_own};

/// One rule of a validation entry, compiled.
pub(crate) trait Rule: Send + Sync + fmt::Debug {
    /// What it is about.
    fn about(&self) -> About {
        About::Pods
    }

    /// Whether it makes a difference to it which containers the entry selects.
    fn heeds_containers(&self) -> bool {
        false
    }

    /// What it has against a container's image, whatever else the pod is.
    fn objections_to_image(&self, _image: &str) -> Vec<String> {
        Vec::new()
    }

    /// What it asks for of TrafficPolicies, where it is about them.
    fn required_traffic(&self) -> Option<&RequireTraffic> {
        None
    }

    /// The metadata that its verdict depends on.
    fn reads(&self) -> Reads {
        Reads::default()
    }

    /// Reports every violation, not the first.
    fn judge(&self, subject: &Subject<'_>, report: &mut Report);
}

/// What a rule is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum About {
    /// Pods: those of the policy's kinds that make pods are judged by the pod that they would make.
    Pods,
    /// Objects of any kind.
    Objects,
}

/// What is judged.
pub(crate) struct Subject<'s> {
    /// The request, the namespace, and the budget of expressions.
    pub(crate) facts: &'s Facts<'s>,
    /// The object; null on DELETE.
    pub(crate) object: &'s Value,
    /// The pod in it, where it holds one.
    pub(crate) pod: Option<Pod<'s>>,
    /// The entry's selection of containers.
    pub(crate) selection: &'s Selection,
    /// The images of a mesh's own containers.
    pub(crate) mesh_images: &'s MeshImages,
    /// The traffic policies that there are.
    pub(crate) traffic: &'s [TrafficSelector],
}

impl<'s> Subject<'s> {
    /// The request.
    pub(crate) fn request(&self) -> &'s Request {
        self.facts.request
    }

    /// The pod's containers that the entry selects, in the order of their start.
    pub(crate) fn containers(&self) -> impl Iterator<Item = Container<'s>> {
        let selection = self.selection;
        let containers = self.pod.into_iter().flat_map(Pod::named_containers);
        containers.filter(move |c| selection.judges(c.kind, c.name()))
    }

    /// Those of the containers that no mesh's injector added.
    pub(crate) fn containers_of_authors(&self) -> impl Iterator<Item = Container<'s>> {
        let images = self.mesh_images;
        self.containers().filter(move |c| !is_mesh_s_own(c.path.list, c.fields, images))
    }
}

/// The violations of one rule.
#[derive(Debug, Default)]
pub(crate) struct Report {
    prefix: &'static str,
    pub(crate) violations: Vec<Violation>,
    /// Why it can't be said whether there is a violation.
    pub(crate) failures: Vec<String>,
}

/// What is wrong with one field.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Violation {
    pub(crate) path: String,
    pub(crate) message: String,
}

impl Report {
    /// A report on the pod at `prefix`: empty, or the path of a template with a dot at the end.
    pub(crate) fn within(prefix: &'static str) -> Self {
        Self { prefix, ..Self::default() }
    }

    /// Reports what was found at a field, and what is wanted there. An empty path is the object as a whole.
    pub(crate) fn violation(&mut self, path: impl fmt::Display, message: impl Into<String>) {
        let mut path = bounded(format_args!("{}{path}", self.prefix));
        if path.len() == self.prefix.len() {
            // The template as a whole.
            path.truncate(self.prefix.trim_end_matches('.').len());
        }
        self.violations.push(Violation { path, message: message.into() });
    }

    /// Reports that it can't be said whether there is a violation; the policy's `failurePolicy` decides.
    pub(crate) fn fail(&mut self, reason: impl Into<String>) {
        self.failures.push(reason.into());
    }
}

/// The longest path that is told, in bytes. The names of what is in an object may be as long as the object.
const LONGEST_PATH: usize = 1024;

/// A path, cut where it is long.
fn bounded(path: fmt::Arguments<'_>) -> String {
    /// Refuses what no longer counts, so that it isn't even written.
    struct Start(String);

    impl fmt::Write for Start {
        fn write_str(&mut self, text: &str) -> fmt::Result {
            // Enough for a secret that the cut would go through.
            let room = (8 * LONGEST_PATH).saturating_sub(self.0.len());
            self.0.push_str(text.get(..text.floor_char_boundary(room)).unwrap_or(text));
            if text.len() > room { Err(fmt::Error) } else { Ok(()) }
        }
    }

    let mut start = Start(String::new());
    // The only error is that there is enough of it.
    let _ = fmt::write(&mut start, path);
    if start.0.len() <= LONGEST_PATH {
        return start.0;
    }
    let (shown, _) = redact_start(&start.0, LONGEST_PATH);
    format!("{shown}…")
}
