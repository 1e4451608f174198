//! Permissions-Policy.

use std::collections::BTreeMap;

/// The header's value (W3C Permissions Policy §5.2): features with those who may use them, as a dictionary (RFC 8941
/// §3.2). `*` is everyone, `self` and `src` are tokens, anything else is an origin, in quotes.
#[must_use]
pub fn permissions_policy(features: &BTreeMap<String, Vec<String>>) -> String {
    let mut value = String::new();
    for (feature, allowed) in features {
        if !value.is_empty() {
            value.push_str(", ");
        }
        value.push_str(feature);
        value.push('=');
        if let [everyone] = &**allowed
            && everyone == "*"
        {
            value.push('*');
            continue;
        }
        value.push('(');
        for (i, who) in allowed.iter().enumerate() {
            if i > 0 {
                value.push(' ');
            }
            let quote = if matches!(who.as_str(), "self" | "src" | "*") { "" } else { "\"" };
            value.push_str(quote);
            value.push_str(who);
            value.push_str(quote);
        }
        value.push(')');
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn features_are_a_dictionary_of_lists() {
        let features =
            [("camera", &[][..]), ("fullscreen", &["*"]), ("geolocation", &["self", "https://maps.example"])];
        let features = features
            .map(|(name, allowed)| (name.to_owned(), allowed.iter().map(|who| (*who).to_owned()).collect()));
        assert_eq!(
            permissions_policy(&BTreeMap::from(features)),
            "camera=(), fullscreen=*, geolocation=(self \"https://maps.example\")"
        );
    }
}
