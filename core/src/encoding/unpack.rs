//! Wrappers: what is inside base64, zlib and gzip.

use std::io::Read;

use base64::{
    Engine,
    alphabet::{self, Alphabet},
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use flate2::bufread::{MultiGzDecoder, ZlibDecoder};

use super::{
    bounds::{LARGEST, MOST_GROWTH},
    unreadable::Why,
};

/// The most bytes that a value of this length may unpack to.
pub(super) fn limit(length: usize) -> usize {
    length.saturating_mul(MOST_GROWTH).min(LARGEST)
}

pub(super) fn base64(bytes: &[u8]) -> Result<Vec<u8>, Why> {
    const LENIENT: GeneralPurposeConfig = GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true);
    let engine = |alphabet: &Alphabet| GeneralPurpose::new(alphabet, LENIENT);
    let not_base64 = |_| Why::Malformed("it holds something else");
    let is_for_urls = bytes.iter().any(|byte| b"-_".contains(byte));
    let engine = engine(if is_for_urls { &alphabet::URL_SAFE } else { &alphabet::STANDARD });
    if !bytes.iter().any(u8::is_ascii_whitespace) {
        return engine.decode(bytes).map_err(not_base64);
    }
    // Some libraries write lines.
    let text: Vec<u8> = bytes.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect();
    engine.decode(text).map_err(not_base64)
}

pub(super) fn zlib(bytes: &[u8], limit: usize) -> Result<Vec<u8>, Why> {
    inflate(ZlibDecoder::new(bytes), limit)
}

pub(super) fn gzip(bytes: &[u8], limit: usize) -> Result<Vec<u8>, Why> {
    inflate(MultiGzDecoder::new(bytes), limit)
}

fn inflate(reader: impl Read, limit: usize) -> Result<Vec<u8>, Why> {
    let mut unpacked = Vec::new();
    // One byte more tells what is too large from what just fits.
    let more = limit as u64 + 1;
    reader.take(more).read_to_end(&mut unpacked).map_err(|_| Why::Malformed("it is damaged or ends too early"))?;
    if unpacked.len() > limit { Err(Why::TooLarge) } else { Ok(unpacked) }
}
