//! Headers that say who somebody is.

use super::{NameSet, Value, Variable};
use crate::TrafficPolicySpec;
use crate::request::HeaderList;

/// The request headers that only the filter may set: what a client sends in them is taken away from every request, signed
/// in or not, and from its trailers, which some applications merge into the headers. Also in their other spellings: CGI
/// and its children make `X_USER_ID` of `x-user-id` and of `x_user_id` (RFC 3875 §4.1.18).
#[derive(Clone, Debug, Default)]
pub struct IdentityHeaders {
    /// Names with `-` for `_`.
    names: NameSet,
    /// Of these, the one that carries the correlation identifier: it is chosen from what the client sent in it.
    correlation: Option<Box<[u8]>>,
}

impl IdentityHeaders {
    /// Those of a policy: what claims become, what is set with a claim in it, and the correlation identifier; and others,
    /// such as one that carries a token's payload.
    #[must_use]
    pub fn of<'n>(spec: &'n TrafficPolicySpec, others: impl IntoIterator<Item = &'n str>) -> Self {
        let headers = spec.headers.as_ref();
        let providers = spec.jwt.iter().flat_map(|jwt| &jwt.providers);
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
            claims.chain(set).chain(others).map(|name| plain(name.as_bytes())).collect();
        let correlation = correlation.map(|name| name.to_ascii_lowercase().into_bytes());
        let all = certain.iter().cloned().chain(correlation.as_deref().map(plain));
        let all: Vec<Vec<u8>> = all.collect();
        Self {
            names: NameSet::of(all.iter().map(Vec::as_slice)),
            // If claims come in the same header, they win: then it is theirs.
            correlation: correlation
                .filter(|name| !certain.contains(&plain(name)))
                .map(Vec::into_boxed_slice),
        }
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
        for (name, _) in trailers.iter() {
            let ours = if name.contains(&b'_') {
                self.names.contains(&plain(name))
            } else {
                self.names.contains(name)
            };
            if ours && !found.contains(&name) {
                found.push(name);
            }
        }
        found
    }
}

/// A name as its readers may know it.
fn plain(name: &[u8]) -> Vec<u8> {
    name.iter().map(|byte| if *byte == b'_' { b'-' } else { byte.to_ascii_lowercase() }).collect()
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
                        "claimsToHeaders": [{"claim": ["sub"], "header": "X-User-Id"}]
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
        let identity = IdentityHeaders::of(&spec, ["x-payload"]);
        let sent: Vec<(&[u8], &[u8])> = [
            "x-user-id",
            "X_User-ID",
            "x_user_id",
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
        let removed =
            ["x-user-id", "X_User-ID", "x_user_id", "x-tenant", "X_TENANT", "x_correlation_id", "X_PAYLOAD"];
        assert_eq!(names(&identity.in_headers(&list)), removed);
        let mut in_trailers = removed.to_vec();
        in_trailers.insert(5, "x-correlation-id");
        assert_eq!(names(&identity.in_trailers(&list)), in_trailers);
    }

    #[test]
    fn a_policy_without_identity_takes_nothing_away() {
        let identity = IdentityHeaders::of(&TrafficPolicySpec::default(), []);
        let list = HeaderList::from_pairs([(&b"x-user-id"[..], &b"a"[..])]);
        assert!(identity.in_headers(&list).is_empty());
    }
}
