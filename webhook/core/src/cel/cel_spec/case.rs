//! One test of cel-spec: an expression, the variables that it names, and what it gives.

use std::collections::BTreeMap;

use cel::common::value::{CowVal, Val};
use cel::context::VariableResolver;

use super::super::functions::BUDGET;
use super::super::{Budget, CompileError, Expression, Names};
use super::text_format::Message;
use super::value;

/// A test, and where it stands: file, section and name.
pub(super) struct Case {
    pub(super) path: [String; 3],
    test: Message,
}

/// What a policy's expression may take.
const STEPS: u64 = 1_000_000;

/// That a name is unknown says nothing of what would become of the expression, unless the test is about that.
const UNKNOWN: [&str; 4] = ["no such function", "no such type", "no such variable", "Syntax error"];
const ABOUT_UNKNOWN: [&str; 3] = ["undeclared reference", "unbound function", "unknown variable"];

impl Case {
    /// The tests of a file.
    pub(super) fn all_of(file: &str, text: &str) -> Vec<Self> {
        let mut cases = Vec::new();
        let suite = Message::read(text);
        for section in suite.messages("section") {
            for test in section.messages("test") {
                let path = [file.to_owned(), section.text("name"), test.text("name")];
                cases.push(Self { path, test: test.clone() });
            }
        }
        cases
    }

    pub(super) fn source(&self) -> String {
        self.test.text("expr")
    }

    /// Runs the test.
    ///
    /// # Errors
    /// What is otherwise than cel-spec has it.
    pub(super) fn run(&self) -> Result<(), String> {
        let names = self.names()?;
        let compiled = Expression::compile_value(&self.source(), &names);
        if self.test.field("eval_error").is_some() || self.test.field("any_eval_errors").is_some() {
            return self.fails(compiled);
        }
        let expression = compiled.map_err(|error| format!("does not compile: {error}"))?;
        let typed = self.test.message("typed_result");
        if let Some(typed) = typed {
            let wanted = typed.message("deduced_type").and_then(value::of).ok_or("of an unknown type")?;
            if *expression.result() != wanted {
                return Err(format!("is of type {}, and not {wanted}", expression.result()));
            }
        }
        if self.test.field("check_only").is_some() {
            return Ok(());
        }
        let wanted = match typed.map_or_else(|| self.test.message("value"), |typed| typed.message("result")) {
            Some(wanted) => value::value(wanted).ok_or("gives a value of an unknown type")?,
            None => Box::new(cel::common::types::CelBool::TRUE),
        };
        let bindings = self.bindings()?;
        let outcome = expression.resolve(&bindings, |found| {
            let difference = format!("{}, and not {}", value::shown(found), value::shown(wanted.as_ref()));
            Ok(if value::is_same(found, wanted.as_ref()) { Ok(()) } else { Err(difference) })
        });
        outcome.map_err(|error| format!("ends in an error: {error}"))?
    }

    /// An error is wanted: a wrong type is one as soon as the expression is compiled.
    fn fails(&self, compiled: Result<Expression, CompileError>) -> Result<(), String> {
        match compiled {
            Err(error)
                if !self.is_about_unknown()
                    && UNKNOWN.iter().any(|unknown| error.message.starts_with(unknown)) =>
            {
                Err(format!("does not compile: {error}"))
            }
            Err(_) => Ok(()),
            Ok(expression) => {
                let bindings = self.bindings()?;
                let found = expression.resolve(&bindings, |found| Ok(value::shown(found)));
                found.map_or(Ok(()), |found| Err(format!("{found}, and not an error")))
            }
        }
    }

    fn is_about_unknown(&self) -> bool {
        let mut errors = self.test.messages("eval_error").flat_map(|set| set.messages("errors"));
        errors.any(|error| ABOUT_UNKNOWN.iter().any(|about| error.text("message").contains(about)))
    }

    fn names(&self) -> Result<Names, String> {
        let mut names = Names::default();
        for declared in self.test.messages("type_env") {
            let name = declared.text("name");
            let of = declared.message("ident").and_then(|ident| ident.message("type"));
            let of = of.and_then(value::of).ok_or_else(|| format!("{name} is of an unknown type"))?;
            names = names.with(&name, of);
        }
        Ok(names)
    }

    fn bindings(&self) -> Result<Bindings, String> {
        let mut values = BTreeMap::new();
        for binding in self.test.messages("bindings") {
            let name = binding.text("key");
            let bound = binding.message("value").and_then(|value| value.message("value"));
            let bound =
                bound.and_then(value::value).ok_or_else(|| format!("{name} is of an unknown type"))?;
            values.insert(name, bound);
        }
        Ok(Bindings { budget: Budget::new(STEPS), values })
    }
}

/// What the variables hold.
struct Bindings {
    budget: Budget,
    values: BTreeMap<String, Box<dyn Val>>,
}

impl VariableResolver for Bindings {
    fn resolve<'b>(&'b self, variable: &str) -> Option<CowVal<'b, 'b>> {
        match variable {
            BUDGET => Some(CowVal::Borrowed(&self.budget)),
            name => self.values.get(name).map(|value| CowVal::Borrowed(value.as_ref())),
        }
    }
}
