//! Values that point to a secret, or to none, though their names promise one.

/// What begins a reference into a store of secrets, which something else replaces before the program starts.
const STORES: [&str; 12] = [
    "vault:",
    "op://",
    "arn:",
    "ref+",
    "sm://",
    "ssm:",
    "awssm:",
    "gcpsm:",
    "gcp-sm:",
    "secretmanager:",
    "berglas://",
    "file://",
];
/// Folders in which secrets are mounted.
const FOLDERS: [&str; 9] =
    ["/run/", "/var/", "/etc/", "/mnt/", "/opt/", "/home/", "/vault/", "/secrets/", "/tmp/"];
/// Values that switch something on or off.
const SWITCHES: [&str; 16] = [
    "true", "false", "yes", "no", "on", "off", "0", "1", "enabled", "disabled", "none", "null", "required",
    "optional", "auto", "always",
];
/// What may stand before a reference to a variable.
const SCHEMES: [&str; 3] = ["Bearer", "Basic", "Token"];

/// Whether the value is a switch, a file's path, a reference into a store of secrets, or made of other variables.
pub(super) fn is_no_secret(value: &str) -> bool {
    let value = value.trim();
    SWITCHES.iter().any(|switch| value.eq_ignore_ascii_case(switch))
        || STORES.iter().any(|store| value.starts_with(store))
        || is_path(value)
        || is_made_of_references(value)
}

fn is_path(value: &str) -> bool {
    FOLDERS.iter().any(|folder| value.starts_with(folder))
        && value.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'/' | b'.' | b'_' | b'-'))
}

/// Whether nothing is literal but the scheme before it: `$(NAME)`, `Bearer $(NAME)`.
fn is_made_of_references(value: &str) -> bool {
    let value = SCHEMES
        .iter()
        .find_map(|scheme| value.strip_prefix(scheme).and_then(|rest| rest.strip_prefix(' ')))
        .unwrap_or(value);
    let mut rest = value.trim();
    let mut any = false;
    while let Some((inside, after)) = rest.strip_prefix("$(").and_then(|rest| rest.split_once(')')) {
        if !is_variable(inside) {
            return false;
        }
        any = true;
        rest = after.trim_start_matches([':', '-', '_', '.', '/', ',', ' ']);
    }
    any && rest.is_empty()
}

fn is_variable(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-'))
}
