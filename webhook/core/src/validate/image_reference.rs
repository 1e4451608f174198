//! Image references, read as containerd and the kubelet read them.
//!
//! The grammar and the normalisation are those of github.com/distribution/reference (ParseNormalizedNamed), with the
//! digests that containerd has registered: a reference that this refuses is one that no node would pull.

use std::fmt;

/// The registry of names that begin with none.
const DEFAULT_HOST: &str = "docker.io";
/// What [`DEFAULT_HOST`] was once called, and still answers to.
const LEGACY_DEFAULT_HOST: &str = "index.docker.io";
/// Where the images stand whose names are one component.
const OFFICIAL: &str = "library";
/// The tag of a reference without tag and digest.
const DEFAULT_TAG: &str = "latest";
const LONGEST_PATH: usize = 255;
const LONGEST_TAG: usize = 128;

/// An image reference: `[host[:port]/]path[:tag][@digest]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ImageReference<'i> {
    host: &'i str,
    /// Whether `library/` is to be read before the path.
    official: bool,
    path: &'i str,
    tag: Option<&'i str>,
    digest: Option<&'i str>,
}

impl<'i> ImageReference<'i> {
    /// Reads a reference.
    pub(crate) fn parse(text: &'i str) -> Result<Self, NotAReference> {
        if text.is_empty() {
            return Err(NotAReference::Empty);
        }
        // A node would take it for the id of an image that it has, if it took it at all.
        if is_hex(text, 64) || is_id(text) {
            return Err(NotAReference::Id);
        }
        let (name, digest) = match text.split_once('@') {
            Some((name, digest)) => (name, Some(digest)),
            None => (text, None),
        };
        if digest.is_some_and(|digest| !is_digest(digest)) {
            return Err(NotAReference::Digest);
        }
        let (host, remainder) = match name.split_once('/') {
            Some((first, rest)) if names_host(first) => (Some(first), rest),
            _ => (None, name),
        };
        let (path, tag) = match remainder.split_once(':') {
            Some((path, tag)) => (path, Some(tag)),
            None => (remainder, None),
        };
        let host = match host {
            None | Some(LEGACY_DEFAULT_HOST) => DEFAULT_HOST,
            Some(host) if is_registry(host) => host,
            Some(_) => return Err(NotAReference::Host),
        };
        let official = host == DEFAULT_HOST && !path.contains('/');
        let before = match host {
            _ if official => OFFICIAL.len() + 1,
            // What is a registry only by where it stands counts as a part of the path.
            host if !is_host(host) => host.len() + 1,
            _ => 0,
        };
        let length = before + path.len();
        if path.bytes().any(|byte| byte.is_ascii_uppercase()) {
            return Err(NotAReference::UpperCase);
        }
        if !path.split('/').all(is_path_component) {
            return Err(NotAReference::Path);
        }
        if length > LONGEST_PATH {
            return Err(NotAReference::TooLong);
        }
        if tag.is_some_and(|tag| !is_tag(tag)) {
            return Err(NotAReference::Tag);
        }
        Ok(Self { host, official, path, tag, digest })
    }

    /// The registry, as it was written, with its port.
    pub(crate) fn host(&self) -> &'i str {
        self.host
    }

    /// The components of the repository's path, with `library` where it is left out.
    pub(crate) fn components(&self) -> impl Iterator<Item = &'i str> {
        self.official.then_some(OFFICIAL).into_iter().chain(self.path.split('/'))
    }

    /// The tag, as it was written or as it is without tag and digest.
    pub(crate) fn tag(&self) -> Option<&'i str> {
        self.tag.or(if self.digest.is_none() { Some(DEFAULT_TAG) } else { None })
    }

    /// Whether the reference names its tag.
    pub(crate) fn names_tag(&self) -> bool {
        self.tag.is_some()
    }

    /// The digest.
    pub(crate) fn digest(&self) -> Option<&'i str> {
        self.digest
    }

    /// The normalised name, without tag and digest: `docker.io/library/nginx`.
    pub(crate) fn name(self) -> impl fmt::Display {
        fmt::from_fn(move |f| {
            f.write_str(self.host)?;
            self.components().try_for_each(|component| write!(f, "/{component}"))
        })
    }
}

/// Why a text is not an image reference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NotAReference {
    #[error("it is empty")]
    Empty,
    #[error(
        "64 hexadecimal digits, or some behind the name of a digest's algorithm, are the id of an image, not its name"
    )]
    Id,
    #[error("its registry is not a host name or address, with a port if wanted")]
    Host,
    #[error("its path has upper-case letters")]
    UpperCase,
    #[error(
        "a component of its path is not lower-case letters and digits, with '.', '_', '__' or dashes between them"
    )]
    Path,
    #[error("its path is longer than {LONGEST_PATH} characters")]
    TooLong,
    #[error(
        "its tag is not at most {LONGEST_TAG} letters, digits, '_', '.' and '-', the first none of the last two"
    )]
    Tag,
    #[error(
        "its digest is not sha256, sha384 or sha512, ':' and as many lower-case hexadecimal digits as that has"
    )]
    Digest,
}

/// Whether the first component of a name is a registry and not the first of the path (splitDockerDomain).
pub(crate) fn names_host(first: &str) -> bool {
    first == "localhost" || first.contains(['.', ':']) || first.bytes().any(|byte| byte.is_ascii_uppercase())
}

/// Whether a registry may be written so. Beside hosts there are those with underscores, which the grammar takes for the
/// path's first component and containerd's resolver for the host all the same.
pub(crate) fn is_registry(text: &str) -> bool {
    is_host(text) || is_path_component(text)
}

/// A host name, an IPv4 address, or an IPv6 address in brackets, and if wanted a port (`domainAndPort`).
fn is_host(host: &str) -> bool {
    let is_port = |port: &str| !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
    if let Some(rest) = host.strip_prefix('[') {
        let Some((address, rest)) = rest.split_once(']') else { return false };
        let is_address =
            !address.is_empty() && address.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b':');
        return is_address && (rest.is_empty() || rest.strip_prefix(':').is_some_and(is_port));
    }
    let (name, port) = match host.split_once(':') {
        Some((name, port)) => (name, Some(port)),
        None => (host, None),
    };
    let is_label = |label: &str| {
        !label.is_empty()
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    name.split('.').all(is_label) && port.is_none_or(is_port)
}

/// Lower-case letters and digits, parted by a dot, one or two underscores, or dashes (`pathComponent`).
pub(crate) fn is_path_component(component: &str) -> bool {
    let is_alphanumeric = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let bytes = component.as_bytes();
    bytes.first().copied().is_some_and(is_alphanumeric)
        && bytes.last().copied().is_some_and(is_alphanumeric)
        && component
            .split(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
            .all(|between| matches!(between, "" | "." | "_" | "__") || between.bytes().all(|b| b == b'-'))
}

fn is_tag(tag: &str) -> bool {
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    tag.len() <= LONGEST_TAG
        && tag.bytes().next().is_some_and(is_word)
        && tag.bytes().all(|byte| is_word(byte) || matches!(byte, b'.' | b'-'))
}

/// The algorithms that containerd has registered, each with its own number of digits (go-digest, Validate).
fn is_digest(digest: &str) -> bool {
    let Some((algorithm, hex)) = digest.split_once(':') else { return false };
    match algorithm {
        "sha256" => is_hex(hex, 64),
        "sha384" => is_hex(hex, 96),
        "sha512" => is_hex(hex, 128),
        _ => false,
    }
}

/// The id of an image that a node has, or the beginning of one. The grammar takes it for the tag of an image `sha256`,
/// and so does the kubelet; containerd looks among its images' ids before anything else, or last, and takes a digest
/// that is cut short for the one that begins so (internal/cri LocalResolve; go-digest, digestset.Lookup). Digits alone
/// are no such id: the kubelet appends `:latest` to them.
fn is_id(text: &str) -> bool {
    text.split_once(':').is_some_and(|(algorithm, hex)| {
        matches!(algorithm, "sha256" | "sha384" | "sha512") && is_hex(hex, hex.len())
    })
}

fn is_hex(text: &str, digits: usize) -> bool {
    text.len() == digits && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHA256: &str = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

    /// What is read of a reference: the normalised name, its tag and its digest.
    #[track_caller]
    fn check(text: &str, want: &str) {
        let read = ImageReference::parse(text).map(|image| {
            let tag = image.tag().map_or_else(String::new, |tag| format!(":{tag}"));
            let digest = image.digest().map_or_else(String::new, |digest| format!("@{digest}"));
            format!("{}{tag}{digest}", image.name())
        });
        assert_eq!(read.as_deref(), Ok(want), "{text}");
    }

    #[test]
    fn a_reference_is_normalised() {
        for (text, want) in [
            ("nginx", "docker.io/library/nginx:latest"),
            ("nginx:1.27", "docker.io/library/nginx:1.27"),
            ("library/nginx", "docker.io/library/nginx:latest"),
            ("bitnami/nginx", "docker.io/bitnami/nginx:latest"),
            ("docker.io/nginx", "docker.io/library/nginx:latest"),
            ("docker.io/library/nginx", "docker.io/library/nginx:latest"),
            ("docker.io/bitnami/nginx", "docker.io/bitnami/nginx:latest"),
            ("index.docker.io/nginx", "docker.io/library/nginx:latest"),
            ("index.docker.io/a/b", "docker.io/a/b:latest"),
            ("library/a/b", "docker.io/library/a/b:latest"),
            // A host is Docker Hub's only as it is written there.
            ("Docker.io/nginx", "Docker.io/nginx:latest"),
            ("docker.io:443/nginx", "docker.io:443/nginx:latest"),
            // A host alone is a name.
            ("localhost", "docker.io/library/localhost:latest"),
            ("localhost:5000", "docker.io/library/localhost:5000"),
            ("test.com", "docker.io/library/test.com:latest"),
            ("test.com:5000", "docker.io/library/test.com:5000"),
            ("localhost/api", "localhost/api:latest"),
            ("localhost:5000/api", "localhost:5000/api:latest"),
            ("test.com/repo:tag", "test.com/repo:tag"),
            ("test:5000/repo", "test:5000/repo:latest"),
            ("test:5000/repo:tag", "test:5000/repo:tag"),
            ("domain/repo", "docker.io/domain/repo:latest"),
            ("DOMAIN/repo", "DOMAIN/repo:latest"),
            ("Registry.Example.COM/api", "Registry.Example.COM/api:latest"),
            ("sub-dom1.foo.com/bar/baz/quux:some-long-tag", "sub-dom1.foo.com/bar/baz/quux:some-long-tag"),
            (
                "b.gcr.io/test.example.com/my-app:test.example.com",
                "b.gcr.io/test.example.com/my-app:test.example.com",
            ),
            ("xn--n3h.com/myimage:xn--n3h.com", "xn--n3h.com/myimage:xn--n3h.com"),
            ("foo_bar.com:8080", "docker.io/library/foo_bar.com:8080"),
            ("foo/foo_bar.com:8080", "docker.io/foo/foo_bar.com:8080"),
            ("192.168.1.1", "docker.io/library/192.168.1.1:latest"),
            ("192.168.1.1/repo", "192.168.1.1/repo:latest"),
            ("192.168.1.1:5000/repo:5050", "192.168.1.1:5000/repo:5050"),
            ("[2001:db8::1]/repo", "[2001:db8::1]/repo:latest"),
            ("[2001:db8:1:2:3:4:5:6]/repo:tag", "[2001:db8:1:2:3:4:5:6]/repo:tag"),
            ("[::1]:5000/repo", "[::1]:5000/repo:latest"),
            ("[::]:5000/repo", "[::]:5000/repo:latest"),
            ("[::ABCD]/repo", "[::ABCD]/repo:latest"),
            ("my_registry.local/a/b", "my_registry.local/a/b:latest"),
            ("lowercase:Uppercase", "docker.io/library/lowercase:Uppercase"),
            ("a__b/c--d.e_f---g", "docker.io/a__b/c--d.e_f---g:latest"),
            ("a:_", "docker.io/library/a:_"),
            ("r.example/a:1.2_3-rc", "r.example/a:1.2_3-rc"),
        ] {
            check(text, want);
        }
    }

    #[test]
    fn a_digest_stands_for_the_tag() {
        let hex = "0123456789abcdef0123456789abcdef";
        for digest in
            [SHA256.to_owned(), format!("sha384:{}", hex.repeat(3)), format!("sha512:{}", hex.repeat(4))]
        {
            check(&format!("nginx@{digest}"), &format!("docker.io/library/nginx@{digest}"));
            check(&format!("r.example:5000/a/b:1@{digest}"), &format!("r.example:5000/a/b:1@{digest}"));
        }
    }

    #[test]
    fn the_lengths_have_limits() {
        check(&format!("a:{}", "t".repeat(128)), &format!("docker.io/library/a:{}", "t".repeat(128)));
        check(&format!("r.example/{}", "a".repeat(255)), &format!("r.example/{}:latest", "a".repeat(255)));
        check(&"a".repeat(247), &format!("docker.io/library/{}:latest", "a".repeat(247)));
        for (text, why) in [
            (format!("a:{}", "t".repeat(129)), NotAReference::Tag),
            (format!("r.example/{}", "a".repeat(256)), NotAReference::TooLong),
            (format!("r.example/{}a:tag", "a/".repeat(128)), NotAReference::TooLong),
            ("a".repeat(248), NotAReference::TooLong),
        ] {
            assert_eq!(ImageReference::parse(&text), Err(why), "{text}");
        }
    }

    #[test]
    fn what_no_node_would_pull_is_no_reference() {
        use NotAReference as Not;
        let short = SHA256.get(..SHA256.len() - 1).unwrap();
        for (text, why) in [
            ("", Not::Empty),
            (SHA256.get("sha256:".len()..).unwrap(), Not::Id),
            (SHA256, Not::Id),
            (&format!("sha512:{}", "a".repeat(128)), Not::Id),
            (&format!("sha384:{}", "0".repeat(96)), Not::Id),
            // Cut short it is the id of the image that begins so.
            ("sha256:0123456789ab", Not::Id),
            ("sha256:a", Not::Id),
            (":justtag", Not::Path),
            (&format!("@{SHA256}"), Not::Path),
            ("nginx:", Not::Tag),
            ("nginx:.1", Not::Tag),
            ("nginx:-1", Not::Tag),
            ("nginx:1:2", Not::Tag),
            ("nginx:a/b", Not::Host),
            ("r.example/a:b/c", Not::Tag),
            ("nginx:1 ", Not::Tag),
            ("nginx:ü", Not::Tag),
            ("nginx@", Not::Digest),
            ("nginx@latest", Not::Digest),
            (&format!("nginx@{short}"), Not::Digest),
            (&format!("nginx@{SHA256}0"), Not::Digest),
            (&format!("nginx@{SHA256}@{SHA256}"), Not::Digest),
            (&format!("nginx@{SHA256}:1"), Not::Digest),
            (&format!("nginx@{}", SHA256.to_uppercase()), Not::Digest),
            (&format!("nginx@{}", SHA256.replace('a', "A")), Not::Digest),
            (&format!("nginx@{}", SHA256.replace("sha256", "sha512")), Not::Digest),
            (&format!("nginx@{}", SHA256.replace("sha256", "sha1")), Not::Digest),
            (&format!("nginx@{}", SHA256.replace("sha256", "md5")), Not::Digest),
            ("Nginx", Not::UpperCase),
            ("team/Nginx", Not::UpperCase),
            ("test:5000/Uppercase/lowercase:tag", Not::UpperCase),
            (" nginx", Not::Path),
            ("nginx ", Not::Path),
            ("ngi nx", Not::Path),
            ("nginx\n", Not::Path),
            ("nginx\0", Not::Path),
            ("a//b", Not::Path),
            ("/a", Not::Path),
            ("a/", Not::Path),
            ("r.example/", Not::Path),
            ("r.example//a", Not::Path),
            ("-a", Not::Path),
            ("a-", Not::Path),
            ("a..b", Not::Path),
            ("a___b", Not::Path),
            ("a._b", Not::Path),
            ("r.example/../evil", Not::Path),
            ("r.example/./a", Not::Path),
            ("../a", Not::Host),
            ("./a", Not::Host),
            ("aa/asdf$$^/aa", Not::Path),
            ("nginx%2fevil", Not::Path),
            ("nginx\\evil", Not::Path),
            ("nginx?x", Not::Path),
            // Full-width and Cyrillic letters that look like others.
            ("nginх", Not::Path),
            ("ｒ.example/a", Not::Host),
            ("registry.exаmple.com/a", Not::Host),
            ("registry.example.com@evil/a", Not::Digest),
            ("user@registry.example.com/a", Not::Digest),
            ("user:pass@registry.example.com/a", Not::Digest),
            ("https://registry.example.com/a", Not::Host),
            ("registry.example.com./a", Not::Host),
            (".registry.example.com/a", Not::Host),
            ("registry..example.com/a", Not::Host),
            ("-registry.example.com/a", Not::Host),
            ("registry-.example.com/a", Not::Host),
            ("registry_x.example.com:5000/a", Not::Host),
            ("_registry.example.com/a", Not::Host),
            ("registry.example.com:/a", Not::Host),
            ("registry.example.com:port/a", Not::Host),
            ("registry.example.com:1:2/a", Not::Host),
            (":5000/a", Not::Host),
            ("[::1/a", Not::Host),
            ("[]/a", Not::Path),
            ("[]:1/a", Not::Host),
            ("[::1]x/a", Not::Host),
            ("[::1]:/a", Not::Host),
            ("[fe80::1%eth0]/a", Not::Host),
            ("[fe80::1%@]/a", Not::Digest),
            ("[::ffff:1.2.3.4]/a", Not::Host),
            ("[2001:db8::1]", Not::Path),
        ] {
            assert_eq!(ImageReference::parse(text), Err(why), "{text}");
        }
    }
}
