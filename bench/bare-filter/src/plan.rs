//! What the configuration says: one host call a line, in the order in which they are made.
//!
//! A line is the event that the call is made in, the function and its arguments, as a proxy's log has them:
//! `proxy_on_request_headers proxy_get_property 1060376 14 1047096 1047100 15`. Of the arguments, sizes count; pointers
//! are those of whichever filter made the call. Behind them stands how many bytes the proxy returned, if it did.

use crate::call::Call;

/// What is done at each request.
#[derive(Default)]
pub(crate) struct Plan {
    /// When its headers are there.
    pub(crate) request: Vec<Call>,
    /// When those of its response are.
    pub(crate) response: Vec<Call>,
}

impl Plan {
    /// Reads a configuration; the line, if one can't be done.
    pub(crate) fn read(text: &str) -> Result<Self, &str> {
        let mut plan = Self::default();
        for line in text.lines() {
            let (event, call) = read(line).ok_or(line)?;
            let calls = match event {
                "proxy_on_request_headers" => &mut plan.request,
                "proxy_on_response_headers" => &mut plan.response,
                _ => return Err(line),
            };
            calls.push(call(calls.len()).ok_or(line)?);
        }
        Ok(plan)
    }
}

/// The event, and what makes the call for a position.
fn read(line: &str) -> Option<(&str, impl Fn(usize) -> Option<Call>)> {
    let mut words = line.split(' ');
    let (event, function) = (words.next()?, words.next()?);
    let numbers: Vec<usize> = words.map(|word| word.parse().ok()).collect::<Option<_>>()?;
    Some((event, move |position| Call::read(function, &numbers, position)))
}
