//! Names that some servers take for others.

/// Whether a server may take one name for the other: to CGI (RFC 3875 §4.1.18) and to many frameworks letters' case is
/// one, and so is whatever stands between letters and digits (`X_User.Id` and `x-user-id`).
#[must_use]
pub fn alike(one: &[u8], other: &[u8]) -> bool {
    let same = |(one, other): (&u8, &u8)| {
        one.eq_ignore_ascii_case(other) || !(one.is_ascii_alphanumeric() || other.is_ascii_alphanumeric())
    };
    one.len() == other.len() && one.iter().zip(other).all(same)
}

/// A name as all that are alike share it.
#[must_use]
pub fn plain(name: &[u8]) -> Vec<u8> {
    let plain = |byte: &u8| if byte.is_ascii_alphanumeric() { byte.to_ascii_lowercase() } else { b'-' };
    name.iter().map(plain).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn case_and_what_parts_words_make_no_other_name() {
        for (one, other, same) in [
            ("x-user-id", "X_User.Id", true),
            ("x-user-id", "x user~id", true),
            ("x-user-id", "xUserId", false),
            ("x-user-id", "x-user-ie", false),
            ("a", "-", false),
            ("", "", true),
        ] {
            assert_eq!(alike(one.as_bytes(), other.as_bytes()), same, "{one} {other}");
        }
    }

    proptest! {
        #[test]
        fn names_are_alike_that_are_plainly_the_same(one in "[aA1_.é-]{0,4}", other in "[aA1_.é-]{0,4}") {
            let (one, other) = (one.as_bytes(), other.as_bytes());
            prop_assert_eq!(alike(one, other), plain(one) == plain(other));
        }
    }
}
