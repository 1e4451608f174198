//! What a value must be, beside standing where a secret may, to be one.

/// Whether a value is one.
pub(super) type Check = fn(&str) -> bool;

pub(super) fn always(_: &str) -> bool {
    true
}

/// 40 characters of base64 of all sorts. A commit's hash has no upper case, and a path or a class name is of words.
pub(super) fn is_aws_secret_key(value: &str) -> bool {
    let count = |is: fn(&u8) -> bool| value.as_bytes().iter().filter(|byte| is(byte)).count();
    let longest = value.split(|c: char| !c.is_ascii_lowercase()).map(str::len).max().unwrap_or(0);
    count(u8::is_ascii_uppercase) >= 6
        && count(u8::is_ascii_lowercase) >= 6
        && count(u8::is_ascii_digit) >= 2
        && longest <= 9
}

/// Whether it is of letters and digits, and no word.
pub(super) fn is_random(value: &str) -> bool {
    let value = value.as_bytes();
    value.iter().any(u8::is_ascii_digit) && value.iter().any(u8::is_ascii_alphabetic)
}

/// Whether what follows a host in a URL is a password, and no port with a path behind it.
pub(super) fn is_no_port(text: &str) -> bool {
    let is_port = |port: &str| {
        (1..=5).contains(&port.len()) && port.bytes().all(|byte| byte.is_ascii_digit()) || !is_literal(port)
    };
    let port = text.find(['/', '?', '#']).and_then(|end| text.get(..end));
    is_literal(text) && !port.is_some_and(is_port)
}

/// Whether a value is a password and, beside the name that it has, can be nothing else.
pub(super) fn is_like_a_password(value: &str) -> bool {
    value.len() >= 6 && is_random(value) && is_literal(value)
}

/// Whether a password is there, and is no reference to one and no switch.
pub(super) fn is_literal(password: &str) -> bool {
    let is_between = |open, close| password.starts_with(open) && password.ends_with(close);
    let stands_for_another = are_references(password)
        || is_between("<", ">")
        || is_between("{{", "}}")
        || password.bytes().all(|byte| byte == b'*');
    const SWITCHES: [&str; 8] = ["true", "false", "yes", "no", "null", "none", "required", "optional"];
    let is_switch = SWITCHES.iter().any(|switch| password.eq_ignore_ascii_case(switch));
    !password.is_empty() && !stands_for_another && !is_switch
}

/// Whether a text is of references to variables and of nothing else, as Kubernetes or a shell has them.
fn are_references(text: &str) -> bool {
    let mut rest = text;
    while !rest.is_empty() {
        let inside =
            |open: &str, close: char| rest.strip_prefix(open).and_then(|rest| rest.split_once(close));
        let Some((name, after)) = inside("$(", ')').or_else(|| inside("${", '}')) else { return false };
        let is_of_name = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-');
        if name.is_empty() || !name.bytes().all(is_of_name) {
            return false;
        }
        rest = after;
    }
    !text.is_empty()
}

/// Whether it isn't the first word of what is said of a field of that name.
pub(super) fn is_no_report(value: &str) -> bool {
    const SAID: [&str; 12] =
        ["found", "expected", "wanted", "must", "is", "unknown", "missing", "a", "an", "the", "no", "not"];
    !SAID.contains(&value)
}
