//! A configured filter: a root context of the proxy, one for each worker and configuration.

use std::cell::RefCell;

use crate::abi::buffer::{self, Buffer};
use crate::abi::log::{self, Level};

/// A configured filter.
#[derive(Debug)]
pub(crate) struct Filter {
    id: u32,
    configuration: RefCell<Vec<u8>>,
}

impl Filter {
    /// One that is not configured yet.
    pub(crate) fn new(id: u32) -> Self {
        Self { id, configuration: RefCell::default() }
    }

    /// Takes in the configuration; whether it is right. Envoy refuses one that is not, and keeps the last that was.
    pub(crate) fn configure(&self, size: usize) -> bool {
        match buffer::start(Buffer::Configuration, size) {
            Ok(bytes) => {
                self.configuration.replace(bytes);
                true
            }
            Err(error) => {
                log::line(Level::Error, &error.to_string());
                false
            }
        }
    }
}
