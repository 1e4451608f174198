//! When to tell that a certificate expires: some time before, and when it has.

/// How often the same is told again, in seconds.
const DAILY: i64 = 24 * 60 * 60;

/// What was told last, and when.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Told(Option<(Validity, i64)>);

/// Of a certificate, at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Validity {
    NotYet,
    Valid,
    /// A tenth of its life is left, or less: whoever renews certificates has done so by then.
    EndsSoon,
    Expired,
}

impl Validity {
    /// At `now`, of one that is valid from `begin` to `end`. All are Unix time in seconds.
    pub(crate) fn at(now: i64, begin: i64, end: i64) -> Self {
        if now > end {
            Self::Expired
        } else if now < begin {
            Self::NotYet
        } else if end.saturating_sub(now) <= end.saturating_sub(begin) / 10 {
            Self::EndsSoon
        } else {
            Self::Valid
        }
    }
}

impl Told {
    /// Whether this is to be told at `now`: where it is news, and else once a day.
    pub(crate) fn is_due(&mut self, validity: Validity, now: i64) -> bool {
        let news = self.0.is_none_or(|(told, at)| told != validity || now.saturating_sub(at) >= DAILY);
        if news {
            self.0 = Some((validity, now));
        }
        news && validity != Validity::Valid
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_is_told_of_a_tenth_before_and_when_it_comes_and_once_a_day() {
        let days = |days: i64| days * DAILY;
        let mut told = Told::default();
        let mut said = Vec::new();
        for hour in 0..24 * 105 {
            let now = hour * 3600;
            let validity = Validity::at(now, 0, days(100));
            if told.is_due(validity, now) {
                said.push((validity, now));
            }
        }
        let soon = (90..=100).map(|day| (Validity::EndsSoon, days(day)));
        let expired = (100..105).map(|day| (Validity::Expired, days(day) + 3600));
        assert_eq!(said, soon.chain(expired).collect::<Vec<_>>());
    }

    #[test]
    fn what_is_not_valid_yet_is_told_of_at_once_and_what_has_no_end_never() {
        assert!(Told::default().is_due(Validity::at(0, 10, 20), 0));
        assert_eq!(Validity::at(0, i64::MIN, i64::MAX), Validity::Valid);
    }
}
