//! Compares what a case gives with what it should, and shows the difference.

use std::path::Path;
use std::{env, fs};

use similar::TextDiff;

/// Whether the files are to be rewritten with what the cases give: `SALLYPORT_BLESS=1`.
pub(crate) fn blessing() -> bool {
    env::var_os("SALLYPORT_BLESS").is_some_and(|value| value == "1")
}

/// Compares `given` with the file's text; no file is the same as an empty one. The difference, if there is one.
pub(crate) fn compare(file: &Path, given: &str) -> Option<String> {
    let wanted = fs::read_to_string(file).unwrap_or_default();
    if wanted == given {
        return None;
    }
    if blessing() {
        if given.is_empty() {
            fs::remove_file(file).expect("the file can be removed");
        } else {
            fs::write(file, given).expect("the file can be written");
        }
        return None;
    }
    let diff = TextDiff::from_lines(&wanted, given);
    let name = file.display().to_string();
    Some(diff.unified_diff().context_radius(4).header(&name, "given").to_string())
}

/// Fails with all that went wrong.
#[track_caller]
pub(crate) fn all_right(wrong: &[String]) {
    assert!(
        wrong.is_empty(),
        "{} of the cases are not as wanted; SALLYPORT_BLESS=1 rewrites them\n\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}
