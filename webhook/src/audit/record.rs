//! One line of the audit log.

use std::borrow::Cow;
use std::num::NonZeroU8;
use std::sync::Arc;
use std::time::Duration;

use sallyport_admission::{
    Change, Decision, Finding, GroupVersionKind, GroupVersionResource, Mode, Request, Source,
};
use serde::Serialize;
use serde_json::Value;
use time::OffsetDateTime;
use time::format_description::well_known::Iso8601;
use time::format_description::well_known::iso8601::{Config, TimePrecision};

use crate::plain::{cut, redacted_within};

/// The bytes of a name, a user or a group.
const NAME_BYTES: usize = 256;
/// The bytes of a field's path, and of a message.
const TEXT_BYTES: usize = 512;
/// What of a text is looked at at all.
const READ_BYTES: usize = 16 * TEXT_BYTES;
/// The groups of a user, the findings of one sort, the entries that changed something, and the paths of one of them.
const MOST: usize = 64;
/// The paths of all entries together.
const MOST_PATHS: usize = 4 * MOST;

/// What of a decision goes on record, beside how it was answered.
pub(crate) struct Told {
    request: Request,
    generate_name: String,
    pub(crate) decision: Decision,
    policies: Option<Arc<str>>,
}

impl Told {
    /// Keeps of both what a record needs: no object, and no patch.
    pub(crate) fn of(mut request: Request, decision: Decision, policies: Option<Arc<str>>) -> Self {
        let object = if request.object.is_null() { &request.old_object } else { &request.object };
        let generate_name =
            object.get("metadata").and_then(|metadata| metadata.get("generateName")).and_then(Value::as_str);
        let generate_name = cut(Cow::Borrowed(generate_name.unwrap_or_default()), READ_BYTES).into_owned();
        request.object = Value::Null;
        request.old_object = Value::Null;
        let mut decision = Decision { mutated: None, patch: Default::default(), ..decision };
        for change in &mut decision.changes {
            (change.before, change.after) = (None, None);
        }
        Self { request, generate_name, decision, policies }
    }
}

impl Told {
    /// Who makes the request.
    pub(crate) fn user(&self) -> &str {
        &self.request.user_info.username
    }
}

/// How a call was answered.
#[derive(Clone, Copy)]
pub(crate) enum Outcome<'o> {
    Decided {
        verdict: &'static str,
        told: &'o Told,
    },
    /// There is no decision: `malformed` or `unanswered`, and why.
    Undecided {
        verdict: &'static str,
        reason: &'static str,
    },
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Record<'r> {
    time: String,
    webhook: &'static str,
    #[serde(flatten)]
    asked: Option<Asked<'r>>,
    verdict: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    violations: Vec<Found<'r>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<Found<'r>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    excepted: Vec<Found<'r>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    skipped: Vec<Found<'r>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    changes: Vec<Changed<'r>>,
    /// How many of all these had no room.
    #[serde(skip_serializing_if = "is_zero")]
    omitted: usize,
    duration_micros: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    policies: Option<&'r str>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Asked<'r> {
    uid: Cow<'r, str>,
    operation: String,
    kind: GroupVersionKind,
    resource: GroupVersionResource,
    #[serde(skip_serializing_if = "str::is_empty")]
    sub_resource: Cow<'r, str>,
    #[serde(skip_serializing_if = "str::is_empty")]
    namespace: Cow<'r, str>,
    #[serde(skip_serializing_if = "str::is_empty")]
    name: Cow<'r, str>,
    #[serde(skip_serializing_if = "str::is_empty")]
    generate_name: Cow<'r, str>,
    user: Cow<'r, str>,
    groups: Vec<Cow<'r, str>>,
    dry_run: bool,
}

#[derive(Serialize)]
struct Found<'r> {
    policy: Cow<'r, str>,
    /// The list that the entry stands in.
    #[serde(skip_serializing_if = "Option::is_none")]
    list: Option<&'static str>,
    #[serde(skip_serializing_if = "str::is_empty")]
    entry: Cow<'r, str>,
    mode: Mode,
    #[serde(skip_serializing_if = "str::is_empty")]
    path: Cow<'r, str>,
    message: Cow<'r, str>,
}

#[derive(Serialize)]
struct Changed<'r> {
    policy: Cow<'r, str>,
    #[serde(skip_serializing_if = "str::is_empty")]
    entry: Cow<'r, str>,
    mode: Mode,
    paths: Vec<Cow<'r, str>>,
}

impl<'r> Record<'r> {
    pub(crate) fn new(webhook: &'static str, outcome: Outcome<'r>, duration: Duration) -> Self {
        let mut record = Self {
            time: now(),
            webhook,
            asked: None,
            verdict: "",
            reason: None,
            violations: Vec::new(),
            warnings: Vec::new(),
            excepted: Vec::new(),
            skipped: Vec::new(),
            changes: Vec::new(),
            omitted: 0,
            duration_micros: u64::try_from(duration.as_micros()).unwrap_or(u64::MAX),
            policies: None,
        };
        match outcome {
            Outcome::Decided { verdict, told } => {
                record.verdict = verdict;
                record.tell(told);
            }
            Outcome::Undecided { verdict, reason } => {
                record.verdict = verdict;
                record.reason = Some(reason);
            }
        }
        record
    }

    fn tell(&mut self, told: &'r Told) {
        let Told { request, generate_name, decision, policies } = told;
        let kind = &request.kind;
        let resource = &request.resource;
        let own = |text: &str| name(text).into_owned();
        self.asked = Some(Asked {
            uid: if is_uuid(&request.uid) { Cow::Borrowed(&request.uid) } else { name(&request.uid) },
            operation: request.operation.to_string(),
            kind: GroupVersionKind {
                group: own(&kind.group),
                version: own(&kind.version),
                kind: own(&kind.kind),
            },
            resource: GroupVersionResource {
                group: own(&resource.group),
                version: own(&resource.version),
                resource: own(&resource.resource),
            },
            sub_resource: name(&request.sub_resource),
            namespace: name(&request.namespace),
            name: name(&request.name),
            generate_name: name(generate_name),
            user: name(&request.user_info.username),
            groups: request.user_info.groups.iter().take(MOST).map(|group| name(group)).collect(),
            dry_run: request.dry_run.unwrap_or_default(),
        });
        self.omitted = request.user_info.groups.len().saturating_sub(MOST);
        self.violations = self.found(&decision.violations);
        self.warnings = self.found(&decision.warnings);
        self.excepted = self.found(&decision.excepted);
        self.skipped = self.found(&decision.skipped);
        self.changes = self.changed(&decision.changes);
        self.policies = policies.as_deref();
    }

    fn found(&mut self, findings: &'r [Finding]) -> Vec<Found<'r>> {
        self.omitted += findings.len().saturating_sub(MOST);
        let shown = findings.iter().take(MOST).map(|finding| Found {
            policy: name(&finding.source.policy),
            list: finding.source.list.field(),
            entry: name(&finding.source.entry),
            mode: finding.mode,
            path: text(&finding.path),
            message: text(&finding.message),
        });
        shown.collect()
    }

    /// Each entry once, with the paths that it changed.
    fn changed(&mut self, changes: &'r [Change]) -> Vec<Changed<'r>> {
        let mut entries: Vec<(&Source, Mode, Vec<&str>)> = Vec::new();
        let mut all = 0;
        for change in changes {
            let of_entry = |(source, mode, _): &(&Source, Mode, Vec<&str>)| {
                *source == &change.source && *mode == change.mode
            };
            let known = entries.iter().position(of_entry);
            if known.is_none() && entries.len() < MOST {
                entries.push((&change.source, change.mode, Vec::new()));
            }
            let entry = known.unwrap_or(entries.len() - 1);
            match entries.get_mut(entry).filter(|entry| of_entry(entry)) {
                Some((.., paths)) if paths.contains(&change.path.as_str()) => {}
                Some((.., paths)) if paths.len() < MOST && all < MOST_PATHS => {
                    all += 1;
                    paths.push(&change.path);
                }
                _ => self.omitted += 1,
            }
        }
        let shown = entries.into_iter().map(|(source, mode, paths)| Changed {
            policy: name(&source.policy),
            entry: name(&source.entry),
            mode,
            paths: paths.into_iter().map(text).collect(),
        });
        shown.collect()
    }

    /// The line, without its end.
    pub(crate) fn line(&self) -> Vec<u8> {
        // Text, numbers and lists always become JSON.
        serde_json::to_vec(self).unwrap_or_default()
    }
}

fn is_zero(count: &usize) -> bool {
    *count == 0
}

/// RFC 3339 with microseconds, always six digits: so lines are in order as text, too.
fn timestamp(time: OffsetDateTime) -> String {
    const MICROSECONDS: u128 = Config::DEFAULT
        .set_time_precision(TimePrecision::Second { decimal_digits: NonZeroU8::new(6) })
        .encode();
    time.format(&Iso8601::<MICROSECONDS>).unwrap_or_default()
}

fn now() -> String {
    timestamp(OffsetDateTime::now_utc())
}

fn name(text: &str) -> Cow<'_, str> {
    redacted_within(text, NAME_BYTES)
}

fn text(text: &str) -> Cow<'_, str> {
    redacted_within(text, TEXT_BYTES)
}

/// What the API server calls a request by. Its digits are no card's, though they may pass for one's.
pub(crate) fn is_uuid(text: &str) -> bool {
    let groups = [8, 4, 4, 4, 12];
    let mut parts = text.split('-');
    groups.iter().all(|length| {
        parts
            .next()
            .is_some_and(|part| part.len() == *length && part.bytes().all(|byte| byte.is_ascii_hexdigit()))
    }) && parts.next().is_none()
}

#[cfg(test)]
mod tests {
    use sallyport_admission::{Operation, UserInfo};
    use serde_json::json;

    use time::format_description::well_known::Rfc3339;

    use super::*;

    fn request(text: &str) -> Request {
        let resource = json!({"group": text, "version": text, "resource": text});
        Request {
            uid: text.to_owned(),
            kind: GroupVersionKind {
                group: text.to_owned(),
                version: text.to_owned(),
                kind: text.to_owned(),
            },
            resource: serde_json::from_value(resource).unwrap(),
            sub_resource: text.to_owned(),
            name: text.to_owned(),
            namespace: text.to_owned(),
            operation: Operation::Create,
            user_info: UserInfo {
                username: text.to_owned(),
                groups: vec![text.to_owned(); 100],
                ..UserInfo::default()
            },
            object: json!({"metadata": {"generateName": text}, "data": {"pan": "value-of-the-object"}}),
            old_object: json!({"data": "value-of-the-object"}),
            dry_run: Some(true),
            request_kind: None,
            request_resource: None,
            request_sub_resource: String::new(),
            options: Value::Null,
        }
    }

    fn decision(text: &str) -> Decision {
        let source = Source::validation(text, text);
        let finding = Finding {
            source: source.clone(),
            mode: Mode::Enforce,
            path: text.to_owned(),
            message: text.to_owned(),
        };
        let value = Some(json!({"env": "value-of-the-object"}));
        let change = |path: String| Change {
            source: source.clone(),
            mode: Mode::Warn,
            path,
            before: value.clone(),
            after: value.clone(),
        };
        Decision {
            violations: vec![finding.clone(); 100],
            warnings: vec![finding.clone()],
            excepted: vec![finding.clone()],
            skipped: vec![finding],
            changes: (0..100)
                .map(|n| change(format!("{text}{n}")))
                .chain([change(format!("{text}0"))])
                .collect(),
            mutated: Some(json!("value-of-the-object")),
            ..Decision::default()
        }
    }

    fn line(text: &str) -> String {
        let told = Told::of(request(text), decision(text), Some(Arc::from("sha256:0")));
        let outcome = Outcome::Decided { verdict: "denied", told: &told };
        String::from_utf8(Record::new("/validate", outcome, Duration::from_millis(2)).line()).unwrap()
    }

    #[test]
    fn a_record_says_who_asked_what_was_decided_and_by_which_policies() {
        let record: Value = serde_json::from_str(&line("text")).unwrap();
        for (field, want) in [
            ("/webhook", json!("/validate")),
            ("/uid", json!("text")),
            ("/operation", json!("CREATE")),
            ("/kind", json!({"group": "text", "version": "text", "kind": "text"})),
            ("/resource/resource", json!("text")),
            ("/generateName", json!("text")),
            ("/user", json!("text")),
            ("/dryRun", json!(true)),
            ("/verdict", json!("denied")),
            (
                "/violations/0",
                json!({"policy": "text", "list": "validate", "entry": "text", "mode": "Enforce", "path": "text",
                    "message": "text"}),
            ),
            ("/changes/0/mode", json!("Warn")),
            ("/changes/0/paths/1", json!("text1")),
            ("/durationMicros", json!(2000)),
            ("/policies", json!("sha256:0")),
            // Groups, violations and paths, of a hundred each.
            ("/omitted", json!(3 * (100 - MOST))),
        ] {
            assert_eq!(record.pointer(field), Some(&want), "{field}");
        }
        let time = record["time"].as_str().unwrap();
        assert!(OffsetDateTime::parse(time, &Rfc3339).is_ok(), "{time}");
        assert_eq!(timestamp(OffsetDateTime::UNIX_EPOCH), "1970-01-01T00:00:00.000000Z");
    }

    #[test]
    fn a_record_is_one_bounded_line_without_secrets_or_values() {
        for text in [
            "4111 1111 1111 1111",
            "password=hunter2-4111111111111111",
            "a\nb\u{1b}[2J\u{202e}4111-1111-1111-1111",
            &"x4111111111111111".repeat(100_000),
            &"\u{1b}".repeat(100_000),
        ] {
            let line = line(text);
            assert!(!line.contains("1111") && !line.contains("hunter2"), "{line}");
            assert!(!line.contains("value-of-the-object") && !line.contains(crate::plain::steers), "{line}");
            assert!(line.len() < 400 * 1024, "{}", line.len());
        }
    }

    #[test]
    fn a_uuid_stays_as_the_api_server_wrote_it() {
        let uid = "41111111-1111-1111-8111-111111111111";
        let record: Value = serde_json::from_str(&line(uid)).unwrap();
        assert_eq!(record["uid"], uid);
        assert_ne!(record["name"], uid);
        assert!(!is_uuid("4111111111111111"));
    }

    #[test]
    fn a_call_without_a_decision_is_on_record_too() {
        let outcome = Outcome::Undecided { verdict: "unanswered", reason: "deadline" };
        let line = Record::new("/mutate", outcome, Duration::from_secs(1)).line();
        let record: Value = serde_json::from_slice(&line).unwrap();
        assert_eq!((&record["verdict"], &record["reason"]), (&json!("unanswered"), &json!("deadline")));
        assert_eq!(record.get("uid"), None);
    }
}
