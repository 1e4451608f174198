//! The keys of one provider in one worker.

use std::rc::Rc;
use std::time::Duration;

use crate::host::{HostError, Monotonic, SharedData};
use crate::jose::KeySet;
use crate::keys::{Asked, Fetch, Found, RemoteKeys, Schedule};
use crate::program::{KeySource, PolicyName, ProviderProgram, RemoteSource};
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

    /// Takes in what another worker has fetched: whether there was anything new.
    pub(super) fn catch_up(&mut self, shared: &dyn SharedData) -> Result<bool, HostError> {
        match self {
            Self::Fixed(_) => Ok(false),
            Self::Remote(remote) => remote.catch_up(shared),
        }
    }

    /// How the keys stand, if they are fetched.
    pub(super) fn state<'a>(&self, provider: &'a str, now: Monotonic) -> Option<KeyState<'a>> {
        match self {
            Self::Fixed(_) => None,
            Self::Remote(remote) => {
                let are_usable = matches!(remote.current(now), Found::Keys(_));
                Some(KeyState { provider, age: remote.age(now), are_usable })
            }
        }
    }

    /// How long until they are fetched again.
    pub(super) fn next_fetch(&self, now: Monotonic) -> Duration {
        match self {
            Self::Fixed(_) => Duration::ZERO,
            Self::Remote(remote) => Duration::from_nanos(remote.next(now)),
        }
    }

    /// Asks for a key that is not among them.
    pub(super) fn ask_for(
        &mut self,
        shared: &dyn SharedData,
        kid: &str,
        now: Monotonic,
    ) -> Result<Asked, HostError> {
        match self {
            Self::Fixed(_) => Ok(Asked::Unknown),
            Self::Remote(remote) => remote.ask_for(shared, kid, now),
        }
    }
}

/// How the keys of a provider stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyState<'a> {
    /// The provider.
    pub provider: &'a str,
    /// How long ago they arrived, in nanoseconds; `None`: never.
    pub age: Option<u64>,
    /// Whether there are any that are not too old.
    pub are_usable: bool,
}

/// A fetch that has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    /// What became of it.
    pub fetch: Fetch,
    /// Whether there are keys that can be used all the same.
    pub are_usable: bool,
    /// Both, for whoever operates the proxy. Of the address, without the query: a password may stand there.
    pub told: String,
}

impl Ended {
    pub(super) fn of(
        provider: &str,
        source: &RemoteSource,
        fetch: Fetch,
        schedule: Option<Schedule>,
        now: Monotonic,
    ) -> Self {
        let seconds =
            |nanoseconds: u64| sallyport_policy::Duration::from_secs(nanoseconds.div_ceil(1_000_000_000));
        let schedule = schedule.unwrap_or_default();
        let left = schedule.left(now, source.max_stale);
        let path = source.path.split('?').next().unwrap_or_default();
        let are = if fetch.is_good() { "were fetched" } else { "can't be fetched" };
        let RemoteSource { authority, .. } = source;
        let mut told = format!("keys of provider {provider} {are} from https://{authority}{path}: {fetch}");
        if !fetch.is_good() {
            told += match (left, schedule.generation) {
                (0, 0) => "; there are none",
                (0, _) => "; the last are too old to be used",
                _ => "; the last are good for ",
            };
            if left > 0 {
                told += &seconds(left).to_string();
                told += " more";
            }
            told += "; next try in ";
            told += &seconds(schedule.next.0.saturating_sub(now.0)).to_string();
        }
        Self { fetch, are_usable: left > 0, told }
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
