//! Versions of the standards.

use sallyport_policy::{Diagnostics, FieldPath};

/// The version of the standards that came with a minor version of Kubernetes 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Version(pub(super) u32);

impl Version {
    /// The newest that is implemented here. Newer ones are taken for it, as the API server takes versions newer than
    /// its own.
    pub(super) const NEWEST: Self = Self(36);

    /// The version that is written `latest` (the default) or `v1.N`.
    pub(super) fn compile(text: Option<&str>, path: &FieldPath, found: &mut Diagnostics) -> Self {
        let Some(text) = text.filter(|text| *text != "latest") else { return Self::NEWEST };
        let minor = text.strip_prefix("v1.").filter(|minor| is_canonical(minor));
        let Some(version) = minor.and_then(|minor| minor.parse().ok()).map(Self) else {
            found.error(path.clone(), format!("found `{text}`; expected latest or v1.N"));
            return Self::NEWEST;
        };
        if version > Self::NEWEST {
            let newest = Self::NEWEST.0;
            found.warn(
                path.clone(),
                format!("found {text}, of which nothing is known; taken for v1.{newest}"),
            );
        }
        version.min(Self::NEWEST)
    }
}

/// Whether these are digits, without a leading zero.
fn is_canonical(number: &str) -> bool {
    number.bytes().all(|digit| digit.is_ascii_digit()) && (number == "0" || !number.starts_with('0'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_latest_or_a_minor_version_of_kubernetes_1() {
        let check = |text: Option<&str>, want: u32, said: Option<&str>| {
            let mut found = Diagnostics::default();
            assert_eq!(Version::compile(text, &FieldPath::of("version"), &mut found), Version(want));
            let found: Vec<String> = found.iter().map(|found| found.message.clone()).collect();
            assert_eq!(found, said.into_iter().collect::<Vec<_>>(), "{text:?}");
        };
        check(None, 36, None);
        check(Some("latest"), 36, None);
        check(Some("v1.0"), 0, None);
        check(Some("v1.36"), 36, None);
        check(Some("v1.37"), 36, Some("found v1.37, of which nothing is known; taken for v1.36"));
        for wrong in [
            "",
            "1.36",
            "v1",
            "v1.",
            "v1.01",
            "v1.00",
            "v1.+1",
            "v1.-1",
            "v1.4294967296",
            "v2.0",
            "v1.3.6",
            "Latest",
        ] {
            check(Some(wrong), 36, Some(&format!("found `{wrong}`; expected latest or v1.N")));
        }
    }
}
