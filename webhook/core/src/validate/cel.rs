//! A CEL expression that must be true.

use std::fmt;

use sallyport_policy::{Diagnostics, FieldPath};

use super::{About, Report, Rule, Subject};
use crate::cel::{Expression, Scope};
use crate::object::Reads;
use crate::resources::{CelRule, ForEach};

/// The rule, compiled.
#[derive(Debug)]
pub(crate) struct CelCheck {
    expression: Option<Expression>,
    message: Option<String>,
    message_expression: Option<Expression>,
    for_each: Option<ForEach>,
}

impl CelCheck {
    pub(crate) fn compile(rule: &CelRule, path: &FieldPath, found: &mut Diagnostics) -> Self {
        let expression = Expression::compile(&rule.expression)
            .map_err(|error| found.error(path.field("expression"), error.to_string()))
            .ok();
        let message_expression = rule.message_expression.as_ref().and_then(|message| {
            Expression::compile_message(message)
                .map_err(|error| found.error(path.field("messageExpression"), error.to_string()))
                .ok()
        });
        if rule.message.is_some() && rule.message_expression.is_some() {
            found.error(path.field("messageExpression"), "give message or messageExpression, not both");
        }
        Self { expression, message: rule.message.clone(), message_expression, for_each: rule.for_each }
    }
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
        self.expression.iter().for_each(|expression| reads.extend(expression.reads()));
        reads
    }

    fn judge(&self, subject: &Subject<'_>, report: &mut Report) {
        let scope = subject.facts.scope(subject.object);
        match self.for_each {
            None => self.judge_one(&scope, &"", report),
            Some(ForEach::Containers) => {
                for container in subject.containers() {
                    let scope = scope.clone().item(container.value);
                    self.judge_one(&scope, &container.path, report);
                }
            }
        }
    }
}

impl CelCheck {
    fn judge_one(&self, scope: &Scope<'_>, path: &dyn fmt::Display, report: &mut Report) {
        let Some(expression) = &self.expression else { return };
        match expression.evaluate_bool(scope) {
            Ok(true) => {}
            Ok(false) => report.violation(path, self.message(expression, scope)),
            Err(error) => report.fail(format!("the expression can't be evaluated: {error}")),
        }
    }

    /// What the client is told. As in a ValidatingAdmissionPolicy, a message that can't be made, that is blank or has
    /// a line break gives way to the next.
    fn message(&self, expression: &Expression, scope: &Scope<'_>) -> String {
        let computed =
            self.message_expression.as_ref().and_then(|message| message.evaluate_string(scope).ok());
        let computed = computed.filter(|message| !message.trim().is_empty() && !message.contains('\n'));
        computed
            .or_else(|| self.message.clone())
            .unwrap_or_else(|| format!("found otherwise; wanted: {}", expression.source()))
    }
}
