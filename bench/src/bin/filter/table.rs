//! What was measured, as Markdown tables: each figure as the median of the rounds, with the least and the greatest.

use std::collections::BTreeMap;
use std::ops::Add as _;

use sallyport_bench::figures::{cell, median};

use crate::chain::{NOTHING, REPEATED, WASM_NOTHING};
use crate::host_call::{HostCall, Kind};
use crate::observe::Observed;
use crate::rounds::Row;

/// Microseconds, requests per second, and what each chain adds.
pub(crate) fn print_chains(rows: &[Row]) {
    println!("| chain | processor µs/request | added | µs/request | added | requests/s | p50 µs | p99 µs |");
    println!("|---|---|---|---|---|---|---|---|");
    let base = rows.iter().find(|row| row.name == NOTHING);
    for row in rows {
        let beyond = |added: fn(&Row, &Row) -> Vec<f64>| {
            base.filter(|base| base.name != row.name)
                .map_or_else(String::new, |base| cell(&added(row, base), 2))
        };
        println!(
            "| {} | {} | {} | {} | {} | {} | {} | {} |",
            row.name,
            cell(&row.processor, 2),
            beyond(Row::added),
            cell(&row.wall, 2),
            beyond(Row::added_wall),
            cell(&row.requests_per_second(), 0),
            cell(&row.p50, 0),
            cell(&row.p99, 0),
        );
    }
}

/// How often each host call is made for a request, and what it costs where that was measured.
pub(crate) fn print_host_calls(observed: &Observed, rows: &[Row]) {
    println!("\n| host call | a request | with a new token | processor µs/call | processor µs/request |");
    println!("|---|---|---|---|---|");
    let (known, new) = (count(&observed.known_token), count(&observed.new_token));
    let kinds: BTreeMap<&Kind, ()> = known.keys().chain(new.keys()).map(|kind| (kind, ())).collect();
    let times = |counts: &BTreeMap<Kind, usize>, kind| counts.get(kind).copied().unwrap_or_default();
    let mut whole: Option<f64> = None;
    for kind in kinds.into_keys() {
        let calls = times(&known, kind);
        let price = price(kind, rows);
        let request = price.as_ref().map(|price| median(price) * calls as f64);
        whole = [whole, request].into_iter().flatten().reduce(f64::add);
        println!(
            "| {kind} | {calls} | {} | {} | {} |",
            times(&new, kind),
            price.map_or_else(String::new, |price| cell(&price, 3)),
            text(request),
        );
    }
    let all = |counts: BTreeMap<Kind, usize>| counts.into_values().sum::<usize>();
    println!("| all | {} | {} | | {} |", all(known), all(new), text(whole));
}

/// Nothing where nothing was measured.
fn text(us: Option<f64>) -> String {
    us.map_or_else(String::new, |us| format!("{us:.2}"))
}

fn count(calls: &[HostCall]) -> BTreeMap<Kind, usize> {
    let mut counts = BTreeMap::new();
    for call in calls {
        *counts.entry(call.kind()).or_default() += 1;
    }
    counts
}

/// What one such call takes beyond a filter that does nothing, round by round.
fn price(kind: &Kind, rows: &[Row]) -> Option<Vec<f64>> {
    let row = rows.iter().find(|row| row.prices.as_ref() == Some(kind))?;
    let nothing = rows.iter().find(|row| row.name == WASM_NOTHING)?;
    Some(row.added(nothing).into_iter().map(|us| us / REPEATED as f64).collect())
}
