//! Fills in probes of containers and native sidecars. Ordinary init containers can't have any.

use sallyport_policy::{Diagnostics, FieldPath};
use serde_json::Value;

use super::log::Log;
use super::transformation::{Heeds, Subject, Terms, Transformation, for_each_selected};
use crate::object::holds;
use crate::resources::{ContainerType, Embedded, Probes};

/// Probes by the container's field, each with exactly one handler.
#[derive(Debug)]
pub(crate) struct ProbeFill(Vec<(&'static str, Value)>);

const HANDLERS: [&str; 4] = ["exec", "httpGet", "tcpSocket", "grpc"];

impl ProbeFill {
    pub(crate) fn compile(probes: &Probes, path: &FieldPath, found: &mut Diagnostics) -> Self {
        let given = [
            ("startup", "startupProbe", &probes.startup),
            ("liveness", "livenessProbe", &probes.liveness),
            ("readiness", "readinessProbe", &probes.readiness),
        ];
        let mut fill = Vec::new();
        for (name, field, probe) in given {
            let Some(Embedded(probe)) = probe else { continue };
            let at = path.field(name);
            let given: Vec<&str> =
                HANDLERS.into_iter().filter(|handler| probe.contains_key(*handler)).collect();
            if given.len() != 1 {
                let given = if given.is_empty() { "none".to_owned() } else { given.join(" and ") };
                found.error(
                    at.clone(),
                    format!("found {given}; expected exactly one of {}", HANDLERS.join(", ")),
                );
            }
            let success = probe.get("successThreshold").and_then(Value::as_i64).unwrap_or(1);
            if field != "readinessProbe" && success != 1 {
                found.error(
                    at.field("successThreshold"),
                    format!("found {success}; a {name} probe allows only 1"),
                );
            }
            if field == "readinessProbe" && probe.contains_key("terminationGracePeriodSeconds") {
                found.error(
                    at.field("terminationGracePeriodSeconds"),
                    "a readiness probe does not have this field",
                );
            }
            fill.push((field, Value::Object(probe.clone())));
        }
        if fill.is_empty() {
            found.error(path.clone(), "nothing to fill in; give startup, liveness or readiness");
        }
        Self(fill)
    }
}

impl Transformation for ProbeFill {
    fn heeds(&self) -> Heeds {
        Heeds::BOTH
    }

    fn apply(&self, terms: &Terms, subject: &mut Subject<'_>, log: &mut Log) {
        let Some(mut pod) = subject.pod(log) else { return };
        for_each_selected(&mut pod, terms, |container| {
            if matches!(container.kind, ContainerType::Container | ContainerType::Sidecar) {
                for (field, probe) in &self.0 {
                    if container.fields.get(*field).is_some_and(|own| holds(own, probe)) {
                        continue;
                    }
                    log.fill(container.fields, &[field], probe, terms.strategy, &container.path);
                }
            }
        });
    }

    fn sets(&self) -> Vec<(String, Value)> {
        self.0.iter().map(|(field, probe)| (format!("container.{field}"), probe.clone())).collect()
    }
}
