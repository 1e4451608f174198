//! What an application gets.

use std::borrow::Cow;

use super::changes::{Action, Change, Changes, Operation};
use super::{Facts, IdentityHeaders, InvalidValue, NameSet, Value, as_header_value, correlation_id};
use crate::request::HeaderList;
use crate::{Correlation, ExistingHeader, SetHeader, TrafficPolicySpec};

/// A header that is set, compiled.
#[derive(Clone, Debug)]
pub(super) struct Set {
    pub(super) name: Box<[u8]>,
    pub(super) action: Action,
    pub(super) value: Value,
}

impl Set {
    pub(super) fn compile(header: &SetHeader) -> Result<Self, InvalidValue> {
        let action = match header.existing {
            ExistingHeader::Replace => Action::Replace,
            ExistingHeader::Keep => Action::Keep,
            ExistingHeader::Append => Action::Append,
        };
        Ok(Self { name: header.name.as_bytes().into(), action, value: Value::parse(&header.value)? })
    }

    pub(super) fn change(&self, facts: &Facts<'_>) -> Change<'_> {
        Change { name: Cow::Borrowed(&self.name), action: self.action, value: self.value.of(facts) }
    }
}

/// What of a request's headers an application should not see.
#[derive(Clone, Debug, Default)]
pub struct Gone<'a> {
    /// Headers that go whole, as they stand there.
    pub names: Vec<&'a [u8]>,
    /// What is left of others, one change a header.
    pub left: Vec<Change<'a>>,
}

/// What becomes of a request's headers, compiled.
#[derive(Clone, Debug, Default)]
pub struct RequestEdits {
    identity: IdentityHeaders,
    correlation: Option<Correlation>,
    removed: NameSet,
    set: Vec<Set>,
}

impl RequestEdits {
    /// Compiles what a policy says of requests. `identity` is what only the filter may set.
    ///
    /// # Errors
    /// A value can't be read.
    pub fn compile(spec: &TrafficPolicySpec, identity: IdentityHeaders) -> Result<Self, InvalidValue> {
        let headers = spec.headers.as_ref();
        let request = headers.and_then(|headers| headers.request.as_ref());
        let removed = request.into_iter().flat_map(|request| &request.remove).map(String::as_bytes);
        let set = request.into_iter().flat_map(|request| &request.set).map(Set::compile);
        let correlation = headers.and_then(|headers| headers.correlation.clone());
        Ok(Self {
            correlation: correlation.filter(|_| identity.correlates()),
            identity,
            removed: NameSet::of(removed),
            set: set.collect::<Result<_, _>>()?,
        })
    }

    /// The correlation identifier of a request, where the policy has one in a header of its own: see [`correlation_id`].
    #[must_use]
    pub fn correlation<'h>(&self, headers: &HeaderList<'h>, random: [u8; 16]) -> Option<Cow<'h, [u8]>> {
        let correlation = self.correlation.as_ref()?;
        Some(correlation_id(correlation.accept, &correlation.header, headers, random))
    }

    /// What a refused request gets all the same: its correlation identifier, for access logs, in place of what the
    /// client sent under that name.
    #[must_use]
    pub fn refused<'v>(&'v self, correlation: Option<&'v [u8]>) -> Option<Operation<'v>> {
        Some(Operation::Replace(self.correlation.as_ref()?.header.as_bytes(), correlation?))
    }

    /// Whether a correlation identifier may have to be made, for which random bytes are wanted.
    #[must_use]
    pub fn wants_random(&self) -> bool {
        self.correlation.is_some()
    }

    /// What is done to a request's headers, in this order: headers that only the filter may set are taken away, then those
    /// that the policy removes, and what is `gone`; from Connection goes what names headers, so that no
    /// proxy behind this one takes them away (RFC 9110 §7.6.1); then come `claims`, headers that a token's claims become, of which a value that a header
    /// can't hold ([`as_header_value`]) sets nothing; then the correlation identifier; then what the policy sets.
    #[must_use]
    pub fn changes<'a>(
        &'a self,
        claims: &[(&'a str, Cow<'a, [u8]>)],
        facts: &Facts<'a>,
        gone: Gone<'a>,
    ) -> Changes<'a> {
        let Gone { names: mut taken, left } = gone;
        taken.append(&mut self.identity.in_headers(facts.request.headers));
        let mut changes = Vec::with_capacity(left.len() + claims.len() + 2 + self.set.len());
        // Of a header that goes whole nothing is left.
        let goes = |name: &[u8]| {
            self.removed.contains(name) || taken.iter().any(|taken| taken.eq_ignore_ascii_case(name))
        };
        changes.extend(left.into_iter().filter(|change| !goes(&change.name)));
        changes.extend(hops(facts.request.headers));
        for (name, value) in claims {
            let value = as_header_value(value).is_some().then(|| value.clone());
            changes.push(Change { name: Cow::Borrowed(name.as_bytes()), action: Action::Replace, value });
        }
        if let (Some(Correlation { header, .. }), Some(id)) = (&self.correlation, facts.correlation) {
            changes.push(Change {
                name: Cow::Borrowed(header.as_bytes()),
                action: Action::Replace,
                value: Some(Cow::Borrowed(id)),
            });
        }
        changes.extend(self.set.iter().map(|set| set.change(facts)));
        Changes { removed: &self.removed, taken, changes }
    }

    /// What is taken away from the headers or trailers of a request that the policy is not about.
    #[must_use]
    pub fn elsewhere<'h>(&self, headers: &HeaderList<'h>) -> Vec<Operation<'h>> {
        self.identity.elsewhere(headers).into_iter().map(Operation::Remove).collect()
    }

    /// What is taken away from a request's trailers.
    #[must_use]
    pub fn trailers<'h>(&self, trailers: &HeaderList<'h>) -> Vec<Operation<'h>> {
        self.identity.in_trailers(trailers).into_iter().map(Operation::Remove).collect()
    }
}

/// Leaves in Connection what is about the connection alone, if it names anything else. Envoy passes it on where the
/// request asks for another protocol, such as WebSocket.
fn hops<'a>(headers: &HeaderList<'a>) -> Option<Change<'a>> {
    const OWN: [&[u8]; 4] = [b"upgrade", b"close", b"keep-alive", b"te"];
    let is_own = |option: &&[u8]| OWN.iter().any(|own| own.eq_ignore_ascii_case(option));
    let options = headers.values(b"connection").flat_map(|value| value.split(|byte| *byte == b','));
    let (own, others): (Vec<_>, Vec<_>) = options.map(<[u8]>::trim_ascii).partition(is_own);
    let value = (!own.is_empty()).then(|| own.join(&b", "[..]).into());
    let name = Cow::Borrowed(&b"connection"[..]);
    (!others.is_empty()).then_some(Change { name, action: Action::Replace, value })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::Request;

    fn edits(json: &str) -> RequestEdits {
        let spec: TrafficPolicySpec = serde_json::from_str(json).unwrap();
        let identity = IdentityHeaders::of(&spec);
        RequestEdits::compile(&spec, identity).unwrap()
    }

    /// What is done, as `-name`, `name=value` and `name+value`.
    #[track_caller]
    fn check(edits: &RequestEdits, sent: &[(&str, &str)], claims: &[(&str, &str)], wanted: &[&str]) {
        let headers = HeaderList::from_pairs(sent.iter().map(|(n, v)| (n.as_bytes(), v.as_bytes())));
        let correlation = edits.correlation(&headers, [0; 16]);
        let claim = |_: &str, _: &[String]| None;
        let facts = Facts {
            request: &Request::of(&headers),
            client: None,
            correlation: correlation.as_deref(),
            claim: &claim,
        };
        let claims: Vec<_> = claims.iter().map(|(n, v)| (*n, Cow::Borrowed(v.as_bytes()))).collect();
        let changes = edits.changes(&claims, &facts, Gone::default());
        let mut done: Vec<String> = changes.operations(&headers).iter().map(show).collect();
        let mut wanted = wanted.to_vec();
        done.sort();
        wanted.sort_unstable();
        assert_eq!(done, wanted);
    }

    fn show(operation: &Operation<'_>) -> String {
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        match operation {
            Operation::Remove(name) => format!("-{}", text(name)),
            Operation::Replace(name, value) => format!("{}={}", text(name), text(value)),
            Operation::Add(name, value) => format!("{}+{}", text(name), text(value)),
        }
    }

    const POLICY: &str = r#"{
        "jwt": {
            "providers": [{
                "name": "p", "issuer": "i", "algorithms": ["RS256"], "jwks": {"inline": "{}"},
                "claimsToHeaders": [{"claim": ["sub"], "header": "x-user-id"}]
            }],
            "rules": []
        },
        "headers": {
            "correlation": {"header": "x-correlation-id", "accept": "Valid"},
            "request": {
                "remove": ["x-internal"],
                "set": [
                    {"name": "x-gate", "value": "%{method} %{correlation-id}"},
                    {"name": "x-user", "value": "%{claim(p, sub)}", "existing": "Keep"},
                    {"name": "x-seen-by", "value": "gate", "existing": "Append"}
                ]
            }
        }
    }"#;

    const NEW: &str = "00000000-0000-4000-8000-000000000000";

    #[test]
    fn a_client_cannot_say_who_it_is() {
        let edits = edits(POLICY);
        let sent = [
            (":method", "GET"),
            ("x-user-id", "root"),
            ("X_User_Id", "root"),
            ("x-user", "root"),
            ("x-internal", "1"),
            ("x-seen-by", "lb"),
            ("canary", "true"),
            ("traceparent", "junk"),
            ("x-correlation-id", "c-1"),
        ];
        let common = ["x-gate+GET c-1", "x-seen-by+gate"];
        let unsigned = ["-x-user-id", "-X_User_Id", "-x-user", "-x-internal"];
        check(&edits, &sent, &[], &[&unsigned[..], &common].concat());
        let signed = ["-X_User_Id", "-x-user", "-x-internal", "x-user-id=ada"];
        check(&edits, &sent, &[("x-user-id", "ada")], &[&signed[..], &common].concat());
        let bad = ["-X_User_Id", "-x-user", "-x-internal", "-x-user-id"];
        check(&edits, &sent, &[("x-user-id", "a\r\nx-admin: 1")], &[&bad[..], &common].concat());
    }

    #[test]
    fn a_request_without_an_identifier_gets_one() {
        let edits = edits(POLICY);
        let gate = format!("x-gate+GET {NEW}");
        let id = format!("x-correlation-id+{NEW}");
        check(&edits, &[(":method", "GET")], &[], &[&id, &gate, "x-seen-by+gate"]);
        let id = format!("x-correlation-id={NEW}");
        let sent = [(":method", "GET"), ("x-correlation-id", "c 1"), ("x-gate", "old")];
        check(&edits, &sent, &[], &[&id, &gate.replace('+', "="), "x-seen-by+gate"]);
    }

    #[test]
    fn trailers_lose_what_only_the_filter_may_say() {
        let edits = edits(POLICY);
        let trailers =
            [(&b"grpc-status"[..], &b"0"[..]), (b"X_USER_ID", b"root"), (b"x-correlation-id", b"c")];
        let trailers = HeaderList::from_pairs(trailers);
        let done: Vec<String> = edits.trailers(&trailers).iter().map(show).collect();
        assert_eq!(done, ["-X_USER_ID", "-x-correlation-id"]);
    }

    #[test]
    fn a_policy_without_headers_does_nothing() {
        check(&edits("{}"), &[(":method", "GET"), ("x-user-id", "a"), ("canary", "true")], &[], &[]);
    }
}
