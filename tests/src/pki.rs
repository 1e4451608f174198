//! Keys and certificates: those of one control plane, valid for as long as it runs, and a server's.

use std::fs;
use std::path::Path;

use anyhow::Result;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose,
};

/// The files, by name, that [`write`] puts into its folder.
pub(crate) mod file {
    pub(crate) const CA: &str = "ca.crt";
    pub(crate) const SERVER: &str = "apiserver.crt";
    pub(crate) const SERVER_KEY: &str = "apiserver.key";
    pub(crate) const ADMIN: &str = "admin.crt";
    pub(crate) const ADMIN_KEY: &str = "admin.key";
    pub(crate) const SERVICE_ACCOUNT_KEY: &str = "service-account.key";
    pub(crate) const SERVICE_ACCOUNT_PUBLIC_KEY: &str = "service-account.pub";
}

/// Writes a new authority, the API server's and the administrator's certificates, and the keys for
/// service account tokens. Returns the authority's certificate, in PEM.
pub(crate) fn write(dir: &Path) -> Result<String> {
    let ca = authority()?;

    let mut server =
        CertificateParams::new(["127.0.0.1", "localhost", "kubernetes.default.svc"].map(String::from))?;
    server.distinguished_name.push(DnType::CommonName, "kube-apiserver");
    server.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    issue(&ca, &server, &dir.join(file::SERVER), &dir.join(file::SERVER_KEY))?;

    // The API server takes the user from the common name and the groups from the organization.
    let mut admin = CertificateParams::default();
    admin.distinguished_name.push(DnType::CommonName, "admin");
    admin.distinguished_name.push(DnType::OrganizationName, "system:masters");
    admin.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    issue(&ca, &admin, &dir.join(file::ADMIN), &dir.join(file::ADMIN_KEY))?;

    let service_account = KeyPair::generate()?;
    fs::write(dir.join(file::SERVICE_ACCOUNT_KEY), service_account.serialize_pem())?;
    fs::write(dir.join(file::SERVICE_ACCOUNT_PUBLIC_KEY), service_account.public_key_pem())?;
    fs::write(dir.join(file::CA), ca.pem())?;
    Ok(ca.pem())
}

/// Writes `tls.crt` and `tls.key` of a server on this machine, as a Secret of type `kubernetes.io/tls` has them, and
/// `ca.crt`, the new authority that it is to be trusted for.
///
/// # Errors
/// When the files cannot be written.
pub fn write_server(dir: &Path) -> Result<()> {
    write_server_of(&["127.0.0.1", "localhost"], dir)
}

/// The same for a server of these names.
///
/// # Errors
/// When the files cannot be written.
pub fn write_server_of(names: &[&str], dir: &Path) -> Result<()> {
    let ca = authority()?;
    let names: Vec<String> = names.iter().map(ToString::to_string).collect();
    let mut server = CertificateParams::new(names)?;
    server.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    // All authorities have one name: whoever trusts several is told by its key which one this is.
    server.use_authority_key_identifier_extension = true;
    issue(&ca, &server, &dir.join("tls.crt"), &dir.join("tls.key"))?;
    fs::write(dir.join(file::CA), ca.pem())?;
    Ok(())
}

fn authority() -> Result<CertifiedIssuer<'static, KeyPair>> {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, "sallyport-tests");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
    Ok(CertifiedIssuer::self_signed(params, KeyPair::generate()?)?)
}

fn issue(
    ca: &CertifiedIssuer<'_, KeyPair>,
    params: &CertificateParams,
    certificate: &Path,
    key: &Path,
) -> Result<()> {
    let pair = KeyPair::generate()?;
    fs::write(certificate, params.signed_by(&pair, ca)?.pem())?;
    fs::write(key, pair.serialize_pem())?;
    Ok(())
}
