//! When an image is pulled if nobody says it.

/// `Always` for an image that is tagged `latest`, by name or by saying neither tag nor digest; else
/// `IfNotPresent`.
///
/// What is no image reference is `IfNotPresent`: the API server passes over the error
/// (SetDefaults_Container).
pub(super) fn of(image: &str) -> &'static str {
    if is_latest(image) { "Always" } else { "IfNotPresent" }
}

fn is_latest(image: &str) -> bool {
    if image.len() == 64 && image.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
        return false;
    }
    let (reference, digest) = match image.split_once('@') {
        Some((reference, digest)) => (reference, Some(digest)),
        None => (image, None),
    };
    // A colon before the last slash is a port's.
    let last = reference.rfind('/').map_or(0, |slash| slash + 1);
    let (name, tag) = match reference.get(last..).and_then(|end| end.split_once(':')) {
        Some((end, tag)) => (reference.get(..last + end.len()).unwrap_or_default(), Some(tag)),
        None => (reference, None),
    };
    digest.is_none_or(is_digest)
        && is_name(name)
        && match tag {
            Some(tag) => tag == "latest",
            None => digest.is_none(),
        }
}

/// `sha256:` and 64 hexadecimal digits, or likewise with 384 or 512 bits.
fn is_digest(digest: &str) -> bool {
    let Some((algorithm, hex)) = digest.split_once(':') else { return false };
    let digits = match algorithm {
        "sha256" => 64,
        "sha384" => 96,
        "sha512" => 128,
        _ => return false,
    };
    hex.len() == digits && hex.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

/// A repository's name: path components after, perhaps, a registry (distribution/reference, `namePat`).
fn is_name(name: &str) -> bool {
    let (host, path) = match name.split_once('/') {
        Some((host, path)) if is_host_like(host) => (Some(host), path),
        _ => (None, name),
    };
    // The path's limit counts `library/`, which stands for no path at all.
    let length =
        if host.is_none() && !path.contains('/') { path.len() + "library/".len() } else { path.len() };
    host.is_none_or(is_host) && length <= 255 && path.split('/').all(is_path_component)
}

/// Whether the first component is a registry and not the first of the path.
fn is_host_like(first: &str) -> bool {
    first == "localhost" || first.contains(['.', ':']) || first.bytes().any(|b| b.is_ascii_uppercase())
}

fn is_host(host: &str) -> bool {
    let (name, port) = match host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, rest)) => {
            if address.is_empty() || !address.bytes().all(|b| b.is_ascii_hexdigit() || b == b':') {
                return false;
            }
            ("", rest.strip_prefix(':').or(if rest.is_empty() { None } else { Some("") }))
        }
        None => host.split_once(':').map_or((host, None), |(name, port)| (name, Some(port))),
    };
    let is_label = |label: &str| {
        !label.is_empty()
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    (name.is_empty() && host.starts_with('[') || name.split('.').all(is_label))
        && port.is_none_or(|port| !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit()))
}

/// Lower-case letters and digits, parted by a dot, one or two underscores, or dashes.
fn is_path_component(component: &str) -> bool {
    let is_alphanumeric = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let bytes = component.as_bytes();
    bytes.first().copied().is_some_and(is_alphanumeric)
        && bytes.last().copied().is_some_and(is_alphanumeric)
        && component
            .split(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
            .all(|between| matches!(between, "" | "." | "_" | "__") || between.bytes().all(|b| b == b'-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(images: &[&str], want: &str) {
        for image in images {
            assert_eq!(of(image), want, "{image}");
        }
    }

    const DIGEST: &str = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

    #[test]
    fn latest_is_pulled_always() {
        check(
            &[
                "nginx",
                "nginx:latest",
                "library/nginx",
                "registry:5000/nginx",
                "registry:5000/nginx:latest",
                "registry.example/team/web",
                "LOCAL/web",
                "[::1]:5000/web",
                "a__b/c--d.e_f",
                &format!("nginx:latest@{DIGEST}"),
            ],
            "Always",
        );
    }

    #[test]
    fn a_tag_or_a_digest_is_pulled_once() {
        check(
            &["nginx:1", "registry:5000/nginx:1.2", &format!("nginx@{DIGEST}"), &format!("nginx:1@{DIGEST}")],
            "IfNotPresent",
        );
    }

    #[test]
    fn what_is_no_reference_is_pulled_once() {
        check(
            &[
                "",
                " nginx",
                "Nginx",
                "team/Nginx",
                "nginx:",
                "a//b",
                "-a",
                "a..b",
                "a___b",
                "registry:port/web",
                "nginx@sha256:12",
                "nginx:latest@sha256:12",
                &DIGEST["sha256:".len()..],
            ],
            "IfNotPresent",
        );
    }
}
