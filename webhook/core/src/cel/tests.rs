//! Expressions and their verdicts, over a pod as the API server sends one.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::library;
use super::{
    Budget, CompileError, EvaluationError, Expression, MAX_EXPRESSION_LENGTH, Names, Scope, Variable,
    Variables,
};

fn pod() -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "generateName": "api-7d9c5b8f6-",
            "namespace": "prod",
            "labels": {"app": "api", "app.kubernetes.io/name": "api", "pod-template-hash": "7d9c5b8f6"},
            "annotations": {"example.com/owner": "payments", "empty": ""},
            "ownerReferences": [{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "api-7d9c5b8f6", "controller": true}],
            "creationTimestamp": null
        },
        "spec": {
            "serviceAccountName": "api",
            "terminationGracePeriodSeconds": 30,
            "securityContext": {"runAsNonRoot": true, "runAsUser": 999, "supplementalGroups": [1000, 2000]},
            "containers": [
                {
                    "name": "api",
                    "image": "registry.example/payments/api@sha256:0000",
                    "args": ["--port", "8080"],
                    "ports": [{"containerPort": 8080, "protocol": "TCP"}],
                    "env": [
                        {"name": "LOG", "value": "info"},
                        {"name": "KEY", "valueFrom": {"secretKeyRef": {"name": "api", "key": "key"}}}
                    ],
                    "resources": {"limits": {"cpu": "500m", "memory": "256Mi"}, "requests": {"cpu": "250m"}},
                    "securityContext": {"readOnlyRootFilesystem": true, "capabilities": {"drop": ["ALL"]}}
                },
                {"name": "proxy", "image": "registry.example/proxy:1.2", "args": ["--port", "8080"], "env": []}
            ],
            "volumes": [{"name": "tmp", "emptyDir": {}}],
            "tolerations": [],
            "ratio": 0.5,
            "whole": 1.0,
            "big": 18_446_744_073_709_551_615_u64,
            "low": -9_223_372_036_854_775_808_i64
        }
    })
}

#[track_caller]
fn compile(source: &str) -> Expression {
    let team = Expression::compile_value("'payments'", &Names::default()).unwrap();
    let names = Names::default().with_item().with_variable("team", &team);
    Expression::compile_value(source, &names).unwrap_or_else(|error| panic!("{source}: {error}"))
}

fn evaluate(source: &str) -> Result<bool, EvaluationError> {
    let (object, item) = (pod(), json!({"name": "api", "n": 3}));
    let variables =
        [("team".to_owned(), Expression::compile_value("'payments'", &Names::default()).unwrap())];
    let request = json!({"operation": "CREATE", "userInfo": {"username": "jo", "groups": ["dev", "ops"]}});
    let namespace = json!({"metadata": {"name": "prod", "labels": {"tier": "gold"}}});
    let budget = Budget::default();
    let scope =
        || Scope::new(&budget).object(&object).request(&request).namespace_object(&namespace).item(&item);
    let values = Variables::new(&variables, scope());
    let compiled = compile(source);
    compiled.evaluate_bool(&scope().variables(&values))
}

#[test]
fn expressions_hold_as_in_kubernetes() {
    let holds = [
        // Fields
        r#"object.kind == "Pod""#,
        r#"object.metadata.namespace == 'prod'"#,
        r#"object.metadata.labels["app.kubernetes.io/name"] == "api""#,
        r#"object["spec"]["containers"][0]["name"] == "api""#,
        "object.spec.containers[1].name == 'proxy'",
        "object.spec.containers[1u].name == 'proxy'",
        "object.spec.containers[1.0].name == 'proxy'",
        "object.spec.securityContext.runAsNonRoot",
        "!has(object.spec.hostNetwork) || !object.spec.hostNetwork",
        "object.metadata.creationTimestamp == null",
        "null == object.metadata.creationTimestamp",
        ".object.kind == 'Pod'",
        // Presence
        "has(object.metadata.labels)",
        "has(object.metadata.labels.app)",
        "!has(object.metadata.labels.team)",
        "!has(object.metadata.name)",
        "has(object.metadata.creationTimestamp)",
        "!has(object.spec.containers[1].resources)",
        "has(object.spec.containers[0].resources.limits.memory)",
        // Optionals
        r#"object.metadata.?labels.app.orValue("") == "api""#,
        r#"object.metadata.?labels.team.orValue("none") == "none""#,
        r#"object.metadata.?nothing.at.all.orValue("none") == "none""#,
        r#"object.metadata.labels[?"app.kubernetes.io/name"].orValue("") == "api""#,
        r#"object.metadata.?annotations["example.com/owner"].orValue("") == "payments""#,
        r#"object.metadata.?annotations[?"missing"].orValue("d") == "d""#,
        "object.spec.?containers[0].name.hasValue()",
        "!object.spec.containers[?7].hasValue()",
        "object.spec.?securityContext.?runAsUser.optMap(u, u > 0).orValue(false)",
        "!object.spec.?hostPID.optMap(h, !h).hasValue()",
        "object.spec.?securityContext.optFlatMap(s, s.?runAsUser).value() == 999",
        "optional.of(1).or(optional.of(2)).value() == 1",
        "optional.none().or(optional.of(2)).value() == 2",
        "!optional.ofNonZeroValue(object.spec.tolerations).hasValue()",
        "!optional.ofNonZeroValue(object.metadata.annotations.empty).hasValue()",
        "optional.ofNonZeroValue(object.spec.containers).hasValue()",
        "object.?kind == optional.of('Pod')",
        "object.spec.containers[1].?args == optional.of(['--port', '8080'])",
        "optional.of(['--port', '8080']) == object.spec.containers[1].?args",
        "[?object.?kind, ?object.?nothing] == ['Pod']",
        "size({?'kind': object.?kind, ?'no': object.?no}) == 1",
        "object.spec.containers.all(c, c.?securityContext.privileged.orValue(false) == false)",
        // Membership
        "'app' in object.metadata.labels",
        "!('team' in object.metadata.labels)",
        "object.kind in ['Pod', 'Deployment']",
        "'ALL' in object.spec.containers[0].securityContext.capabilities.drop",
        "1000 in object.spec.securityContext.supplementalGroups",
        "2000.0 in object.spec.securityContext.supplementalGroups",
        "!(1 in object.metadata.labels)",
        "'ops' in request.userInfo.groups",
        "['--port', '8080'] in object.spec.containers.map(c, c.args)",
        "object.spec.containers[0].args in [['--port', '8080']]",
        "object.spec.containers[0].ports[0] in [{'containerPort': dyn(8080), 'protocol': dyn('TCP')}]",
        "{'name': dyn('tmp'), 'emptyDir': dyn({})} in object.spec.volumes",
        // Comprehensions
        "object.spec.containers.all(c, c.image.startsWith('registry.example/'))",
        "object.spec.containers.exists(c, c.name == 'proxy')",
        "!object.spec.containers.exists(c, c.name == 'none')",
        "object.spec.containers.exists_one(c, has(c.ports))",
        "object.spec.containers.filter(c, has(c.ports)).size() == 1",
        "object.spec.containers.map(c, c.name) == ['api', 'proxy']",
        "['api', 'proxy'] == object.spec.containers.map(c, c.name)",
        "object.spec.containers.map(c, has(c.ports), c.name) == ['api']",
        "object.metadata.labels.all(k, k.startsWith('app') || k.contains('-hash'))",
        "object.metadata.labels.exists(k, object.metadata.labels[k] == 'api')",
        "object.metadata.labels.map(k, k).sort()[0] == 'app'",
        "object.spec.tolerations.all(t, t.nothing.there)",
        "!object.spec.tolerations.exists(t, t.nothing.there)",
        "object.spec.containers.all(c, c.?env.orValue([]).all(e, has(e.value) || has(e.valueFrom)))",
        "object.spec.containers.exists(c, c.nothing == 1 || c.name == 'proxy')",
        "!object.spec.containers.all(c, c.ports.size() > 5)",
        "[1, 2, 3].all(x, [4, 5].all(y, x < y))",
        // Sizes and types
        "size(object.spec.containers) == 2",
        "object.metadata.labels.size() == 3",
        "size(object.kind) == 3",
        "size(object.spec.tolerations) == 0",
        "type(object) == map",
        "type(object.spec.containers) == list",
        "type(object.kind) == string",
        "type(object.spec.terminationGracePeriodSeconds) == int",
        "type(object.spec.low) == int",
        "type(object.spec.big) == uint",
        "type(object.spec.ratio) == double",
        "type(object.spec.whole) == double",
        "type(object.spec.securityContext.runAsNonRoot) == bool",
        "type(object.metadata.creationTimestamp) == null_type",
        "type(object.?kind) == optional_type",
        // Numbers
        "object.spec.terminationGracePeriodSeconds + 1 == 31",
        "object.spec.terminationGracePeriodSeconds == 30.0",
        "object.spec.whole == 1",
        "object.spec.ratio * 2.0 == 1.0",
        "object.spec.ratio < 1",
        "object.spec.big > 0",
        "object.spec.big == 18446744073709551615u",
        "object.spec.low < 0",
        "int(object.spec.containers[0].args[1]) == 8080",
        "string(object.spec.securityContext.runAsUser) == '999'",
        "object.spec.securityContext.runAsUser % 2 == 1",
        // Strings
        "object.spec.containers[0].image.matches('@sha256:[0-9]{4}$')",
        "object.spec.containers[0].image.split('@')[0].endsWith('/api')",
        "object.spec.containers[0].image.contains('payments')",
        "object.kind.lowerAscii() == 'pod'",
        "object.kind + '/' + object.metadata.namespace == 'Pod/prod'",
        "object.metadata.generateName.replace('-', '') == 'api7d9c5b8f6'",
        "object.metadata.generateName.replace('-', '+', 1) == 'api+7d9c5b8f6-'",
        "object.spec.containers.map(c, c.name).join(', ') == 'api, proxy'",
        "object.spec.containers[0].args.join() == '--port8080'",
        "object.metadata.generateName.substring(0, 3) == 'api'",
        "object.metadata.generateName.indexOf('-') == 3",
        "'%s has %d'.format([object.kind, 2]) == 'Pod has 2'",
        // Equality of whatever is held wherever
        "object == object",
        "object != oldObject",
        "oldObject == null",
        "object.spec.containers[0].args == object.spec.containers[1].args",
        "object.spec.containers[0].args == ['--port', '8080']",
        "['--port', '8080'] == object.spec.containers[0].args",
        "['--port'] != object.spec.containers[0].args",
        "object.spec.containers[0].ports[0] == {'containerPort': dyn(8080u), 'protocol': dyn('TCP')}",
        "{'protocol': dyn('TCP'), 'containerPort': dyn(8080.0)} == object.spec.containers[0].ports[0]",
        "[[object.spec.tolerations]] == [[[]]]",
        "{'a': object.spec.volumes} == {'a': [{'name': dyn('tmp'), 'emptyDir': dyn({})}]}",
        "object.kind != 1",
        "object.spec.containers != 'x'",
        "object.spec.containers[0].args + ['x'] == ['--port', '8080', 'x']",
        "['x'] + object.spec.containers[0].args == ['x', '--port', '8080']",
        // Lists
        "object.spec.containers.map(c, c.args).flatten().distinct() == ['--port', '8080']",
        "object.spec.containers.sortBy(c, c.name)[0].name == 'api'",
        "object.spec.containers.slice(1, 2)[0].name == 'proxy'",
        "object.spec.containers[0].args.reverse()[0] == '8080'",
        "lists.range(3) == [0, 1, 2]",
        // Logic passes over errors where the answer is known
        "object.nothing == 1 || true",
        "!(object.nothing == 1 && false)",
        "has(object.spec.hostNetwork) ? object.spec.hostNetwork : true",
        // The other variables
        "request.operation == 'CREATE'",
        "namespaceObject.metadata.labels.tier == 'gold'",
        "item.n == 3 && item.name in object.spec.containers.map(c, c.name)",
        "variables.team == object.metadata.annotations['example.com/owner']",
        "[1, 2].exists(item, item == 2)",
    ];
    for source in holds {
        assert_eq!(evaluate(source), Ok(true), "{source}");
        let negated = format!("!({source})");
        assert_eq!(evaluate(&negated), Ok(false), "{negated}");
    }
    assert!(holds.len() > 80);
}

#[test]
fn what_cannot_be_answered_is_an_error_that_says_why() {
    let cases = [
        ("object.nothing == 1", "no such key: nothing"),
        ("object.spec.nothing.at.all", "no such key: nothing"),
        ("has(object.nothing.there)", "no such key: nothing"),
        ("object['nothing'] == 1", "no such key: nothing"),
        // A key that comes from the object is its author's, and may be a secret.
        (
            "object.metadata.annotations[object.metadata.annotations['example.com/owner']] == ''",
            "no such key: one that the expression computes",
        ),
        ("object.metadata.labels[1] == 1", "no such key: 1"),
        ("object.spec.containers[2].name == 'x'", "index out of bounds: 2"),
        ("object.spec.containers[-1].name == 'x'", "index out of bounds: -1"),
        (
            "object.spec.containers.name == 'x'",
            "found no matching overload for '_._' applied to '(list, string)'",
        ),
        ("object.kind.name == 'x'", "found no matching overload for '_._' applied to '(string, string)'"),
        (
            "object.spec.containers['x'] == 1",
            "found no matching overload for '_[_]' applied to '(list, string)'",
        ),
        ("object.spec.containers.all(c, c.ports[0].containerPort > 1)", "no such key: ports"),
        ("object.spec.containers.exists(c, c.nothing == 1)", "no such key: nothing"),
        ("object.spec.containers.map(c, c.ports).size() == 1", "no such key: ports"),
        ("object.kind > 1", "found no matching overload for '_>_' applied to '(string, int)'"),
        (
            "object.kind + object.spec.low == 'x'",
            "found no matching overload for 'add' applied to '(string, int)'",
        ),
        ("object.kind && true", "found no matching overload for '_&&_' applied to '(string, bool)'"),
        ("'x' in object.kind", "found no matching overload for 'in' applied to '(string, string)'"),
        ("object.spec.whole + 1 == 2", "found no matching overload for 'add' applied to '(float, int)'"),
        ("object.spec.low - 1 == 0", "number out of range"),
        ("1 / (object.spec.terminationGracePeriodSeconds - 30) == 1", "division by zero"),
        ("int(object.kind) == 1", "int: string parse error: invalid digit found in string"),
        ("optional.none().value() == 1", "value: optional.none() dereference"),
        ("object.kind.all(c, true)", "a value of type string where iterable is wanted"),
        (
            "object.spec.terminationGracePeriodSeconds.all(c, true)",
            "a value of type int where iterable is wanted",
        ),
        ("object.spec", "evaluates to map, must be bool"),
        ("object.kind", "evaluates to string, must be bool"),
        ("oldObject.spec.x == 1", "found no matching overload for '_._' applied to '(null_type, string)'"),
        (
            "object.kind.replace(object.spec.low, 'x') == 'x'",
            "found no matching overload for 'replace' applied to '(string, int, string)'",
        ),
        ("object.spec.supplementalGroups.join() == 'x'", "no such key: supplementalGroups"),
        (
            "object.spec.securityContext.supplementalGroups.join() == 'x'",
            "found no matching overload for 'join' applied to '(list)'",
        ),
        ("object.kind.matches(object.kind + '(')", "matches: illegal regex: not a pattern of RE2"),
    ];
    for (source, wanted) in cases {
        let error = evaluate(source).expect_err(source).to_string();
        assert_eq!(error.lines().next(), Some(wanted), "{source}");
    }
}

#[test]
fn an_element_that_an_evaluation_lacks_is_undeclared() {
    let budget = Budget::default();
    for name in ["item", "variables"] {
        let outcome = compile(&format!("{name}.team == 'x'")).evaluate_bool(&Scope::new(&budget));
        assert_eq!(outcome, Err(EvaluationError::Undeclared(name.to_owned())));
    }
}

#[test]
fn what_is_wrong_with_an_expression_is_said_with_its_place() {
    let cases = [
        ("object.spec ==", 1, 15, "Syntax error"),
        ("object.kind == 'Pod' &&\n  (object.x", 2, 12, "Syntax error"),
        ("", 1, 1, "Syntax error"),
        ("objct.kind == 'Pod'", 1, 1, "no such variable: objct (there are object, oldObject"),
        ("object.kind == 'Pod' &&\n  params.x == 1", 2, 3, "no such variable: params"),
        ("'äöü' == object.kind || foo", 1, 25, "no such variable: foo"),
        ("object.spec.containers.all(c, d.name == 'x')", 1, 31, "no such variable: d"),
        ("object.spec.containers.all(c, true) && c.name == 'x'", 1, 40, "no such variable: c"),
        ("object.kind.startWith('P')", 1, 22, "no such function: startWith"),
        (
            "quantity(object.x).isGreaterThan(1)",
            1,
            33,
            "isGreaterThan does not apply to kubernetes.Quantity.(int)",
        ),
        ("object.x.isBig()", 1, 15, "no such function: isBig"),
        ("item.x == 1", 1, 1, "no item here: there is one where the rule says forEach"),
        ("variables.x == 1", 1, 1, "no variables here: none is declared before this expression"),
        ("object.x", 1, 7, "evaluates to a value of any type, must be bool"),
        ("[1, 'a'] == object.x", 1, 5, "of type string beside one of type int"),
        ("1 == 'a'", 1, 3, "== does not apply to (int, string)"),
        ("request.foo == 1", 1, 8, "no such field: foo"),
        ("duration('1d') == object.x", 1, 10, "the argument makes no duration"),
        ("lists.nothing(1) == 1", 1, 14, "no such function: nothing"),
        ("object.all(c)", 1, 11, "no such function: all"),
        ("Pod{kind: 'x'} == object", 1, 4, "no such type: Pod"),
        ("object.kind.matches('(')", 1, 21, "\"(\" is not a valid pattern"),
        ("'yes'", 1, 1, "evaluates to string, must be bool"),
        ("1", 1, 1, "evaluates to int, must be bool"),
        ("[true]", 1, 1, "evaluates to list(bool), must be bool"),
        ("size(object)", 1, 5, "evaluates to int, must be bool"),
        ("object.spec.containers.map(c, c.name)", 1, 27, "evaluates to list(dyn), must be bool"),
        ("has(object)", 1, 5, "invalid argument to has() macro"),
        ("@budget == 1", 1, 1, "Syntax error"),
        ("object.x.all(a, a.all(b, b.all(c, c.all(d, d.all(e, e)))))", 1, 49, "more than 4 comprehensions"),
    ];
    for (source, line, column, message) in cases {
        let error = Expression::compile(source).expect_err(source);
        assert_eq!((error.line, error.column), (line, column), "{source}: {error}");
        assert!(error.message.starts_with(message), "{source}: {error}");
    }
    let error = CompileError { message: "m".to_owned(), line: 2, column: 3 };
    assert_eq!(error.to_string(), "m (line 2, column 3)");
}

#[test]
fn messages_and_values_have_their_own_results() {
    let (budget, object) = (Budget::default(), pod());
    let scope = Scope::new(&budget).object(&object);
    let message =
        Expression::compile_message("'pods named ' + object.metadata.generateName", &Names::default())
            .unwrap();
    assert_eq!(message.evaluate_string(&scope).unwrap(), "pods named api-7d9c5b8f6-");
    assert!(Expression::compile_message("'constant'", &Names::default()).is_ok());
    assert!(Expression::compile_message("1 == 1", &Names::default()).is_err());
    let wrong = Expression::compile_value("object.spec", &Names::default()).unwrap().evaluate_string(&scope);
    assert_eq!(wrong.unwrap_err().to_string(), "evaluates to map, must be string");
    for (source, wanted) in [
        (
            "object.spec.securityContext",
            json!({"runAsNonRoot": true, "runAsUser": 999, "supplementalGroups": [1000, 2000]}),
        ),
        ("object.spec.containers.map(c, {'n': c.name})", json!([{"n": "api"}, {"n": "proxy"}])),
        ("[object.?kind, object.?nothing, optional.of(dyn(1))]", json!(["Pod", null, 1])),
        ("object.spec.ratio", json!(0.5)),
    ] {
        assert_eq!(
            Expression::compile_value(source, &Names::default()).unwrap().evaluate_value(&scope),
            Ok(wanted),
            "{source}"
        );
    }
    for source in ["type(1)", "{1: 2}", "b'x'", "0.0 / 0.0"] {
        let outcome = Expression::compile_value(source, &Names::default()).unwrap().evaluate_value(&scope);
        assert!(matches!(outcome, Err(EvaluationError::NotJson(_))), "{source}");
    }
}

#[test]
fn an_expression_knows_its_variables() {
    let expression = compile("object.x == oldObject.x && [dyn(request)].all(r, r == item && r.name == 'x')");
    let named: Vec<_> = expression.variables().iter().copied().collect();
    assert_eq!(named, [Variable::Object, Variable::OldObject, Variable::Request, Variable::Item]);
    assert!(compile("true").variables().is_empty());
}

#[test]
fn every_function_of_the_library_is_declared_and_in_the_table() {
    assert!(library::ENVIRONMENT.is_ok());
    let table = include_str!("../../tests/data/cel/expressions.yaml");
    for (name, written, read) in library::functions() {
        assert!(written > 0 && read >= written, "{name}: {read} of {written} signatures can be read");
        // Operators and what macros expand to are not called by name.
        let is_called = name.starts_with(|c: char| c.is_ascii_lowercase()) && !name.contains('@');
        assert!(!is_called || table.contains(&format!("{name}(")), "{name}");
    }
}

#[test]
fn an_expression_is_bounded_when_it_is_compiled() {
    let repeated = |unit: &str, times: usize| unit.repeat(times);
    let hostile = [
        repeated("(", 2000),
        repeated("!", 4000) + "true",
        repeated("-", 4000) + "1 == 1",
        repeated("[", 2000),
        repeated("{1:", 1000),
        repeated("object.x[", 400),
        "object".to_owned() + &repeated(".a", 2000),
        "object".to_owned() + &repeated(".?a", 1300),
        "object".to_owned() + &repeated("[0]", 1300),
        "object".to_owned() + &repeated(".size()", 580),
        "1".to_owned() + &repeated("+1", 2000) + " == 1",
        "1".to_owned() + &repeated("==1", 1300),
        repeated("true?", 800) + "1" + &repeated(":1", 800),
        repeated("true?1:", 580) + "1",
        repeated("[1].all(x,", 400) + "true" + &repeated(")", 400),
        repeated("size(", 800) + "1" + &repeated(")", 800),
        repeated("'", 4095),
        repeated("\\", 4095),
        repeated("ä", 2000),
        repeated("😀", 1000),
        "\"\\u12".to_owned(),
        "'\\U0011FFFF' == 'x'".to_owned(),
        "'\\400' == 'x'".to_owned(),
        "99999999999999999999 == 1".to_owned(),
        "0xfffffffffffffffffff == 1".to_owned(),
        "object.`a-b` == 1".to_owned(),
        "\0".to_owned(),
        "object.x == 1 // comment".to_owned() + &repeated("x", 4000),
    ];
    for source in &hostile {
        let short: String = source.chars().take(30).collect();
        match Expression::compile(source) {
            Ok(expression) => {
                let budget = Budget::default();
                let _ = expression.evaluate_bool(&Scope::new(&budget));
            }
            Err(error) => assert!(!error.message.is_empty(), "{short}"),
        }
    }
    let long = format!("'{}' == ''", repeated("x", MAX_EXPRESSION_LENGTH));
    assert!(Expression::compile(&long).is_err());
    // Many terms are no depth.
    let wide = format!("{}true", repeated("object.a == 1 || ", 200));
    assert!(Expression::compile(&wide).is_ok());
    let object = json!({"a": [1]});
    for deepest in [
        format!("object{} == 1", repeated(".a", 61)),
        format!("1{} == 62", repeated("+1", 61)),
        format!("dyn({}object.a{}) != 1", repeated("[", 60), repeated("]", 60)),
        format!("{}true{}", repeated("!(", 62), repeated(")", 62)),
        format!(
            "{}object.a.all(x, object.a.all(y, {}x == y{})){}",
            repeated("!(", 28),
            repeated("!(", 28),
            repeated(")", 28),
            repeated(")", 28)
        ),
    ] {
        let _ = compile(&deepest).evaluate_bool(&Scope::new(&Budget::default()).object(&object));
    }
}

#[test]
fn an_evaluation_is_bounded_whatever_the_object() {
    let list: Vec<Value> =
        (0..20_000).map(|n| json!({"name": format!("n{n}"), "items": [1, 2, 3]})).collect();
    let long = "x".repeat(1_000_000);
    let object = json!({"list": list, "long": long, "names": (0..20_000).map(|n| n.to_string()).collect::<Vec<_>>(), "n": 1_000_000});
    for source in [
        "object.list.all(a, object.list.all(b, a.name != b.name || a == b))",
        "object.list.all(a, !(a in object.list.map(b, b.items)))",
        "object.list.all(a, object == object)",
        "object.list.all(a, object.long + object.long != object.long)",
        "object.list.all(a, !object.long.contains(a.name))",
        "object.list.all(a, !object.long.matches('y'))",
        "object.names.all(a, a.matches('[0-9]+'))",
        "object.names.distinct().size() == 20000",
        "object.list.map(a, object.list).flatten().size() == 1",
        "object.list.map(a, object.names.join(object.long)).size() == 1",
        "object.names.join(object.long) == ''",
        "object.long.replace('x', object.long) == ''",
        "object.long.split('').map(x, x).map(x, x).map(x, x).size() > 0",
        "object.names.map(n, lists.range(object.n)).size() == 1",
        "object.names.all(a, a in object.names)",
        "object.names.all(a, object.names.exists(b, a == b))",
        "object.names.exists(a, object.names.exists(b, object.nothing)) || true",
        "object.names.all(a, object.long < object.long + a)",
        "[object.long + object.long].map(a, a + a).map(a, a + a).map(a, a + a).map(a, a + a).map(a, a + a)\
            .map(a, a + a).map(a, a + a).map(a, a + a).map(a, a + a).map(a, a + a).size() == 1",
    ] {
        let budget = Budget::default();
        let scope = Scope::new(&budget).object(&object);
        let outcome = compile(source).evaluate_bool(&scope);
        assert_eq!(outcome, Err(EvaluationError::BudgetExhausted { limit: Budget::DEFAULT }), "{source}");
        assert!(compile("true").evaluate_bool(&scope).is_err(), "an exhausted budget stays so");
    }
    // What policies do to such an object fits.
    for source in [
        "object.list.all(a, a.name.startsWith('n') && a.items.all(i, i > 0))",
        "object.list.all(a, !(a.name in ['x', 'y']))",
        "object == object",
        "object.names.join(',').size() > 20000",
        "object.long.contains('x') && object.long.matches('^x+$')",
    ] {
        let budget = Budget::default();
        assert_eq!(compile(source).evaluate_bool(&Scope::new(&budget).object(&object)), Ok(true), "{source}");
        assert!(budget.spent() <= Budget::DEFAULT / 2, "{source} takes {}", budget.spent());
    }
}

#[test]
fn neither_a_scope_nor_an_expression_shows_an_object_in_debug_output() {
    let (budget, object) = (Budget::default(), json!({"password": "hunter2"}));
    let shown = format!("{:?} {:?}", Scope::new(&budget).object(&object), compile("object == object"));
    assert!(!shown.contains("hunter2"), "{shown}");
}

fn json_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_filter("JSON has no NaN", |double| double.is_finite()).prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 48, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::btree_map(any::<String>(), inner, 0..6)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

/// Every leaf with the expression that reaches it.
fn leaves<'v>(value: &'v Value, path: &str, found: &mut Vec<(String, &'v Value)>) {
    match value {
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                leaves(item, &format!("{path}[{index}]"), found);
            }
        }
        Value::Object(entries) => {
            for (key, item) in entries {
                leaves(item, &format!("{path}[{}]", quoted(key)), found);
            }
        }
        scalar => found.push((path.to_owned(), scalar)),
    }
}

fn quoted(text: &str) -> String {
    let escaped: String = text.chars().map(|c| format!("\\U{:08x}", u32::from(c))).collect();
    format!("\"{escaped}\"")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn a_value_equals_itself_and_its_copy(object in json_value()) {
        let (budget, copy) = (Budget::default(), object.clone());
        let scope = Scope::new(&budget).object(&object).old_object(&copy);
        for source in ["object == object", "object == oldObject", "[object] == [oldObject]", "oldObject in [object]",
            "{'a': object} == {'a': oldObject}", "optional.of(object) == optional.of(oldObject)"] {
            prop_assert_eq!(compile(source).evaluate_bool(&scope), Ok(true), "{}", source);
        }
        let copied = Expression::compile_value("object", &Names::default()).unwrap().evaluate_value(&scope);
        prop_assert_eq!(copied, Ok(object.clone()));
    }

    #[test]
    fn two_values_are_equal_in_both_directions_or_neither(left in json_value(), right in json_value()) {
        let budget = Budget::default();
        let scope = Scope::new(&budget).object(&left).old_object(&right);
        let equal = compile("object == oldObject").evaluate_bool(&scope);
        prop_assert_eq!(&equal, &compile("oldObject == object").evaluate_bool(&scope));
        prop_assert_eq!(equal.map(|equal| !equal), compile("object != oldObject").evaluate_bool(&scope));
    }

    #[test]
    fn a_list_and_a_map_have_their_size(items in prop::collection::vec(json_value(), 0..9)) {
        let map: serde_json::Map<_, _> = items.iter().cloned().enumerate().map(|(n, v)| (n.to_string(), v)).collect();
        let object = json!({"list": items, "map": map});
        let budget = Budget::default();
        let scope = Scope::new(&budget).object(&object);
        let size = json!([items.len(), items.len(), items.len(), items.len()]);
        let source = "[size(object.list), object.map.size(), object.list.map(x, x).size(), object.map.map(k, k).size()]";
        prop_assert_eq!(Expression::compile_value(source, &Names::default()).unwrap().evaluate_value(&scope), Ok(size));
    }

    #[test]
    fn a_path_reaches_its_leaf(object in json_value()) {
        let budget = Budget::default();
        let scope = Scope::new(&budget).object(&object);
        let mut found = Vec::new();
        leaves(&object, "object", &mut found);
        for (path, leaf) in found.into_iter().filter(|(path, _)| path.len() < 4000).take(8) {
            let reached = Expression::compile_value(&path, &Names::default()).unwrap().evaluate_value(&scope);
            prop_assert_eq!(reached.as_ref(), Ok(leaf), "{}", path);
        }
    }

    #[test]
    fn no_text_panics_the_compiler(source in "\\PC{0,60}") {
        let _ = Expression::compile(&source);
    }
}
