//! What zlib and gzip hold, one bit after another: slow, and by the letter of RFC 1950 to 1952.

use super::{Bytes, Rest};

/// A zlib stream. What stands behind it is passed over.
pub fn zlib(bytes: &[u8]) -> Option<Bytes> {
    let mut rest = Rest(bytes);
    let head = rest.unsigned(2)?;
    // Deflate, with a window of at most 32 KB, and without a dictionary of the writer's own.
    if head % 31 != 0 || head >> 8 & 15 != 8 || head >> 12 > 7 || head & 0x20 != 0 {
        return None;
    }
    let unpacked = inflated(&mut rest)?;
    (rest.unsigned(4)? == u64::from(adler32(&unpacked))).then_some(unpacked)
}

/// Gzip: one part behind the other, and nothing else.
pub fn gzip(bytes: &[u8]) -> Option<Bytes> {
    let (mut rest, mut unpacked) = (Rest(bytes), Bytes::new());
    loop {
        head(&mut rest)?;
        let part = inflated(&mut rest)?;
        let length = u32::try_from(part.len()).ok()?;
        rest.expect(&crc32(&part).to_le_bytes())?;
        rest.expect(&length.to_le_bytes())?;
        unpacked.extend(part);
        if rest.0.is_empty() {
            return Some(unpacked);
        }
    }
}

/// Passes over what stands before a part.
fn head(rest: &mut Rest<'_>) -> Option<()> {
    let from = rest.0;
    rest.expect(&[0x1f, 0x8b, 8])?;
    let flags = rest.byte()?;
    // The time, what the compressor says of itself, and the system.
    rest.take(4 + 1 + 1)?;
    if flags & 0b1110_0000 != 0 {
        return None;
    }
    if flags & 0b100 != 0 {
        let length = rest.take(2)?;
        rest.take(u16::from_le_bytes([length[0], length[1]]).into())?;
    }
    // A name and a comment.
    for flag in [0b1000, 0b1_0000] {
        if flags & flag != 0 {
            rest.until(0)?;
        }
    }
    if flags & 0b10 != 0 {
        let head = &from[..from.len() - rest.0.len()];
        rest.expect(&crc32(head).to_le_bytes()[..2])?;
    }
    Some(())
}

/// Bits, from the lowest of each byte on.
struct Bits<'r, 'b> {
    rest: &'r mut Rest<'b>,
    /// The bits of a byte that are left, the next one last.
    left: Vec<bool>,
}

impl Bits<'_, '_> {
    fn bit(&mut self) -> Option<bool> {
        if self.left.is_empty() {
            let byte = self.rest.byte()?;
            self.left = (0..8).rev().map(|at| byte >> at & 1 == 1).collect();
        }
        self.left.pop()
    }

    fn number(&mut self, bits: usize) -> Option<usize> {
        (0..bits).try_fold(0, |number: usize, at| Some(number | usize::from(self.bit()?) << at))
    }

    /// The next symbol of a code.
    fn symbol(&mut self, code: &Code) -> Option<usize> {
        let (mut read, mut first) = (0, 0);
        for symbols in &code[1..] {
            read = read << 1 | usize::from(self.bit()?);
            first <<= 1;
            if let Some(symbol) = read.checked_sub(first).and_then(|at| symbols.get(at)) {
                return Some(*symbol);
            }
            first += symbols.len();
        }
        None
    }
}

/// The symbols that have so many bits each, in their order: shorter ones stand for lower numbers.
type Code = [Vec<usize>; 16];

/// The code in which each symbol has so many bits; what has none is not in it. All bits must stand for something, but for
/// a code of one symbol.
fn code(lengths: &[usize]) -> Option<Code> {
    let code: Code =
        std::array::from_fn(|length| (0..lengths.len()).filter(|symbol| lengths[*symbol] == length).collect());
    let used: usize = code[1..].iter().map(Vec::len).sum();
    let shares: usize = (1..16).map(|length| code[length].len() << (15 - length)).sum();
    (used <= 1 || shares == 1 << 15).then_some(code)
}

fn inflated(rest: &mut Rest<'_>) -> Option<Bytes> {
    let (mut bits, mut out) = (Bits { rest, left: Vec::new() }, Bytes::new());
    loop {
        let is_last = bits.bit()?;
        match bits.number(2)? {
            0 => stored(&mut bits, &mut out)?,
            1 => {
                let lengths: Vec<_> =
                    [(8, 144), (9, 112), (7, 24), (8, 8)].map(|(bits, count)| vec![bits; count]).concat();
                compressed(&mut bits, &code(&lengths)?, &code(&[5; 32])?, &mut out)?;
            }
            2 => {
                let (lengths, distances) = codes(&mut bits)?;
                compressed(&mut bits, &lengths, &distances, &mut out)?;
            }
            _ => return None,
        }
        if is_last {
            return Some(out);
        }
    }
}

/// A block of bytes as they are. It begins at a whole byte.
fn stored(bits: &mut Bits<'_, '_>, out: &mut Bytes) -> Option<()> {
    bits.left.clear();
    let length = bits.number(16)?;
    let inverse = bits.number(16)?;
    if length ^ inverse != 0xffff {
        return None;
    }
    out.extend(bits.rest.take(length)?);
    Some(())
}

/// The codes of a block that brings its own: of bytes and lengths, and of distances.
fn codes(bits: &mut Bits<'_, '_>) -> Option<(Code, Code)> {
    let (count, distances) = (bits.number(5)? + 257, bits.number(5)? + 1);
    let mut of_lengths = [0; 19];
    let in_order = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];
    for symbol in &in_order[..bits.number(4)? + 4] {
        of_lengths[*symbol] = bits.number(3)?;
    }
    let (of_lengths, mut lengths) = (code(&of_lengths)?, Vec::new());
    while lengths.len() < count + distances {
        let (length, times) = match bits.symbol(&of_lengths)? {
            16 => (*lengths.last()?, 3 + bits.number(2)?),
            17 => (0, 3 + bits.number(3)?),
            18 => (0, 11 + bits.number(7)?),
            length => (length, 1),
        };
        lengths.extend(vec![length; times]);
    }
    let distances = (lengths.len() == count + distances).then(|| lengths.split_off(count))?;
    Some((code(&lengths)?, code(&distances)?))
}

/// A block in codes: bytes, and copies of what stands before.
fn compressed(bits: &mut Bits<'_, '_>, lengths: &Code, distances: &Code, out: &mut Bytes) -> Option<()> {
    loop {
        let symbol = bits.symbol(lengths)?;
        let Some(longer) = symbol.checked_sub(257) else {
            match u8::try_from(symbol) {
                Ok(byte) => out.push(byte),
                Err(_) => return Some(()),
            }
            continue;
        };
        // Four symbols in a row have as many bits more, after eight that have none. The last one stands for 258 alone.
        let length = if longer == 28 { 258 } else { 3 + spread(bits, longer, 4)? };
        let distance = bits.symbol(distances).filter(|symbol| *symbol < 30)?;
        let distance = 1 + spread(bits, distance, 2)?;
        for _ in 0..length {
            // Before the beginning stand zeros: that something is wrong, the checksum tells.
            out.push(out.len().checked_sub(distance).map_or(0, |at| out[at]));
        }
    }
}

/// The number of a symbol: the first two groups are in steps of one, and in each later one steps are twice as wide.
fn spread(bits: &mut Bits<'_, '_>, symbol: usize, group: usize) -> Option<usize> {
    let more = (symbol / group).saturating_sub(1);
    let first = if more == 0 { symbol } else { (symbol % group + group) << more };
    Some(first + bits.number(more)?)
}

/// The checksum at the end of zlib.
pub fn adler32(bytes: &[u8]) -> u32 {
    let (a, b) = bytes.iter().fold((1_u32, 0_u32), |(a, b), byte| {
        let a = (a + u32::from(*byte)) % 65521;
        (a, (b + a) % 65521)
    });
    b << 16 | a
}

/// The checksum at the end of gzip.
pub(super) fn crc32(bytes: &[u8]) -> u32 {
    let shift = |rest: u32, _| if rest & 1 == 1 { rest >> 1 ^ 0xedb8_8320 } else { rest >> 1 };
    !bytes.iter().fold(u32::MAX, |sum, byte| (0..8).fold(sum ^ u32::from(*byte), shift))
}
