//! How long a response may be kept.

use sallyport_policy::Duration;

/// How long a cache may keep a response, from the values of its Cache-Control fields (RFC 9111 §5.2.2): zero for
/// no-store and no-cache, `None` where they do not say. What can't be read is passed over (§4.2.1: of several values the
/// least counts).
pub fn freshness<'a>(values: impl Iterator<Item = &'a [u8]>) -> Option<Duration> {
    let mut least = None::<u64>;
    for directive in values.flat_map(|value| value.split(|&b| b == b',')) {
        let directive = directive.trim_ascii();
        let (name, value) = match directive.iter().position(|&b| b == b'=') {
            Some(at) => (directive.get(..at)?.trim_ascii(), directive.get(at + 1..)),
            None => (directive, None),
        };
        let seconds = if name.eq_ignore_ascii_case(b"no-store") || name.eq_ignore_ascii_case(b"no-cache") {
            Some(0)
        } else if name.eq_ignore_ascii_case(b"max-age") {
            value.and_then(delta_seconds)
        } else {
            None
        };
        least = match (least, seconds) {
            (Some(least), Some(seconds)) => Some(least.min(seconds)),
            (least, seconds) => least.or(seconds),
        };
    }
    least.map(Duration::from_secs)
}

/// A delta-seconds (RFC 9111 §1.2.2), perhaps quoted; more than 2^31 counts as 2^31.
fn delta_seconds(text: &[u8]) -> Option<u64> {
    const GREATEST: u64 = 1 << 31;
    let text = text.trim_ascii();
    let text = text.strip_prefix(b"\"").and_then(|text| text.strip_suffix(b"\"")).unwrap_or(text);
    if text.is_empty() || !text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let seconds = text
        .iter()
        .fold(0u64, |seconds, digit| seconds.saturating_mul(10).saturating_add(u64::from(digit - b'0')));
    Some(seconds.min(GREATEST))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(values: &[&str], want: Option<u64>) {
        let got = freshness(values.iter().map(|value| value.as_bytes()));
        assert_eq!(got.map(Duration::as_secs), want, "{values:?}");
    }

    #[test]
    fn a_response_may_be_kept_as_long_as_it_says() {
        check(&["public, max-age=21600, must-revalidate, no-transform"], Some(21600));
        check(&["Max-Age=\"60\""], Some(60));
        check(&["max-age = 60"], Some(60));
        check(&["public", "max-age=10"], Some(10));
        check(&["max-age=99999999999999999999999"], Some(1 << 31));
    }

    #[test]
    fn of_several_times_the_shortest_counts() {
        check(&["max-age=60, max-age=10"], Some(10));
        check(&["max-age=60", "no-cache"], Some(0));
        check(&["no-store, max-age=60"], Some(0));
    }

    #[test]
    fn what_can_not_be_read_says_nothing() {
        check(&[], None);
        check(
            &["public", "max-age", "max-age=", "max-age=-1", "max-age=1.5", "s-maxage=7", "=3", ",,="],
            None,
        );
    }
}
