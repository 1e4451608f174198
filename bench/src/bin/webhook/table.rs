//! What was measured, as a Markdown table: each figure as the median of the rounds, with the least and the greatest.

use sallyport_bench::figures::cell;

use crate::rounds::Row;
use crate::servers::Running;

/// The server that ratios are taken to.
const MEASURE: &str = "bare-parse";

pub(crate) fn print(servers: &[Running], rows: &[Row]) {
    let measure = rows.iter().find(|row| servers[row.server].name == MEASURE);
    println!(
        "| server | calls | calls/s | to {MEASURE} | processor µs/call | p50 ms | p99 ms | resident MiB |"
    );
    println!("|---|---|---|---|---|---|---|---|");
    for row in rows {
        println!(
            "| {} | {} | {} | {} | {} | {} | {} | {:.1} |",
            servers[row.server].name,
            row.workload,
            cell(&row.calls_per_second, 0),
            measure.map_or_else(String::new, |measure| cell(&ratios(row, measure), 3)),
            cell(&row.processor_us, 1),
            cell(&row.p50, 2),
            cell(&row.p99, 2),
            row.resident_mib,
        );
    }
}

/// Round by round: what both did within a minute of each other.
fn ratios(row: &Row, measure: &Row) -> Vec<f64> {
    row.calls_per_second.iter().zip(&measure.calls_per_second).map(|(row, measure)| row / measure).collect()
}
