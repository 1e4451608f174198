//! Image references, by what the rule about images says of them: read as a regular expression reads them that is made of
//! the grammar of github.com/distribution/reference, and alike in their short and in their whole form.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use regex::Regex;
use sallyport_admission::{Context, PolicySet, validate};
use serde_json::json;

use crate::{answer, input};

pub(crate) fn run(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else { return false };
    let refused = refusals(text);
    let Some(reference) = Reference::read(text) else {
        assert_eq!(
            refused,
            BTreeSet::from(["digest", "hub", "tag", "unreadable"]),
            "{text:?} is no reference"
        );
        return false;
    };
    let wanted = [
        ("digest", reference.digest.is_none()),
        (
            "hub",
            !(reference.host.eq_ignore_ascii_case("docker.io") && reference.path.starts_with("library/")),
        ),
        ("tag", reference.tag.as_deref() == Some("latest")),
    ];
    let wanted: BTreeSet<&str> =
        wanted.into_iter().filter_map(|(entry, refuses)| refuses.then_some(entry)).collect();
    assert_eq!(refused, wanted, "{text:?} is {reference:?}");
    let whole = reference.whole();
    assert_eq!(Reference::read(&whole), Some(reference), "{text:?} is {whole}");
    assert_eq!(refusals(&whole), wanted, "{text:?} is {whole}");
    true
}

static SET: LazyLock<PolicySet> = LazyLock::new(|| {
    let entries = json!([
        {"name": "digest", "images": {"digest": "Required"}},
        {"name": "tag", "images": {"tags": {"forbidden": ["latest"]}}},
        {"name": "hub", "images": {"registries": ["docker.io/library"]}},
    ]);
    let policy =
        json!({"metadata": {"name": "p"}, "spec": {"match": {"kinds": ["Pod"]}, "validate": entries}});
    let set = input::set(&[policy]);
    assert_eq!(set.policies().len(), 1);
    set
});

/// The entries that refuse the image, and `unreadable` where one says that it is no image reference.
fn refusals(image: &str) -> BTreeSet<&'static str> {
    let pod = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "api", "namespace": "shop"},
        "spec": {"containers": [{"name": "api", "image": image}]},
    });
    let decision = validate(&SET, &input::request(&json!({"object": pod})), &Context::default());
    answer::hold(&decision);
    let mut refused = BTreeSet::new();
    for violation in &decision.violations {
        let name = ["digest", "tag", "hub"].into_iter().find(|name| *violation.source.entry == **name);
        refused.extend(name);
        refused.extend(violation.message.contains("no image reference").then_some("unreadable"));
        assert_eq!(violation.path, "spec.containers[api].image");
    }
    refused
}

#[derive(Debug, PartialEq, Eq)]
struct Reference {
    host: String,
    path: String,
    tag: Option<String>,
    digest: Option<String>,
}

/// `reference` of the grammar, the whole text. `\w` there is ASCII.
static GRAMMAR: LazyLock<Regex> = LazyLock::new(|| {
    let label = "(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])";
    let host = format!(r"(?:{label}(?:\.{label})*|\[[a-fA-F0-9:]+\])(?::[0-9]+)?");
    let component = "[a-z0-9]+(?:(?:[.]|_|__|-+)[a-z0-9]+)*";
    let digest = "sha256:[a-f0-9]{64}|sha384:[a-f0-9]{96}|sha512:[a-f0-9]{128}";
    let tag = "[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}";
    let whole = format!(r"\A(?:({host})/)?({component}(?:/{component})*)(?::({tag}))?(?:@({digest}))?\z");
    Regex::new(&whole).unwrap_or_else(|error| panic!("{error}"))
});

impl Reference {
    /// As ParseNormalizedNamed: first the host is found or filled in, then the grammar is held against the whole.
    fn read(text: &str) -> Option<Self> {
        if text.len() == 64 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')) {
            return None;
        }
        let (mut host, mut rest) = match text.split_once('/') {
            Some((first, rest))
                if first.contains(['.', ':']) || first == "localhost" || first.to_lowercase() != first =>
            {
                (first, rest.to_owned())
            }
            _ => ("docker.io", text.to_owned()),
        };
        if host == "index.docker.io" {
            host = "docker.io";
        }
        if host == "docker.io" && !rest.contains('/') {
            rest = format!("library/{rest}");
        }
        let whole = format!("{host}/{rest}");
        let parts = GRAMMAR.captures(&whole)?;
        let part = |number: usize| parts.get(number).map(|part| part.as_str().to_owned());
        let (path, digest) = (part(2)?, part(4));
        let tag = part(3).or_else(|| digest.is_none().then(|| "latest".to_owned()));
        if path.len() > 255 {
            return None;
        }
        // A host with an underscore is none of the grammar's, but a component of a path; containerd asks it all the same.
        let (host, path) = match part(1) {
            Some(host) => (host, path),
            None => path.split_once('/').map(|(host, path)| (host.to_owned(), path.to_owned()))?,
        };
        Some(Self { host, path, tag, digest })
    }

    fn whole(&self) -> String {
        let part = |sign: char, part: &Option<String>| {
            part.as_ref().map(|part| format!("{sign}{part}")).unwrap_or_default()
        };
        format!("{}/{}{}{}", self.host, self.path, part(':', &self.tag), part('@', &self.digest))
    }
}
