//! Header maps as the ABI writes them.

/// A count; the sizes of each name and value; then each name and value with a NUL behind it. Numbers have 32 bits, in
/// little-endian order.
pub(super) fn serialize<'a>(pairs: &[(&'a [u8], &'a [u8])]) -> Vec<u8> {
    // Nothing of this machine's is larger than its addresses, which have 32 bits.
    let size = |bytes: usize| (bytes as u32).to_le_bytes();
    let text = |(name, value): &(&[u8], &[u8])| name.len().saturating_add(value.len()).saturating_add(10);
    let whole = pairs.iter().map(text).fold(4_usize, usize::saturating_add);
    let mut map = Vec::with_capacity(whole);
    map.extend_from_slice(&size(pairs.len()));
    for (name, value) in pairs {
        map.extend_from_slice(&size(name.len()));
        map.extend_from_slice(&size(value.len()));
    }
    for text in pairs.iter().flat_map(|(name, value)| [name, value]) {
        map.extend_from_slice(text);
        map.push(0);
    }
    map
}
