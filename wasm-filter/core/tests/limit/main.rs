//! Limits: what they admit, whatever workers, clocks, services and the proxy do.

mod counts;
mod fields;
mod gcra;
mod interleaving;
mod leases;
mod memory;
mod protobuf;
mod reference;
mod rls;
mod service;
mod tables;
