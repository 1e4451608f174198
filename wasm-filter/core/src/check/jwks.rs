//! The keys that signatures are checked with.

use std::net::Ipv4Addr;

use sallyport_policy::{Diagnostics, FieldPath, check_dns_subdomain};

use super::check_positive;
use crate::{Algorithm, Jwks, JwksSource, KeyFormat};

pub(super) fn check(jwks: &Jwks, algorithms: &[Algorithm], at: &FieldPath, findings: &mut Diagnostics) {
    match jwks.source() {
        None => findings.error(at.clone(), "exactly one of inline, uri, secretRef and env is needed"),
        Some(JwksSource::Inline(keys)) => {
            if keys.trim().is_empty() {
                findings
                    .error(at.field("inline"), "no keys are given: write a JSON Web Key Set (RFC 7517 §5)");
            }
        }
        Some(JwksSource::Uri(uri)) => {
            let at = at.field("uri");
            if let Err(wrong) = check_uri(uri) {
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

/// Whether a URI (RFC 3986 §3) is https with a host's name.
fn check_uri(uri: &str) -> Result<(), String> {
    let Some(rest) = uri.strip_prefix("https://") else {
        return Err("it does not start with https://".to_owned());
    };
    if let Some(c) = uri.chars().find(|c| !c.is_ascii_graphic() || "\\\"<>^`{|}".contains(*c)) {
        return Err(format!("it holds {c:?}"));
    }
    if uri.contains('#') {
        return Err("it has a fragment".to_owned());
    }
    let authority = rest.split(['/', '?']).next().unwrap_or_default();
    if authority.contains('@') {
        return Err("it holds a user's name or password".to_owned());
    }
    if authority.starts_with('[') {
        return Err("its host is an IP address: write a name".to_owned());
    }
    let (host, port) = authority.split_once(':').map_or((authority, None), |(host, port)| (host, Some(port)));
    if port.is_some_and(|port| {
        !port.bytes().all(|b| b.is_ascii_digit()) || !port.parse().is_ok_and(|port: u16| port > 0)
    }) {
        return Err("its port is not a number from 1 to 65535".to_owned());
    }
    if is_ipv4(host) {
        return Err("its host is an IP address: write a name".to_owned());
    }
    check_dns_subdomain(host).map_err(|error| error.to_string())
}

/// Whether resolvers take the host for an IPv4 address: its last label is a number, in any base (WHATWG URL §3.5).
fn is_ipv4(host: &str) -> bool {
    let last = host.strip_suffix('.').unwrap_or(host).rsplit('.').next().unwrap_or_default();
    let hexadecimal = last
        .strip_prefix("0x")
        .or_else(|| last.strip_prefix("0X"))
        .is_some_and(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()));
    let decimal = !last.is_empty() && last.bytes().all(|b| b.is_ascii_digit());
    host.parse::<Ipv4Addr>().is_ok() || hexadecimal || decimal
}

#[cfg(test)]
mod tests {
    use super::check_uri;

    #[test]
    fn keys_are_fetched_by_https_from_a_named_host_only() {
        for uri in [
            "https://issuer.example/jwks.json",
            "https://issuer.example",
            "https://issuer.example:8443/keys?kid=1",
            "https://www.googleapis.com/service_accounts/v1/jwk/securetoken@system.gserviceaccount.com",
            "https://keys.v1/jwks",
        ] {
            assert_eq!(check_uri(uri), Ok(()), "{uri}");
        }
        for uri in [
            "",
            "http://issuer.example/jwks.json",
            "HTTPS://issuer.example/jwks.json",
            "https:/issuer.example",
            "https://",
            "https:///jwks.json",
            "https://10.0.0.1/",
            "https://127.1/",
            "https://2130706433/",
            "https://0x7f000001/",
            "https://a.0x1/",
            "https://10.0.0.1./",
            "https://[::1]/",
            "https://[::1]:443/",
            "https://user@issuer.example/",
            "https://user:word@issuer.example/",
            "https://issuer.example:/",
            "https://issuer.example:0/",
            "https://issuer.example:65536/",
            "https://issuer.example:+1/",
            "https://issuer.example#@other.example/",
            "https://issuer.example\\@other.example/",
            "https://issuer.example/a b",
            "https://Issuer.example/",
            "https://issuér.example/",
            "https://.example/",
        ] {
            assert!(check_uri(uri).is_err(), "{uri}");
        }
    }
}
