//! Lists of bounded size, for places that the API server or the audit log limits.

use std::borrow::Cow;

use crate::plain::cut;

/// Room for `… and 18446744073709551615 more`, and a little.
const TAIL_BYTES: usize = 40;

/// The items joined, in at most `bytes` bytes: the first ones, then `… and N more`. At least one item is shown, cut
/// when it is too long alone. Items that are not shown are counted, never formatted.
pub(crate) fn join<I>(items: I, separator: &str, bytes: usize) -> String
where
    I: IntoIterator<IntoIter: ExactSizeIterator>,
    I::Item: std::fmt::Display,
{
    let mut text = String::new();
    let mut items = items.into_iter();
    while let Some(item) = items.next() {
        let item = item.to_string();
        let rest = items.len();
        let room = bytes.saturating_sub(text.len() + if rest == 0 { 0 } else { TAIL_BYTES });
        if text.is_empty() {
            text.push_str(&cut(Cow::Owned(item), room));
        } else if separator.len() + item.len() <= room {
            text.push_str(separator);
            text.push_str(&item);
        } else {
            text.push_str(&tail(separator, rest + 1));
            break;
        }
    }
    text
}

/// `… and N more`, after a separator that breaks lines on a line of its own.
fn tail(separator: &str, count: usize) -> String {
    if separator.contains('\n') {
        format!("{separator}… and {count} more")
    } else {
        format!(" … and {count} more")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_counts_what_it_leaves_out() {
        assert_eq!(join(["a", "b", "c"], ", ", 100), "a, b, c");
        let many: Vec<String> = (0..10_000).map(|n| format!("spec.containers[{n}].image")).collect();
        for bytes in [64, 256, 1024] {
            let text = join(&many, ", ", bytes);
            let shown = text.matches(".image").count();
            assert!(text.len() <= bytes, "{} > {bytes}", text.len());
            assert!(text.ends_with(&format!("… and {} more", 10_000 - shown)), "{text}");
        }
        assert_eq!(join(["x".repeat(100)], ", ", 10), format!("{}…", "x".repeat(7)));
    }
}
