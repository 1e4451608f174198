//! Text of others, made fit to be kept.

pub(crate) use sallyport_admission::redact;
