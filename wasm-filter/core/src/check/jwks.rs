//! The keys that signatures are checked with.

use sallyport_policy::{Diagnostic, Diagnostics, FieldPath, check_dns_subdomain};

use super::check_positive;
use crate::jose::key::{Material, Skipped};
use crate::jose::{KeyError, KeySet};
use crate::{Algorithm, HttpsUri, Jwks, JwksSource, KeyFormat};

pub(super) fn check(jwks: &Jwks, algorithms: &[Algorithm], at: &FieldPath, findings: &mut Diagnostics) {
    match jwks.source() {
        None => findings.error(at.clone(), "exactly one of inline, uri, secretRef and env is needed"),
        Some(JwksSource::Inline(keys)) => {
            check_inline(keys, algorithms, &at.field("inline"), findings);
        }
        Some(JwksSource::Uri(uri)) => {
            let at = at.field("uri");
            if let Err(wrong) = HttpsUri::parse(uri) {
                findings.error(at.clone(), format!("{uri:?} is not where keys can be fetched: {wrong}"));
            }
            for algorithm in algorithms.iter().filter(|algorithm| algorithm.is_symmetric()) {
                findings.error(
                    at.clone(),
                    format!(
                        "{} signs with a shared secret, which must not be fetched from an address: use secretRef or env",
                        algorithm.name()
                    ),
                );
            }
        }
        Some(JwksSource::Secret(secret)) => {
            let at = at.field("secretRef");
            if let Err(error) = check_dns_subdomain(&secret.name) {
                findings.error(at.field("name"), error.to_string());
            }
            if secret.key.is_empty()
                || !secret.key.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
            {
                let message = format!(
                    "{:?} is not a key of a Secret: write letters, digits, '-', '_' and '.'",
                    secret.key
                );
                findings.error(at.field("key"), message);
            }
            check_format(secret.format, algorithms, &at.field("format"), findings);
        }
        Some(JwksSource::Env(env)) => {
            let at = at.field("env");
            if env.name.is_empty() || env.name.contains(['=', '\0']) {
                findings.error(
                    at.field("name"),
                    format!("{:?} is not the name of an environment variable", env.name),
                );
            }
            check_format(env.format, algorithms, &at.field("format"), findings);
        }
    }
    for (name, duration) in [("refresh", jwks.refresh), ("maxStale", jwks.max_stale)] {
        let Some(duration) = duration else { continue };
        if jwks.uri.is_none() {
            findings.error(at.field(name), "goes with uri: other keys are not fetched");
        }
        check_positive(duration, at.field(name), findings);
    }
    if jwks.uri.is_some() && jwks.max_stale() < jwks.refresh() {
        findings.error(
            at.field("maxStale"),
            format!(
                "{} is shorter than refresh, {}: keys would lapse between fetches",
                jwks.max_stale(),
                jwks.refresh()
            ),
        );
    }
}

/// Whether keys that stand in the policy are for everybody to read, and of use.
fn check_inline(text: &str, algorithms: &[Algorithm], at: &FieldPath, findings: &mut Diagnostics) {
    if text.trim().is_empty() {
        findings.error(at.clone(), "no keys are given: write a JSON Web Key Set (RFC 7517 §5)");
        return;
    }
    let keys = match KeySet::from_jwks(text.as_bytes()) {
        Ok(keys) => keys,
        Err(error) => {
            findings.error(at.clone(), error.to_string());
            return;
        }
    };
    let is_skipped = |index: &usize| keys.skipped().iter().any(|skipped| skipped.index == *index);
    let secret = (0..)
        .filter(|index| !is_skipped(index))
        .zip(keys.keys())
        .find_map(|(index, key)| matches!(key.material(), Material::Secret(_)).then_some(index));
    let short = keys.skipped().iter().find(|skipped| skipped.reason == KeyError::SecretTooShort);
    if let Some(index) = secret.or(short.map(|skipped| skipped.index)) {
        findings.push(
            Diagnostic::error(
                at.clone(),
                format!("key {index} is a shared secret: whoever can read this policy could make tokens"),
            )
            .with_help("use secretRef or env, and another secret: this one has been read by others"),
        );
    }
    for Skipped { index, reason } in keys.skipped() {
        // Sets hold keys for encryption too, which nobody misses here.
        if !matches!(reason, KeyError::Use | KeyError::Operations | KeyError::SecretTooShort) {
            findings.warn(at.clone(), format!("key {index} is passed over: {reason}"));
        }
    }
    let names = || algorithms.iter().map(|algorithm| algorithm.name()).collect::<Vec<_>>().join(", ");
    let fits = |algorithm: &Algorithm| keys.keys().iter().any(|key| key.fits(*algorithm));
    if !algorithms.is_empty() && !algorithms.iter().any(fits) {
        findings.error(at.clone(), format!("no key is one of {}: every token would be refused", names()));
    }
}

/// Whether keys in this format can check signatures of these algorithms: a public key taken for a shared secret would
/// let everyone sign (RFC 8725 §2.1).
fn check_format(format: KeyFormat, algorithms: &[Algorithm], at: &FieldPath, findings: &mut Diagnostics) {
    for algorithm in algorithms {
        let wrong = match (format, algorithm.is_symmetric()) {
            (KeyFormat::Pem, true) => {
                "PEM holds a public key, but this signs with a shared secret: use Raw or JWKS"
            }
            (KeyFormat::Raw, false) => {
                "Raw is a shared secret, but this signs with a private key: use PEM or JWKS"
            }
            _ => continue,
        };
        findings.error(at.clone(), format!("{}: {wrong}", algorithm.name()));
    }
}
