//! The path of a request as access logs may hold it.

use sallyport_policy::card;

use crate::request::HeaderList;

/// In the place of a card number.
const REDACTED: &str = "[redacted-card-number]";

/// The path without the query, which holds what a client fills in, and without what looks like the number of a payment
/// card (PCI DSS 4.0 requirement 3.3). Bytes beyond ASCII stand as `\xNN`. `None` where there is no path, or several.
#[must_use]
pub fn logged_path(headers: &HeaderList<'_>) -> Option<String> {
    let path = headers.only(b":path").one()?;
    let end = path.iter().position(|byte| matches!(byte, b'?' | b'#')).unwrap_or(path.len());
    let path = path.get(..end)?.escape_ascii().to_string();
    let numbers = card::possible(&path);
    if numbers.is_empty() {
        return Some(path);
    }
    // They overlap, and are in no order.
    let mut hidden = vec![false; path.len()];
    for number in numbers {
        hidden.get_mut(number)?.fill(true);
    }
    let mut shown = String::with_capacity(path.len());
    let mut in_number = false;
    for (byte, hidden) in path.bytes().zip(hidden) {
        if !hidden {
            shown.push(char::from(byte));
        } else if !in_number {
            shown.push_str(REDACTED);
        }
        in_number = hidden;
    }
    Some(shown)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn logged(path: &[u8]) -> Option<String> {
        logged_path(&HeaderList::from_pairs([(&b":path"[..], path)]))
    }

    #[test]
    fn queries_and_card_numbers_are_left_out() {
        for (path, shown) in [
            ("/payments/7?pan=4111111111111111", "/payments/7"),
            ("/payments/4111111111111111", "/payments/[redacted-card-number]"),
            ("/p/4111-1111-1111-1111/x", "/p/[redacted-card-number]/x"),
            ("/p/4111%201111%201111%201111", "/p/[redacted-card-number]"),
            ("/orders/1732710000000", "/orders/1732710000000"),
            ("/", "/"),
        ] {
            assert_eq!(logged(path.as_bytes()).as_deref(), Some(shown), "{path}");
        }
        assert_eq!(logged(b"/\xff").as_deref(), Some("/\\xff"));
        assert_eq!(logged_path(&HeaderList::from_pairs([(&b"a"[..], &b"b"[..])])), None);
    }
}
