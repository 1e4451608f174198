//! Probes that must be there, and the paths that they may ask for.

use std::collections::HashSet;
use std::fmt;

use sallyport_policy::{Diagnostics, FieldPath};
use serde_json::Value;

use super::quoted::{either, quoted};
use super::shape::{FieldAt, object_in, wrong_type};
use super::{Report, Rule, Subject};
use crate::object::{Fields, get};
use crate::resources::{ContainerType, ProbeKind, ProbeRule};

/// The rule, compiled: one term for each probe that it is about.
#[derive(Debug)]
pub(crate) struct RequiredProbes(Vec<Term>);

/// What is asked of one probe.
#[derive(Debug)]
struct Term {
    kind: ProbeKind,
    required: bool,
    /// The paths that it may ask for by HTTP; none are all.
    paths: Vec<String>,
}

const HANDLERS: [&str; 4] = ["exec", "httpGet", "tcpSocket", "grpc"];

impl RequiredProbes {
    pub(crate) fn compile(rule: &ProbeRule, path: &FieldPath, found: &mut Diagnostics) -> Self {
        let lists = [
            ("httpPaths", &rule.http_paths),
            ("livenessPaths", &rule.liveness_paths),
            ("readinessPaths", &rule.readiness_paths),
        ];
        if rule.required.is_empty() && lists.iter().all(|(_, paths)| paths.is_empty()) {
            found.error(
                path.clone(),
                "the rule asks for nothing; give required, httpPaths, livenessPaths or readinessPaths",
            );
        }
        let mut seen = HashSet::new();
        for (i, kind) in rule.required.iter().enumerate() {
            if !seen.insert(kind) {
                found.warn(path.field("required").index(i), "is there already");
            }
        }
        for (field, paths) in lists {
            for (i, text) in paths.iter().enumerate() {
                if let Some(wrong) = objection(text) {
                    found.error(path.field(field).index(i), wrong);
                }
            }
        }
        let terms = [ProbeKind::Startup, ProbeKind::Liveness, ProbeKind::Readiness].map(|kind| {
            let own: &[String] = match kind {
                ProbeKind::Startup => &[],
                ProbeKind::Liveness => &rule.liveness_paths,
                ProbeKind::Readiness => &rule.readiness_paths,
            };
            let paths = if own.is_empty() { rule.http_paths.clone() } else { own.to_vec() };
            Term { kind, required: rule.required.contains(&kind), paths }
        });
        Self(terms.into_iter().filter(|term| term.required || !term.paths.is_empty()).collect())
    }
}

/// Why no probe asks for this path, as it is judged.
fn objection(path: &str) -> Option<String> {
    if !path.starts_with('/') {
        return Some(format!("found {}; expected a path that starts with /", quoted(path)));
    }
    let odd = path.chars().find(|c| matches!(c, '?' | '#' | '*') || c.is_whitespace() || c.is_control())?;
    Some(match odd {
        '?' | '#' => format!("found {odd:?}; write the path alone, since what follows it is not judged"),
        '*' => "found a wildcard; write each path out".to_owned(),
        _ => format!("found {odd:?}; no path holds it"),
    })
}

impl ProbeKind {
    const fn field(self) -> &'static str {
        match self {
            Self::Startup => "startupProbe",
            Self::Liveness => "livenessProbe",
            Self::Readiness => "readinessProbe",
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Startup => "startup",
            Self::Liveness => "liveness",
            Self::Readiness => "readiness",
        }
    }
}

impl Term {
    fn judge(&self, container: &Fields, place: &dyn fmt::Display, report: &mut Report) {
        let at = FieldAt(place, self.kind.field());
        if get(container, &[self.kind.field()]).is_none() {
            if self.required {
                report.violation(at, format!("found none; wanted a {} probe", self.kind.name()));
            }
            return;
        }
        let Some(probe) = object_in(container, place, self.kind.field(), report) else { return };
        if self.required && !HANDLERS.iter().any(|handler| get(probe, &[handler]).is_some()) {
            let wanted = either(&HANDLERS);
            report.violation(at, format!("found a probe that asks nothing; wanted one with {wanted}"));
        }
        if self.paths.is_empty() {
            return;
        }
        let Some(http) = object_in(probe, &at, "httpGet", report) else { return };
        let http_at = FieldAt(&at, "httpGet");
        let path_at = FieldAt(&http_at, "path");
        let written = match get(http, &["path"]) {
            None => "",
            Some(Value::String(path)) => path.as_str(),
            Some(other) => return wrong_type(path_at, other, "a path", report),
        };
        if !self.paths.iter().any(|allowed| asks_for(written, allowed)) {
            let (found, wanted) = (quoted(written), either(&self.paths));
            report.violation(path_at, format!("found {found}; wanted {wanted}"));
        }
    }
}

/// Whether a probe that is written so asks for this path: the kubelet asks for `/` where nothing is written, puts a
/// missing slash first, and a query or a fragment is no part of the path (pkg/probe/http, formatURL).
fn asks_for(written: &str, allowed: &str) -> bool {
    let path = written.split(['?', '#']).next().unwrap_or_default();
    path == allowed || (!path.starts_with('/') && allowed.strip_prefix('/') == Some(path))
}

impl Rule for RequiredProbes {
    fn heeds_containers(&self) -> bool {
        true
    }

    fn judge(&self, subject: &Subject<'_>, report: &mut Report) {
        if subject.readable_pod(report).is_none() {
            return;
        }
        // Ordinary init containers and ephemeral containers can't have probes.
        for container in subject.containers_of_authors() {
            if matches!(container.kind, ContainerType::Container | ContainerType::Sidecar) {
                for term in &self.0 {
                    term.judge(container.fields, &container.path, report);
                }
            }
        }
    }
}
