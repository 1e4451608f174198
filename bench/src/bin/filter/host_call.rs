//! A call that a filter makes of its proxy.

use std::fmt;

/// A host call, as Envoy logs it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct HostCall {
    /// The event that it was made in: `proxy_on_request_headers`.
    pub(crate) event: String,
    /// What was called: `proxy_get_property`.
    pub(crate) function: String,
    /// Numbers, sizes and pointers.
    pub(crate) arguments: Vec<u64>,
    /// How many bytes Envoy returned, if it allocated any.
    pub(crate) returned: Option<u64>,
}

/// Calls that cost about the same, but for the sizes of their arguments.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Kind {
    pub(crate) event: String,
    pub(crate) function: String,
    /// Which header map, if it is about one.
    map: Option<u64>,
}

impl HostCall {
    pub(crate) fn kind(&self) -> Kind {
        let map = self.arguments.first().copied().filter(|_| self.function.contains("header_map"));
        Kind { event: self.event.clone(), function: self.function.clone(), map }
    }

    /// The line by which the bare filter is told to make such a call.
    pub(crate) fn line(&self) -> String {
        let numbers = self.arguments.iter().chain(&self.returned);
        let numbers: String = numbers.map(|number| format!(" {number}")).collect();
        format!("{} {}{numbers}", self.event, self.function)
    }

    /// Whether it adds a header to the response.
    pub(crate) fn adds_a_response_header(&self) -> bool {
        const RESPONSE: u64 = 2;
        let adds = ["proxy_add_header_map_value", "proxy_replace_header_map_value"];
        adds.contains(&&*self.function) && self.arguments.first() == Some(&RESPONSE)
    }

    /// Whether it writes a line at trace or debug: it would not, if the log were not as open as it is while calls are
    /// observed.
    pub(crate) fn writes_for_debugging(&self) -> bool {
        const DEBUG: u64 = 1;
        self.function == "proxy_log" && self.arguments.first().is_some_and(|level| *level <= DEBUG)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let event = self.event.strip_prefix("proxy_on_").unwrap_or(&self.event);
        write!(f, "{} in {event}", self.function)?;
        match self.map {
            Some(0) => write!(f, ", of the request"),
            Some(2) => write!(f, ", of the response"),
            Some(map) => write!(f, ", of map {map}"),
            None => Ok(()),
        }
    }
}
