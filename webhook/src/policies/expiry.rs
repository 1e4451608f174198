//! Exceptions end while nobody looks: whoever relies on one is told when it does, and can see it come.

use sallyport_admission::Exception;

/// When the next of the exceptions ends, in Unix seconds; none of those that have.
pub(super) fn next<'e>(exceptions: impl Iterator<Item = &'e Exception>, now: i64) -> Option<i64> {
    exceptions.map(Exception::expires).filter(|expires| *expires > now).min()
}

/// Tells of the exceptions that ended after `since`, at `now` at the latest.
pub(super) fn tell<'e>(exceptions: impl Iterator<Item = &'e Exception>, since: i64, now: i64) {
    for exception in exceptions.filter(|exception| (since + 1..=now).contains(&exception.expires())) {
        let (namespace, name) = (exception.namespace(), exception.name());
        tracing::warn!(namespace, exception = name, "an exception has expired: it is no longer honoured");
    }
}
