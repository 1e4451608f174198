//! What was found, in a message.

use std::fmt;

use crate::secrets::redact_start;

/// The longest text that a message repeats, in bytes.
const LONGEST: usize = 128;

/// A text as it was found, in quotes: without secrets, cut where it is long, and with escapes for what could pass for
/// something else.
pub(super) fn quoted(text: &str) -> impl fmt::Display {
    fmt::from_fn(move |f| match redact_start(text, LONGEST) {
        (shown, true) => write!(f, "{shown:?}… ({} bytes)", text.len()),
        (shown, false) => write!(f, "{shown:?}"),
    })
}

/// Some texts as a sentence has them: `a`, `a or b`, `a, b or c`; of many, the first.
pub(super) fn either<T: fmt::Display>(texts: &[T]) -> impl fmt::Display {
    const MOST: usize = 8;
    fmt::from_fn(move |f| {
        let shown = texts.len().min(MOST);
        for (i, text) in texts.iter().take(shown).enumerate() {
            let more = texts.len() > shown;
            let before = match i {
                0 => "",
                _ if i + 1 == shown && !more => " or ",
                _ => ", ",
            };
            write!(f, "{before}{text}")?;
        }
        if texts.len() > shown { write!(f, " or one of {} more", texts.len() - shown) } else { Ok(()) }
    })
}
