//! One request and its response.

use std::rc::Rc;

use crate::abi::stream::Flow;
use crate::filter::Filter;

/// One request and its response.
#[derive(Debug)]
pub(crate) struct Stream {
    id: u32,
    filter: Rc<Filter>,
}

impl Stream {
    /// One of which nothing is known yet.
    pub(crate) fn new(id: u32, filter: Rc<Filter>) -> Self {
        Self { id, filter }
    }

    /// The request's headers are there.
    pub(crate) fn request_headers(&self) -> Flow {
        Flow::Continue
    }
}
