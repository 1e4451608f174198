//! A certificate authority for one run on one machine.

use std::io;
use std::path::Path;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use time::{Duration, OffsetDateTime};

/// Names under which a server on this machine is reached.
const LOCAL: [&str; 3] = ["localhost", "127.0.0.1", "::1"];
/// Some verifiers (Apple's) refuse certificates that are valid for longer.
const VALID: Duration = Duration::days(825);
/// For clocks that are behind.
const BEFORE: Duration = Duration::hours(1);

/// A certificate, its key, and whom to trust for it. The authority's key is gone once this is returned.
pub(crate) struct SelfIssued {
    pub(crate) certificate: CertificateDer<'static>,
    pub(crate) key: PrivateKeyDer<'static>,
    pub(crate) ca_pem: String,
}

/// Issues a certificate for this machine's own names and for `names`: DNS names and IP addresses.
pub(crate) fn issue(names: &[String]) -> Result<SelfIssued, rcgen::Error> {
    let mut params = valid(CertificateParams::new(Vec::new())?, "Sallyport, for this run");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
    let ca = CertifiedIssuer::self_signed(params, KeyPair::generate()?)?;

    let mut all: Vec<String> = LOCAL.iter().map(ToString::to_string).collect();
    all.extend(names.iter().filter(|name| !LOCAL.contains(&name.as_str())).cloned());
    let mut params = valid(CertificateParams::new(all)?, "Sallyport");
    params.use_authority_key_identifier_extension = true;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let key = KeyPair::generate()?;
    let certificate = params.signed_by(&key, &ca)?;
    Ok(SelfIssued {
        certificate: certificate.der().clone(),
        key: PrivatePkcs8KeyDer::from(key.serialize_der()).into(),
        ca_pem: ca.pem(),
    })
}

fn valid(mut params: CertificateParams, name: &str) -> CertificateParams {
    let now = OffsetDateTime::now_utc();
    params.not_before = now - BEFORE;
    params.not_after = now + VALID;
    params.distinguished_name.push(DnType::CommonName, name);
    params
}

/// Writes the authority's certificate, whole or not at all: a client may be waiting for the file to appear.
pub(crate) fn publish(path: &Path, pem: &str) -> io::Result<()> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".new");
    std::fs::write(&beside, pem)?;
    std::fs::rename(&beside, path)
}
