//! What functions spend: steps in proportion to what they go through, wherever they are called.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{Budget, EvaluationError, Expression, Names, Scope, Variables, library};

/// Characters of `object.text` and of `variables.text`.
const TEXT: usize = 64_000;
/// Elements of `object.list`, `object.names`, `object.numbers` and `variables.list`.
const ELEMENTS: usize = 1_000;

fn object() -> Value {
    let names: Vec<String> = (0..ELEMENTS).map(|n| format!("n{n:04}")).collect();
    let list: Vec<Value> = names.iter().map(|name| json!({"name": name})).collect();
    let numbers: Vec<usize> = (0..ELEMENTS).collect();
    json!({"text": "1".repeat(TEXT), "names": names, "list": list, "numbers": numbers})
}

const VARIABLES: [(&str, &str); 3] =
    [("text", "object.text"), ("list", "object.list"), ("maybe", "optional.of(object.text)")];

/// The steps that an expression takes once its variables are computed.
fn steps(object: &Value, source: &str) -> u64 {
    let (mut names, mut definitions) = (Names::default(), Vec::new());
    for (name, source) in VARIABLES {
        let compiled = Expression::compile_value(source, &names).unwrap();
        names = names.with_variable(name, &compiled);
        definitions.push((name.to_owned(), compiled));
    }
    let budget = Budget::default();
    let scope = || Scope::new(&budget).object(object);
    let values = Variables::new(&definitions, scope());
    let scope = scope().variables(&values);
    let warm = "has(variables.text) && has(variables.list) && has(variables.maybe)";
    assert_eq!(Expression::compile_with(warm, &names).unwrap().evaluate_bool(&scope), Ok(true));
    let before = budget.spent();
    let expression =
        Expression::compile_value(source, &names).unwrap_or_else(|error| panic!("{source}: {error}"));
    let outcome = expression.evaluate_bool(&scope);
    assert!(!matches!(outcome, Err(EvaluationError::BudgetExhausted { .. })), "{source}");
    budget.spent() - before
}

/// What goes through a text: at least a step for 64 bytes.
const THROUGH_TEXT: &[&str] = &[
    "bool(object.text)",
    "bytes(object.text)",
    "object.text.charAt(1)",
    "object.text.contains('2')",
    "'1'.contains(object.text)",
    "double(object.text)",
    "object.text.endsWith(object.text)",
    "object.text.startsWith(object.text)",
    "int(object.text)",
    "uint(object.text)",
    "object.names.join(object.text)",
    "object.text.lowerAscii()",
    "object.text.upperAscii()",
    "object.text.replace('1', '2')",
    "object.text.replace('1', '2', 3)",
    "size(object.text)",
    "object.text.split('1')",
    "object.text.split('1', 2)",
    "string(bytes(object.text))",
    "strings.quote(object.text)",
    "object.text.substring(1)",
    "object.text.trim()",
    "object.text.indexOf('2')",
    "object.text.indexOf('2', 1)",
    "object.text.lastIndexOf('2')",
    "object.text.lastIndexOf('2', 1)",
    "'%s'.format([object.text])",
    "object.text.find('2')",
    "object.text.findAll('2')",
    "object.text.matches('2')",
    "ip(object.text)",
    "isIP(object.text)",
    "ip.isCanonical(object.text)",
    "cidr(object.text)",
    "isCIDR(object.text)",
    "cidr('10.0.0.0/8').containsIP(object.text)",
    "cidr('10.0.0.0/8').containsCIDR(object.text)",
    "url(object.text)",
    "isURL(object.text)",
    "url('/' + object.text).getEscapedPath()",
    "url('/' + object.text).getHost()",
    "url('/' + object.text).getHostname()",
    "url('/' + object.text).getPort()",
    "url('/' + object.text).getScheme()",
    "url('/?' + object.text).getQuery()",
    "format.dns1123Label().validate(object.text)",
    "semver(object.text)",
    "isSemver(object.text)",
    "semver('1.0.0-' + object.text).compareTo(semver('1.0.0'))",
    "semver('1.0.0-' + object.text).isLessThan(semver('1.0.0'))",
    "semver('1.0.0-' + object.text).isGreaterThan(semver('1.0.0'))",
    "quantity(object.text)",
    "isQuantity(object.text)",
    "duration(object.text)",
    "timestamp(object.text)",
    "timestamp(0).getDate(object.text)",
    "timestamp(0).getDayOfMonth(object.text)",
    "timestamp(0).getDayOfWeek(object.text)",
    "timestamp(0).getDayOfYear(object.text)",
    "timestamp(0).getFullYear(object.text)",
    "timestamp(0).getHours(object.text)",
    "timestamp(0).getMilliseconds(object.text)",
    "timestamp(0).getMinutes(object.text)",
    "timestamp(0).getMonth(object.text)",
    "timestamp(0).getSeconds(object.text)",
    "object.text + object.text",
    "object.text < object.text",
    "object.text <= object.text",
    "object.text > object.text",
    "object.text >= object.text",
    "object.text == object.text",
    "object.text != object.text",
    "object.text in object",
    "object.text in object.names",
    "object[object.text]",
    "object[?object.text]",
    // What was computed is copied wherever it is kept.
    "[variables.text]",
    "{'a': variables.text}",
    "{variables.text: 'a'}",
    "optional.of(variables.text)",
    "optional.ofNonZeroValue(variables.text)",
    "variables.maybe.value()",
    "variables.maybe.orValue('')",
    "variables.maybe.or(optional.of(''))",
    "variables.maybe.optMap(x, [x])",
    "[variables.text].first()",
    "[variables.text].last()",
    "[optional.of(variables.text)].unwrapOpt()",
    "optional.unwrap([optional.of(variables.text)])",
];

/// What goes through a list: at least a step for each of its elements.
const THROUGH_LISTS: &[&str] = &[
    "object.names.distinct()",
    "[object.names].flatten()",
    "object.names.join()",
    "object.names.slice(0, 1)",
    "object.names.sort()",
    "object.list.sortBy(x, x.name)",
    "object.names.isSorted()",
    "object.names.first()",
    "object.names.last()",
    "object.names.max()",
    "object.names.min()",
    "object.numbers.sum()",
    "lists.range(1000)",
    "object.names.reverse()",
    "size(object.names)",
    "sets.contains(object.names, object.names)",
    "sets.contains(object.names, [])",
    "sets.equivalent(object.names, object.names)",
    "sets.intersects(object.names, object.names)",
    "object.names.indexOf('n0000')",
    "object.names.lastIndexOf('n0000')",
    "'%s'.format([object.names])",
    "'%s'.format(object.names)",
    "object.names + object.names",
    "object.list == variables.list",
    "object.list != variables.list",
    "'x' in object.names",
    "object.names in [object.names]",
    "object.names.all(x, true)",
    "object.names.exists(x, false)",
    "object.names.exists_one(x, true)",
    "object.names.map(x, x)",
    "object.names.filter(x, true)",
    "object.names.all(i, x, true)",
    "object.names.transformList(i, x, x)",
    "object.names.transformMap(i, x, x)",
    "object.names.transformMapEntry(i, x, {i: x})",
    "[variables.list]",
    "variables.list.map(x, x)",
    "dyn(variables.list) - 1",
    "dyn(variables.list) * 1",
    "dyn(variables.list) / 1",
    "dyn(variables.list) % 1",
    "-dyn(variables.list)",
    "dyn(variables.list)[0.5]",
];

/// What takes the same whatever it is given, or is given what is bounded by the expression.
const CONSTANT: &[&str] = &[
    "!_",
    "@not_strictly_false",
    "_&&_",
    "_?_:_",
    "_||_",
    "add",
    "asApproximateFloat",
    "asInteger",
    "dyn",
    "family",
    "format.byte",
    "format.date",
    "format.datetime",
    "format.dns1035Label",
    "format.dns1035LabelPrefix",
    "format.dns1123Label",
    "format.dns1123LabelPrefix",
    "format.dns1123Subdomain",
    "format.dns1123SubdomainPrefix",
    "format.labelValue",
    "format.named",
    "format.qualifiedName",
    "format.uri",
    "format.uuid",
    "hasValue",
    "isGlobalUnicast",
    "isInteger",
    "isLinkLocalMulticast",
    "isLinkLocalUnicast",
    "isLoopback",
    "isUnspecified",
    "major",
    "masked",
    "minor",
    "optional.none",
    "patch",
    "prefixLength",
    "sign",
    "sub",
    "type",
];

/// What an operator or an expansion is written as.
const WRITTEN: &[(&str, &str)] = &[
    ("_+_", " + "),
    ("_-_", " - "),
    ("_*_", " * "),
    ("_/_", " / "),
    ("_%_", " % "),
    ("-_", "-dyn"),
    ("_<_", " < "),
    ("_<=_", " <= "),
    ("_>_", " > "),
    ("_>=_", " >= "),
    ("_==_", " == "),
    ("_!=_", " != "),
    ("@in", " in "),
    ("_[_]", "object["),
    ("_[?_]", "[?"),
    ("@sortByAssociatedKeys", ".sortBy("),
    ("cel.@mapInsert", ".transformMap("),
];

#[test]
fn what_goes_through_texts_and_lists_counts_them() {
    let object = object();
    let mut wrong = Vec::new();
    for (sources, least) in [(THROUGH_TEXT, TEXT / 64), (THROUGH_LISTS, ELEMENTS)] {
        for source in sources {
            let found = steps(&object, source);
            if found < u64::try_from(least).unwrap() {
                wrong.push(format!("{source}: {found} steps, and not {least}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn of_every_function_is_known_what_it_counts() {
    let mut names = BTreeSet::new();
    for (name, _, _) in library::functions() {
        let written = WRITTEN.iter().find(|(known, _)| *known == name).map(|(_, text)| (*text).to_owned());
        let written = written.unwrap_or_else(|| format!("{name}("));
        let is_counted = THROUGH_TEXT.iter().chain(THROUGH_LISTS).any(|source| source.contains(&written));
        assert!(is_counted || CONSTANT.contains(&name), "{name}: nothing says what it spends");
        names.insert(name);
    }
    for name in CONSTANT {
        assert!(names.contains(name), "{name}: no such function");
    }
}

#[test]
fn what_borrows_from_the_object_is_kept_for_nothing() {
    let object = object();
    for source in [
        "[object.text]",
        "{'a': object.list}",
        "optional.of(object.list)",
        "object.?list.orValue([])",
        "[object.list].first()",
    ] {
        assert!(steps(&object, source) < 10, "{source}: {}", steps(&object, source));
    }
    // A variable is named for nothing, too: only to keep it takes a copy.
    for source in ["variables.text == ''", "variables.list[1].name == ''", "has(variables.list)"] {
        assert!(steps(&object, source) < 10, "{source}: {}", steps(&object, source));
    }
}

#[test]
fn a_loop_multiplies_what_stands_in_it() {
    let object = object();
    let once = steps(&object, "object.text.contains('2')");
    let often = steps(&object, "object.numbers.map(n, n).slice(0, 100).all(n, !object.text.contains('2'))");
    assert!(often >= 100 * once, "{often}, and {once} once");
    let inner = steps(&object, "lists.range(30).all(a, true)");
    let outer = steps(&object, "lists.range(30).all(a, lists.range(30).all(b, true))");
    assert!(outer >= 30 * inner, "{outer}, and {inner} once");
}
