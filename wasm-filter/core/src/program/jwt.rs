//! Who must sign in, compiled.

use std::rc::Rc;

use sallyport_policy::{Diagnostics, Duration, FieldPath};

use super::Clusters;
use crate::jose::KeySet;
use crate::keys::FETCH_TIMEOUT;
use crate::route::{Route, Rule};
use crate::token::Place;
use crate::{ClaimRule, Jwks, JwksSource, Jwt, KeyFormat, Preflight, Provider, Require};

/// Who must sign in.
#[derive(Debug)]
pub struct JwtProgram {
    /// Who issues tokens.
    pub providers: Vec<ProviderProgram>,
    /// Which requests each rule is about.
    pub rules: Vec<Rule>,
    /// What each rule asks for.
    pub requirements: Vec<Requirement>,
    /// Whether CORS preflight requests pass without a token.
    pub preflight_passes: bool,
}

/// What a rule asks for.
#[derive(Debug)]
pub struct Requirement {
    /// The rule's name.
    pub name: String,
    /// How many of the providers' tokens are needed.
    pub needs: Needs,
    /// The providers, by their places in the policy.
    pub providers: Vec<usize>,
    /// What the tokens must say: one provider's, or each that the rule accepted.
    pub claims: Vec<(Option<usize>, ClaimRule)>,
}

/// How many of some providers' tokens are needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Needs {
    /// None is, and none is looked at.
    Nothing,
    /// One.
    Any,
    /// Each.
    All,
    /// One, if there is any.
    AnyIfPresent,
}

/// Who issues tokens.
#[derive(Debug)]
pub struct ProviderProgram {
    /// The provider, as the policy has it.
    pub spec: Provider,
    /// Where requests carry its tokens.
    pub places: Vec<Place>,
    /// Where its keys come from.
    pub keys: KeySource,
}

/// Where a provider's keys come from.
#[derive(Debug)]
pub enum KeySource {
    /// They stand in the policy.
    Inline(Rc<KeySet>),
    /// An environment variable of the proxy.
    Environment {
        /// The variable's name.
        name: String,
        /// How they are written.
        format: KeyFormat,
    },
    /// An address.
    Remote(RemoteSource),
}

/// An address that keys are fetched from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoteSource {
    /// The proxy's cluster for it.
    pub cluster: String,
    /// The host, and the port if it is not 443.
    pub authority: String,
    /// The path, with the query.
    pub path: String,
    /// How often the keys are fetched; `None`: as the answer says.
    pub refresh: Option<Duration>,
    /// How long the last keys stay in use.
    pub max_stale: Duration,
    /// How long a fetch may take.
    pub timeout: Duration,
}

impl JwtProgram {
    pub(super) fn compile(
        jwt: &Jwt,
        namespace: &str,
        clusters: &Clusters,
        at: &FieldPath,
        findings: &mut Diagnostics,
    ) -> Self {
        let index = |name: &str| jwt.providers.iter().position(|provider| provider.name == name);
        let mut rules = Vec::new();
        let mut requirements = Vec::new();
        for rule in &jwt.rules {
            let needs = match rule.require {
                Require::None => Needs::Nothing,
                Require::AnyOf(_) => Needs::Any,
                Require::AllOf(_) => Needs::All,
                Require::Optional(_) => Needs::AnyIfPresent,
            };
            let routes = rule.matches.iter().filter_map(|route| Route::compile(route).ok()).collect();
            rules.push(Rule { routes, opens: matches!(needs, Needs::Nothing | Needs::AnyIfPresent) });
            requirements.push(Requirement {
                name: rule.name.clone(),
                needs,
                providers: rule.require.providers().iter().filter_map(|name| index(name)).collect(),
                claims: rule
                    .claims
                    .iter()
                    .map(|claim| (claim.provider.as_deref().and_then(index), claim.clone()))
                    .collect(),
            });
        }
        let providers = jwt.providers.iter().filter_map(|provider| {
            let at = at.field("providers").named(&provider.name).field("jwks");
            Some(ProviderProgram {
                spec: provider.clone(),
                places: Place::of(provider),
                keys: KeySource::compile(provider, namespace, clusters, &at, findings)?,
            })
        });
        Self {
            providers: providers.collect(),
            rules,
            requirements,
            preflight_passes: jwt.preflight == Preflight::Pass,
        }
    }
}

impl KeySource {
    fn compile(
        provider: &Provider,
        namespace: &str,
        clusters: &Clusters,
        at: &FieldPath,
        findings: &mut Diagnostics,
    ) -> Option<Self> {
        match provider.jwks.source()? {
            JwksSource::Inline(text) => match KeySet::from_jwks(text.as_bytes()) {
                Ok(keys) => Some(Self::Inline(Rc::new(keys))),
                Err(error) => {
                    findings.error(at.field("inline"), error.to_string());
                    None
                }
            },
            JwksSource::Env(env) => Some(Self::Environment { name: env.name.clone(), format: env.format }),
            JwksSource::Secret(secret) => Some(Self::Environment {
                name: secret_variable(namespace, &secret.name, &secret.key),
                format: secret.format,
            }),
            JwksSource::Uri(uri) => {
                Some(Self::Remote(RemoteSource::of(uri, &provider.jwks, clusters.jwks.get(&provider.name))))
            }
        }
    }
}

impl RemoteSource {
    /// The address in an `https` URI (RFC 3986 §3), which was checked before.
    fn of(uri: &str, jwks: &Jwks, cluster: Option<&String>) -> Self {
        let rest = uri.strip_prefix("https://").unwrap_or(uri);
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at_checked(end).unwrap_or((rest, ""));
        let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
        Self {
            cluster: cluster.cloned().unwrap_or_default(),
            authority: authority.strip_suffix(":443").unwrap_or(authority).to_owned(),
            path,
            refresh: jwks.refresh,
            max_stale: jwks.max_stale(),
            timeout: FETCH_TIMEOUT,
        }
    }
}

/// The environment variable by which a key of a Secret reaches the proxies: the same for whoever sets it and for the
/// filter, and another for every Secret and key.
#[must_use]
pub fn secret_variable(namespace: &str, secret: &str, key: &str) -> String {
    let mut name = "SALLYPORT_KEY".to_owned();
    for part in [namespace, secret, key] {
        name.push('_');
        for c in part.chars() {
            match c {
                'a'..='z' | 'A'..='Z' | '0'..='9' => name.push(c),
                // What a variable's name can't hold is written as its code, so that no two names meet.
                other => {
                    name.push('_');
                    name.push_str(&u32::from(other).to_string());
                    name.push('_');
                }
            }
        }
    }
    name
}
