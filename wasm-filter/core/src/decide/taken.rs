//! Tokens that an application should not see.

use crate::edit::Operation;
use crate::request::{Request, without_parameters};
use crate::token::Place;

/// Takes tokens away from where they were. Of cookies and of the query, each operation replaces the whole: so one takes
/// away all that stood there.
pub(super) fn take_away(places: &[&Place], request: &Request<'_>, each: &mut impl FnMut(&Operation<'_>)) {
    let mut cookies: Vec<&[u8]> = Vec::new();
    let mut parameters: Vec<&[u8]> = Vec::new();
    for place in places {
        match place {
            Place::Header { name, .. } => each(&Operation::Remove(name)),
            Place::Cookie(name) => cookies.push(name),
            Place::QueryParameter(name) => parameters.push(name),
        }
    }
    if !cookies.is_empty() {
        take_cookies(&cookies, request, each);
    }
    if let Some(query) = request.path.query().filter(|_| !parameters.is_empty()) {
        let mut path = request.path.as_bytes().to_vec();
        if let Some(left) = without_parameters(query, &parameters) {
            path.push(b'?');
            path.extend_from_slice(&left);
        }
        each(&Operation::Replace(b":path", &path));
    }
}

fn take_cookies(names: &[&[u8]], request: &Request<'_>, each: &mut impl FnMut(&Operation<'_>)) {
    let is_taken = |pair: &[u8]| {
        let end = pair.iter().position(|byte| *byte == b'=').unwrap_or(pair.len());
        pair.get(..end).is_some_and(|key| names.contains(&key.trim_ascii()))
    };
    let pairs = request.headers.values(b"cookie").flat_map(|value| value.split(|byte| *byte == b';'));
    let kept: Vec<&[u8]> =
        pairs.map(<[u8]>::trim_ascii).filter(|pair| !pair.is_empty() && !is_taken(pair)).collect();
    if kept.is_empty() {
        each(&Operation::Remove(b"cookie"));
    } else {
        each(&Operation::Replace(b"cookie", &kept.join(&b"; "[..])));
    }
}
