//! What an expression can name.

use std::fmt;

use cel::common::value::{CowVal, Val};
use cel::context::VariableResolver;
use serde_json::Value;

use super::budget::Budget;
use super::functions;
use super::json_value::JsonValue;
use super::variables::Variables;

/// A variable of an expression.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Variable {
    /// `object`: the object as it would be stored; null on DELETE.
    Object,
    /// `oldObject`: the object as it is stored; null on CREATE.
    OldObject,
    /// `request`: the AdmissionReview's request, without the objects.
    Request,
    /// `namespaceObject`: the object's namespace; null for cluster-scoped objects.
    NamespaceObject,
    /// `item`: the element at hand, where an entry says `forEach`.
    Item,
    /// `variables`: further values, by name.
    Variables,
}

impl Variable {
    /// All variables.
    pub const ALL: [Self; 6] =
        [Self::Object, Self::OldObject, Self::Request, Self::NamespaceObject, Self::Item, Self::Variables];

    /// The name, as an expression spells it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Object => "object",
            Self::OldObject => "oldObject",
            Self::Request => "request",
            Self::NamespaceObject => "namespaceObject",
            Self::Item => "item",
            Self::Variables => "variables",
        }
    }

    /// The variable of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|variable| variable.name() == name)
    }
}

impl fmt::Display for Variable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The values of the variables, borrowed, and what evaluation may spend. As in Kubernetes, `object`, `oldObject`,
/// `request` and `namespaceObject` are null unless given; to name `item` or `variables` where there are none is an
/// error.
#[derive(Clone, Debug)]
pub struct Scope<'a> {
    budget: &'a Budget,
    object: JsonValue<'a>,
    old_object: JsonValue<'a>,
    request: JsonValue<'a>,
    namespace_object: JsonValue<'a>,
    item: Option<JsonValue<'a>>,
    variables: Option<&'a (dyn Declared + 'a)>,
}

/// What `variables` holds.
pub(super) trait Declared: Val {
    /// Whether one of them has failed for want of a key that its own expression names.
    fn misses(&self, key: &str) -> bool;
}

impl<'a> Scope<'a> {
    /// A scope without any object. Scopes may share a budget.
    #[must_use]
    pub fn new(budget: &'a Budget) -> Self {
        Self {
            budget,
            object: JsonValue::Null,
            old_object: JsonValue::Null,
            request: JsonValue::Null,
            namespace_object: JsonValue::Null,
            item: None,
            variables: None,
        }
    }

    /// Sets `object`.
    #[must_use]
    pub fn object(self, object: &'a Value) -> Self {
        Self { object: object.into(), ..self }
    }

    /// Sets `oldObject`.
    #[must_use]
    pub fn old_object(self, old_object: &'a Value) -> Self {
        Self { old_object: old_object.into(), ..self }
    }

    /// Sets `request`.
    #[must_use]
    pub fn request(self, request: &'a Value) -> Self {
        Self { request: request.into(), ..self }
    }

    /// Sets `namespaceObject`.
    #[must_use]
    pub fn namespace_object(self, namespace: &'a Value) -> Self {
        Self { namespace_object: namespace.into(), ..self }
    }

    /// Sets `item`.
    #[must_use]
    pub fn item(self, item: &'a Value) -> Self {
        Self { item: Some(item.into()), ..self }
    }

    /// Sets `variables`.
    #[must_use]
    pub fn variables(self, variables: &'a Variables<'_>) -> Self {
        Self { variables: Some(variables), ..self }
    }

    /// Whether a variable has failed for want of a key that its own expression names.
    pub(super) fn misses(&self, key: &str) -> bool {
        self.variables.is_some_and(|variables| variables.misses(key))
    }

    pub(super) fn budget(&self) -> &'a Budget {
        self.budget
    }
}

impl VariableResolver for Scope<'_> {
    fn resolve<'b>(&'b self, variable: &str) -> Option<CowVal<'b, 'b>> {
        let value = match variable {
            "object" => &self.object,
            "oldObject" => &self.old_object,
            "request" => &self.request,
            "namespaceObject" => &self.namespace_object,
            "item" => self.item.as_ref()?,
            "variables" => return self.variables.map(|variables| CowVal::Borrowed(variables)),
            functions::BUDGET => return Some(CowVal::Borrowed(self.budget)),
            _ => return None,
        };
        Some(CowVal::Borrowed(value.as_val()))
    }
}
