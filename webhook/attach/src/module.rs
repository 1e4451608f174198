//! Whether a file is a module that Envoy can run as a filter.

use thiserror::Error;

/// The version of Proxy-Wasm that the filter speaks, by the function whose name says so.
const ABI: &[u8] = b"proxy_abi_version_0_2_1";
/// How a module of WebAssembly begins: its magic number, and version 1 (WebAssembly Core §5.5.16).
const PREAMBLE: &[u8] = b"\0asm\x01\0\0\0";
/// The section that says what a module exports (§5.5.10).
const EXPORTS: u8 = 7;

/// Why a file is no module that Envoy can run as a filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum InvalidModule {
    /// It does not begin as one.
    #[error("it is no WebAssembly")]
    Preamble,
    /// A section is not all there.
    #[error("it is WebAssembly that ends too early")]
    Truncated,
    /// It does not say that it speaks Proxy-Wasm.
    #[error("it is WebAssembly, and no filter: it does not export {}", String::from_utf8_lossy(ABI))]
    NoFilter,
}

/// Whether Envoy can take this for a filter, as far as a look at its sections tells: whole, and of the Proxy-Wasm version
/// that is spoken here. Envoy, given another file, says only that it can't create the plugin.
///
/// # Errors
/// It can't.
pub fn check_module(module: &[u8]) -> Result<(), InvalidModule> {
    let mut rest = module.strip_prefix(PREAMBLE).ok_or(InvalidModule::Preamble)?;
    let mut is_filter = false;
    while let Some((id, after)) = rest.split_first() {
        let (length, after) = read_length(after).ok_or(InvalidModule::Truncated)?;
        let (section, after) = after.split_at_checked(length).ok_or(InvalidModule::Truncated)?;
        // Each export is its name's length, its name and what it is.
        is_filter |= *id == EXPORTS && section.windows(ABI.len()).any(|name| name == ABI);
        rest = after;
    }
    if is_filter { Ok(()) } else { Err(InvalidModule::NoFilter) }
}

/// An unsigned number of up to 32 bits in LEB128 (§5.2.2), and what follows it.
fn read_length(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let last = bytes.iter().take(5).position(|byte| byte & 0x80 == 0)?;
    let (number, rest) = bytes.split_at_checked(last + 1)?;
    let digits = number.iter().rev().map(|byte| u64::from(byte & 0x7f));
    let number = digits.fold(0, |number, digit| number << 7 | digit);
    Some((usize::try_from(u32::try_from(number).ok()?).ok()?, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn module(sections: &[(u8, &[u8])]) -> Vec<u8> {
        let mut module = PREAMBLE.to_vec();
        for (id, section) in sections {
            let length = u8::try_from(section.len()).unwrap();
            module.extend([*id, length | 0x80, 0]);
            module.extend(*section);
        }
        module
    }

    #[test]
    fn a_filter_says_so_in_what_it_exports() {
        let exports = [&[1, 23][..], ABI, &[0, 0]].concat();
        let filter = module(&[(1, &[0; 100]), (EXPORTS, &exports)]);
        assert_eq!(check_module(&filter), Ok(()));
        for end in PREAMBLE.len() + 1..filter.len() {
            // Where a section ends, so may a module.
            let whole = end == PREAMBLE.len() + 103;
            let wanted = if whole { InvalidModule::NoFilter } else { InvalidModule::Truncated };
            assert_eq!(check_module(&filter[..end]), Err(wanted), "{end}");
        }
        for (text, wanted) in [
            (&b""[..], InvalidModule::Preamble),
            (b"\x7fELF", InvalidModule::Preamble),
            (b"\0asm\x02\0\0\0", InvalidModule::Preamble),
            (PREAMBLE, InvalidModule::NoFilter),
            (&module(&[(0, &exports)]), InvalidModule::NoFilter),
            (&[PREAMBLE, &[7, 0x80, 0x80, 0x80, 0x80, 0x80, 0]].concat(), InvalidModule::Truncated),
        ] {
            assert_eq!(check_module(text), Err(wanted), "{text:?}");
        }
    }
}
