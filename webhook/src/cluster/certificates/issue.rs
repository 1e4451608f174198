//! Keys and certificates.

use std::collections::BTreeSet;
use std::net::IpAddr;

use anyhow::{Context as _, anyhow};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, PublicKeyData as _,
};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use time::OffsetDateTime;
use x509_parser::prelude::{FromDer as _, GeneralName, X509Certificate};

use super::plan::{SKEW, Validity};
use crate::server::PemPair as Pair;

/// An authority that is valid for so many seconds from now on.
pub(super) fn authority(lifetime: i64, now: i64) -> anyhow::Result<Pair> {
    // Each has a name of its own: two that share one are taken for the same by some.
    let mut params = valid(CertificateParams::new(Vec::new())?, &format!("Sallyport, {now}"), lifetime, now)?;
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
    let key = KeyPair::generate()?;
    let certificate = params.self_signed(&key)?;
    Ok(Pair { certificate: certificate.pem(), key: key.serialize_pem() })
}

/// A server's certificate for these names, by an authority, valid for so many seconds from now on.
pub(super) fn certificate(
    authority: &Pair,
    names: &[String],
    lifetime: i64,
    now: i64,
) -> anyhow::Result<Pair> {
    let issuer = Issuer::from_ca_cert_pem(&authority.certificate, KeyPair::from_pem(&authority.key)?)?;
    let mut params = valid(CertificateParams::new(names.to_vec())?, "Sallyport", lifetime, now)?;
    params.use_authority_key_identifier_extension = true;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let key = KeyPair::generate()?;
    let certificate = params.signed_by(&key, &issuer)?;
    Ok(Pair { certificate: certificate.pem(), key: key.serialize_pem() })
}

fn valid(
    mut params: CertificateParams,
    name: &str,
    lifetime: i64,
    now: i64,
) -> anyhow::Result<CertificateParams> {
    params.not_before = OffsetDateTime::from_unix_timestamp(now - SKEW)?;
    params.not_after = OffsetDateTime::from_unix_timestamp(now + lifetime)?;
    params.distinguished_name.push(DnType::CommonName, name);
    Ok(params)
}

/// When a certificate was made, and until when it is valid.
pub(super) fn validity(pem: &str) -> anyhow::Result<Validity> {
    with_certificate(pem, |certificate| {
        let validity = certificate.validity();
        Ok(Validity {
            made: validity.not_before.timestamp() + SKEW,
            not_after: validity.not_after.timestamp(),
        })
    })
}

/// Whether a certificate's key is this one.
pub(super) fn belong_together(pair: &Pair) -> anyhow::Result<bool> {
    let key = KeyPair::from_pem(&pair.key).context("it holds no key in PEM that can be used")?;
    with_certificate(&pair.certificate, |certificate| {
        Ok(certificate.public_key().raw == key.subject_public_key_info())
    })
}

/// The DNS names and IP addresses of a certificate.
pub(super) fn names(pem: &str) -> anyhow::Result<BTreeSet<String>> {
    with_certificate(pem, |certificate| {
        let names = certificate.subject_alternative_name()?;
        let names = names.iter().flat_map(|names| &names.value.general_names);
        Ok(names
            .filter_map(|name| match name {
                GeneralName::DNSName(name) => Some((*name).to_owned()),
                GeneralName::IPAddress(bytes) => address(bytes).map(|address| address.to_string()),
                _ => None,
            })
            .collect())
    })
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    let v4 = || Some(IpAddr::from(<[u8; 4]>::try_from(bytes).ok()?));
    let v6 = || Some(IpAddr::from(<[u8; 16]>::try_from(bytes).ok()?));
    v4().or_else(v6)
}

fn with_certificate<T>(
    pem: &str,
    read: impl FnOnce(&X509Certificate<'_>) -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    let der = CertificateDer::from_pem_slice(pem.as_bytes()).context("it holds no certificate in PEM")?;
    let (_, certificate) =
        X509Certificate::from_der(&der).map_err(|error| anyhow!("it holds no X.509 certificate: {error}"))?;
    read(&certificate)
}
