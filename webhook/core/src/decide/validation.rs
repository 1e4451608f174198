//! What a request is refused for.

use serde_json::Value;

use super::binding::{is_binding, metadata_brought};
use super::controller::{handling, pod_to_be};
use super::mutation::is_kept;
use super::update::{changes_nothing_judged, keeps_template};
use super::{
    MIRROR_ANNOTATION, exception, fail, give_up, is_genuine_mirror, is_mirror, matching, relabelling, subject,
};
use crate::compile::{CompiledRule, Facts, Policy};
use crate::exceptions::Excepted;
use crate::object::{Pod, PodBearing, Reads};
use crate::set::PolicySet;
use crate::validate::{About, Report, Subject};
use crate::{Awaited, Context, Decision, Finding, Mode, Namespace, Operation, Request, Source};

/// Decides whether a request may pass, and says everything that is wrong with it.
///
/// A pod is judged as it stands. A controller is judged by the pod that it would make, after our own mutation: as its
/// entries say where a policy names the controller's kind, else as the policy's `controllers` says.
#[must_use]
pub fn validate(set: &PolicySet, request: &Request, context: &Context<'_>) -> Decision {
    let mut decision = Decision { allowed: true, ..Decision::default() };
    if !set.judges() || set.spares(&request.namespace) || !is_judged(request) {
        return decision;
    }
    let object = request.object.as_object();
    if object.is_some_and(|object| is_genuine_mirror(request, object)) {
        return decision;
    }
    let named = Namespace::named(request.namespace.as_str());
    let context = &context.or_named(&named);
    let facts = Facts::new(request, context.namespace);
    let policies = matching(set, &facts, context, |policy, reason| {
        let unchanged = changes_nothing_judged(request, &policy.reads);
        for rule in &policy.rules {
            fail(&rule.source, rule.mode, rule.fails_closed && !unchanged, &reason, &mut decision);
        }
    });
    decision.matched = !policies.is_empty();
    let kind = object.and_then(|_| PodBearing::of(&request.kind));
    let place = Place {
        facts: &facts,
        object: &request.object,
        kind,
        prefix: "",
        subjects: &[subject(request)],
        unchanged: &|read| changes_nothing_judged(request, read),
    };
    let mut judge = Judge { set, now: context.now, awaited: context.awaited, decision };
    judge.refuse_forged_mirror(&policies, request);
    if is_binding(request) {
        let brought = metadata_brought(set, request);
        judge.decision.allowed &= brought.is_empty();
        judge.decision.violations.extend(brought);
    }
    for policy in &policies {
        for rule in &policy.rules {
            let judged = match rule.rule.about() {
                About::Objects => true,
                About::Pods => kind == Some(PodBearing::Pod),
            };
            if judged {
                judge.judge(policy, rule, rule.mode, &place);
            }
        }
    }
    for ended in relabelling::ended_selections(set, request, context) {
        let is_told = |told: &Finding| (&told.source, &told.path) == (&ended.source, &ended.path);
        if !judge.decision.violations.iter().any(is_told) {
            judge.decision.allowed = false;
            judge.decision.violations.push(ended);
        }
    }
    if let Some(kind) = kind.filter(|kind| *kind != PodBearing::Pod && request.sub_resource.is_empty()) {
        judge.controller(&policies, request, kind, context);
    }
    judge.decision
}

/// Subresources whose object is the whole object, of which they change only what no policy judges. A status is not among
/// them: labels and annotations can be changed along with it.
pub(crate) const UNJUDGED: [&str; 2] = ["finalize", "approval"];

fn is_judged(request: &Request) -> bool {
    !UNJUDGED.contains(&request.sub_resource.as_str())
}

/// Judges, and collects what comes of it.
struct Judge<'s> {
    set: &'s PolicySet,
    now: i64,
    awaited: Awaited<'s>,
    decision: Decision,
}

/// What is judged, and where it stands.
struct Place<'p> {
    facts: &'p Facts<'p>,
    object: &'p Value,
    /// The kind of the object, where it holds a pod.
    kind: Option<PodBearing>,
    /// Where the pod stands in the object that the client knows.
    prefix: &'static str,
    /// What an exception may be about.
    subjects: &'p [Excepted<'p>],
    /// Whether the request changes nothing of what is judged, given the metadata that is read.
    unchanged: &'p dyn Fn(&Reads) -> bool,
}

impl Judge<'_> {
    /// Judges the pod that a controller would make.
    fn controller(&mut self, direct: &[&Policy], request: &Request, kind: PodBearing, context: &Context<'_>) {
        // Whoever keeps it makes it as its own template says, which has been judged.
        let kept = request.object.as_object().is_some_and(|object| is_kept(kind, object));
        let named = |policy: &Policy| policy.scope.names_kind(&request.kind);
        if kept && !direct.iter().any(|policy| named(policy)) {
            return;
        }
        let Some(creation) = pod_to_be(self.set, request, kind, context) else { return };
        let facts = Facts::new(&creation, context.namespace);
        let set = self.set;
        let place = Place {
            facts: &facts,
            object: &creation.object,
            kind: Some(PodBearing::Pod),
            prefix: kind.prefix(),
            subjects: &[subject(&creation), subject(request)],
            unchanged: &|read| changes_nothing_judged(request, read) || keeps_template(request, kind, read),
        };
        for policy in direct.iter().filter(|policy| named(policy)) {
            for rule in policy.rules.iter().filter(|rule| rule.rule.about() == About::Pods) {
                self.judge(policy, rule, rule.mode, &place);
            }
        }
        if kept {
            return;
        }
        let decision = &mut self.decision;
        let policies = matching(set, &facts, context, |policy, reason| {
            for rule in &policy.rules {
                let mode = handling(policy, rule.mode);
                if let Some(mode) = mode {
                    let closed =
                        rule.fails_closed && mode == Mode::Enforce && !(place.unchanged)(&policy.reads);
                    fail(&rule.source, mode, closed, &reason, decision);
                }
            }
        });
        for policy in policies {
            let judged_already = direct.iter().any(|p| p.name == policy.name && named(p));
            for rule in &policy.rules {
                if let Some(mode) = handling(policy, rule.mode)
                    && !(judged_already && rule.rule.about() == About::Pods)
                {
                    self.judge(policy, rule, mode, &place);
                }
            }
        }
    }

    fn judge(&mut self, policy: &Policy, rule: &CompiledRule, mode: Mode, place: &Place<'_>) {
        if !self.awaited.is() {
            return give_up(&rule.source, &mut self.decision);
        }
        let mut report = Report::within(place.prefix);
        match rule.conditions.hold(place.facts, place.object, place.kind) {
            Ok(false) => return,
            Err(error) => report.fail(format!("`when` can't be evaluated: {error}")),
            Ok(true) => {
                let subject = Subject {
                    facts: place.facts,
                    object: place.object,
                    pod: place.kind.and_then(|kind| Pod::of(kind, place.object)),
                    selection: &rule.selection,
                    mesh_images: self.set.mesh_images(),
                    traffic: self.set.traffic(),
                };
                rule.rule.judge(&subject, &mut report);
            }
        }
        if report.violations.is_empty() && report.failures.is_empty() {
            return;
        }
        let exception = exception(self.set, policy, &rule.source, place.subjects, self.now);
        let mut mode = mode;
        if mode == Mode::Enforce && exception.is_none() {
            let mut read = policy.reads.clone();
            read.extend(&rule.reads);
            if (place.unchanged)(&read) {
                mode = Mode::Warn;
            }
        }
        let finding =
            |path: String, message: String| Finding { source: rule.source.clone(), mode, path, message };
        for violation in report.violations {
            let found = finding(violation.path, violation.message);
            match (exception, mode) {
                (Some(exception), _) => {
                    let message = format!("let in by {exception}: {}", found.message);
                    self.decision.excepted.push(Finding { message, ..found });
                }
                (None, Mode::Enforce) => {
                    self.decision.allowed = false;
                    self.decision.violations.push(found);
                }
                (None, Mode::Warn | Mode::Audit) => self.decision.warnings.push(found),
            }
        }
        for reason in report.failures {
            let closed = rule.fails_closed && mode == Mode::Enforce && exception.is_none();
            fail(&rule.source, mode, closed, &reason, &mut self.decision);
        }
    }

    /// Whoever could pass for the kubelet's record of a static pod would pass every policy.
    fn refuse_forged_mirror(&mut self, policies: &[&Policy], request: &Request) {
        let forged = request.operation == Operation::Create
            && PodBearing::of(&request.kind) == Some(PodBearing::Pod)
            && request.object.as_object().is_some_and(is_mirror);
        if let Some(policy) = policies.iter().find(|policy| policy.enforces()).filter(|_| forged) {
            self.decision.allowed = false;
            self.decision.violations.push(Finding {
                source: Source::whole(&policy.name),
                mode: Mode::Enforce,
                path: format!("metadata.annotations[{MIRROR_ANNOTATION}]"),
                message: format!(
                    "found on a pod that {} creates; only the kubelet of the pod's own node makes mirror pods",
                    request.user_info.username
                ),
            });
        }
    }
}
