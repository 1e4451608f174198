//! What access logs may hold of a request that a client fills as it likes.

use super::redacted::{first_of, redacted};
use crate::request::Request;

/// The path without the query, which holds what a client fills in, and without what looks like a secret or the number of a
/// payment card. `None` where there is no path, or several.
#[must_use]
pub fn logged_path(request: &Request<'_>) -> Option<String> {
    let path = Some(request.path.as_bytes()).filter(|path| !path.is_empty())?;
    // Some servers take an escaped `?` for one.
    let end = first_of(path, b"?#").unwrap_or(path.len());
    path.get(..end).map(redacted)
}

/// The host, where it is one: so without a user's name and password. `None` where it is none, or where there are several.
#[must_use]
pub fn logged_host(request: &Request<'_>) -> Option<String> {
    request.host.as_ref().map(|host| redacted(host.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::HeaderList;

    fn check(pairs: &[(&str, &str)], path: Option<&str>, host: Option<&str>) {
        let headers = HeaderList::from_pairs(pairs.iter().map(|(n, v)| (n.as_bytes(), v.as_bytes())));
        let request = Request::of(&headers);
        assert_eq!((logged_path(&request).as_deref(), logged_host(&request).as_deref()), (path, host));
    }

    #[test]
    fn a_path_is_logged_without_its_query_however_that_begins() {
        for (path, shown) in [
            ("/payments/7?pan=4111111111111111", "/payments/7"),
            ("/payments/4111111111111111", "/payments/[redacted-card-number]"),
            ("/x%3Fpassword=hunter2", "/x"),
            ("/x%253fpassword=hunter2/y", "/x"),
            ("/x%23token", "/x"),
            ("/x#token", "/x"),
            ("/x%2Fy", "/x%2Fy"),
        ] {
            check(&[(":path", path)], Some(shown), None);
        }
        check(&[("a", "b")], None, None);
        check(&[(":path", "/a"), (":path", "/b")], None, None);
    }

    #[test]
    fn a_host_is_logged_where_it_is_one() {
        for (host, shown) in [
            ("Shop.example:443", Some("shop.example")),
            ("4111111111111111.shop.example", Some("[redacted-card-number].shop.example")),
            ("user:secret@shop.example", None),
            ("secret@shop.example", None),
            ("", None),
        ] {
            check(&[(":authority", host)], None, shown);
        }
    }
}
