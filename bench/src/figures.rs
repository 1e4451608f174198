//! What is said of the rounds' figures: the median, with the least and the greatest.

/// The median of some figures; of an even number, the lower of the two in the middle. Not a number if there are none.
#[must_use]
pub fn median(figures: &[f64]) -> f64 {
    let mut sorted = figures.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    sorted.get(sorted.len().saturating_sub(1) / 2).copied().unwrap_or(f64::NAN)
}

/// The least and the greatest.
#[must_use]
pub fn extremes(figures: &[f64]) -> (f64, f64) {
    figures.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(least, most), figure| {
        (least.min(*figure), most.max(*figure))
    })
}

/// A cell of a Markdown table: the median, the least and the greatest, with so many digits behind the point.
#[must_use]
pub fn cell(figures: &[f64], digits: usize) -> String {
    let (least, most) = extremes(figures);
    format!("**{:.digits$}** ({least:.digits$}–{most:.digits$})", median(figures))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_median_is_the_one_in_the_middle() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), 2.0);
        assert_eq!(extremes(&[3.0, 1.0, 2.0]), (1.0, 3.0));
        assert_eq!(cell(&[3.0, 1.0, 2.0], 1), "**2.0** (1.0–3.0)");
    }
}
