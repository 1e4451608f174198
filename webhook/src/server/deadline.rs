//! How long a call may take.

use std::time::Duration;

use axum::http::Uri;

/// How long a call may take: what the API server says it waits (`?timeout=10s`), at most `limit`.
pub(super) fn allowance(uri: &Uri, limit: Duration) -> Duration {
    let said = uri.query().and_then(|query| query.split('&').find_map(|pair| pair.strip_prefix("timeout=")));
    said.and_then(go_duration).filter(|said| !said.is_zero()).map_or(limit, |said| said.min(limit))
}

/// A duration as Go writes it: `10s`, `2m30s`, `1.5s`, `500ms`. `None` for what is none, or negative.
fn go_duration(text: &str) -> Option<Duration> {
    const UNITS: [(&str, f64); 8] = [
        ("ns", 1e-9),
        ("us", 1e-6),
        // As a URL holds the micro sign and the Greek letter.
        ("%C2%B5s", 1e-6),
        ("%CE%BCs", 1e-6),
        ("ms", 1e-3),
        ("s", 1.0),
        ("m", 60.0),
        ("h", 3600.0),
    ];
    let mut rest = text;
    let mut seconds = 0.0;
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, after) = rest.split_at(end);
        let unit = |(name, scale): &(&str, f64)| Some((after.strip_prefix(name)?, *scale));
        let (after, scale) = UNITS.iter().find_map(unit)?;
        seconds += number.parse::<f64>().ok()? * scale;
        rest = after;
    }
    (!text.is_empty()).then(|| Duration::try_from_secs_f64(seconds).ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_api_servers_timeout_shortens_the_deadline_and_never_lengthens_it() {
        let limit = Duration::from_secs(10);
        let check = |uri: &str, millis: u64| {
            let uri: Uri = uri.parse().unwrap();
            assert_eq!(allowance(&uri, limit), Duration::from_millis(millis), "{uri}");
        };
        check("/mutate", 10_000);
        check("/mutate?timeout=3s", 3000);
        check("/mutate?timeout=500ms", 500);
        check("/mutate?timeout=1.5s", 1500);
        check("/mutate?timeout=1s250ms", 1250);
        check("/mutate?timeout=2m30s", 10_000);
        check("/mutate?timeout=1000000%C2%B5s", 1000);
        check("/mutate?a=b&timeout=30s", 10_000);
        for wrong in
            ["soon", "-1s", "5", "0s", "", "s", "1.2.3s", "1e3s", "1s ", "NaNs", "99999999999999999999h"]
        {
            check(&format!("/mutate?timeout={}", wrong.replace(' ', "%20")), 10_000);
        }
    }
}
