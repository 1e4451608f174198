//! What a limit admits, by its definition.

use sallyport_policy::Duration;
use sallyport_traffic::Limit;

pub(crate) fn limit(requests: u32, millis: u64, burst: Option<u32>) -> Limit {
    Limit { requests, period: Duration::from_millis(millis), burst }
}

/// Whether in every interval between two of these times, both included, there are at most
/// burst + ⌊t · requests / period⌋ of them.
pub(crate) fn keeps(limit: &Limit, admitted: &[u64]) -> Result<(), String> {
    let mut times = admitted.to_vec();
    times.sort_unstable();
    let period = u128::from(limit.period.as_millis()) * 1_000_000;
    for (i, first) in times.iter().enumerate() {
        for (j, last) in times.iter().enumerate().skip(i) {
            let count = (j - i + 1) as u128;
            let t = u128::from(last - first);
            let most = u128::from(limit.burst()) + t * u128::from(limit.requests) / period;
            if count > most {
                return Err(format!("{count} in [{first}, {last}], where {most} are admitted by {limit:?}"));
            }
        }
    }
    Ok(())
}
