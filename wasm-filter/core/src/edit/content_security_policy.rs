//! Content-Security-Policy.

use std::collections::BTreeMap;

/// The header's value (CSP Level 3 §2.2): directives with their sources, between `;`.
#[must_use]
pub fn content_security_policy(directives: &BTreeMap<String, Vec<String>>) -> String {
    let mut value = String::new();
    for (name, sources) in directives {
        if !value.is_empty() {
            value.push_str("; ");
        }
        value.push_str(name);
        for source in sources {
            value.push(' ');
            value.push_str(source);
        }
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directives_stand_between_semicolons() {
        let directives =
            [("upgrade-insecure-requests", &[][..]), ("default-src", &["'self'", "https://cdn.example"])];
        let directives = directives
            .map(|(name, sources)| (name.to_owned(), sources.iter().map(|s| (*s).to_owned()).collect()));
        assert_eq!(
            content_security_policy(&BTreeMap::from(directives)),
            "default-src 'self' https://cdn.example; upgrade-insecure-requests"
        );
    }
}
