//! What is written to, as far as it is a terminal.

use std::io::Write;
use std::os::fd::AsFd;

use anstream::stream::RawStream;
use terminal_size::{Width, terminal_size_of};

use crate::source::{Colour, Reporter};

/// The columns of a terminal; `None` where the stream is none.
pub(super) fn columns(stream: &impl AsFd) -> Option<usize> {
    let (Width(columns), _) = terminal_size_of(stream)?;
    Some(usize::from(columns))
}

/// A reporter that writes as the stream can show it.
pub(super) fn reporter<S: RawStream + Write + AsFd>(stream: S) -> Reporter<S> {
    let (colour, columns) = (Colour::for_stream(&stream), columns(&stream));
    Reporter::new(stream, colour).within(columns)
}
