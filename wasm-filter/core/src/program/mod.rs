//! A policy compiled: what the filter is configured with, and what it decides by.

mod configuration;

pub use configuration::{Clusters, Configuration, PolicyName, Verification};
