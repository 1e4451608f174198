//! What is aimed at, and whether it is met. Ratios are taken within rounds, and judged by their median; by Envoy's
//! processor time, which holds on a busy machine too.

use sallyport_bench::figures::{cell, median};

use crate::chain::{NATIVE, NATIVE_CACHED, NOTHING, SALLYPORT, WASM_SAME_CALLS};
use crate::rounds::Row;

/// A bound for a ratio.
enum Bound {
    AtMost(f64),
    AtLeast(f64),
}

impl Bound {
    fn holds(&self, ratio: f64) -> bool {
        match self {
            Self::AtMost(most) => ratio <= *most,
            Self::AtLeast(least) => ratio >= *least,
        }
    }

    fn text(&self) -> String {
        match self {
            Self::AtMost(most) => format!("at most {most}"),
            Self::AtLeast(least) => format!("at least {least}"),
        }
    }
}

/// Prints each aim whose chains have run.
pub(crate) fn print(rows: &[Row]) {
    println!("\n| what is aimed at | aim | by processor time | by wall time | |");
    println!("|---|---|---|---|---|");
    for (what, other, bound) in [
        ("what sallyport adds, to what native adds", NATIVE, Bound::AtMost(0.5)),
        ("sallyport's requests/s, to native-cached's", NATIVE_CACHED, Bound::AtLeast(0.75)),
        ("what sallyport adds, to what wasm-same-calls adds", WASM_SAME_CALLS, Bound::AtMost(1.3)),
    ] {
        let row = |name| rows.iter().find(|row| row.name == name);
        let (Some(base), Some(sallyport), Some(other)) = (row(NOTHING), row(SALLYPORT), row(other)) else {
            println!("| {what} | {} | not measured | | |", bound.text());
            continue;
        };
        let (processor, wall) = match bound {
            Bound::AtMost(_) => (
                ratios(&sallyport.added(base), &other.added(base)),
                ratios(&sallyport.added_wall(base), &other.added_wall(base)),
            ),
            // As many more requests are answered as each takes less time.
            Bound::AtLeast(_) => {
                (ratios(&other.processor, &sallyport.processor), ratios(&other.wall, &sallyport.wall))
            }
        };
        let verdict = if bound.holds(median(&processor)) { "met" } else { "**missed**" };
        println!("| {what} | {} | {} | {} | {verdict} |", bound.text(), cell(&processor, 2), cell(&wall, 2));
    }
}

fn ratios(these: &[f64], those: &[f64]) -> Vec<f64> {
    these.iter().zip(those).map(|(this, that)| this / that).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_holds_on_its_own_side() {
        assert!(Bound::AtMost(0.5).holds(0.5) && !Bound::AtMost(0.5).holds(0.51));
        assert!(Bound::AtLeast(0.75).holds(0.75) && !Bound::AtLeast(0.75).holds(0.74));
        // No figure meets no aim.
        assert!(!Bound::AtMost(0.5).holds(f64::NAN) && !Bound::AtLeast(0.75).holds(f64::NAN));
    }
}
