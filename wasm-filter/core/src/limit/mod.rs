//! How often one may ask.
//!
//! A limit of scope Local is counted by [`gcra`] in a fixed [`table`](table::Table) that all workers of a proxy share;
//! [`charge`](charge::charge) consults all limits of a request and charges all or none.

mod bytes;
pub mod charge;
pub mod gcra;
pub mod key;
mod set;
pub mod table;
