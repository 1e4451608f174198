//! The environment variables by which keys of Secrets reach proxies.

/// What they begin with, and nothing else of a proxy's does.
pub const SECRET_VARIABLE_PREFIX: &str = "SALLYPORT_KEY_";

/// The environment variable by which a key of a Secret reaches the proxies: the same for whoever sets it and for the
/// filter, and another for every namespace, Secret and key.
#[must_use]
pub fn secret_variable(namespace: &str, secret: &str, key: &str) -> String {
    let mut variable = SECRET_VARIABLE_PREFIX.to_owned();
    for (i, part) in [namespace, secret, key].into_iter().enumerate() {
        if i > 0 {
            variable.push_str("__");
        }
        for byte in part.bytes() {
            if byte.is_ascii_alphanumeric() {
                variable.push(char::from(byte));
            } else {
                // What a variable's name can't hold is written as its code. A code has no underscore, so two of them
                // always part, and no two names meet.
                variable.push('_');
                for digit in [byte >> 4, byte & 0xf] {
                    variable.extend(char::from_digit(digit.into(), 16));
                }
            }
        }
    }
    variable
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn a_variable_s_name_is_one() {
        assert_eq!(secret_variable("shop", "keys", "raw"), "SALLYPORT_KEY_shop__keys__raw");
        assert_eq!(secret_variable("shop-1", "a.b", "k_é"), "SALLYPORT_KEY_shop_2d1__a_2eb__k_5f_c3_a9");
    }

    #[test]
    fn no_two_keys_have_one_variable() {
        let characters = ["a", "2", "5", "d", "f", "-", "_"];
        let pairs = characters.iter().flat_map(|a| characters.iter().map(move |b| format!("{a}{b}")));
        let parts: Vec<String> = characters.iter().map(ToString::to_string).chain(pairs).collect();
        let mut seen = HashSet::new();
        for namespace in parts.iter().filter(|part| part.len() == 1) {
            for secret in &parts {
                for key in &parts {
                    assert!(
                        seen.insert(secret_variable(namespace, secret, key)),
                        "{namespace} {secret} {key}"
                    );
                }
            }
        }
    }
}
