//! CEL expressions: what compiles evaluates the same every time, in the steps that it says, within its budget.

use sallyport_admission::cel::{Budget, EvaluationError, Expression, Names, Scope};
use serde_json::Value;

use crate::input;

/// Steps for one evaluation.
const STEPS: u64 = 20_000;

pub(crate) fn run(bytes: &[u8]) -> bool {
    let Some(input) = input::json(bytes) else { return false };
    let Some(source) = input["expression"].as_str() else { return false };
    let names = Names::default().with_item();
    let expression = match Expression::compile_value(source, &names) {
        Ok(expression) => expression,
        Err(error) => {
            assert!(!error.message.is_empty());
            let line = source.split('\n').nth(error.line - 1);
            let line = line.unwrap_or_else(|| panic!("{error} is behind {source:?}"));
            assert!(error.column >= 1 && error.column <= line.chars().count() + 1, "{error} in {source:?}");
            // What is no value is no condition.
            assert!(Expression::compile_with(source, &names).is_err());
            assert!(Expression::compile_message(source, &names).is_err());
            return false;
        }
    };
    assert_eq!(expression.source(), source);
    let within = |steps: u64| {
        let budget = Budget::new(steps);
        let result = expression.evaluate_value(&scope(&budget, &input));
        assert!(budget.spent() <= steps);
        assert_eq!(budget.is_exhausted(), matches!(result, Err(EvaluationError::BudgetExhausted { .. })));
        (result, budget.spent())
    };
    let (result, spent) = within(STEPS);
    if let Err(error) = &result {
        assert!(error.to_string().len() < 1024, "{error}");
    }
    assert_eq!(
        within(STEPS),
        (result.clone(), spent),
        "{source:?} evaluates to something else the second time"
    );
    if !matches!(result, Err(EvaluationError::BudgetExhausted { .. })) {
        assert_eq!(within(spent), (result.clone(), spent), "{source:?} with as much as it needs");
        if let Some(less) = spent.checked_sub(1) {
            let refused = within(less).0;
            assert_eq!(refused, Err(EvaluationError::BudgetExhausted { limit: less }), "{source:?}");
        }
    }
    if let Ok(condition) = Expression::compile_with(source, &names) {
        let budget = Budget::new(STEPS);
        let holds = condition.evaluate_bool(&scope(&budget, &input));
        if let Ok(Value::Bool(value)) = result {
            assert_eq!(holds, Ok(value), "{source:?}");
        }
    }
    true
}

fn scope<'a>(budget: &'a Budget, input: &'a Value) -> Scope<'a> {
    let mut scope = Scope::new(budget);
    scope = input.get("object").map_or(scope.clone(), |object| scope.object(object));
    scope = input.get("oldObject").map_or(scope.clone(), |old| scope.old_object(old));
    scope = input.get("request").map_or(scope.clone(), |request| scope.request(request));
    scope = input.get("item").map_or(scope.clone(), |item| scope.item(item));
    scope
}
