//! Registries and repositories that images may come from.

use std::fmt;

use super::image_reference::{ImageReference, is_path_component, is_registry, names_host};

/// A registry, or a repository and what is under it, as a policy's author writes it: `registry.example.com/media`.
///
/// It begins with its registry. What follows is read as it stands: `docker.io/library` holds Docker Hub's official
/// images and `docker.io/bitnami` those of an organisation, so that nothing is to be normalised but the host, whose case
/// says nothing, and which Docker Hub has two of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Registry {
    host: String,
    components: Vec<String>,
}

impl Registry {
    pub(crate) fn parse(text: &str) -> Result<Self, NotARegistry> {
        let (host, path) = match text.split_once('/') {
            Some((host, path)) => (host, Some(path)),
            None => (text, None),
        };
        if text.is_empty() {
            return Err(NotARegistry::Empty);
        }
        if text.ends_with('/') {
            return Err(NotARegistry::Slash);
        }
        if text.contains('*') {
            return Err(NotARegistry::Wildcard);
        }
        if text.contains("://") {
            return Err(NotARegistry::Scheme);
        }
        let last = path.map_or("", |path| path.rsplit('/').next().unwrap_or_default());
        if text.contains('@') || last.contains(':') {
            return Err(NotARegistry::TagOrDigest);
        }
        if !names_host(host) {
            return Err(NotARegistry::NoHost { text: text.to_owned(), one: path.is_none() });
        }
        if !is_registry(host) {
            return Err(NotARegistry::Host);
        }
        let components: Vec<String> =
            path.into_iter().flat_map(|p| p.split('/')).map(str::to_owned).collect();
        if !components.iter().all(|component| is_path_component(component)) {
            return Err(NotARegistry::Path);
        }
        let mut host = host.to_ascii_lowercase();
        if host == "index.docker.io" {
            "docker.io".clone_into(&mut host);
        }
        Ok(Self { host, components })
    }

    /// Whether the image stands in it: its registry is the same, and its path begins with all of these components.
    pub(crate) fn holds(&self, image: &ImageReference<'_>) -> bool {
        let mut components = image.components();
        self.host.eq_ignore_ascii_case(image.host())
            && self.components.iter().all(|own| components.next() == Some(own.as_str()))
    }

    /// Whether all that stands in the other stands in it too.
    pub(crate) fn covers(&self, other: &Self) -> bool {
        self.host == other.host && other.components.starts_with(&self.components)
    }
}

impl fmt::Display for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.host)?;
        self.components.iter().try_for_each(|component| write!(f, "/{component}"))
    }
}

/// Why a text is neither a registry nor a repository.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NotARegistry {
    #[error("expected a registry or a repository, such as registry.example.com/media")]
    Empty,
    #[error("found a slash at its end; leave it out")]
    Slash,
    #[error("found a wildcard; a registry or repository stands for all that is under it, so leave it out")]
    Wildcard,
    #[error("found a scheme; write the registry's host alone, such as registry.example.com")]
    Scheme,
    #[error("found a tag or a digest; write the repository alone, and tags under tags.forbidden")]
    TagOrDigest,
    #[error("{}", no_host(text, *one))]
    NoHost { text: String, one: bool },
    #[error("its registry is not a host name or address, with a port if wanted")]
    Host,
    #[error(
        "a component of its path is not lower-case letters and digits, with '.', '_', '__' or dashes between them"
    )]
    Path,
}

/// `nginx` may be an image or an organisation, and only its author knows.
fn no_host(text: &str, one: bool) -> String {
    if one {
        format!(
            "`{text}` names no registry; write docker.io/library/{text} for the image, docker.io/{text} for all of an organisation's"
        )
    } else {
        format!("`{text}` names no registry; write docker.io/{text}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_registry_holds_images_by_whole_components() {
        let check = |registry: &str, image: &str, want: bool| {
            let registry = Registry::parse(registry).unwrap();
            let image = ImageReference::parse(image).unwrap();
            assert_eq!(registry.holds(&image), want, "{registry} and {}", image.name());
        };
        for (registry, image) in [
            ("registry.example.com", "registry.example.com/media/api"),
            ("registry.example.com/media", "registry.example.com/media/api"),
            ("registry.example.com/media", "registry.example.com/media/a/b/c:1"),
            ("registry.example.com/media/api", "registry.example.com/media/api:1"),
            ("Registry.Example.com/media", "REGISTRY.example.COM/media/api"),
            ("registry.example.com:5000", "registry.example.com:5000/api"),
            ("localhost", "localhost/api"),
            ("localhost:5000/a", "localhost:5000/a/b"),
            ("[::1]:5000", "[::1]:5000/api"),
            ("[2001:DB8::1]", "[2001:db8::1]/api"),
            ("docker.io", "nginx"),
            ("docker.io", "bitnami/nginx"),
            ("docker.io/library", "nginx"),
            ("docker.io/library/nginx", "nginx:1"),
            ("docker.io/bitnami", "bitnami/nginx"),
            ("index.docker.io/library", "nginx"),
            ("INDEX.docker.io/library", "index.docker.io/nginx"),
        ] {
            check(registry, image, true);
        }
        for (registry, image) in [
            ("registry.example.com/media", "registry.example.com/mediathek/api"),
            ("registry.example.com/media", "registry.example.com/media-api"),
            ("registry.example.com/media", "registry.example.com/med/ia"),
            ("registry.example.com/media", "registry.example.com/api/media"),
            ("registry.example.com/media/api", "registry.example.com/media"),
            ("registry.example.com", "registry.example.com.evil/media/api"),
            ("registry.example.com", "evil-registry.example.com/media/api"),
            ("registry.example.com", "evil.example/registry.example.com/media/api"),
            ("registry.example.com", "registry.example.com"),
            ("registry.example.com", "registry.example.com:5000"),
            ("registry.example.com", "registry.example.com:5000/api"),
            ("registry.example.com", "registry.example.com:443/api"),
            ("registry.example.com:5000", "registry.example.com/api"),
            ("registry.example.com:5000", "registry.example.com:50000/api"),
            ("docker.io/nginx", "nginx"),
            ("docker.io/library", "library.example/nginx"),
            ("docker.io/library", "libraries/nginx"),
            ("docker.io/library", "Docker.io/nginx"),
            ("localhost", "localhost:5000/api"),
        ] {
            check(registry, image, false);
        }
    }
}
