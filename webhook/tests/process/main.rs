//! `sallyport serve` as a process: its audit log, its traces, its log, its signals.

mod audit;
mod log;
mod policies;
mod program;
mod traces;
