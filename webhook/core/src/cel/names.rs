//! What an expression can name where it stands, and of which type that is.

use super::types::Type;

/// The variables that there are beyond `object`, `oldObject`, `request` and `namespaceObject`.
#[derive(Clone, Debug, Default)]
pub struct Names {
    others: Vec<(String, Type)>,
    variables: Vec<(String, Type)>,
}

impl Names {
    /// With `item`, the element at hand.
    #[must_use]
    pub fn with_item(self) -> Self {
        self.with("item", Type::Dyn)
    }

    /// With a variable of that type.
    pub(super) fn with(mut self, name: &str, of: Type) -> Self {
        self.others.push((name.to_owned(), of));
        self
    }

    /// With `variables.NAME`, which gives what `expression` does.
    #[must_use]
    pub fn with_variable(mut self, name: &str, expression: &super::Expression) -> Self {
        self.variables.push((name.to_owned(), expression.result().clone()));
        self
    }

    /// The type of a variable; `None` if there is no such variable here.
    pub(super) fn find(&self, name: &str) -> Option<Type> {
        match name {
            "object" | "oldObject" => Some(Type::Dyn),
            "request" => Some(Type::Object(REQUEST)),
            "namespaceObject" => Some(Type::Object(NAMESPACE)),
            "variables" if !self.variables.is_empty() => Some(Type::Object(VARIABLES)),
            _ => self.others.iter().find(|(known, _)| known == name).map(|(_, of)| of.clone()),
        }
    }

    /// What is said of a name that is not here.
    pub(super) fn missing(&self, name: &str) -> String {
        match name {
            "item" => "no item here: there is one where the rule says forEach".to_owned(),
            "variables" => "no variables here: none is declared before this expression".to_owned(),
            _ => {
                let known = ["object", "oldObject", "request", "namespaceObject", "item", "variables"];
                let here: Vec<&str> = known.into_iter().filter(|name| self.find(name).is_some()).collect();
                format!("no such variable: {name} (there are {})", here.join(", "))
            }
        }
    }

    /// The type of a field.
    ///
    /// # Errors
    /// What is said of a field that the object does not have.
    pub(super) fn field(&self, of: &'static str, field: &str) -> Result<Type, String> {
        if of == VARIABLES {
            let found = self.variables.iter().rev().find(|(name, _)| name == field);
            return found.map(|(_, found)| found.clone()).ok_or_else(|| {
                let names: Vec<&str> = self.variables.iter().map(|(name, _)| name.as_str()).collect();
                format!("no such variable: variables.{field} (declared before are {})", names.join(", "))
            });
        }
        let found = FIELDS.iter().find(|(object, name, _)| *object == of && *name == field);
        match found {
            Some((_, _, found)) => Ok(found.typed()),
            None if [NAMESPACE, NAMESPACE_METADATA].contains(&of) => Err(format!(
                "no such field: {field}; of a namespace its metadata.name and metadata.labels are known"
            )),
            None => Err(format!("no such field: {field}")),
        }
    }
}

const REQUEST: &str = "kubernetes.AdmissionRequest";
const KIND: &str = "kubernetes.GroupVersionKind";
const RESOURCE: &str = "kubernetes.GroupVersionResource";
const USER: &str = "kubernetes.UserInfo";
const NAMESPACE: &str = "kubernetes.Namespace";
const NAMESPACE_METADATA: &str = "kubernetes.NamespaceMetadata";
const VARIABLES: &str = "variables";

#[derive(Clone, Copy)]
enum Field {
    String,
    Bool,
    Dyn,
    Strings,
    StringMap,
    StringsMap,
    Of(&'static str),
}

impl Field {
    fn typed(self) -> Type {
        match self {
            Self::String => Type::String,
            Self::Bool => Type::Bool,
            Self::Dyn => Type::Dyn,
            Self::Strings => Type::list(Type::String),
            Self::StringMap => Type::map(Type::String, Type::String),
            Self::StringsMap => Type::map(Type::String, Type::list(Type::String)),
            Self::Of(object) => Type::Object(object),
        }
    }
}

/// The fields that a ValidatingAdmissionPolicy sees of a request, and those of a namespace that are known here.
const FIELDS: &[(&str, &str, Field)] = &[
    (REQUEST, "kind", Field::Of(KIND)),
    (REQUEST, "resource", Field::Of(RESOURCE)),
    (REQUEST, "subResource", Field::String),
    (REQUEST, "requestKind", Field::Of(KIND)),
    (REQUEST, "requestResource", Field::Of(RESOURCE)),
    (REQUEST, "requestSubResource", Field::String),
    (REQUEST, "name", Field::String),
    (REQUEST, "namespace", Field::String),
    (REQUEST, "operation", Field::String),
    (REQUEST, "userInfo", Field::Of(USER)),
    (REQUEST, "dryRun", Field::Bool),
    (REQUEST, "options", Field::Dyn),
    (KIND, "group", Field::String),
    (KIND, "version", Field::String),
    (KIND, "kind", Field::String),
    (RESOURCE, "group", Field::String),
    (RESOURCE, "version", Field::String),
    (RESOURCE, "resource", Field::String),
    (USER, "username", Field::String),
    (USER, "uid", Field::String),
    (USER, "groups", Field::Strings),
    (USER, "extra", Field::StringsMap),
    (NAMESPACE, "metadata", Field::Of(NAMESPACE_METADATA)),
    (NAMESPACE_METADATA, "name", Field::String),
    (NAMESPACE_METADATA, "labels", Field::StringMap),
];
