//! Which parts of an expression lend what the evaluation itself made.
//!
//! What an object holds is borrowed and costs nothing to copy. What was computed (a variable, a list that is iterated)
//! is copied in full wherever it is kept: so where it is lent, what copying takes must be counted.

use cel::IdedExpr;
use cel::common::ast::{CallExpr, EntryExpr, Expr, ListExpr, MapExpr, operators};

/// The variables of the comprehensions around a part of an expression, each with whether it lends.
#[derive(Default)]
pub(super) struct Locals {
    names: Vec<(String, bool)>,
}

impl Locals {
    pub(super) fn len(&self) -> usize {
        self.names.len()
    }

    pub(super) fn push(&mut self, name: &str, lends: bool) {
        self.names.push((name.to_owned(), lends));
    }

    pub(super) fn truncate(&mut self, len: usize) {
        self.names.truncate(len);
    }

    /// Whether the part may evaluate to something that was computed and that somebody else keeps.
    pub(super) fn lends(&self, expr: &IdedExpr) -> bool {
        match &expr.expr {
            Expr::Ident(name) => {
                let local = self.names.iter().rev().find(|(local, _)| local == name);
                local.map_or(name.trim_start_matches('.') == "variables", |(_, lends)| *lends)
            }
            Expr::Select(select) => !select.test && self.lends(&select.operand),
            Expr::Call(call) => self.call_lends(call),
            Expr::List(_)
            | Expr::Map(_)
            | Expr::Comprehension(_)
            | Expr::Literal(_)
            | Expr::Struct(_)
            | Expr::Unspecified => false,
        }
    }

    fn call_lends(&self, call: &CallExpr) -> bool {
        match call.func_name.as_str() {
            operators::CONDITIONAL => call.args.iter().skip(1).any(|branch| self.lends(branch)),
            operators::INDEX => call.args.first().is_some_and(|container| self.lends(container)),
            // These hand on what they are given.
            "dyn" | "string" => call.args.iter().any(|arg| self.lends(arg)),
            "or" | "orValue" | "value" => {
                call.target.as_deref().into_iter().chain(&call.args).any(|part| self.lends(part))
            }
            _ => false,
        }
    }

    /// Whether copying an element of what the part evaluates to takes more than it did to name it.
    pub(super) fn has_computed_elements(&self, expr: &IdedExpr) -> bool {
        match &expr.expr {
            Expr::List(ListExpr { elements, .. }) => elements.iter().any(|element| self.is_computed(element)),
            Expr::Map(MapExpr { entries }) => entries.iter().any(|entry| match &entry.expr {
                EntryExpr::MapEntry(entry) => self.is_computed(&entry.key) || self.is_computed(&entry.value),
                EntryExpr::StructField(field) => self.is_computed(&field.value),
            }),
            _ => self.is_computed(expr),
        }
    }

    /// Whether the part may evaluate to something that was computed, by itself or before.
    fn is_computed(&self, expr: &IdedExpr) -> bool {
        match &expr.expr {
            Expr::Ident(_) => self.lends(expr),
            Expr::Literal(_) => false,
            Expr::Select(select) => !select.test && self.is_computed(&select.operand),
            Expr::Call(call) => match call.func_name.as_str() {
                operators::INDEX | operators::OPT_INDEX | operators::OPT_SELECT => {
                    call.args.first().is_none_or(|container| self.is_computed(container))
                }
                operators::CONDITIONAL => call.args.iter().skip(1).any(|branch| self.is_computed(branch)),
                "or" | "orValue" | "value" => {
                    call.target.as_deref().into_iter().chain(&call.args).any(|part| self.is_computed(part))
                }
                _ => true,
            },
            Expr::List(_) | Expr::Map(_) => self.has_computed_elements(expr),
            Expr::Comprehension(_) | Expr::Struct(_) | Expr::Unspecified => true,
        }
    }
}
