//! The keys of one provider in one worker.

use std::rc::Rc;

use crate::host::{HostError, Monotonic, SharedData};
use crate::jose::KeySet;
use crate::keys::{Found, RemoteKeys};
use crate::program::{KeySource, PolicyName, ProviderProgram};
use crate::{KeyFormat, jose::KeySetError};

/// The keys of one provider in one worker.
#[derive(Debug)]
pub(super) enum Keys {
    /// They stay as they are.
    Fixed(Rc<KeySet>),
    /// They are fetched.
    Remote(RemoteKeys),
}

/// Why there are no keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NoKeys {
    /// They are on their way.
    Coming,
    /// They could not be fetched.
    Failed,
}

impl Keys {
    /// The keys of a provider, `environment` being what its variable holds.
    ///
    /// # Errors
    /// The variable is missing, or holds no such keys.
    pub(super) fn of(
        provider: &ProviderProgram,
        policy: &PolicyName,
        environment: impl FnOnce(&str) -> Option<Vec<u8>>,
    ) -> Result<Self, NoEnvironmentKeys> {
        match &provider.keys {
            KeySource::Inline(keys) => Ok(Self::Fixed(Rc::clone(keys))),
            KeySource::Environment { name, format } => {
                let refused = |reason| NoEnvironmentKeys {
                    provider: provider.spec.name.clone(),
                    variable: name.clone(),
                    reason,
                };
                let text = environment(name).ok_or_else(|| refused(None))?;
                let keys = match format {
                    KeyFormat::Jwks => KeySet::from_jwks(&text),
                    KeyFormat::Pem => KeySet::from_pem(&text),
                    KeyFormat::Raw => KeySet::from_raw(&text),
                };
                keys.map(|keys| Self::Fixed(Rc::new(keys))).map_err(|error| refused(Some(error)))
            }
            KeySource::Remote(remote) => {
                let PolicyName { namespace, name } = policy;
                let name =
                    format!("{namespace}/{name}/{}/{}{}", provider.spec.name, remote.authority, remote.path);
                Ok(Self::Remote(RemoteKeys::new(&name, remote.refresh, remote.max_stale)))
            }
        }
    }

    pub(super) fn current(&self, now: Monotonic) -> Result<Rc<KeySet>, NoKeys> {
        match self {
            Self::Fixed(keys) => Ok(Rc::clone(keys)),
            Self::Remote(remote) => match remote.current(now) {
                Found::Keys(keys) => Ok(keys),
                Found::Coming => Err(NoKeys::Coming),
                Found::None => Err(NoKeys::Failed),
            },
        }
    }

    /// Whether keys are on their way among which this one may be.
    pub(super) fn ask_for(
        &mut self,
        shared: &dyn SharedData,
        kid: &str,
        now: Monotonic,
    ) -> Result<bool, HostError> {
        match self {
            Self::Fixed(_) => Ok(false),
            Self::Remote(remote) => remote.ask_for(shared, kid, now),
        }
    }
}

/// Keys that should stand in an environment variable of the proxy, and do not.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the environment variable {variable} of the proxy, which holds the keys of provider {provider}, {}", tell(reason.as_ref()))]
pub struct NoEnvironmentKeys {
    /// The provider.
    pub provider: String,
    /// The variable.
    pub variable: String,
    /// Why it can't be read; `None`: it is not there.
    pub reason: Option<KeySetError>,
}

fn tell(error: Option<&KeySetError>) -> String {
    error.map_or_else(
        || "is not set: a new Secret reaches a proxy when it starts".to_owned(),
        |error| format!("can't be used: {error}"),
    )
}
