//! Public keys in PEM: SubjectPublicKeyInfo (RFC 7468 §13).

use base64ct::{Base64, Encoding};
use thiserror::Error;

/// Why a text is no PEM of public keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum PemError {
    /// There is no block.
    #[error("there is no -----BEGIN PUBLIC KEY-----")]
    NoBlock,
    /// A block does not end, or its content is not base64.
    #[error("a block does not end, or is not base64")]
    Block,
    /// A block is a certificate.
    #[error("a block is a certificate: give its public key (openssl x509 -pubkey -noout)")]
    Certificate,
    /// A block is a private key.
    #[error("a block is a private key: whoever can read it can make tokens; give the public key only")]
    Private,
    /// A block is a public key in a form of its own kind.
    #[error("a block is no SubjectPublicKeyInfo: convert it (openssl rsa -RSAPublicKey_in -pubout)")]
    OtherPublic,
    /// A block is something else.
    #[error("a block is no public key")]
    Label,
}

const BEGIN: &str = "-----BEGIN ";
const END: &str = "-----END ";
const DASHES: &str = "-----";

/// The DER of each block. What stands around them is ignored (RFC 7468 §2).
pub(super) fn blocks(text: &[u8]) -> Result<Vec<Vec<u8>>, PemError> {
    // What is no UTF-8 can only stand around blocks, or make them wrong.
    let text = String::from_utf8_lossy(text);
    let blocks: Vec<_> = text.split(BEGIN).skip(1).map(block).collect::<Result<_, _>>()?;
    if blocks.is_empty() { Err(PemError::NoBlock) } else { Ok(blocks) }
}

/// The DER of a block, of which the text starts with the label.
fn block(text: &str) -> Result<Vec<u8>, PemError> {
    let (label, text) = text.split_once(DASHES).ok_or(PemError::Block)?;
    match label {
        "PUBLIC KEY" => {}
        "CERTIFICATE" | "TRUSTED CERTIFICATE" | "X509 CERTIFICATE" => return Err(PemError::Certificate),
        _ if label.ends_with("PRIVATE KEY") => return Err(PemError::Private),
        _ if label.ends_with("PUBLIC KEY") => return Err(PemError::OtherPublic),
        _ => return Err(PemError::Label),
    }
    let (base64, end) = text.split_once(END).ok_or(PemError::Block)?;
    if end.strip_prefix(label).is_none_or(|end| !end.starts_with(DASHES)) {
        return Err(PemError::Block);
    }
    // Lines may have any length, and end in any way (RFC 7468 §3, "laxbase64text").
    let base64: String = base64.split_ascii_whitespace().collect();
    Base64::decode_vec(&base64).map_err(|_| PemError::Block)
}
