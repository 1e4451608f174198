//! Headers that say who somebody is.

use super::{NameSet, Value, Variable};
use crate::TrafficPolicySpec;
use crate::request::{HeaderList, plain};

/// The request headers that only the filter may set: what a client sends in them is taken away from every request, signed
/// in or not, and from its trailers, which some applications merge into the headers. Also in their other spellings
/// ([`alike`](crate::request::alike)).
#[derive(Clone, Debug, Default)]
pub struct IdentityHeaders {
    /// Names as all that are alike share them.
    names: NameSet,
    /// Of these, the ones that policies before this one set, and have taken away from what the client sent.
    before: NameSet,
    /// Of these, the one that carries the correlation identifier: it is chosen from what the client sent in it.
    correlation: Option<Box<[u8]>>,
}

impl IdentityHeaders {
    /// Those of a policy: what claims and tokens' payloads become, what is set with a claim in it, and the correlation
    /// identifier.
    #[must_use]
    pub fn of(spec: &TrafficPolicySpec) -> Self {
        let headers = spec.headers.as_ref();
        let providers = spec.jwt.iter().flat_map(|jwt| &jwt.providers);
        let payloads = providers.clone().filter_map(|provider| provider.payload_to_header.as_deref());
        let claims =
            providers.flat_map(|provider| &provider.claims_to_headers).map(|claim| claim.header.as_str());
        let set =
            headers.and_then(|headers| headers.request.as_ref()).into_iter().flat_map(|request| &request.set);
        let set = set.filter(|header| {
            let value = Value::parse(&header.value);
            value.is_ok_and(|value| value.variables().any(|part| matches!(part, Variable::Claim { .. })))
        });
        let set = set.map(|header| header.name.as_str());
        let correlation = headers.and_then(|headers| headers.correlation.as_ref()).map(|c| c.header.as_str());
        let certain: Vec<Vec<u8>> =
            claims.chain(set).chain(payloads).map(|name| plain(name.as_bytes())).collect();
        let correlation = correlation.map(|name| name.to_ascii_lowercase().into_bytes());
        let all = certain.iter().cloned().chain(correlation.as_deref().map(plain));
        let all: Vec<Vec<u8>> = all.collect();
        Self {
            names: NameSet::of(all.iter().map(Vec::as_slice)),
            before: NameSet::default(),
            // If claims come in the same header, it is theirs.
            correlation: correlation
                .filter(|name| !certain.contains(&plain(name)))
                .map(Vec::into_boxed_slice),
        }
    }

    /// The same, behind policies of the same proxy that set these.
    #[must_use]
    pub fn behind(mut self, before: &[String]) -> Self {
        let before: Vec<Vec<u8>> = before.iter().map(|name| plain(name.as_bytes())).collect();
        self.before = NameSet::of(before.iter().map(Vec::as_slice));
        self
    }

    /// Whether the correlation identifier has a header of its own: none that says who somebody is, since it may be what
    /// the client sent in it.
    #[must_use]
    pub const fn correlates(&self) -> bool {
        self.correlation.is_some()
    }

    /// The names, with a hyphen for all that is neither letter nor digit.
    pub fn iter(&self) -> impl Iterator<Item = &[u8]> {
        self.names.iter()
    }

    /// The names that are to be removed from the headers or trailers of a request that the policy is not about, each as
    /// it stands there. What a policy before this one has set stays.
    #[must_use]
    pub fn elsewhere<'h>(&self, headers: &HeaderList<'h>) -> Vec<&'h [u8]> {
        let mut found = self.in_headers(headers);
        found.retain(|name| !self.before.contains(&plain(name)));
        found
    }

    /// The names in a request's headers that are to be removed, each as it stands there.
    #[must_use]
    pub fn in_headers<'h>(&self, headers: &HeaderList<'h>) -> Vec<&'h [u8]> {
        let mut found = self.in_trailers(headers);
        if let Some(correlation) = &self.correlation {
            found.retain(|name| !name.eq_ignore_ascii_case(correlation));
        }
        found
    }

    /// The names in a request's trailers that are to be removed, each as it stands there.
    #[must_use]
    pub fn in_trailers<'h>(&self, trailers: &HeaderList<'h>) -> Vec<&'h [u8]> {
        let mut found: Vec<&[u8]> = Vec::new();
        if self.names.is_empty() {
            return found;
        }
        for (name, _) in trailers.iter() {
            let is_plain = name.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'-');
            let ours = match is_plain {
                true => self.names.contains(name),
                false => !name.starts_with(b":") && self.names.contains(&plain(name)),
            };
            if ours && !found.contains(&name) {
                found.push(name);
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(found: &[&[u8]]) -> Vec<String> {
        found.iter().map(|name| String::from_utf8(name.to_vec()).unwrap()).collect()
    }

    #[test]
    fn what_the_filter_says_of_a_client_is_nothing_that_the_client_can_say() {
        let spec: TrafficPolicySpec = serde_json::from_str(
            r#"{
                "jwt": {
                    "providers": [{
                        "name": "p", "issuer": "i", "algorithms": ["RS256"], "jwks": {"inline": "{}"},
                        "claimsToHeaders": [{"claim": ["sub"], "header": "X-User-Id"}],
                        "payloadToHeader": "x-payload"
                    }],
                    "rules": []
                },
                "headers": {
                    "correlation": {"header": "X-Correlation-Id"},
                    "request": {"set": [
                        {"name": "x_tenant", "value": "t-%{claim(p, tenant)}", "existing": "Keep"},
                        {"name": "x-host", "value": "%{host}", "existing": "Append"}
                    ]}
                }
            }"#,
        )
        .unwrap();
        let identity = IdentityHeaders::of(&spec);
        let sent: Vec<(&[u8], &[u8])> = [
            "x-user-id",
            "X_User-ID",
            "x_user_id",
            "x.user.id",
            "x-user~id",
            "x-user-id",
            "x-user",
            "x-tenant",
            "X_TENANT",
            "x-correlation-id",
            "x_correlation_id",
            "X_PAYLOAD",
            "x-host",
            "canary",
        ]
        .iter()
        .map(|name| (name.as_bytes(), &b"forged"[..]))
        .collect();
        let list = HeaderList::from_pairs(sent);
        let removed = [
            "x-user-id",
            "X_User-ID",
            "x_user_id",
            "x.user.id",
            "x-user~id",
            "x-tenant",
            "X_TENANT",
            "x_correlation_id",
            "X_PAYLOAD",
        ];
        assert_eq!(names(&identity.in_headers(&list)), removed);
        let mut in_trailers = removed.to_vec();
        in_trailers.insert(7, "x-correlation-id");
        assert_eq!(names(&identity.in_trailers(&list)), in_trailers);

        assert_eq!(names(&identity.elsewhere(&list)), removed);
        let set: Vec<String> = ["X-User_Id", "x-payload"].map(str::to_owned).to_vec();
        let left = ["x-tenant", "X_TENANT", "x_correlation_id"];
        assert_eq!(names(&identity.behind(&set).elsewhere(&list)), left);
    }

    #[test]
    fn a_policy_without_identity_takes_nothing_away() {
        let identity = IdentityHeaders::of(&TrafficPolicySpec::default());
        let list = HeaderList::from_pairs([(&b"x-user-id"[..], &b"a"[..])]);
        assert!(identity.in_headers(&list).is_empty());
    }
}
