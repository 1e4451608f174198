//! The images that a mesh's own containers run.

use std::str::FromStr;

use sallyport_policy::Glob;

use crate::validate::ImageReference;

/// The repositories of the meshes' own images, as Istio and Linkerd publish them.
pub const MESH_IMAGES: [&str; 7] = [
    "docker.io/istio/proxyv2",
    "gcr.io/istio-release/proxyv2",
    "registry.istio.io/release/proxyv2",
    "cr.l5d.io/linkerd/proxy",
    "cr.l5d.io/linkerd/proxy-init",
    "ghcr.io/linkerd/proxy",
    "ghcr.io/linkerd/proxy-init",
];

/// A mesh's own image, as an operator names it: `repository[:tag][@digest]`, with `*` in the tag for any run of
/// characters. Without a tag and without a digest, every tag and every digest is meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MeshImage {
    repository: String,
    tag: Option<Glob>,
    digest: Option<String>,
}

/// Why a text names no image of a mesh.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected repository[:tag][@digest], such as registry.example.com/istio/proxyv2:1.30.*")]
pub struct NotAMeshImage;

impl FromStr for MeshImage {
    type Err = NotAMeshImage;

    fn from_str(text: &str) -> Result<Self, NotAMeshImage> {
        let (name, digest) = match text.split_once('@') {
            Some((name, digest)) => (name, Some(digest)),
            None => (text, None),
        };
        let path = name.rfind('/').map_or(0, |slash| slash + 1);
        let colon = name.get(path..).and_then(|last| last.find(':')).map(|at| path + at);
        let (repository, tag) = match colon.and_then(|colon| name.split_at_checked(colon)) {
            Some((repository, tag)) => (repository, tag.strip_prefix(':')),
            None => (name, None),
        };
        // A star stands for what a tag may hold.
        let readable = [Some(repository.to_owned()), tag.map(|tag| tag.replace('*', "0"))];
        let readable = readable.into_iter().flatten().collect::<Vec<_>>().join(":");
        let readable = digest.map(|digest| format!("{readable}@{digest}")).unwrap_or(readable);
        ImageReference::parse(&readable).map_err(|_| NotAMeshImage)?;
        Ok(Self {
            repository: repository.to_owned(),
            tag: tag.map(Glob::from),
            digest: digest.map(str::to_owned),
        })
    }
}

impl MeshImage {
    fn matches(&self, image: &ImageReference<'_>) -> bool {
        ImageReference::parse(&self.repository).is_ok_and(|own| {
            own.host().eq_ignore_ascii_case(image.host()) && own.components().eq(image.components())
        }) && self.tag.as_ref().is_none_or(|tag| image.tag().is_some_and(|given| tag.matches(given)))
            && self.digest.as_ref().is_none_or(|digest| image.digest() == Some(digest))
    }
}

/// The images that a mesh's own containers may run.
#[derive(Clone, Debug)]
pub(crate) enum MeshImages {
    /// Those that the meshes publish.
    Published(Vec<MeshImage>),
    /// Those that the operator named, and no others.
    Named(Vec<MeshImage>),
}

impl Default for MeshImages {
    fn default() -> Self {
        Self::Published(MESH_IMAGES.iter().filter_map(|image| image.parse().ok()).collect())
    }
}

impl MeshImages {
    /// Whether an image is one of them, and `is_of` is true of the last component of its repository's path.
    pub(crate) fn holds(&self, image: &str, is_of: impl Fn(&str) -> bool) -> bool {
        let Ok(image) = ImageReference::parse(image) else { return false };
        let (Self::Published(images) | Self::Named(images)) = self;
        image.components().last().is_some_and(is_of) && images.iter().any(|own| own.matches(&image))
    }

    /// Whether the operator answers for them.
    pub(crate) fn are_named(&self) -> bool {
        matches!(self, Self::Named(_))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_operator_names_a_repository_a_tag_a_digest_or_all_three() {
        let digest = format!("sha256:{}", "0".repeat(64));
        let other = format!("sha256:{}", "1".repeat(64));
        let check = |named: &str, image: &str, want: bool| {
            let images = MeshImages::Named(vec![named.parse().unwrap()]);
            assert_eq!(images.holds(image, |last| last == "proxyv2"), want, "{named} {image}");
        };
        for image in ["istio/proxyv2", "docker.io/istio/proxyv2:1.8.0", &format!("istio/proxyv2:1@{digest}")]
        {
            check("docker.io/istio/proxyv2", image, true);
        }
        check("istio/proxyv2:1.30.*", "istio/proxyv2:1.30.2", true);
        check("istio/proxyv2:1.30.*", "istio/proxyv2:1.8.0", false);
        check("istio/proxyv2:1.30.*", &format!("istio/proxyv2@{digest}"), false);
        check(&format!("istio/proxyv2@{digest}"), &format!("istio/proxyv2:1.30.2@{digest}"), true);
        check(&format!("istio/proxyv2@{digest}"), &format!("istio/proxyv2@{other}"), false);
        check(&format!("istio/proxyv2@{digest}"), "istio/proxyv2", false);
        check("localhost:5000/mesh/proxyv2", "localhost:5000/mesh/proxyv2:1", true);
        check("localhost:5000/mesh/proxyv2", "localhost:5001/mesh/proxyv2:1", false);
        check("docker.io/istio/proxyv2", "docker.io/istio/proxyv2evil:1", false);
        check("docker.io/istio/proxyv2", "docker.io/istio/proxyv2/evil:1", false);
        check("docker.io/istio/pilot", "docker.io/istio/pilot", false);
    }

    #[test]
    fn what_names_no_image_is_refused() {
        for text in ["", "istio/Proxyv2", "istio/*", "istio/proxyv2:", "istio/proxyv2@sha256:1", "a b"] {
            assert_eq!(text.parse::<MeshImage>(), Err(NotAMeshImage), "{text}");
        }
        assert!(MESH_IMAGES.iter().all(|image| image.parse::<MeshImage>().is_ok()));
    }
}
