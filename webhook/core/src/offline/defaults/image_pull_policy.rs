//! When an image is pulled if nobody says it.

use crate::validate::ImageReference;

/// `Always` for an image that is tagged `latest`, by name or by saying neither tag nor digest; else
/// `IfNotPresent`.
///
/// What is no image reference is `IfNotPresent`: the API server passes over the error
/// (SetDefaults_Container).
pub(super) fn of(image: &str) -> &'static str {
    let tag = ImageReference::parse(image).ok().and_then(|image| image.tag());
    if tag == Some("latest") { "Always" } else { "IfNotPresent" }
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
