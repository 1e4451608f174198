//! Which requests a policy is about.

use std::cell::OnceCell;

use sallyport_policy::{Diagnostic, Diagnostics, FieldPath, Glob, Selector, Severity};
use serde_json::{Map, Value, json};

use super::KindPattern;
use super::conditions::expression;
use crate::cel::{Budget, EvaluationError, Expression, Scope as CelScope};
use crate::object::{Keys, PodBearing, Reads, get_str};
use crate::resources::Scope;
use crate::{GroupVersionKind, Namespace, Operation, Request};

/// All fields given must hold; of the entries of one field, any.
#[derive(Debug)]
pub(crate) struct CompiledScope {
    pub(crate) namespaces: Vec<Glob>,
    pub(crate) namespace_selector: Option<Selector>,
    pub(crate) object_selector: Option<Selector>,
    /// Those that are right.
    pub(crate) kinds: Vec<KindPattern>,
    /// Whether others are given, which are wrong.
    has_wrong_kinds: bool,
    pub(crate) operations: Vec<Operation>,
    users: Vec<Glob>,
    groups: Vec<Glob>,
    conditions: Vec<(String, Expression)>,
    narrows_operations: bool,
    purpose: Purpose,
}

/// What becomes of the requests that a scope is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// The policy is about them: `match`.
    Match,
    /// The policy is not about them: `exclude`.
    Exclude,
}

impl Purpose {
    /// The operations of a scope that names none. Who is excluded, is excluded from all that is matched.
    fn operations(self) -> &'static [Operation] {
        match self {
            Self::Match => &[Operation::Create, Operation::Update],
            Self::Exclude => &[Operation::Create, Operation::Update, Operation::Delete, Operation::Connect],
        }
    }
}

impl CompiledScope {
    pub(super) fn compile(
        scope: &Scope,
        purpose: Purpose,
        path: &FieldPath,
        found: &mut Diagnostics,
    ) -> Self {
        let globs = |texts: &[String], field: &'static str, found: &mut Diagnostics| -> Vec<Glob> {
            for (i, text) in texts.iter().enumerate() {
                if text.is_empty() {
                    found.error(path.field(field).index(i), "expected a name, or a pattern with *");
                }
            }
            texts.iter().map(|text| Glob::from(text.as_str())).collect()
        };
        let kind =
            |(i, text): (usize, &String)| KindPattern::compile(text, path.field("kinds").index(i), found);
        let kinds: Vec<KindPattern> = scope.kinds.iter().enumerate().filter_map(kind).collect();
        let mut conditions = Vec::new();
        for condition in &scope.conditions {
            let at = path.field("conditions").named(&condition.name).field("expression");
            conditions
                .extend(expression(&condition.expression, &at, found).map(|e| (condition.name.clone(), e)));
        }
        let selector = |given: Option<&sallyport_policy::LabelSelector>,
                        field: &'static str,
                        found: &mut Diagnostics| {
            given.map(|selector| selector.compile(&path.field(field), found))
        };
        Self {
            namespaces: globs(&scope.namespaces, "namespaces", found),
            namespace_selector: selector(scope.namespace_selector.as_ref(), "namespaceSelector", found),
            object_selector: selector(scope.object_selector.as_ref(), "objectSelector", found),
            has_wrong_kinds: kinds.len() < scope.kinds.len(),
            kinds,
            narrows_operations: !scope.operations.is_empty(),
            operations: if scope.operations.is_empty() {
                purpose.operations().to_vec()
            } else {
                scope.operations.clone()
            },
            users: globs(&scope.users, "users", found),
            groups: globs(&scope.groups, "groups", found),
            conditions,
            purpose,
        }
    }

    /// Whether no field is given.
    pub(super) fn is_empty(&self) -> bool {
        self.namespaces.is_empty()
            && self.namespace_selector.is_none()
            && self.object_selector.is_none()
            && self.kinds.is_empty()
            && !self.has_wrong_kinds
            && !self.narrows_operations
            && self.users.is_empty()
            && self.groups.is_empty()
            && self.conditions.is_empty()
    }

    /// Whether an object that it is about may hold a pod, as far as its kinds are known.
    pub(super) fn may_hold_pod(&self) -> bool {
        // That there is none, or that one is wrong, has been said.
        self.kinds.is_empty()
            || self.has_wrong_kinds
            || self.kinds.iter().any(|kind| kind.may_hold_pod() || kind.doubt().is_some())
    }

    /// Says which of its kinds Kubernetes does not have. That is an error where they are all that the policy's entries,
    /// which are about pods, could be about.
    pub(super) fn tell_doubtful_kinds(
        &self,
        given: &[String],
        for_pods: bool,
        path: &FieldPath,
        found: &mut Diagnostics,
    ) {
        let severity = if for_pods && !self.kinds.iter().any(KindPattern::may_hold_pod) {
            Severity::Error
        } else {
            Severity::Warning
        };
        for kind in &self.kinds {
            let Some((message, help)) = kind.doubt() else { continue };
            let index = given.iter().position(|given| kind.kind() == Some(given));
            let path = path.field("kinds").index(index.unwrap_or_default());
            found.push(Diagnostic { severity, path, message, help: Some(help) });
        }
    }

    /// Whether the policy is about this request. A condition that can't be evaluated is an error, with its name.
    pub(crate) fn matches(&self, facts: &Facts<'_>) -> Result<bool, (String, EvaluationError)> {
        let request = facts.request;
        let any =
            |globs: &[Glob], name: &str| globs.is_empty() || globs.iter().any(|glob| glob.matches(name));
        let plain = self.operations.contains(&request.operation)
            && (self.kinds.is_empty() || self.kinds.iter().any(|kind| kind.matches(&request.kind)))
            && (self.namespaces.is_empty() || !request.namespace.is_empty())
            && any(&self.namespaces, &request.namespace)
            && any(&self.users, &request.user_info.username)
            && (self.groups.is_empty()
                || request.user_info.groups.iter().any(|group| any(&self.groups, group)))
            && self.namespace_selector.as_ref().is_none_or(|selector| facts.namespace_matches(selector))
            && self
                .object_selector
                .as_ref()
                .is_none_or(|selector| facts.object_matches(selector, self.purpose));
        if !plain {
            return Ok(false);
        }
        for (name, condition) in &self.conditions {
            if !facts.evaluate(condition, &request.object).map_err(|error| (name.clone(), error))? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// The metadata of objects that it depends on.
    pub(crate) fn reads(&self) -> Reads {
        let keys = self.object_selector.iter().flat_map(Selector::keys);
        let mut reads = Reads { labels: Keys::these(keys), ..Reads::default() };
        self.conditions.iter().for_each(|(_, condition)| reads.extend(condition.reads()));
        // Whom a policy is about is no part of what is wrong, whether `users` say it or a condition does.
        reads.update = false;
        reads
    }

    /// Whether the scope names this kind, and not only every kind.
    pub(crate) fn names_kind(&self, gvk: &GroupVersionKind) -> bool {
        self.kinds.iter().any(|kind| kind.kind().is_some() && kind.matches(gvk))
    }

    /// The namespaces that it names, where it is about no other.
    pub(crate) fn only_namespaces(&self) -> Option<Vec<&str>> {
        let names: Vec<&str> = self.namespaces.iter().map(Glob::is_literal).collect::<Option<_>>()?;
        (!names.is_empty()).then_some(names)
    }

    /// Whether an object of this kind may be in it, in this namespace, whatever else is known of neither.
    pub(crate) fn may_hold(&self, gvk: &GroupVersionKind, namespace: &str) -> bool {
        self.kinds.iter().any(|kind| kind.matches(gvk))
            && (self.namespaces.is_empty() || self.namespaces.iter().any(|glob| glob.matches(namespace)))
    }

    /// Whether pods of a namespace may be in it, where of the namespace's labels this is known.
    pub(crate) fn may_hold_pods_of(&self, name: &str, namespace: Option<&Namespace>) -> bool {
        self.may_hold_pod()
            && (self.namespaces.is_empty() || self.namespaces.iter().any(|glob| glob.matches(name)))
            && namespace.is_none_or(|namespace| self.selects_namespace(namespace))
    }

    /// Whether every pod of a namespace is in it for certain, whoever creates it.
    pub(crate) fn holds_all_pods_of(&self, namespace: &Namespace) -> bool {
        let pod = PodBearing::Pod.group_version_kind();
        (self.kinds.is_empty() || self.kinds.iter().any(|kind| kind.matches(&pod)))
            && (self.namespaces.is_empty()
                || self.namespaces.iter().any(|glob| glob.matches(&namespace.name)))
            && self.selects_namespace(namespace)
            && self.object_selector.as_ref().is_none_or(Selector::is_empty)
            && !self.narrows_operations
            && self.users.is_empty()
            && self.groups.is_empty()
            && self.conditions.is_empty()
    }

    fn selects_namespace(&self, namespace: &Namespace) -> bool {
        let label = |key: &str| namespace.labels.get(key).map(String::as_str);
        self.namespace_selector.as_ref().is_none_or(|selector| selector.matches(label))
    }

    /// Whether a request may be in both. Selectors and conditions are not looked into.
    pub(crate) fn may_overlap(&self, other: &Self) -> bool {
        let literal = |globs: &[Glob]| {
            globs.iter().map(|g| g.is_literal().map(str::to_owned)).collect::<Option<Vec<_>>>()
        };
        let namespaces_disjoint = match (literal(&self.namespaces), literal(&other.namespaces)) {
            (Some(a), Some(b)) if !a.is_empty() && !b.is_empty() => !a.iter().any(|name| b.contains(name)),
            _ => false,
        };
        let pairs_disjoint = |a: &Option<Selector>, b: &Option<Selector>| match (a, b) {
            (Some(a), Some(b)) => {
                a.required_pairs().any(|(key, value)| b.required_pairs().any(|(k, v)| k == key && v != value))
            }
            _ => false,
        };
        !namespaces_disjoint
            && !pairs_disjoint(&self.namespace_selector, &other.namespace_selector)
            && !pairs_disjoint(&self.object_selector, &other.object_selector)
            && self.operations.iter().any(|operation| other.operations.contains(operation))
            && self.kinds.iter().any(|kind| other.kinds.iter().any(|theirs| kind.overlaps(theirs)))
    }
}

/// What is known when a request is decided. What only expressions ask for is made when the first of them asks.
pub(crate) struct Facts<'r> {
    pub(crate) request: &'r Request,
    namespace: Option<&'r Namespace>,
    budget: Budget,
    request_value: OnceCell<Value>,
    namespace_value: OnceCell<Value>,
}

/// The steps that all expressions together may take over one request; about a tenth of a second's worth.
const STEPS_PER_REQUEST: u64 = 1_000_000;

impl<'r> Facts<'r> {
    pub(crate) fn new(request: &'r Request, namespace: Option<&'r Namespace>) -> Self {
        Self {
            request,
            namespace,
            budget: Budget::new(STEPS_PER_REQUEST),
            request_value: OnceCell::new(),
            namespace_value: OnceCell::new(),
        }
    }

    /// Evaluates an expression over `object`.
    pub(crate) fn evaluate(&self, expression: &Expression, object: &Value) -> Result<bool, EvaluationError> {
        expression.evaluate_bool(&self.scope(object))
    }

    /// What expressions over `object` can name.
    pub(crate) fn scope<'s>(&'s self, object: &'s Value) -> CelScope<'s> {
        CelScope::new(&self.budget)
            .object(object)
            .old_object(&self.request.old_object)
            .request(self.request_value.get_or_init(|| request_value(self.request)))
            .namespace_object(self.namespace_value.get_or_init(|| namespace_value(self.namespace)))
    }

    fn namespace_matches(&self, selector: &Selector) -> bool {
        self.namespace
            .is_some_and(|namespace| selector.matches(|key| namespace.labels.get(key).map(String::as_str)))
    }

    /// To be matched, either object is enough, as it is for the API server. To be excluded, it is what the object will
    /// be that counts: what it was must not spare what it becomes.
    fn object_matches(&self, selector: &Selector, purpose: Purpose) -> bool {
        let mut objects =
            [&self.request.object, &self.request.old_object].into_iter().filter_map(Value::as_object);
        let matches = |object: &Map<String, Value>| {
            selector.matches(|key| get_str(object, &["metadata", "labels", key]))
        };
        match purpose {
            Purpose::Match => objects.any(matches),
            Purpose::Exclude => objects.next().is_some_and(matches),
        }
    }
}

/// The variable `request`: the AdmissionRequest without its objects, which have variables of their own. As in
/// Kubernetes, what is empty is not there.
fn request_value(request: &Request) -> Value {
    let text = |text: &str| if text.is_empty() { Value::Null } else { Value::from(text) };
    let user = &request.user_info;
    let user_info = present([
        ("username", text(&user.username)),
        ("uid", text(&user.uid)),
        ("groups", if user.groups.is_empty() { Value::Null } else { json!(user.groups) }),
        ("extra", if user.extra.is_empty() { Value::Null } else { json!(user.extra) }),
    ]);
    let mut value = present([
        ("kind", json!(request.kind)),
        ("resource", json!(request.resource)),
        ("subResource", text(&request.sub_resource)),
        ("requestKind", json!(request.request_kind.as_ref().unwrap_or(&request.kind))),
        ("requestResource", json!(request.request_resource.as_ref().unwrap_or(&request.resource))),
        ("requestSubResource", text(&request.request_sub_resource)),
        ("name", text(&request.name)),
        ("namespace", text(&request.namespace)),
        ("operation", json!(request.operation)),
        ("userInfo", Value::Object(user_info)),
        ("dryRun", json!(request.dry_run.unwrap_or(false))),
    ]);
    // Options are there even where they are null.
    value.insert("options".to_owned(), request.options.clone());
    Value::Object(value)
}

fn present<const N: usize>(fields: [(&str, Value); N]) -> Map<String, Value> {
    let fields = fields.into_iter().filter(|(_, value)| !value.is_null());
    fields.map(|(name, value)| (name.to_owned(), value)).collect()
}

/// The variable `namespaceObject`; null for objects without a namespace.
fn namespace_value(namespace: Option<&Namespace>) -> Value {
    namespace.map_or(
        Value::Null,
        |namespace| json!({"metadata": {"name": namespace.name, "labels": namespace.labels}}),
    )
}
