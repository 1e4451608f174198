//! A CEL expression that must be true.

use std::fmt;

use sallyport_policy::{Diagnostics, FieldPath};
use serde_json::Value;

use super::{About, Report, Rule, Subject};
use crate::cel::{CompileError, Expression, Names, Scope, Variables};
use crate::object::Reads;
use crate::resources::{CelRule, CelVariable, ForEach};

/// The rule, compiled.
#[derive(Debug)]
pub(crate) struct CelCheck {
    /// By name, in the order of their declaration.
    variables: Vec<(String, Expression)>,
    expression: Option<Expression>,
    message: Option<String>,
    message_expression: Option<Expression>,
    for_each: Option<ForEach>,
}

impl CelCheck {
    pub(crate) fn compile(rule: &CelRule, path: &FieldPath, found: &mut Diagnostics) -> Self {
        let mut names = Names::default();
        if rule.for_each.is_some() {
            names = names.with_item();
        }
        let mut variables: Vec<(String, Expression)> = Vec::new();
        for (at, variable) in rule.variables.iter().enumerate() {
            let at = path.field("variables").index(at);
            check_name(variable, &variables, &at, found);
            let compiled = Expression::compile_value(&variable.expression, &names);
            if let Some(expression) = kept(compiled, &at.field("expression"), found) {
                names = names.with_variable(&variable.name, &expression);
                variables.push((variable.name.clone(), expression));
            }
        }
        let expression =
            kept(Expression::compile_with(&rule.expression, &names), &path.field("expression"), found);
        let message_expression = rule.message_expression.as_ref().and_then(|message| {
            let compiled = Expression::compile_message(message, &names);
            kept(compiled, &path.field("messageExpression"), found)
        });
        Self {
            variables,
            expression,
            message: rule.message.clone(),
            message_expression,
            for_each: rule.for_each,
        }
    }
}

/// Bytes of a message that is computed: it may repeat what the object holds.
const MAX_MESSAGE_LENGTH: usize = 5 << 10;

/// Words that CEL keeps for itself.
const RESERVED: [&str; 22] = [
    "as",
    "break",
    "const",
    "continue",
    "else",
    "false",
    "for",
    "function",
    "if",
    "import",
    "in",
    "let",
    "loop",
    "namespace",
    "null",
    "package",
    "return",
    "true",
    "try",
    "typeof",
    "var",
    "void",
];

fn check_name(
    variable: &CelVariable,
    before: &[(String, Expression)],
    path: &FieldPath,
    found: &mut Diagnostics,
) {
    let name = variable.name.as_str();
    let is_identifier = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if !is_identifier || RESERVED.contains(&name) {
        found.error(path.field("name"), format!("{name:?} is no identifier of CEL, such as teamLabel"));
    }
    if before.iter().any(|(known, _)| known == name) {
        found.error(path.field("name"), format!("{name:?} is the name of two variables"));
    }
}

fn kept(
    compiled: Result<Expression, CompileError>,
    path: &FieldPath,
    found: &mut Diagnostics,
) -> Option<Expression> {
    compiled.map_err(|error| found.error(path.clone(), error.to_string())).ok()
}

impl Rule for CelCheck {
    fn about(&self) -> About {
        if self.for_each.is_some() { About::Pods } else { About::Objects }
    }

    fn heeds_containers(&self) -> bool {
        self.for_each.is_some()
    }

    fn reads(&self) -> Reads {
        let mut reads = Reads::default();
        let variables = self.variables.iter().map(|(_, expression)| expression);
        variables.chain(&self.expression).for_each(|expression| reads.extend(expression.reads()));
        // What looks at no object is about what is asked for: `false` forbids it.
        reads.update |= !reads.object;
        reads
    }

    fn judge(&self, subject: &Subject<'_>, report: &mut Report) {
        match self.for_each {
            None => self.judge_one(subject, None, &"", report),
            Some(ForEach::Containers) => {
                for container in subject.containers_of_authors() {
                    self.judge_one(subject, Some(container.value), &container.path, report);
                }
            }
        }
    }
}

impl CelCheck {
    fn judge_one(
        &self,
        subject: &Subject<'_>,
        item: Option<&Value>,
        path: &dyn fmt::Display,
        report: &mut Report,
    ) {
        let Some(expression) = &self.expression else { return };
        let variables = Variables::new(&self.variables, scope(subject, item));
        let scope = scope(subject, item).variables(&variables);
        match expression.evaluate_bool(&scope) {
            Ok(true) => {}
            Ok(false) => report.violation(path, self.message(expression, &scope)),
            Err(error) => report.fail(format!("the expression can't be evaluated: {error}")),
        }
    }

    /// What the client is told. As in a ValidatingAdmissionPolicy, a message that can't be made, that is blank, has a
    /// line break or is too long gives way to the next.
    fn message(&self, expression: &Expression, scope: &Scope<'_>) -> String {
        let computed =
            self.message_expression.as_ref().and_then(|message| message.evaluate_string(scope).ok());
        let is_message =
            |text: &str| !text.is_empty() && !text.contains('\n') && text.len() <= MAX_MESSAGE_LENGTH;
        computed
            .map(|message| message.trim().to_owned())
            .filter(|message| is_message(message))
            .or_else(|| self.message.clone())
            .unwrap_or_else(|| format!("found otherwise; wanted: {}", expression.source()))
    }
}

fn scope<'s>(subject: &'s Subject<'_>, item: Option<&'s Value>) -> Scope<'s> {
    let scope = subject.facts.scope(subject.object);
    match item {
        Some(item) => scope.item(item),
        None => scope,
    }
}
