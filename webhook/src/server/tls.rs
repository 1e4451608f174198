//! The certificate that is served, and what TLS is spoken with it.
//!
//! Files are read anew for every connection. A mounted Secret is renewed by swapping a symbolic link, which watching
//! the file would miss; reading a few kilobytes costs less than a tenth of the handshake that follows.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustls::ServerConfig;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use sha2::{Digest as _, Sha256};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tokio::sync::{Notify, watch};
use x509_parser::prelude::{FromDer as _, X509Certificate};

use super::expiry::{Told, Validity};
use super::self_issued;

/// Whose certificate is served.
#[derive(Clone, Debug)]
pub enum Identity {
    /// A certificate and its key from PEM files, as a mounted Secret of type `kubernetes.io/tls` holds them.
    Files {
        /// The certificate, followed by its intermediates.
        certificate: PathBuf,
        /// The private key: PKCS#8, SEC1 or PKCS#1.
        key: PathBuf,
    },
    /// A certificate and its key that somebody gives, and renews as they like.
    Given {
        /// What they are called in logs: `Secret sallyport/sallyport-certificates`.
        name: String,
        /// The pair to serve now, in PEM.
        pair: watch::Receiver<PemPair>,
    },
    /// A certificate of an authority that is made for this run and forgotten after it, for `localhost`, `127.0.0.1`,
    /// `::1` and what is named. For one machine.
    SelfIssued {
        /// Further names and IP addresses.
        names: Vec<String>,
        /// Where the authority's certificate is written, for clients to trust.
        ca: Option<PathBuf>,
    },
}

/// A certificate with its intermediates, and its key, in PEM.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct PemPair {
    /// The certificate.
    pub certificate: String,
    /// Its key.
    pub key: String,
}

impl std::fmt::Debug for PemPair {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PemPair").field("certificate", &self.certificate).finish_non_exhaustive()
    }
}

/// Why no certificate can be served.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// A file cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file does not hold what it should, in PEM.
    #[error("{} holds no {wanted} in PEM: {source}", path.display())]
    Pem {
        /// The file.
        path: PathBuf,
        /// `certificate` or `private key`.
        wanted: &'static str,
        /// Why.
        source: rustls::pki_types::pem::Error,
    },
    /// The certificate cannot be served with the key: they are no pair, or of a kind that is not supported.
    #[error("the certificate {} and the key {} cannot be served: {source}", certificate.display(), key.display())]
    Pair {
        /// The certificate's file.
        certificate: PathBuf,
        /// The key's.
        key: PathBuf,
        /// Why.
        source: Unservable,
    },
    /// The files hold a pair that is not valid now, and one that is would have to give way to it.
    #[error("{} is not served: {reason}", certificate.display())]
    NotValid {
        /// The certificate's file.
        certificate: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// What was made for this run cannot be served.
    #[error("the certificate that was made cannot be served: {0}")]
    Made(#[from] Unservable),
    /// A certificate cannot be issued: a name is no DNS name.
    #[error("cannot issue a certificate: {0}")]
    Issue(#[from] rcgen::Error),
    /// The authority's certificate cannot be written.
    #[error("cannot write {}: {source}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

/// Why TLS cannot be spoken with a certificate and a key.
#[derive(Debug, thiserror::Error)]
pub enum Unservable {
    /// They are no pair, or of a kind that is not supported.
    #[error(transparent)]
    Tls(#[from] rustls::Error),
    /// The certificate's validity cannot be read.
    #[error("the certificate is no X.509: {0}")]
    X509(String),
}

/// What one connection is served with.
#[derive(Clone)]
pub(crate) struct Current {
    pub(crate) config: Arc<ServerConfig>,
    /// What is presented: the first certificate of the chain.
    pub(crate) leaf: CertificateDer<'static>,
    /// From when and until when every certificate of the chain is valid: Unix time in seconds.
    pub(crate) not_before: i64,
    pub(crate) not_after: i64,
    /// Whether the files as they stand cannot be served, and this is an earlier pair.
    pub(crate) outdated: bool,
}

impl Current {
    /// Whether clients whose clock says `now` (Unix time in seconds) take the certificate for valid.
    pub(crate) fn check(&self, now: i64) -> Result<(), String> {
        match self.validity(now) {
            Validity::Expired => Err(format!(
                "the certificate expired at {}; expected one that is valid",
                date(self.not_after)
            )),
            Validity::NotYet => Err(format!(
                "the certificate is not valid before {}; expected one that is",
                date(self.not_before)
            )),
            Validity::Valid | Validity::EndsSoon => Ok(()),
        }
    }

    fn validity(&self, now: i64) -> Validity {
        Validity::at(now, self.not_before, self.not_after)
    }
}

/// Seconds of Unix time as RFC 3339.
fn date(seconds: i64) -> String {
    let date = OffsetDateTime::from_unix_timestamp(seconds).ok().and_then(|date| date.format(&Rfc3339).ok());
    date.unwrap_or_else(|| seconds.to_string())
}

fn now() -> i64 {
    OffsetDateTime::now_utc().unix_timestamp()
}

/// The certificate that is served now.
pub(crate) struct Certificates {
    source: Option<Source>,
    state: Mutex<State>,
    ca_pem: Option<String>,
    renewed: Notify,
}

/// Where a certificate comes from that may be renewed.
struct Source {
    /// What the certificate and the key are called: their files.
    certificate: PathBuf,
    key: PathBuf,
    /// Who gives them, where they are in no file.
    given: Option<watch::Receiver<PemPair>>,
}

struct State {
    current: Current,
    /// What `current` was read from.
    digest: [u8; 32],
    /// What was last logged about files that cannot be served; each complaint is made once.
    complaint: Option<String>,
    told: Told,
}

impl State {
    fn new(current: Current, digest: [u8; 32]) -> Self {
        Self { current, digest, complaint: None, told: Told::default() }
    }

    /// Tells that what is served is not valid now, or will soon not be any more.
    fn tell_validity(&mut self, now: i64) {
        let validity = self.current.validity(now);
        if !self.told.is_due(validity, now) {
            return;
        }
        let not_after = date(self.current.not_after);
        match self.current.check(now) {
            Err(invalid) => tracing::error!(not_after, "{invalid}; the API server will refuse it"),
            Ok(()) => tracing::warn!(not_after, "the certificate that is served expires soon"),
        }
    }
}

impl Certificates {
    /// The certificate of `identity`, which must be servable now.
    pub(crate) fn load(identity: &Identity) -> Result<Self, CertificateError> {
        match identity {
            Identity::Files { certificate, key } => {
                Self::following(Source { certificate: certificate.clone(), key: key.clone(), given: None })
            }
            Identity::Given { name, pair } => Self::following(Source {
                certificate: format!("{name}, tls.crt").into(),
                key: format!("{name}, tls.key").into(),
                given: Some(pair.clone()),
            }),
            Identity::SelfIssued { names, ca } => {
                let issued = self_issued::issue(names)?;
                if let Some(path) = ca {
                    self_issued::publish(path, &issued.ca_pem)
                        .map_err(|source| CertificateError::Write { path: path.clone(), source })?;
                }
                let current = serve(vec![issued.certificate], issued.key)?;
                let state = State::new(current, [0; 32]);
                let ca_pem = Some(issued.ca_pem);
                Ok(Self { source: None, state: Mutex::new(state), ca_pem, renewed: Notify::new() })
            }
        }
    }

    fn following(source: Source) -> Result<Self, CertificateError> {
        let pems = source.read()?;
        let mut state = State::new(pems.parse(&source)?, pems.digest());
        state.tell_validity(now());
        Ok(Self { source: Some(source), state: Mutex::new(state), ca_pem: None, renewed: Notify::new() })
    }

    /// The PEM of the authority that was made for this run.
    pub(crate) fn ca_pem(&self) -> Option<&str> {
        self.ca_pem.as_deref()
    }

    /// Returns after the certificate was renewed.
    pub(crate) async fn renewed(&self) {
        self.renewed.notified().await;
    }

    /// What to serve the next connection with, read off the async threads: a file system can hang.
    pub(crate) async fn current(this: &Arc<Self>) -> Current {
        if this.source.is_none() {
            return this.last_good();
        }
        let certificates = Arc::clone(this);
        let read = tokio::task::spawn_blocking(move || certificates.refresh()).await;
        read.unwrap_or_else(|_| this.last_good())
    }

    fn last_good(&self) -> Current {
        let mut state = self.lock();
        state.tell_validity(now());
        state.current.clone()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads the files; where they are new and a pair, that is what is served from now on. A pair that is half
    /// written, or was never one, leaves the last good one in place, and so does one that is not valid now where the
    /// last one is.
    fn refresh(&self) -> Current {
        let Some(files) = &self.source else { return self.last_good() };
        // One connection after the other, so that many that come at once take the file descriptors of one.
        let mut state = self.lock();
        let now = now();
        let renewed = files.read().and_then(|pems| {
            let digest = pems.digest();
            if digest == state.digest {
                return Ok(None);
            }
            let next = pems.parse(files)?;
            match next.check(now) {
                Err(reason) if state.current.check(now).is_ok() => {
                    Err(CertificateError::NotValid { certificate: files.certificate.clone(), reason })
                }
                _ => Ok(Some((next, digest))),
            }
        });
        match renewed {
            Ok(None) => {
                if state.complaint.take().is_some() {
                    tracing::info!("the certificate's files are right again");
                }
                state.current.outdated = false;
            }
            Ok(Some((current, digest))) => {
                tracing::info!(not_after = date(current.not_after), "the certificate was renewed");
                *state = State::new(current, digest);
                self.renewed.notify_one();
            }
            Err(error) => {
                let complaint = error.to_string();
                if state.complaint.as_ref() != Some(&complaint) {
                    tracing::error!(%error, "the last good certificate stays in use");
                    state.complaint = Some(complaint);
                    state.current.outdated = true;
                }
            }
        }
        state.tell_validity(now);
        state.current.clone()
    }
}

impl Source {
    fn read(&self) -> Result<Pems, CertificateError> {
        if let Some(given) = &self.given {
            let PemPair { certificate, key } = given.borrow().clone();
            return Ok(Pems { certificate: certificate.into_bytes(), key: key.into_bytes() });
        }
        let read = |path: &Path| {
            std::fs::read(path).map_err(|source| CertificateError::Read { path: path.to_owned(), source })
        };
        Ok(Pems { certificate: read(&self.certificate)?, key: read(&self.key)? })
    }
}

struct Pems {
    certificate: Vec<u8>,
    key: Vec<u8>,
}

impl Pems {
    fn digest(&self) -> [u8; 32] {
        let mut hash = Sha256::new();
        hash.update(self.certificate.len().to_le_bytes());
        hash.update(&self.certificate);
        hash.update(&self.key);
        hash.finalize().into()
    }

    fn parse(&self, files: &Source) -> Result<Current, CertificateError> {
        let wrong =
            |path: &Path, wanted, source| CertificateError::Pem { path: path.to_owned(), wanted, source };
        let chain = CertificateDer::pem_slice_iter(&self.certificate)
            .collect::<Result<Vec<_>, _>>()
            .and_then(|chain| {
                if chain.is_empty() { Err(rustls::pki_types::pem::Error::NoItemsFound) } else { Ok(chain) }
            })
            .map_err(|source| wrong(&files.certificate, "certificate", source))?;
        let key = PrivateKeyDer::from_pem_slice(&self.key)
            .map_err(|source| wrong(&files.key, "private key", source))?;
        serve(chain, key).map_err(|source| CertificateError::Pair {
            certificate: files.certificate.clone(),
            key: files.key.clone(),
            source,
        })
    }
}

/// TLS 1.2 and 1.3 with aws-lc-rs; HTTP/2 preferred. The provider is named here rather than installed for the whole
/// process, so that no other crate's choice changes what is spoken.
fn serve(chain: Vec<CertificateDer<'static>>, key: PrivateKeyDer<'static>) -> Result<Current, Unservable> {
    let (not_before, not_after) = validity(&chain)?;
    let leaf = chain.first().cloned().ok_or(rustls::Error::NoCertificatesPresented)?;
    let provider: CryptoProvider = rustls::crypto::aws_lc_rs::default_provider();
    let mut config = ServerConfig::builder_with_provider(Arc::new(provider))
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])?
        .with_no_client_auth()
        .with_single_cert(chain, key)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Current { config: Arc::new(config), leaf, not_before, not_after, outdated: false })
}

/// When all certificates of the chain are valid; an intermediate may expire before its leaf.
fn validity(chain: &[CertificateDer<'_>]) -> Result<(i64, i64), Unservable> {
    let (mut from, mut until) = (i64::MIN, i64::MAX);
    for der in chain {
        let (_, certificate) =
            X509Certificate::from_der(der).map_err(|error| Unservable::X509(error.to_string()))?;
        from = from.max(certificate.validity().not_before.timestamp());
        until = until.min(certificate.validity().not_after.timestamp());
    }
    Ok((from, until))
}
