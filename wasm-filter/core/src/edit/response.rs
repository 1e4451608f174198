//! What a client gets.

use std::borrow::Cow;

use super::changes::{Action, Change, Changes};
use super::request::Set;
use super::{Facts, InvalidValue, NameSet, Variable, content_security_policy, owasp, permissions_policy};
use crate::{HeaderPreset, ResponseHeaders, StrictTransportSecurity, TrafficPolicySpec};

/// What becomes of a response's headers, compiled: the application's and our own answers'.
#[derive(Clone, Debug, Default)]
pub struct ResponseEdits {
    removed: NameSet,
    /// What the preset fills in and what is named.
    fixed: Vec<(Cow<'static, str>, Action, Cow<'static, str>)>,
    set: Vec<Set>,
    /// The header that carries the correlation identifier back.
    correlation: Option<Box<[u8]>>,
    asks_for_request: bool,
}

impl ResponseEdits {
    /// Compiles what a policy says of responses.
    ///
    /// # Errors
    /// A value can't be read.
    pub fn compile(spec: &TrafficPolicySpec) -> Result<Self, InvalidValue> {
        let Some(headers) = &spec.headers else { return Ok(Self::default()) };
        let correlation = headers.correlation.as_ref().filter(|correlation| correlation.respond);
        let mut edits = Self {
            correlation: correlation.map(|correlation| correlation.header.as_bytes().into()),
            ..Self::default()
        };
        let Some(response) = &headers.response else { return Ok(edits) };
        let (filled, revealing) = match response.preset {
            None => (&[][..], &[][..]),
            Some(HeaderPreset::StrictTransport) => (&[owasp::STRICT_TRANSPORT_SECURITY][..], &[][..]),
            Some(HeaderPreset::Owasp) => (&owasp::FILLED[..], &owasp::REVEALING[..]),
        };
        let unwanted = NameSet::of(response.remove.iter().map(String::as_bytes));
        let named = named(response);
        let is_named = |name: &str| named.iter().any(|(other, _)| *other == name);
        for (name, value) in filled {
            if !unwanted.contains(name.as_bytes()) && !is_named(name) {
                edits.fixed.push((Cow::Borrowed(name), Action::Keep, Cow::Borrowed(value)));
            }
        }
        edits
            .fixed
            .extend(named.into_iter().map(|(name, value)| (Cow::Borrowed(name), Action::Replace, value)));
        let removed = response.remove.iter().map(String::as_bytes);
        edits.removed = NameSet::of(removed.chain(revealing.iter().map(|name| name.as_bytes())));
        edits.set = response.set.iter().map(Set::compile).collect::<Result<_, _>>()?;
        edits.asks_for_request =
            edits.set.iter().flat_map(|set| set.value.variables()).any(Variable::asks_for_request);
        Ok(edits)
    }

    /// What is done to a response's headers, with what the request said: names are removed; then the preset fills in what
    /// is missing, and the headers that have fields of their own take the place of the application's; then comes the
    /// correlation identifier; then what the policy sets.
    #[must_use]
    pub fn changes<'a>(&'a self, facts: &Facts<'a>) -> Changes<'a> {
        let fixed = self.fixed.iter().map(|(name, action, value)| Change {
            name: Cow::Borrowed(name.as_bytes()),
            action: *action,
            value: Some(Cow::Borrowed(value.as_bytes())),
        });
        let id = self.correlation.iter().zip(facts.correlation).map(|(name, id)| Change {
            name: Cow::Borrowed(&**name),
            action: Action::Replace,
            value: Some(Cow::Borrowed(id)),
        });
        let set = self.set.iter().map(|set| set.change(facts));
        let changes = fixed.chain(id).chain(set).collect();
        Changes { removed: &self.removed, taken: Vec::new(), changes }
    }

    /// Whether a value says anything of the request, whose headers are needed then.
    #[must_use]
    pub fn ask_for_request(&self) -> bool {
        self.asks_for_request
    }

    /// Whether it does nothing, so that a response's headers need not be read.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.removed.is_empty() && self.fixed.is_empty() && self.set.is_empty() && self.correlation.is_none()
    }
}

/// The headers that have fields of their own.
fn named(response: &ResponseHeaders) -> Vec<(&'static str, Cow<'static, str>)> {
    let policy = |directives: &std::collections::BTreeMap<String, Vec<String>>| {
        (!directives.is_empty()).then(|| Cow::Owned(content_security_policy(directives)))
    };
    let features = &response.permissions_policy;
    [
        ("content-security-policy", policy(&response.content_security_policy)),
        ("content-security-policy-report-only", policy(&response.content_security_policy_report_only)),
        (
            "strict-transport-security",
            response
                .strict_transport_security
                .as_ref()
                .map(|hsts| Cow::Owned(strict_transport_security(hsts))),
        ),
        ("x-frame-options", response.frame_options.map(|options| Cow::Borrowed(options.value()))),
        ("referrer-policy", response.referrer_policy.map(|policy| Cow::Borrowed(policy.value()))),
        ("permissions-policy", (!features.is_empty()).then(|| Cow::Owned(permissions_policy(features)))),
        (
            "cross-origin-opener-policy",
            response.cross_origin_opener_policy.map(|policy| Cow::Borrowed(policy.value())),
        ),
        (
            "cross-origin-embedder-policy",
            response.cross_origin_embedder_policy.map(|policy| Cow::Borrowed(policy.value())),
        ),
        (
            "cross-origin-resource-policy",
            response.cross_origin_resource_policy.map(|policy| Cow::Borrowed(policy.value())),
        ),
    ]
    .into_iter()
    .filter_map(|(name, value)| Some((name, value?)))
    .collect()
}

/// The value of Strict-Transport-Security (RFC 6797 §6.1).
#[must_use]
pub fn strict_transport_security(hsts: &StrictTransportSecurity) -> String {
    let mut value = format!("max-age={}", hsts.max_age.as_millis() / 1_000);
    if hsts.include_sub_domains {
        value.push_str("; includeSubDomains");
    }
    if hsts.preload {
        value.push_str("; preload");
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::edit::apply;
    use crate::request::{HeaderList, Request};

    /// What a client gets of these headers.
    fn response(policy: &str, headers: &[(&str, &str)]) -> Vec<String> {
        let spec = format!(
            r#"{{"headers": {{"correlation": {{"header": "x-id", "respond": true}}, "response": {policy}}}}}"#
        );
        let spec: TrafficPolicySpec = serde_json::from_str(&spec).unwrap();
        let edits = ResponseEdits::compile(&spec).unwrap();
        let request = HeaderList::from_pairs([(&b":method"[..], &b"GET"[..])]);
        let claim = |_: &str, _: &[String]| None;
        let facts =
            Facts { request: &Request::of(&request), client: None, correlation: Some(b"c-1"), claim: &claim };
        let changes = edits.changes(&facts);
        let list = HeaderList::from_pairs(headers.iter().map(|(n, v)| (n.as_bytes(), v.as_bytes())));
        let mut got: Vec<_> = list.iter().map(|(n, v)| (Cow::Borrowed(n), Cow::Borrowed(v))).collect();
        apply(&mut got, &changes.operations(&list));
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        let mut got: Vec<_> = got.iter().map(|(n, v)| format!("{}: {}", text(n), text(v))).collect();
        got.sort();
        got
    }

    #[test]
    fn owasp_fills_in_what_is_missing_and_hides_the_server() {
        let got = response(
            r#"{"preset": "owasp"}"#,
            &[
                ("server", "nginx"),
                ("X-Powered-By", "PHP"),
                ("cache-control", "max-age=60"),
                ("content-type", "text/html"),
            ],
        );
        let mut wanted: Vec<_> =
            owasp::FILLED.iter().map(|(name, value)| format!("{name}: {value}")).collect();
        wanted.retain(|header| !header.starts_with("cache-control"));
        wanted
            .extend(["cache-control: max-age=60", "content-type: text/html", "x-id: c-1"].map(str::to_owned));
        wanted.sort();
        assert_eq!(got, wanted);
    }

    #[test]
    fn what_is_named_takes_the_place_of_what_is_there() {
        let policy = r#"{
            "contentSecurityPolicy": {"default-src": ["'self'"]},
            "contentSecurityPolicyReportOnly": {"script-src": ["'none'"]},
            "strictTransportSecurity": {"maxAge": "365d", "includeSubDomains": true, "preload": true},
            "frameOptions": "SAMEORIGIN",
            "referrerPolicy": "same-origin",
            "permissionsPolicy": {"camera": []},
            "crossOriginOpenerPolicy": "same-origin-allow-popups",
            "crossOriginEmbedderPolicy": "credentialless",
            "crossOriginResourcePolicy": "same-site",
            "set": [{"name": "vary", "value": "origin", "existing": "Append"}, {"name": "x-by", "value": "%{correlation-id}"}],
            "remove": ["x-debug"]
        }"#;
        let sent = [
            ("content-security-policy", "default-src *"),
            ("x-frame-options", "DENY"),
            ("x-debug", "1"),
            ("x-id", "0"),
            ("vary", "accept"),
        ];
        let wanted = [
            "content-security-policy-report-only: script-src 'none'",
            "content-security-policy: default-src 'self'",
            "cross-origin-embedder-policy: credentialless",
            "cross-origin-opener-policy: same-origin-allow-popups",
            "cross-origin-resource-policy: same-site",
            "permissions-policy: camera=()",
            "referrer-policy: same-origin",
            "strict-transport-security: max-age=31536000; includeSubDomains; preload",
            "vary: accept",
            "vary: origin",
            "x-by: c-1",
            "x-frame-options: SAMEORIGIN",
            "x-id: c-1",
        ];
        assert_eq!(response(policy, &sent), wanted);
        // What is named counts before the preset.
        let with_preset = response(&policy.replacen('{', r#"{"preset": "owasp","#, 1), &sent);
        for header in wanted {
            assert!(with_preset.iter().any(|got| got == header), "{header}: {with_preset:?}");
        }
    }

    #[test]
    fn a_header_of_the_preset_can_be_left_out() {
        let got = response(r#"{"preset": "owasp", "remove": ["Cross-Origin-Embedder-Policy"]}"#, &[]);
        assert_eq!(got.len(), owasp::FILLED.len());
        assert!(!got.iter().any(|header| header.starts_with("cross-origin-embedder-policy")));
        let hsts = format!("{}: {}", owasp::STRICT_TRANSPORT_SECURITY.0, owasp::STRICT_TRANSPORT_SECURITY.1);
        assert_eq!(response(r#"{"preset": "strict-transport"}"#, &[]), [hsts, "x-id: c-1".to_owned()]);
    }

    #[test]
    fn a_policy_that_says_nothing_of_responses_is_known_by_it() {
        let compile = |json| ResponseEdits::compile(&serde_json::from_str(json).unwrap()).unwrap();
        assert!(compile("{}").is_empty());
        assert!(compile(r#"{"headers": {"correlation": {"header": "x-id"}, "response": {}}}"#).is_empty());
        assert!(!compile(r#"{"headers": {"response": {"remove": ["server"]}}}"#).is_empty());
    }
}
