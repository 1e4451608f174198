//! Who must sign in, compiled.

use std::rc::Rc;

use sallyport_policy::{Duration, secret_variable};

use super::{Clusters, routes};
use crate::jose::KeySet;
use crate::keys::FETCH_TIMEOUT;
use crate::route::Rule;
use crate::token::Place;
use crate::{ClaimRule, HttpsUri, Jwks, JwksSource, Jwt, JwtRule, KeyFormat, Preflight, Provider, Require};

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
    /// Compiles what was checked before. `None` if something is wrong with it all the same: a part that was left out for
    /// that could let requests pass.
    pub(super) fn compile(jwt: &Jwt, namespace: &str, clusters: &Clusters) -> Option<Self> {
        let mut rules = Vec::with_capacity(jwt.rules.len());
        let mut requirements = Vec::with_capacity(jwt.rules.len());
        for rule in &jwt.rules {
            let requirement = Requirement::compile(rule, jwt)?;
            let opens = matches!(requirement.needs, Needs::Nothing | Needs::AnyIfPresent);
            rules.push(Rule { routes: routes(&rule.matches)?, opens });
            requirements.push(requirement);
        }
        let providers = jwt.providers.iter().map(|provider| {
            Some(ProviderProgram {
                spec: provider.clone(),
                places: Place::of(provider),
                keys: KeySource::compile(provider, namespace, clusters)?,
            })
        });
        Some(Self {
            providers: providers.collect::<Option<_>>()?,
            rules,
            requirements,
            preflight_passes: jwt.preflight == Preflight::Pass,
        })
    }
}

impl Requirement {
    fn compile(rule: &JwtRule, jwt: &Jwt) -> Option<Self> {
        let index = |name: &String| jwt.providers.iter().position(|provider| provider.name == *name);
        let claims = rule.claims.iter().map(|claim| {
            let provider = match &claim.provider {
                None => None,
                Some(name) => Some(index(name)?),
            };
            Some((provider, claim.clone()))
        });
        Some(Self {
            name: rule.name.clone(),
            needs: match rule.require {
                Require::None => Needs::Nothing,
                Require::AnyOf(_) => Needs::Any,
                Require::AllOf(_) => Needs::All,
                Require::Optional(_) => Needs::AnyIfPresent,
            },
            providers: rule.require.providers().iter().map(index).collect::<Option<_>>()?,
            claims: claims.collect::<Option<_>>()?,
        })
    }
}

impl KeySource {
    fn compile(provider: &Provider, namespace: &str, clusters: &Clusters) -> Option<Self> {
        Some(match provider.jwks.source()? {
            JwksSource::Inline(text) => Self::Inline(Rc::new(KeySet::from_jwks(text.as_bytes()).ok()?)),
            JwksSource::Env(env) => Self::Environment { name: env.name.clone(), format: env.format },
            JwksSource::Secret(secret) => Self::Environment {
                name: secret_variable(namespace, &secret.name, &secret.key),
                format: secret.format,
            },
            JwksSource::Uri(uri) => {
                let cluster = clusters.jwks.get(&provider.name);
                Self::Remote(RemoteSource::of(HttpsUri::parse(uri).ok()?, &provider.jwks, cluster))
            }
        })
    }
}

impl RemoteSource {
    fn of(uri: HttpsUri<'_>, jwks: &Jwks, cluster: Option<&String>) -> Self {
        Self {
            cluster: cluster.cloned().unwrap_or_default(),
            authority: uri.authority(),
            path: uri.path,
            refresh: jwks.refresh,
            max_stale: jwks.max_stale(),
            timeout: FETCH_TIMEOUT,
        }
    }
}
