//! Exceptions from workload policies.

use std::collections::BTreeSet;

use sallyport_policy::{
    Diagnostics, FieldPath, Glob, LabelSelector, StatusCondition, check_dns_label, check_dns_subdomain,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The annotation in which the webhook records who wrote an exception. It is set on every creation and change,
/// whatever the author wrote there; it is a record for people and is never trusted.
pub const AUTHOR_ANNOTATION: &str = "sallyport.dev/author";

/// Leave for some objects in the exception's namespace to break entries of workload policies, for a time.
///
/// It is honoured only where the policy's `exceptions.namespaces` lists the namespace, and no longer than the policy's
/// `exceptions.maxDuration` after its creation. The webhook records its author in the annotation
/// `sallyport.dev/author`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PolicyExceptionSpec {
    /// The policies, and which of their entries.
    #[schemars(
        length(min = 1, max = 32),
        extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"])
    )]
    pub policies: Vec<ExceptedPolicy>,
    /// The objects, all in the exception's namespace.
    #[serde(rename = "match")]
    pub matches: ExceptionMatch,
    /// When the exception ends, in RFC 3339 §5.6, such as `2030-01-31T18:00:00Z`.
    #[schemars(length(min = 20, max = 64), extend("format" = "date-time"))]
    pub expires: String,
    /// Why there is an exception, and who answers for it. Reports show it.
    #[schemars(length(min = 1, max = 1024), regex(pattern = r"\S"))]
    pub reason: String,
}

/// A policy from which there is an exception.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ExceptedPolicy {
    /// The WorkloadPolicy's name.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
    /// The names of the entries: `name`, or with its list, `mutate/name` and `validate/name`. Where both lists have a
    /// name, the name alone is the validation. Empty: all entries of both lists.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), inner(length(min = 1, max = 72)), extend("x-kubernetes-list-type" = "set"))]
    pub entries: Vec<String>,
}

/// Objects that fit every field; a field that is left out fits all. Within a field, any element will do.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ExceptionMatch {
    /// The kinds, such as Pod and Deployment.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32), inner(length(min = 1, max = 63)), extend("x-kubernetes-list-type" = "set"))]
    pub kinds: Vec<String>,
    /// The objects' names, in which `*` stands for any run of characters. A pod that a controller makes has no name
    /// yet when it is mutated: use generateNames or owners for it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), inner(length(min = 1, max = 253)))]
    pub names: Vec<Glob>,
    /// The objects' `metadata.generateName`, such as `migration-*`, in which `*` stands for any run of characters.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), inner(length(min = 1, max = 253)))]
    pub generate_names: Vec<Glob>,
    /// The objects' controllers: the owner reference with `controller: true`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    pub owners: Vec<ExceptionOwner>,
    /// The objects' labels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object_selector: Option<LabelSelector>,
}

/// The controller of an object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ExceptionOwner {
    /// Its kind, such as Job, or ReplicaSet for the pods of a Deployment.
    #[schemars(length(min = 1, max = 63))]
    pub kind: String,
    /// Its name, in which `*` stands for any run of characters.
    #[schemars(length(min = 1, max = 253))]
    pub name: Glob,
}

/// What the controller says about an exception.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PolicyExceptionStatus {
    /// The `metadata.generation` that this status is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Honoured: the exception is in force. If not, the reason is NamespaceNotListed, TooLong, Expired, UnknownPolicy
    /// or Invalid.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<StatusCondition>,
}

impl PolicyExceptionSpec {
    /// When the exception ends, in seconds since 1970-01-01T00:00:00Z, or none if `expires` is not RFC 3339 §5.6.
    #[must_use]
    pub fn expires_at(&self) -> Option<i64> {
        seconds_since_1970(&self.expires)
    }

    /// What is wrong with the exception by itself, from `spec`: all of it.
    #[must_use]
    pub fn check(&self) -> Diagnostics {
        let mut findings = Diagnostics::default();
        let spec = FieldPath::of("spec");

        let policies = spec.field("policies");
        if self.policies.is_empty() {
            findings.error(policies.clone(), "no policy is named: write at least one");
        }
        let mut names = BTreeSet::new();
        for policy in &self.policies {
            let at = policies.named(&policy.name);
            if let Err(error) = check_dns_subdomain(&policy.name) {
                findings.error(at.field("name"), error.to_string());
            }
            if !names.insert(&policy.name) {
                findings.error(at.clone(), "the policy is named twice: write its entries in one place");
            }
            for (i, entry) in policy.entries.iter().enumerate() {
                let listed = ["mutate/", "validate/"].iter().find_map(|list| entry.strip_prefix(list));
                if let Err(error) = check_dns_label(listed.unwrap_or(entry)) {
                    findings.error(at.field("entries").index(i), error.to_string());
                }
            }
        }

        self.matches.check(&spec.field("match"), &mut findings);
        if self.expires_at().is_none() {
            let message = format!(
                "{:?} is not a time in RFC 3339: write one such as 2030-01-31T18:00:00Z",
                self.expires
            );
            findings.error(spec.field("expires"), message);
        }
        if self.reason.trim().is_empty() {
            findings.error(spec.field("reason"), "no reason is given: say why, and who answers for it");
        }
        findings
    }
}

impl ExceptionMatch {
    fn check(&self, at: &FieldPath, findings: &mut Diagnostics) {
        if let Some(selector) = &self.object_selector {
            selector.compile(&at.field("objectSelector"), findings);
        }
        for (i, owner) in self.owners.iter().enumerate() {
            if owner.kind.is_empty() {
                findings.error(at.field("owners").index(i).field("kind"), "the owner's kind is empty");
            }
        }
        let chooses_labels = self.object_selector.as_ref().is_some_and(|selector| !selector.is_empty());
        let chooses =
            chooses_labels || [self.names.len(), self.generate_names.len(), self.owners.len()] != [0, 0, 0];
        if !chooses {
            findings.warn(
                at.clone(),
                "every object of these kinds in the namespace is excepted: choose by names, generateNames, owners or \
                 objectSelector",
            );
        }
    }
}

/// Reads `YYYY-MM-DDThh:mm:ss[.fraction](Z|±hh:mm)` (RFC 3339 §5.6). A leap second counts as the second after it.
fn seconds_since_1970(text: &str) -> Option<i64> {
    let (date, time) = text.split_once(['T', 't'])?;
    let at = time.find(['Z', 'z', '+', '-'])?;
    let (time, zone) = time.split_at_checked(at)?;

    let [year, month, day] = numbers(date, '-', [4, 2, 2])?;
    let (clock, fraction) = time.split_once('.').unwrap_or((time, "0"));
    let [hour, minute, second] = numbers(clock, ':', [2, 2, 2])?;
    let offset = match zone.strip_prefix(['+', '-']) {
        None if zone.len() == 1 => 0,
        None => return None,
        Some(distance) => {
            let [hours, minutes] = numbers(distance, ':', [2, 2])?;
            let seconds = (hours <= 23 && minutes <= 59).then_some(hours * 3_600 + minutes * 60)?;
            if zone.starts_with('-') { -seconds } else { seconds }
        }
    };

    let leap_year = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days_in_month = match month {
        2 => 28 + i64::from(leap_year),
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return None,
    };
    let fraction_is_right = !fraction.is_empty() && fraction.bytes().all(|byte| byte.is_ascii_digit());
    let in_range = (1..=days_in_month).contains(&day) && hour <= 23 && minute <= 59 && second <= 60;
    if !fraction_is_right || !in_range {
        return None;
    }

    // Years are counted from March, so that the leap day is the last of a year.
    let years = if month <= 2 { year - 1 } else { year };
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let days =
        365 * years + years.div_euclid(4) - years.div_euclid(100) + years.div_euclid(400) + day_of_year;
    Some((days - 719_468) * 86_400 + hour * 3_600 + minute * 60 + second - offset)
}

/// Numbers of exactly so many digits, with a separator between them.
fn numbers<const N: usize>(text: &str, separator: char, widths: [usize; N]) -> Option<[i64; N]> {
    let mut parts = text.split(separator);
    let mut numbers = [0; N];
    for (number, width) in numbers.iter_mut().zip(widths) {
        let part = parts.next().filter(|part| part.len() == width)?;
        *number = part.bytes().all(|byte| byte.is_ascii_digit()).then(|| part.parse().ok())??;
    }
    parts.next().is_none().then_some(numbers)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn times_are_read_as_rfc_3339_writes_them() {
        for (text, seconds) in [
            ("1970-01-01T00:00:00Z", Some(0)),
            ("1969-12-31T23:59:59Z", Some(-1)),
            ("2000-02-29T12:00:00Z", Some(951_825_600)),
            ("2030-01-31T18:00:00Z", Some(1_896_112_800)),
            ("2030-01-31T18:00:00.123456789Z", Some(1_896_112_800)),
            ("2030-01-31T20:00:00+02:00", Some(1_896_112_800)),
            ("2030-01-31t12:30:00-05:30", Some(1_896_112_800)),
            ("0000-03-01T00:00:00Z", Some(-62_162_035_200)),
            ("1990-12-31T23:59:60Z", Some(662_688_000)),
            ("2030-02-29T00:00:00Z", None),
            ("1900-02-29T00:00:00Z", None),
            ("2030-13-01T00:00:00Z", None),
            ("2030-00-01T00:00:00Z", None),
            ("2030-01-32T00:00:00Z", None),
            ("2030-01-31T24:00:00Z", None),
            ("2030-01-31T18:00:00", None),
            ("2030-01-31T18:00:00.Z", None),
            ("2030-01-31T18:00Z", None),
            ("2030-01-31 18:00:00Z", None),
            ("2030-1-31T18:00:00Z", None),
            ("2030-01-31T18:00:00Zulu", None),
            ("2030-01-31T18:00:00+2:00", None),
            ("+030-01-31T18:00:00Z", None),
            ("tomorrow", None),
            ("", None),
        ] {
            assert_eq!(seconds_since_1970(text), seconds, "{text}");
        }
    }

    #[track_caller]
    fn check(spec: serde_json::Value, want: &[&str]) {
        let spec: PolicyExceptionSpec = serde_json::from_value(spec).unwrap();
        let findings: Vec<_> = spec.check().iter().map(ToString::to_string).collect();
        assert_eq!(findings, want);
    }

    #[test]
    fn an_exception_that_says_what_for_whom_how_long_and_why_is_right() {
        check(
            json!({
                "policies": [{"name": "financial-planning", "entries": ["hardened", "probes"]}, {"name": "media-platform"}],
                "match": {
                    "kinds": ["Pod", "Job"],
                    "names": ["migration", "migration-*"],
                    "generateNames": ["migration-*"],
                    "owners": [{"kind": "Job", "name": "migration-*"}],
                    "objectSelector": {"matchLabels": {"app": "migration"}},
                },
                "expires": "2030-01-31T18:00:00Z",
                "reason": "The migration writes to its root file system; team data, ticket 42",
            }),
            &[],
        );
    }

    #[test]
    fn all_that_is_wrong_is_found_at_once() {
        check(
            json!({
                "policies": [{"name": "a"}, {"name": "a", "entries": ["ok", "Not_ok"]}, {"name": "B"}],
                "match": {"objectSelector": {"matchLabels": {"app": "-"}}, "owners": [{"kind": "", "name": "a"}]},
                "expires": "72h",
                "reason": " ",
            }),
            &[
                "spec.policies[a]: the policy is named twice: write its entries in one place",
                "spec.policies[a].entries[1]: \"Not_ok\" is not a DNS label: it holds 'N'; write lower-case letters, digits and '-'",
                "spec.policies[B].name: \"B\" is not a DNS subdomain: it holds 'B'; write lower-case letters, digits, '-' and '.'",
                "spec.match.objectSelector.matchLabels[app]: \"-\" is not a label's value: it starts with '-'; start with a letter or a digit",
                "spec.match.owners[0].kind: the owner's kind is empty",
                "spec.expires: \"72h\" is not a time in RFC 3339: write one such as 2030-01-31T18:00:00Z",
                "spec.reason: no reason is given: say why, and who answers for it",
            ],
        );
        check(
            json!({"policies": [], "match": {"kinds": ["Pod"]}, "expires": "2030-01-31T18:00:00Z", "reason": "x"}),
            &[
                "spec.policies: no policy is named: write at least one",
                "spec.match: every object of these kinds in the namespace is excepted: choose by names, generateNames, owners or objectSelector",
            ],
        );
    }
}
