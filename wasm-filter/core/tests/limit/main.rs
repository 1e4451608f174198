//! Limits: what they admit, whatever workers, clocks, services and the proxy do.

mod counts;
mod gcra;
mod interleaving;
mod memory;
mod reference;
mod tables;
