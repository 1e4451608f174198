//! How often one may ask.
//!
//! A limit of scope Local is counted by [`gcra`] in a fixed [`table`](table::Table) that all workers of a proxy share;
//! [`charge`](charge::charge) consults all limits of a request and charges all or none. A limit of scope Global is
//! counted by a service ([`rls`] is how it is asked), which leases requests to the proxy ([`lease`]). [`fields`] is what
//! a client is told.

mod bytes;
pub mod charge;
pub mod fields;
pub mod gcra;
pub mod key;
pub mod lease;
pub mod rls;
mod set;
pub mod table;
