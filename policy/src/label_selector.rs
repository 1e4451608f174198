//! Which objects a policy chooses by their labels.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::name::{check_label_key, check_label_value};
use crate::{Diagnostics, FieldPath};

/// Chooses objects by their labels, as metav1.LabelSelector does: matchLabels and matchExpressions must all hold; an
/// empty selector chooses every object.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("x-kubernetes-map-type" = "atomic"))]
pub struct LabelSelector {
    /// Labels that an object must have, with these values.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub match_labels: BTreeMap<String, String>,
    /// Requirements that an object's labels must all meet.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "atomic"))]
    pub match_expressions: Vec<LabelSelectorRequirement>,
}

/// A requirement on one label.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LabelSelectorRequirement {
    /// The label's key.
    pub key: String,
    /// How the label's value relates to the values: In, NotIn, Exists or DoesNotExist.
    pub operator: LabelSelectorOperator,
    /// The values: at least one for In and NotIn, none for Exists and DoesNotExist.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "atomic"))]
    pub values: Vec<String>,
}

/// How the value of a label relates to a requirement's values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum LabelSelectorOperator {
    /// The label is there, with one of the values.
    In,
    /// The label is absent, or has none of the values.
    NotIn,
    /// The label is there.
    Exists,
    /// The label is absent.
    DoesNotExist,
}

impl LabelSelector {
    /// Whether the selector requires nothing, and so chooses every object.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.match_labels.is_empty() && self.match_expressions.is_empty()
    }

    /// Checks the selector, which stands at `path`, and makes it ready for matching.
    ///
    /// The rules are those of the API server. A selector of which an error was found is not to be used.
    pub fn compile(&self, path: &FieldPath, findings: &mut Diagnostics) -> Selector {
        let mut selector = Selector::default();
        for (key, value) in &self.match_labels {
            let at = path.field("matchLabels").key(key);
            check_key(key, &at, findings);
            check_value(value, &at, findings);
            selector
                .0
                .push(Requirement { key: key.clone(), test: Test::In(set(std::slice::from_ref(value))) });
        }
        for (i, requirement) in self.match_expressions.iter().enumerate() {
            let at = path.field("matchExpressions").index(i);
            check_key(&requirement.key, &at.field("key"), findings);
            selector
                .0
                .push(Requirement { key: requirement.key.clone(), test: requirement.test(&at, findings) });
        }
        selector
    }
}

impl LabelSelectorRequirement {
    fn test(&self, path: &FieldPath, findings: &mut Diagnostics) -> Test {
        use LabelSelectorOperator::{DoesNotExist, Exists, In, NotIn};

        let at = path.field("values");
        match (self.operator, self.values.is_empty()) {
            (In | NotIn, true) => {
                findings.error(at.clone(), format!("{:?} needs values: write at least one", self.operator));
            }
            (Exists | DoesNotExist, false) => {
                findings.error(at.clone(), format!("{:?} takes no values: remove them", self.operator));
            }
            _ => {}
        }
        for (i, value) in self.values.iter().enumerate() {
            check_value(value, &at.index(i), findings);
        }
        match self.operator {
            In => Test::In(set(&self.values)),
            NotIn => Test::NotIn(set(&self.values)),
            Exists => Test::Exists,
            DoesNotExist => Test::DoesNotExist,
        }
    }
}

/// The values, each once. One by one: what makes a set of a list at once sorts it, and the filter would carry that along.
fn set(values: &[String]) -> BTreeSet<String> {
    let mut set = BTreeSet::new();
    set.extend(values.iter().cloned());
    set
}

fn check_key(key: &str, path: &FieldPath, findings: &mut Diagnostics) {
    if let Err(error) = check_label_key(key) {
        findings.error(path.clone(), error.to_string());
    }
}

fn check_value(value: &str, path: &FieldPath, findings: &mut Diagnostics) {
    if let Err(error) = check_label_value(value) {
        findings.error(path.clone(), error.to_string());
    }
}

/// A [`LabelSelector`] ready for matching.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selector(Vec<Requirement>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Requirement {
    key: String,
    test: Test,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Test {
    In(BTreeSet<String>),
    NotIn(BTreeSet<String>),
    Exists,
    DoesNotExist,
}

impl Test {
    /// Whether a label that meets this meets the other too.
    fn implies(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::In(known), Self::In(wanted)) => known.is_subset(wanted),
            (Self::In(known), Self::NotIn(unwanted)) => known.is_disjoint(unwanted),
            (Self::NotIn(known), Self::NotIn(unwanted)) => unwanted.is_subset(known),
            (Self::DoesNotExist, Self::NotIn(_) | Self::DoesNotExist)
            | (Self::In(_) | Self::Exists, Self::Exists) => true,
            _ => false,
        }
    }
}

impl Selector {
    /// Whether the labels, whose values `get` returns, meet every requirement.
    pub fn matches<'a>(&self, get: impl Fn(&str) -> Option<&'a str>) -> bool {
        self.0.iter().all(|Requirement { key, test }| match (test, get(key)) {
            (Test::In(values), Some(value)) => values.contains(value),
            (Test::NotIn(values), Some(value)) => !values.contains(value),
            (Test::Exists, Some(_)) | (Test::NotIn(_) | Test::DoesNotExist, None) => true,
            (Test::DoesNotExist, Some(_)) | (Test::In(_) | Test::Exists, None) => false,
        })
    }

    /// Labels without which nothing matches, with the one value that they must have: what an index may key on.
    pub fn required_pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().filter_map(|Requirement { key, test }| match test {
            Test::In(values) if values.len() == 1 => {
                values.first().map(|value| (key.as_str(), value.as_str()))
            }
            _ => None,
        })
    }

    /// What meets both.
    #[must_use]
    pub fn and(&self, other: &Self) -> Self {
        Self(self.0.iter().chain(&other.0).cloned().collect())
    }

    /// Whether it is certain that whatever `narrower` matches, this matches too. Each requirement must follow from one of
    /// the other's on the same label.
    #[must_use]
    pub fn covers(&self, narrower: &Self) -> bool {
        let follows = |wanted: &Requirement| {
            let mut known = narrower.0.iter().filter(|known| known.key == wanted.key);
            known.any(|known| known.test.implies(&wanted.test))
        };
        self.0.iter().all(follows)
    }

    /// Whether it is certain that nothing is matched by both: they ask for different values of one label.
    #[must_use]
    pub fn excludes(&self, other: &Self) -> bool {
        let contradicts = |a: &Requirement, b: &Requirement| match (&a.test, &b.test) {
            (Test::In(a), Test::In(b)) => a.is_disjoint(b),
            _ => false,
        };
        self.0.iter().any(|a| other.0.iter().any(|b| a.key == b.key && contradicts(a, b)))
    }

    /// The keys of the labels that the verdict depends on; one may come more than once.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|requirement| requirement.key.as_str())
    }

    /// Whether nothing is required, so that everything matches.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn compile(selector: serde_json::Value) -> (Selector, Vec<String>) {
        let selector: LabelSelector = serde_json::from_value(selector).unwrap();
        let mut findings = Diagnostics::default();
        let compiled = selector.compile(&FieldPath::of("spec.selector"), &mut findings);
        (compiled, findings.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn selectors_match_as_the_api_server_matches() {
        let one = |operator: &str, values: &[&str]| json!({"matchExpressions": [{"key": "a", "operator": operator, "values": values}]});
        // Selector; whether it matches no labels, a=x, a=y, and a with the empty value.
        for (selector, want) in [
            (json!({}), [true, true, true, true]),
            (json!({"matchLabels": {"a": "x"}}), [false, true, false, false]),
            (json!({"matchLabels": {"a": ""}}), [false, false, false, true]),
            (json!({"matchLabels": {"a": "x", "b": "x"}}), [false, false, false, false]),
            (one("In", &["x"]), [false, true, false, false]),
            (one("In", &["x", "y"]), [false, true, true, false]),
            (one("NotIn", &["x"]), [true, false, true, true]),
            (one("NotIn", &["x", ""]), [true, false, true, false]),
            (one("Exists", &[]), [false, true, true, true]),
            (one("DoesNotExist", &[]), [true, false, false, false]),
        ] {
            let (compiled, findings) = compile(selector.clone());
            assert!(findings.is_empty(), "{selector}: {findings:?}");
            let labels = [None, Some("x"), Some("y"), Some("")];
            let got = labels.map(|value| compiled.matches(|key| value.filter(|_| key == "a")));
            assert_eq!(got, want, "{selector}");
            assert_eq!(compiled.is_empty(), selector == json!({}));
        }
    }

    #[test]
    fn every_error_is_found_with_its_field() {
        let (_, findings) = compile(json!({
            "matchLabels": {"a b": "x", "c": "-"},
            "matchExpressions": [
                {"key": "", "operator": "In"},
                {"key": "d", "operator": "NotIn", "values": []},
                {"key": "d", "operator": "Exists", "values": ["x"]},
                {"key": "d", "operator": "DoesNotExist", "values": ["é"]},
            ],
        }));
        assert_eq!(
            findings,
            [
                "spec.selector.matchLabels[a b]: \"a b\" is not a label's name: it holds ' '; write letters, digits, '-', '_' and '.'",
                "spec.selector.matchLabels[c]: \"-\" is not a label's value: it starts with '-'; start with a letter or a digit",
                "spec.selector.matchExpressions[0].key: a label's name is empty: write 1 to 63 letters, digits, '-', '_' and '.'",
                "spec.selector.matchExpressions[0].values: In needs values: write at least one",
                "spec.selector.matchExpressions[1].values: NotIn needs values: write at least one",
                "spec.selector.matchExpressions[2].values: Exists takes no values: remove them",
                "spec.selector.matchExpressions[3].values: DoesNotExist takes no values: remove them",
                "spec.selector.matchExpressions[3].values[0]: \"é\" is not a label's value: it holds 'é'; write letters, digits, '-', '_' and '.'",
            ]
        );
    }

    #[test]
    fn an_index_may_key_on_labels_that_must_have_one_value() {
        let (selector, _) = compile(json!({
            "matchLabels": {"a": "x"},
            "matchExpressions": [
                {"key": "b", "operator": "In", "values": ["y", "y"]},
                {"key": "c", "operator": "In", "values": ["y", "z"]},
                {"key": "d", "operator": "NotIn", "values": ["y"]},
            ],
        }));
        assert_eq!(selector.required_pairs().collect::<Vec<_>>(), [("a", "x"), ("b", "y")]);
        assert_eq!(selector.keys().collect::<Vec<_>>(), ["a", "b", "c", "d"]);
    }

    /// Every pair of selectors of one or two requirements on two labels, over everything that these may be.
    #[test]
    fn what_is_said_of_two_selectors_is_true_of_all_labels() {
        let requirement = |key: &str| {
            let lists = [["x"].as_slice(), &["y"], &["x", "y"]].into_iter();
            let of_values = lists.flat_map(|values| ["In", "NotIn"].map(|operator| (operator, values)));
            let all = of_values.chain([("Exists", [].as_slice()), ("DoesNotExist", &[])]);
            let json = |(operator, values)| json!({"key": key, "operator": operator, "values": values});
            all.map(json).collect::<Vec<_>>()
        };
        let (a, b) = (requirement("a"), requirement("b"));
        let single = a.iter().map(|a| json!([a]));
        let double = a.iter().flat_map(|a| b.iter().map(move |b| json!([a, b])));
        let selectors = single.chain(double).chain([json!([])]);
        let selectors: Vec<Selector> =
            selectors.map(|all| compile(json!({"matchExpressions": all})).0).collect();
        let values = [None, Some("x"), Some("y"), Some("z")];
        let (mut covering, mut excluding) = (0, 0);
        for one in &selectors {
            assert!(one.covers(one), "{one:?}");
            for other in &selectors {
                for (a, b) in values.iter().flat_map(|a| values.iter().map(move |b| (*a, *b))) {
                    let get = |key: &str| if key == "a" { a } else { b };
                    let (ours, theirs) = (one.matches(get), other.matches(get));
                    assert!(!one.covers(other) || ours || !theirs, "{one:?} covers {other:?}: {a:?} {b:?}");
                    assert!(
                        !(one.excludes(other) && ours && theirs),
                        "{one:?} excludes {other:?}: {a:?} {b:?}"
                    );
                    assert_eq!(one.and(other).matches(get), ours && theirs);
                }
                covering += u32::from(one.covers(other));
                excluding += u32::from(one.excludes(other));
            }
        }
        assert!(covering > 500 && excluding > 100, "{covering} {excluding}");
    }

    #[test]
    fn an_unknown_field_is_refused() {
        let error = serde_json::from_value::<LabelSelector>(json!({"matchLabel": {}})).unwrap_err();
        assert!(error.to_string().contains("unknown field `matchLabel`"), "{error}");
    }
}
